package commitlog

import (
	"encoding/binary"

	"github.com/stromkafka/strom/internal/model"
)

// AbortedIn are the aborted transactions that have records at or after from in what
// was read: what a read_committed consumer must know to leave them out. However
// many transactions were aborted after it, they are not looked at.
func (l *Log) AbortedIn(from model.Offset, s Slice) ([]Aborted, error) {
	to, err := l.after(s)
	if err != nil {
		return nil, err
	}
	return l.AbortedTransactions(from, to)
}

// after is the offset of the batch after what was read. If that was cut since, the
// answer does not matter: it cannot be sent any more.
func (l *Log) after(s Slice) (model.Offset, error) {
	l.mu.Lock()
	v := s.segment.view()
	l.mu.Unlock()
	end := s.at + s.size
	if end >= v.size {
		return v.next, nil
	}
	f, err := v.log.acquire()
	if err != nil {
		return 0, err
	}
	defer v.log.release()
	var base [8]byte
	if n, err := f.ReadAt(base[:], end); n < len(base) {
		return 0, err
	}
	return model.Offset(binary.BigEndian.Uint64(base[:])), nil
}
