package commitlog

import (
	"errors"
	"fmt"
	"io"
	"iter"
	"sort"
	"sync"

	"github.com/stromkafka/strom/internal/batch"
	"github.com/stromkafka/strom/internal/model"
	"github.com/stromkafka/strom/internal/vfs"
)

// Slice is a run of whole batches in one segment, which sends itself from the
// file. It holds nothing open and need not be released: a segment that is
// deleted keeps its files for file.delete.delay.ms, and for as long as one is
// being sent. Once a truncation has cut the segment, or the log is deleted, sending
// fails: the connection must be closed, for the bytes that were announced are no
// more.
type Slice struct {
	segment *segment
	at      int64
	size    int64
	cut     int64
}

// Len is the size of the batches in bytes.
func (s Slice) Len() int { return int(s.size) }

// sendChunk is how much is sent between two looks at whether a truncation has
// cut the segment.
const sendChunk = 1 << 20

// heldBack is how much of a slice is sent last, from memory. It was read before
// the last look at whether the segment is whole, so that nobody gets all of what
// was announced with bytes among it that came to the file after a truncation.
const heldBack = 4 << 10

var heldBacks = sync.Pool{New: func() any { return new([heldBack]byte) }}

// WriteTo sends the batches, by sendfile(2) where that is possible.
func (s Slice) WriteTo(w io.Writer) (int64, error) {
	if s.size == 0 {
		return 0, nil
	}
	f, err := s.segment.log.acquire()
	if err != nil {
		return 0, err
	}
	defer s.segment.log.release()
	last := heldBacks.Get().(*[heldBack]byte)
	defer heldBacks.Put(last)
	end := last[:min(heldBack, s.size)]
	var sent int64
	for before := s.size - int64(len(end)); sent < before; {
		n, err := vfs.SendRange(w, f, s.at+sent, min(sendChunk, before-sent))
		sent += n
		if err != nil {
			return sent, err
		}
		if err := s.whole(); err != nil {
			return sent, err
		}
	}
	if n, err := f.ReadAt(end, s.at+sent); n < len(end) {
		return sent, err
	}
	if err := s.whole(); err != nil {
		return sent, err
	}
	n, err := w.Write(end)
	return sent + int64(n), err
}

// Bytes are the batches in memory.
func (s Slice) Bytes() ([]byte, error) {
	if s.size == 0 {
		return nil, nil
	}
	f, err := s.segment.log.acquire()
	if err != nil {
		return nil, err
	}
	defer s.segment.log.release()
	b := make([]byte, s.size)
	if n, err := f.ReadAt(b, s.at); n < len(b) {
		return nil, err
	}
	return b, s.whole()
}

func (s Slice) whole() error {
	if s.segment.cuts.Load() != s.cut {
		return fmt.Errorf("segment %d was truncated while it was sent", s.segment.base)
	}
	return nil
}

// Read is whole batches from the one that holds the offset from on: no more than
// maxBytes of them, and none that reaches limit. minOne lets the first batch be
// larger than maxBytes. The first batch may begin before from. Nothing is empty;
// ErrOutOfRange if from is before Start or after End. Only headers are read, and
// at the log's end not even those.
func (l *Log) Read(from model.Offset, maxBytes int, limit model.Offset, minOne bool) (Slice, error) {
	for {
		s, v, err := l.readRecent(from, maxBytes, limit, minOne)
		if v == nil || err != nil {
			return s, err
		}
		s, found, err := v.slice(from, min(limit, v.next), int64(maxBytes), minOne)
		switch {
		case v.cuts.Load() != v.cut: // a truncation came between
		case errors.Is(err, errRemoved): // the segment was replaced, and its time is over
		case err != nil || found:
			return s, err
		default:
			from = v.next // compaction has left nothing up to the next segment
		}
	}
}

// readRecent is Read as far as it needs no system call; else it is a view of the
// segment to look into.
func (l *Log) readRecent(from model.Offset, maxBytes int, limit model.Offset, minOne bool) (Slice, *view, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.failure != nil:
		return Slice{}, nil, l.failure
	case from < l.start || from > l.end():
		return Slice{}, nil, ErrOutOfRange.With("offset %d is not within [%d, %d]", from, l.start, l.end())
	case from >= min(limit, l.end()):
		return Slice{}, nil, nil
	}
	seg := l.segmentOf(from)
	if seg == l.active() {
		if at, end, ok := l.recent.slice(from, limit, int64(maxBytes), minOne, seg.size); ok {
			return Slice{seg, at, end - at, seg.cuts.Load()}, nil, nil
		}
	}
	v := seg.view()
	return Slice{}, &v, nil
}

