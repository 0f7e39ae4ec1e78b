package commitlog

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/stromkafka/strom/internal/batch"
	"github.com/stromkafka/strom/internal/model"
	"github.com/stromkafka/strom/internal/vfs"
)

// CleanOptions bound what a cleaning uses.
type CleanOptions struct {
	Now    time.Time
	Memory int64   // of the map of keys
	Load   float64 // how full the map may become
	// Point is the recovery point that is written down: a restart reads nothing
	// below, and only what is below is cleaned.
	Point  model.Offset
	Buffer int // bytes to be written at once; 0 is 512 KiB
	// Throttle is asked for every so many bytes read or written, and waits.
	Throttle func(ctx context.Context, bytes int) error
}

// Cleaned is what a cleaning has done.
type Cleaned struct {
	// End is up to where the log is clean now: the next checkpoint.
	End                  model.Offset
	BytesRead, BytesKept int64
	RecordsRead, Kept    int64
	SegmentsIn, Segments int
	MapUsed              float64 // of the map's room
}

// Clean removes from the log, below c.To, every record whose key has a newer one
// between c.From and what the memory holds keys of, tombstones whose time is over,
// and what aborted transactions left. It runs beside appends and reads; truncating,
// closing and deleting the log stop it, and then ErrCompactionStopped is returned.
// Segments are replaced one group at a time, each in a way that a crash at any
// point leaves either the old ones or the new one. Only one cleaning runs at once.
func (l *Log) Clean(ctx context.Context, c Compaction, o CleanOptions) (Cleaned, error) {
	ctx, err := l.beginCompaction(ctx)
	if err != nil {
		return Cleaned{}, err
	}
	defer l.compacting.Unlock()
	defer l.stopCompacting(nil)
	out, err := l.clean(ctx, c, o)
	switch {
	case err == nil || errors.Is(err, ErrCompactionStopped):
		return out, err
	case l.Err() != nil:
		return out, ErrCompactionStopped
	case context.Cause(ctx) != nil:
		return out, context.Cause(ctx)
	}
	return out, fmt.Errorf("clean log %v in %s: %w", l.partition, l.Dir(), err)
}

// beginCompaction takes the lock that cleanings hold, and makes StopCompaction
// end the context.
func (l *Log) beginCompaction(ctx context.Context) (context.Context, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.failure != nil || l.stopping > 0 || !l.compacting.TryLock() {
		return nil, ErrCompactionStopped
	}
	ctx, l.stopCompacting = context.WithCancelCause(ctx)
	return ctx, nil
}

// StopCompaction ends a cleaning and keeps others from beginning until the result
// is called. It may take as long as a sync.
func (l *Log) StopCompaction() (resume func()) {
	l.mu.Lock()
	l.stopping++
	if l.stopCompacting != nil {
		l.stopCompacting(ErrCompactionStopped)
	}
	l.mu.Unlock()
	l.compacting.Lock()
	return func() {
		l.compacting.Unlock()
		l.mu.Lock()
		l.stopping--
		l.mu.Unlock()
	}
}

// PauseCompaction ends a cleaning and lets none begin until the result is called.
func (l *Log) PauseCompaction() (resume func()) {
	release := l.StopCompaction()
	l.compacting.Unlock()
	return func() {
		l.compacting.Lock()
		release()
	}
}

func (l *Log) clean(ctx context.Context, c Compaction, o CleanOptions) (Cleaned, error) {
	w := &cleaning{
		log: l, ctx: ctx, o: o, cfg: *l.config.Load(), from: c.From, to: c.To,
		filter: batch.Filter{Reader: batch.Reader{MaxDecompressed: maxDecompressed}},
	}
	if err := w.collect(o.Point); err != nil {
		return Cleaned{}, err
	}
	if w.to <= c.From {
		return Cleaned{End: c.From}, nil
	}
	// What the journal has of these segments is in files that are about to be others.
	if err := l.unjournal(); err != nil {
		return Cleaned{}, err
	}
	if err := w.mapKeys(); err != nil {
		return Cleaned{}, err
	}
	w.txns = newCleanedTxns(func(t abortedTxn) { w.out.txns.add(t.format()) })
	w.stats.End = w.end
	w.stats.MapUsed = float64(w.keys.used) / (float64(w.keys.most) * w.keys.load)
	n := 0
	for n < len(w.views) && w.views[n].base < w.end {
		n++
	}
	for _, g := range groups(w.views[:n], &w.cfg) {
		if err := w.cleanGroup(w.views[g.from:g.to]); err != nil {
			w.stats.End = c.From
			return w.stats, err
		}
	}
	return w.stats, nil
}

// cleaning is one Clean while it runs.
type cleaning struct {
	log    *Log
	ctx    context.Context
	o      CleanOptions
	cfg    Config
	from   model.Offset
	to     model.Offset
	filter batch.Filter

	all     []view // of the log
	views   []view // of the sealed segments below to, all of them durable
	keys    *offsetMap
	end     model.Offset // what keys knows all of
	txns    *cleanedTxns
	out     *segment // of the group that is being cleaned
	buf     []byte   // of batches that stay, not written yet
	last    map[model.ProducerID]lastRecord
	stats   Cleaned
	pending int // bytes that Throttle has not been asked for
}

