package commitlog

import (
	"sync/atomic"
	"time"

	"github.com/stromkafka/strom/internal/batch"
	"github.com/stromkafka/strom/internal/model"
)

// segment is one .log file and its indexes. Its fields change under both locks
// of the Log (append and mu), so that either is enough to read them; what needs
// neither takes a view. Batches lie in it back to back, in offset order, from 0
// to size.
type segment struct {
	base  model.Offset
	log   *handle
	index entries // of positions
	times entries // of stamps
	txns  entries // of abortedTxns; the file is there once one was written

	size       int64
	next       model.Offset // after the last batch; base when empty
	max        stamp        // the largest timestamp and the last offset of its batch
	last       stamp        // the newest entry of the time index
	first      int64        // timestamp of the first batch, or noFirst
	sinceIndex int64        // bytes since the batch began that the last index entry points to

	broken  bool          // an index file is missing or of a wrong size; only while opening
	loaded  bool          // max, last and sinceIndex are known: of every active segment
	created time.Time     // when it was made, or opened
	jitter  time.Duration // taken from segment.ms

	// cuts counts truncations, which make a range that was being sent wrong.
	cuts atomic.Int64
}

const noFirst = -2

var unknownStamp = stamp{timestamp: batch.NoTimestamp}

func newSegment(base model.Offset, log, index, times, txns *handle, now time.Time) *segment {
	return &segment{
		base:    base,
		log:     log,
		index:   entries{file: index, width: indexWidth},
		times:   entries{file: times, width: timeWidth},
		txns:    entries{file: txns, width: txnWidth},
		next:    base,
		max:     unknownStamp,
		last:    unknownStamp,
		first:   noFirst,
		created: now,
	}
}

// note accounts for a batch that was written at the segment's end.
func (s *segment) note(h batch.Batch, size, interval int64) {
	if s.size == 0 {
		s.first = h.MaxTimestamp()
	}
	s.noteMax(h)
	if s.sinceIndex > interval {
		s.index.add(putPosition(s.base, position{h.LastOffset(), s.size}))
		s.noteTime()
		s.sinceIndex = 0
	}
	s.size += size
	s.sinceIndex += size
	s.next = h.NextOffset()
}

// noteMax looks at a batch's largest timestamp. One that compaction has emptied
// has no record with it.
func (s *segment) noteMax(h batch.Batch) {
	if h.MaxTimestamp() > s.max.timestamp && h.RecordCount() > 0 {
		s.max = stamp{h.MaxTimestamp(), h.LastOffset()}
	}
}

// noteTime adds the largest timestamp to the time index if it has grown.
func (s *segment) noteTime() {
	if s.max.timestamp > s.last.timestamp {
		s.times.add(putStamp(s.base, s.max))
		s.last = s.max
	}
}

// full reports whether the indexes have no room for another entry.
func (s *segment) full(indexBytes int64) bool {
	return int64(s.index.count()) >= indexBytes/indexWidth || int64(s.times.count()) >= indexBytes/timeWidth-1
}

func (s *segment) indexes() []*entries { return []*entries{&s.index, &s.times, &s.txns} }

func (s *segment) handles() []*handle {
	return []*handle{s.log, s.index.file, s.times.file, s.txns.file}
}

// view is what a reader may look at without a lock: a segment up to a size, with
// the indexes as they were.
type view struct {
	*segment
	index entries
	times entries
	txns  entries
	size  int64
	next  model.Offset
	max   stamp
	cut   int64
}

func (s *segment) view() view {
	return view{segment: s, index: s.index, times: s.times, txns: s.txns, size: s.size, next: s.next, max: s.max, cut: s.cuts.Load()}
}

// locate is where the first batch whose last offset is at or after offset
// begins, and its header; size and nil if there is none.
func (v *view) locate(offset model.Offset) (int64, batch.Batch, error) {
	n, err := v.index.search(func(b []byte) bool { return getPosition(v.base, b).offset <= offset })
	if err != nil {
		return 0, nil, err
	}
	at, err := v.indexPosition(n)
	if err != nil {
		return 0, nil, err
	}
	r := headers{view: v, at: at}
	for r.next() {
		if r.header.LastOffset() >= offset {
			return r.at, r.header, nil
		}
	}
	return v.size, nil, r.err
}

// floor is the largest beginning of a batch, or end of the segment, at or before
// limit. from is one too, and the least to return.
func (v *view) floor(from, limit int64) (int64, error) {
	if limit >= v.size {
		return v.size, nil
	}
	n, err := v.index.search(func(b []byte) bool { return getPosition(v.base, b).at <= limit })
	if err != nil {
		return 0, err
	}
	at, err := v.indexPosition(n)
	if err != nil {
		return 0, err
	}
	r := headers{view: v, at: max(at, from)}
	end := r.at
	for r.next() && r.at+int64(r.size) <= limit {
		end = r.at + int64(r.size)
	}
	return end, r.err
}

// indexPosition is the position of the last of the first n entries; 0 if there
// is none, or if no batch that fits the entry is there: then the index is broken
// and the segment is searched without it.
func (v *view) indexPosition(n int) (int64, error) {
	if n == 0 {
		return 0, nil
	}
	b, err := v.index.read(n-1, n)
	if err != nil {
		return 0, err
	}
	p := getPosition(v.base, b)
	if p.at < 0 || p.at >= v.size {
		return 0, nil
	}
	r := headers{view: v, at: p.at}
	if !r.next() || r.header.BaseOffset() < v.base || r.header.BaseOffset() > p.offset {
		return 0, nil
	}
	return p.at, nil
}

// largest is the largest timestamp of the segment and the last offset of its batch.
func (v *view) largest() (stamp, error) {
	if v.loaded {
		return v.max, nil
	}
	n := v.times.count()
	if n == 0 {
		return stamp{batch.NoTimestamp, v.base}, nil
	}
	b, err := v.times.read(n-1, n)
	if err != nil {
		return stamp{}, err
	}
	return getStamp(v.base, b), nil
}

// load finds out from the disk what an active segment must know, given its size
// and its indexes.
func (s *segment) load() error {
	v := s.view()
	s.max, s.last, s.sinceIndex, s.next, s.first = unknownStamp, unknownStamp, s.size, s.base, noFirst
	if n := s.times.count(); n > 0 {
		b, err := s.times.read(n-1, n)
		if err != nil {
			return err
		}
		s.last = getStamp(s.base, b)
		s.max = s.last
	}
	r := headers{view: &v}
	if n := s.index.count(); n > 0 {
		b, err := s.index.read(n-1, n)
		if err != nil {
			return err
		}
		p := getPosition(s.base, b)
		if r.at, err = v.indexPosition(n); err != nil {
			return err
		}
		if r.at != p.at {
			return corruptf("%s points to no batch", s.index.file.name)
		}
		s.sinceIndex = s.size - p.at
	}
	for r.next() {
		s.next = r.header.NextOffset()
		s.noteMax(r.header)
	}
	s.loaded = r.err == nil
	return r.err
}

// loadFirst reads the timestamp of the first batch, unless it is known.
func (s *segment) loadFirst() error {
	if s.size == 0 || s.first != noFirst {
		return nil
	}
	v := s.view()
	r := headers{view: &v}
	if r.next() {
		s.first = max(r.header.MaxTimestamp(), batch.NoTimestamp)
	}
	return r.err
}