// slice is Read within one segment; found is false if it has no batch at or
// after from.
func (v *view) slice(from, limit model.Offset, maxBytes int64, minOne bool) (s Slice, found bool, err error) {
	at, head, err := v.locate(from)
	if err != nil || head == nil {
		return Slice{}, false, err
	}
	size, err := batch.Size(head)
	if err != nil {
		return Slice{}, false, err
	}
	stop := v.size
	if limit < v.next { // else the segment ends there
		// The batch that holds limit, and what follows, is left out.
		if stop, _, err = v.locate(limit); err != nil {
			return Slice{}, false, err
		}
	}
	end, err := v.floor(at, min(at+maxBytes, stop))
	if err != nil {
		return Slice{}, false, err
	}
	if minOne && at+int64(size) <= stop {
		end = max(end, at+int64(size))
	}
	return Slice{v.segment, at, end - at, v.cut}, true, nil
}

// segmentOf is the segment that holds offset, or the next batch after it. mu is held.
func (l *Log) segmentOf(offset model.Offset) *segment {
	i := sort.Search(len(l.segments), func(i int) bool { return l.segments[i].base > offset }) - 1
	i = max(i, 0)
	for i < len(l.segments)-1 && offset >= l.segments[i].next {
		i++
	}
	return l.segments[i]
}

// Batches are the batches from the one that holds the offset from up to the end
// of the log as it is now. A batch is valid until the next one. It ends with the
// first error.
func (l *Log) Batches(from model.Offset) iter.Seq2[batch.Batch, error] {
	return func(yield func(batch.Batch, error) bool) {
		next := from
		each := func(b batch.Batch, err error) bool {
			if err == nil {
				next = b.NextOffset()
			}
			return yield(b, err)
		}
		for {
			views, err := l.viewsFrom(next)
			if err != nil {
				yield(nil, err)
				return
			}
			if !replaced(views, &next, each) {
				return
			}
		}
	}
}

// replaced yields the batches of segments from next on, which each moves; it ends
// early, and true, when a segment was replaced and is gone.
func replaced(views []view, next *model.Offset, each func(batch.Batch, error) bool) bool {
	for i := range views {
		gone := false
		more := views[i].each(*next, func(b batch.Batch, err error) bool {
			if gone = errors.Is(err, errRemoved); gone {
				return false
			}
			return each(b, err)
		})
		if gone || !more {
			return gone
		}
		*next = max(*next, views[i].next)
	}
	return false
}

// viewsFrom are the segments that hold what is at or after from.
func (l *Log) viewsFrom(from model.Offset) ([]view, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.failure != nil {
		return nil, l.failure
	}
	if from < l.start || from > l.end() {
		return nil, ErrOutOfRange.With("offset %d is not within [%d, %d]", from, l.start, l.end())
	}
	var views []view
	for _, s := range l.segments {
		if s.next > from {
			views = append(views, s.view())
		}
	}
	return views, nil
}

// each yields the segment's whole batches from the one that holds from on, and
// reports whether to go on.
func (v *view) each(from model.Offset, yield func(batch.Batch, error) bool) bool {
	at, _, err := v.locate(from)
	if err != nil {
		yield(nil, err)
		return false
	}
	f, err := v.log.acquire()
	if err != nil {
		yield(nil, err)
		return false
	}
	defer v.log.release()
	r := batches{file: f, at: at, end: v.size}
	for r.next() {
		if !yield(r.batch, nil) {
			return false
		}
	}
	if r.err != nil {
		yield(nil, r.err)
		return false
	}
	if v.cuts.Load() != v.cut {
		yield(nil, fmt.Errorf("segment %d was truncated while it was read", v.base))
		return false
	}
	return true
}

// ring remembers where the newest batches of the active segment begin, so that
// reading the log's end needs no system call to find them.
type ring struct {
	batches [ringSize]recentBatch
	count   int // ever added since reset; the newest is at (count-1) % ringSize
}

type recentBatch struct {
	base, next model.Offset
	at         int64
}

const ringSize = 32

func (r *ring) add(b recentBatch) {
	r.batches[r.count%ringSize] = b
	r.count++
}

func (r *ring) reset() { r.count = 0 }

// slice is the range that Read is about, in a segment of size bytes; ok is false
// if it begins before what the ring remembers.
func (r *ring) slice(from, limit model.Offset, maxBytes int64, minOne bool, size int64) (at, end int64, ok bool) {
	i := r.count - 1
	for oldest := max(r.count-ringSize, 0); i >= oldest && r.batches[i%ringSize].base > from; i-- {
		if i == oldest {
			return 0, 0, false
		}
	}
	if i < 0 {
		return 0, 0, false
	}
	if r.batches[i%ringSize].next <= from {
		i++ // from lies in a gap that compaction left
	}
	if i == r.count {
		return size, size, true
	}
	at = r.batches[i%ringSize].at
	end = at
	for ; i < r.count && r.batches[i%ringSize].next <= limit; i++ {
		stop := size
		if i+1 < r.count {
			stop = r.batches[(i+1)%ringSize].at
		}
		if stop-at > maxBytes && (!minOne || end > at) {
			break
		}
		end = stop
	}
	return at, end, true
}
