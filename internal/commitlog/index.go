package commitlog

import (
	"encoding/binary"
	"io"
	"math"

	"github.com/stromkafka/strom/internal/assert"
	"github.com/stromkafka/strom/internal/model"
)

// entries is an index file: a run of entries of one size in ascending order.
// The newest may still be in memory. A copy of an entries value is a view of the
// index at that moment: the file only grows beyond it and pending is only
// appended to, until a truncation makes new ones.
type entries struct {
	file    *handle
	width   int
	written int // entries in the file
	pending []byte
}

const (
	indexWidth = 8  // relative offset int32, position int32
	timeWidth  = 12 // timestamp int64, relative offset int32
	txnWidth   = 34 // see abortedTxn

	// pendingMax is how many bytes of entries are kept in memory before they are
	// written together.
	pendingMax = 768
	// searchBlock is up to how many entries are read at once in a search.
	searchBlock = 256
)

func (e *entries) count() int { return e.written + len(e.pending)/e.width }

func (e *entries) add(entry []byte) {
	assert.That(len(entry) == e.width, "index entry of %d bytes", len(entry))
	e.pending = append(e.pending, entry...)
}

// put writes the pending entries into the file and returns how many; written
// then says so. What fails stays pending: the data they point to is in the log
// already, and an index can always be rebuilt.
func (e *entries) put() (int, error) {
	if len(e.pending) == 0 {
		return 0, nil
	}
	if err := e.file.writeAt(e.pending, int64(e.written)*int64(e.width)); err != nil {
		return 0, err
	}
	return len(e.pending) / e.width, nil
}

func (e *entries) wrote(n int) {
	e.written += n
	e.pending = append([]byte(nil), e.pending[n*e.width:]...)
}

// read is the entries from..to, in order.
func (e *entries) read(from, to int) ([]byte, error) {
	out := make([]byte, 0, (to-from)*e.width)
	if from < e.written {
		n := min(to, e.written) - from
		out = out[:n*e.width]
		f, err := e.file.acquire()
		if err != nil {
			return nil, err
		}
		defer e.file.release()
		if _, err := f.ReadAt(out, int64(from)*int64(e.width)); err != nil && err != io.EOF {
			return nil, err
		}
	}
	if to > e.written {
		begin := max(from-e.written, 0) * e.width
		out = append(out, e.pending[begin:(to-e.written)*e.width]...)
	}
	return out, nil
}

// search is how many leading entries satisfy holds, which must hold for a prefix.
func (e *entries) search(holds func(entry []byte) bool) (int, error) {
	lo, hi := 0, e.count()
	for hi-lo > searchBlock {
		mid := (lo + hi) / 2
		b, err := e.read(mid, mid+1)
		if err != nil {
			return 0, err
		}
		if holds(b) {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	b, err := e.read(lo, hi)
	if err != nil {
		return 0, err
	}
	for ; len(b) > 0 && holds(b[:e.width]); b = b[e.width:] {
		lo++
	}
	return lo, nil
}

// keep drops all entries after the first n from memory; trim then drops them
// from the file.
func (e *entries) keep(n int) {
	if n >= e.written {
		e.pending = append([]byte(nil), e.pending[:(n-e.written)*e.width]...)
		return
	}
	e.pending = nil
	e.written = n
}

func (e *entries) trim() error {
	return e.file.truncate(int64(e.written) * int64(e.width))
}

// position is an entry of the offset index: the batch that ends with Offset
// begins at Position.
type position struct {
	offset model.Offset
	at     int64
}

func putPosition(base model.Offset, p position) []byte {
	b := binary.BigEndian.AppendUint32(nil, uint32(p.offset-base))
	return binary.BigEndian.AppendUint32(b, uint32(p.at))
}

func getPosition(base model.Offset, b []byte) position {
	return position{base + model.Offset(int32(binary.BigEndian.Uint32(b))), int64(int32(binary.BigEndian.Uint32(b[4:])))}
}

// stamp is an entry of the time index: no record up to Offset has a larger timestamp.
type stamp struct {
	timestamp int64
	offset    model.Offset
}

func putStamp(base model.Offset, s stamp) []byte {
	b := binary.BigEndian.AppendUint64(nil, uint64(s.timestamp))
	return binary.BigEndian.AppendUint32(b, uint32(s.offset-base))
}

func getStamp(base model.Offset, b []byte) stamp {
	return stamp{int64(binary.BigEndian.Uint64(b)), base + model.Offset(int32(binary.BigEndian.Uint32(b[8:])))}
}

// fits reports whether offset can be an entry of a segment at base.
func fits(base, offset model.Offset) bool { return offset >= base && offset-base <= math.MaxInt32 }