// collect takes the segments that may be cleaned: those below to that need
// nothing more to be durable.
func (w *cleaning) collect(point model.Offset) error {
	l := w.log
	views, _, err := l.views()
	if err != nil {
		return err
	}
	w.all = views
	l.mu.Lock()
	busy := map[*segment]bool{l.active(): true}
	for _, s := range l.unsynced {
		busy[s] = true
	}
	for _, s := range l.unindexed {
		busy[s] = true
	}
	l.mu.Unlock()
	for i := range views {
		v := &views[i]
		if v.next > min(w.to, point) || busy[v.segment] {
			w.to = min(w.to, v.base)
			break
		}
		w.views = append(w.views, *v)
	}
	return nil
}

// pace is called for bytes that were read or written: it stops what must stop,
// and holds back what is too fast.
func (w *cleaning) pace(bytes int) error {
	if err := context.Cause(w.ctx); err != nil {
		return err
	}
	w.pending += bytes
	if w.pending < paceBytes || w.o.Throttle == nil {
		return nil
	}
	n := w.pending
	w.pending = 0
	return w.o.Throttle(w.ctx, n)
}

// paceBytes is how much is asked for at once.
const paceBytes = 32 << 10

// each calls do for each batch of a segment, from the one that holds an offset
// on. Each is whole and has the right checksum: what is broken is not copied as if
// it were not.
func (w *cleaning) each(v *view, from model.Offset, do func(b batch.Batch, last bool) error) error {
	at, _, err := v.locate(from)
	if err != nil {
		return fmt.Errorf("%s: %w", v.log.name, err)
	}
	f, err := v.log.acquire()
	if err != nil {
		return err
	}
	defer v.log.release()
	r := batches{file: f, at: at, end: v.size}
	for r.next() {
		if err := r.batch.Check(); err != nil {
			return corruptf("%s: batch at %d: %v", v.log.name, r.at-int64(len(r.batch)), err)
		}
		if err := w.pace(len(r.batch)); err != nil {
			return err
		}
		if err := do(r.batch, r.at >= v.size); err != nil {
			return err
		}
	}
	if r.err != nil {
		return fmt.Errorf("%s: %w", v.log.name, r.err)
	}
	return nil
}

var errMapFull = errors.New("the map of keys is full")

// mapKeys notes the newest offset of each key between from and to, as far as the
// memory reaches.
func (w *cleaning) mapKeys() error {
	w.keys = newOffsetMap(w.o.Memory, w.o.Load)
	aborted, err := abortedBetween(w.all, w.from, w.to)
	if err != nil {
		return err
	}
	txns := newCleanedTxns(nil)
	txns.expect(aborted)
	w.end = w.from
	for i := range w.views {
		v := &w.views[i]
		if v.next <= w.from {
			continue
		}
		err := w.each(v, w.from, func(b batch.Batch, _ bool) error { return w.mapBatch(b, txns) })
		if errors.Is(err, errMapFull) {
			break
		}
		if err != nil {
			return err
		}
		w.end = v.next
	}
	if w.end == w.from {
		return fmt.Errorf("%w before the first batch at %d was in it: log.cleaner.dedupe.buffer.size is too small", errMapFull, w.from)
	}
	w.keys.latest = w.end - 1
	return nil
}

func (w *cleaning) mapBatch(b batch.Batch, txns *cleanedTxns) error {
	discard, err := txns.discard(b)
	if err != nil || b.LastOffset() < w.from {
		return err
	}
	if !discard && !b.IsControl() {
		full := false
		err := w.filter.Each(b, func(e batch.Entry) bool {
			if e.Key != nil && e.Offset >= w.from {
				full = !w.keys.put(e.Key, e.Offset)
			}
			return !full
		})
		if err != nil {
			return err
		}
		if full {
			return errMapFull
		}
	}
	w.end = b.NextOffset()
	return nil
}

// cleanGroup replaces neighbouring segments by one with what stays of them.
func (w *cleaning) cleanGroup(old []view) error {
	size := int64(0)
	for i := range old {
		size += old[i].size
	}
	if size == 0 {
		return nil
	}
	out, err := w.log.createCleaned(old[0].base)
	if err != nil {
		return err
	}
	w.out, w.buf, w.last = out, w.buf[:0], w.log.lastRecords()
	if err := w.copyAll(old); err != nil {
		return errors.Join(err, out.discard())
	}
	w.stats.SegmentsIn += len(old)
	w.stats.Segments++
	return w.log.swap(w.ctx, out, old)
}

// copyBuffer is how much is written at once.
const copyBuffer = 512 << 10

func (w *cleaning) copyAll(old []view) error {
	// The last batch of all stays, if only as a header, so that the segment ends
	// where the next one begins: recovery takes a gap for a lost tail.
	final := len(old) - 1
	for final > 0 && old[final].size == 0 {
		final--
	}
	for i := range old {
		v := &old[i]
		aborted, err := abortedBetween(w.all, v.base, v.next)
		if err != nil {
			return err
		}
		w.txns.expect(aborted)
		err = w.each(v, v.base, func(b batch.Batch, last bool) error { return w.copyBatch(b, last && i == final) })
		if err != nil {
			return err
		}
	}
	if err := w.flush(); err != nil {
		return err
	}
	w.out.noteTime()
	if err := w.out.putIndexes(); err != nil {
		return err
	}
	w.out.next, w.out.loaded, w.out.created = old[len(old)-1].next, true, old[len(old)-1].created
	return w.out.syncAll()
}

func (w *cleaning) copyBatch(b batch.Batch, final bool) error {
	discard, err := w.txns.discard(b)
	if err != nil {
		return err
	}
	nowMS := w.o.Now.UnixMilli()
	horizon, known := b.DeleteHorizon()
	rule := batch.Rule{
		Marker:  discard && b.IsControl(),
		Horizon: nowMS + milliseconds(w.cfg.DeleteRetention),
	}
	gone := discard
	if b.IsControl() {
		gone = discard && known && horizon <= nowMS
	}
	lastRecord, active := w.last[b.ProducerID()]
	if final || b.HasProducer() && active && lastRecord.is(b) || b.NextOffset() == w.to {
		rule.Empty = batch.KeepEmpty
	}
	switch {
	case gone:
	case b.IsControl():
		rule.Keep = func(batch.Entry) bool { return true }
	default:
		deletes := !known || nowMS < horizon
		rule.Keep = func(e batch.Entry) bool { return w.stays(e, deletes) }
	}
	w.stats.RecordsRead += int64(b.RecordCount())
	w.stats.BytesRead += int64(len(b))
	at := len(w.buf)
	var kept int32
	if w.buf, kept, err = w.filter.Apply(w.buf, b, rule); err != nil {
		return fmt.Errorf("batch at offset %d: %w", b.BaseOffset(), err)
	}
	w.stats.Kept += int64(kept)
	if len(w.buf) > at {
		return w.note(batch.Batch(w.buf[at:]))
	}
	return nil
}

// stays reports whether a record is the newest of its key, and no tombstone
// whose time is over. Records that the map does not know of stay.
func (w *cleaning) stays(e batch.Entry, deletes bool) bool {
	switch {
	case e.Offset > w.keys.latest:
		return true
	case e.Key == nil:
		return false
	}
	return e.Offset >= w.keys.get(e.Key) && (e.Value != nil || deletes)
}

func (w *cleaning) note(b batch.Batch) error {
	if w.out.size+int64(len(b)) > math.MaxInt32 || !fits(w.out.base, b.LastOffset()) {
		return corruptf("segment %d does not fit into one after it was cleaned", w.out.base)
	}
	w.stats.BytesKept += int64(len(b))
	w.out.note(b, int64(len(b)), w.cfg.IndexInterval)
	if len(w.buf) < cmp.Or(w.o.Buffer, copyBuffer) {
		return nil
	}
	return w.flush()
}

// flush writes what is in the buffer to the segment, whose size counts it already.
func (w *cleaning) flush() error {
	if len(w.buf) == 0 {
		return nil
	}
	if err := w.out.log.writeAt(w.buf, w.out.size-int64(len(w.buf))); err != nil {
		return fmt.Errorf("write %s: %w", w.out.log.name, err)
	}
	n := len(w.buf)
	w.buf = w.buf[:0]
	if err := w.out.putIndexes(); err != nil {
		return err
	}
	return w.pace(n)
}

// putIndexes writes the entries of a segment that nobody else knows.
func (s *segment) putIndexes() error {
	for _, e := range s.indexes() {
		n, err := e.put()
		if err != nil {
			return fmt.Errorf("write %s: %w", e.file.name, err)
		}
		if n > 0 {
			e.wrote(n)
		}
	}
	return nil
}

func (s *segment) syncAll() error {
	for _, h := range s.handles() {
		if err := h.sync(); err != nil {
			return fmt.Errorf("sync %s: %w", h.name, err)
		}
	}
	return nil
}

// createCleaned makes the files of a segment under names that a restart removes.
func (l *Log) createCleaned(base model.Offset) (*segment, error) {
	var made []*handle
	for _, suffix := range []string{logSuffix, indexSuffix, timeSuffix} {
		h, err := l.files.create(l.path(fileName(base, suffix) + cleanedSuffix))
		if err != nil {
			for _, h := range made {
				err = errors.Join(err, h.remove())
			}
			return nil, err
		}
		made = append(made, h)
	}
	txns := l.files.handle(l.path(fileName(base, txnSuffix)+cleanedSuffix), vfs.CreateOrOpen)
	return newSegment(base, made[0], made[1], made[2], txns, l.now()), nil
}
