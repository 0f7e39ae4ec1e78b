package commitlog

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/stromkafka/strom/internal/journal"
	"github.com/stromkafka/strom/internal/model"
)

// journalling is what a log knows of its place in the journal. mu guards it.
//
//	durable ≤ staged ≤ end: below staged the journal or the files have been told
//
// Bytes below staged that are not durable are in a group of the journal that is
// being written, or in a sync of the files that is running. Nothing is staged
// while odd differs from oddSynced, or while voiding is not 0: then a sync of the
// files comes first.
type journalling struct {
	journal    *journal.Journal
	journaling bool // the policy
	staged     place
	group      *journal.Group // the last one with entries of this log
	// odd counts changes of the files that the journal was not told of, and entries
	// that it refused; oddSynced those that a sync of the files has covered.
	odd, oddSynced int64
	// forgets counts what the journal must forget, with all that came before, once
	// the files have it: cuts, and wishes of unjournal. forgotten are those it has.
	forgets, forgotten int64
	voiding            int
}

// place is where in the log something ends: a segment, by its base, and the bytes
// of it.
type place struct {
	base model.Offset
	size int64
}

func (p place) before(other place) bool {
	return p.base < other.base || p.base == other.base && p.size < other.size
}

// SetJournaling says whether appends become durable by the journal, as under
// policy fsync, or by a sync of the log's files, if they do. Before it is turned off
// all is in the files, and the journal says nothing of the log.
func (l *Log) SetJournaling(on bool) error {
	l.mu.Lock()
	changed := l.journaling != on
	l.journaling = on && l.journal != nil && !l.topicID.IsZero()
	l.mu.Unlock()
	if on || !changed {
		return nil
	}
	return l.unjournal()
}

// unjournal returns once the journal says nothing of what is in the log now, and
// all that is below the end at the call is durable in the files. It comes before
// files are replaced by others of the same name.
func (l *Log) unjournal() error {
	if l.journal == nil || !l.journal.Holds(l.key()) {
		return nil
	}
	l.mu.Lock()
	l.forgets++
	want := l.forgets
	l.mu.Unlock()
	for {
		running, err := l.turn(func() bool { return l.forgotten >= want })
		if err != nil || running == nil {
			return err
		}
		if running.mine {
			err = l.sync(true)
		} else {
			err = running.wait(context.Background())
		}
		if err != nil {
			return err
		}
	}
}

func (l *Log) key() journal.Key { return journal.Key{Topic: l.topicID, Index: l.partition.Index} }

// Flushing is what has been begun to make a log durable up to its end at that
// time.
type Flushing struct {
	log    *Log
	group  *journal.Group // nil: by a sync of the files
	target model.Offset
	odd    int64
	cuts   int64
	done   bool
	err    error
}

// Begin hands what is not durable yet to the journal, and returns what to wait for.
// Those who begin for many logs first, and then wait, share one sync. What is too
// large for the journal, or cannot be in it, is left to Wait.
func (l *Log) Begin() Flushing {
	for {
		f, pieces := l.begin()
		if len(pieces) == 0 {
			return f
		}
		if l.files.crowded() {
			// A file stays open while the journal has what it should: those of others
			// are let go of by settling them, and this one's by its own sync.
			l.journal.Cut()
			return f
		}
		if l.journal.Full() {
			l.journal.Flush()
		}
		b := buffers.Get().(*[]byte)
		err := readPieces(pieces, (*b)[:0], b)
		staged := err == nil && l.stage(&f, pieces)
		buffers.Put(b)
		switch {
		case staged:
			return f
		case err != nil && !l.cutSince(f.cuts):
			// What was written cannot be read: not a matter of the journal.
			return Flushing{err: l.fail(fmt.Errorf("read what is to be synced: %w", err))}
		}
	}
}

func (l *Log) cutSince(cuts int64) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.cuts != cuts
}

// Slow reports that Wait will sync the log's own files, for which logs do not
// share a sync.
func (f *Flushing) Slow() bool { return !f.done && f.err == nil && f.group == nil }

// buffers are what the journal is to be told, read back from the page cache.
var buffers = sync.Pool{New: func() any { return new([]byte) }}

// piece is a part of a segment that is not in the journal yet.
type piece struct {
	view
	from, to int64
	bytes    []byte
}

// begin looks at what there is to do: nothing is left (done or failed), a sync of
// the files (no pieces), or pieces to be staged.
func (l *Log) begin() (Flushing, []piece) {
	l.mu.Lock()
	defer l.mu.Unlock()
	f := Flushing{log: l, target: l.end(), odd: l.odd, cuts: l.cuts}
	switch {
	case l.failure != nil:
		f.err = l.failure
		return f, nil
	case l.covered(&f):
		f.done = true
		return f, nil
	case !l.journaling || l.voiding > 0 || l.odd != l.oddSynced:
		return f, nil
	}
	pieces, bytes := l.unstaged()
	switch {
	case len(pieces) == 0:
		f.group = l.group
	case bytes <= l.journal.MaxEntry():
		return f, pieces
	}
	return f, nil
}

// covered reports whether all that Begin saw is durable.
func (l *Log) covered(f *Flushing) bool {
	return l.oddSynced >= f.odd && l.durable >= min(f.target, l.end())
}

// unstaged are the parts of the log behind staged.
func (l *Log) unstaged() (pieces []piece, bytes int64) {
	for i := len(l.segments) - 1; i >= 0; i-- {
		s := l.segments[i]
		if s.base < l.staged.base {
			break
		}
		from := int64(0)
		if s.base == l.staged.base {
			from = l.staged.size
		}
		if s.size > from {
			pieces = append(pieces, piece{view: s.view(), from: from, to: s.size})
			bytes += s.size - from
		}
	}
	for i, j := 0, len(pieces)-1; i < j; i, j = i+1, j-1 {
		pieces[i], pieces[j] = pieces[j], pieces[i]
	}
	return pieces, bytes
}

// readPieces reads the bytes of pieces into one buffer, which is kept for the next.
func readPieces(pieces []piece, buffer []byte, keep *[]byte) error {
	n := int64(0)
	for _, p := range pieces {
		n += p.to - p.from
	}
	if int64(cap(buffer)) < n {
		buffer = make([]byte, 0, max(n, 16<<10))
		*keep = buffer
	}
	buffer = buffer[:n]
	for i := range pieces {
		p := &pieces[i]
		p.bytes, buffer = buffer[:p.to-p.from], buffer[p.to-p.from:]
		file, err := p.log.acquire()
		if err != nil {
			return err
		}
		got, err := file.ReadAt(p.bytes, p.from)
		p.log.release()
		if got < len(p.bytes) {
			return fmt.Errorf("%s ends at %d, before %d: %w", p.log.name, p.from+int64(got), p.to, err)
		}
	}
	return nil
}

// stage adds pieces to the journal. It fails if the log has changed since they were
// looked at.
func (l *Log) stage(f *Flushing, pieces []piece) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	now, _ := l.unstaged()
	if l.cuts != f.cuts || l.odd != f.odd || l.voiding > 0 || !l.journaling || l.failure != nil ||
		len(now) < len(pieces) || now[0].segment != pieces[0].segment || now[0].from != pieces[0].from {
		return false
	}
	for _, p := range pieces {
		l.group = l.journal.Add(l, journal.Entry{Kind: journal.Append, Key: l.key(), Base: p.base, Position: p.from, Bytes: p.bytes})
		l.staged = place{p.base, p.to}
	}
	f.group = l.group
	return true
}

// Wait returns once what was begun is durable. What the journal refuses is made
// durable by a sync of the log's files.
func (f *Flushing) Wait(ctx context.Context) error {
	if f.err != nil || f.done || f.log == nil {
		return f.err
	}
	l := f.log
	if f.group != nil {
		err := f.group.Wait()
		if err != nil && !errors.Is(err, journal.ErrNoRoom) {
			return l.fail(err)
		}
		if err == nil {
			if done, err := l.committed(f); done || err != nil {
				return err
			}
		}
	}
	for {
		running, err := l.turn(func() bool { return l.covered(f) })
		if err != nil || running == nil {
			return err
		}
		if running.mine {
			err = l.sync(true)
		} else {
			err = running.wait(ctx)
		}
		if err != nil {
			return err
		}
	}
}

// committed takes note that a group is durable. It is not done if something else
// of the log was refused before: then the files must be synced.
func (l *Log) committed(f *Flushing) (done bool, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.failure != nil {
		return false, l.failure
	}
	if l.odd != l.oddSynced {
		return false, nil
	}
	// If the log was cut meanwhile, bytes below the target may be newer.
	if l.cuts == f.cuts {
		l.durable = max(l.durable, f.target)
	}
	return true, nil
}

// Settle implements journal.Source.
func (l *Log) Settle() error {
	for {
		running, err := l.turn(func() bool { return false })
		if err != nil {
			if err == ErrClosed {
				return nil // its files were synced, or are deleted
			}
			return err
		}
		if running.mine {
			return l.sync(false)
		}
		<-running.done
	}
}

// Refused implements journal.Source.
func (l *Log) Refused() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.odd++
}

// forgetCuts returns once a replay of the journal would undo no change of the
// files, unless the log is cut again.
func (l *Log) forgetCuts() error {
	l.mu.Lock()
	must := l.mustVoid()
	l.mu.Unlock()
	if !must {
		return nil
	}
	return l.unjournal()
}

// stageCut tells the journal of a change that the files have already. mu and
// append are held.
func (l *Log) stageCut(kind journal.Kind, s *segment) {
	l.forgets++
	if at := (place{s.base, s.size}); kind == journal.Restart || at.before(l.staged) {
		l.staged = at
	}
	if !l.journaling || l.voiding > 0 || l.odd != l.oddSynced {
		l.odd++
		return
	}
	l.group = l.journal.Add(l, journal.Entry{Kind: kind, Key: l.key(), Base: s.base, Position: s.size})
}

// waitCut is what to wait for after stageCut, which says nothing of what was
// appended and is not durable yet. mu is held.
func (l *Log) waitCut() Flushing {
	f := Flushing{log: l, target: l.durable, odd: l.odd, cuts: l.cuts}
	if l.odd == l.oddSynced {
		f.group = l.group
	}
	return f
}

// whole is the state of a log that a sync of its files makes durable.
type whole struct {
	end                model.Offset
	place              place
	odd, cuts, forgets int64
}

// wholeFile is all of the log now. mu is held.
func (l *Log) wholeFile() whole {
	return whole{end: l.end(), place: place{l.active().base, l.active().size}, odd: l.odd, cuts: l.cuts, forgets: l.forgets}
}

// inFiles takes note of what a sync of the files has made durable. If the log was
// truncated meanwhile, bytes below the end may be newer than the sync: durable was
// cut then and stays there. mu is held.
func (l *Log) inFiles(w whole) {
	l.oddSynced = max(l.oddSynced, w.odd)
	if l.cuts != w.cuts {
		return
	}
	l.durable = max(l.durable, w.end)
	if l.staged.before(w.place) {
		l.staged = w.place
	}
}

// settled is inFiles when a log has just been opened.
func (l *Log) settled() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.staged = l.wholeFile().place
	l.forgotten = l.forgets
}

// mustVoid reports whether a replay of the journal would undo what a sync of the
// files makes durable. mu is held.
func (l *Log) mustVoid() bool {
	if l.journal != nil && l.forgotten < l.forgets && l.journal.Holds(l.key()) {
		return true
	}
	l.forgotten = l.forgets
	return false
}

// void has the journal forget what it said of the log before a sync of the files,
// which has ended with err.
func (l *Log) void(done whole, err error) error {
	if err == nil {
		if err = l.journal.Void(l, l.key()); err != nil {
			err = l.fail(fmt.Errorf("strike what the files have out of the journal: %w", err))
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.voiding--
	if err == nil {
		l.forgotten = max(l.forgotten, done.forgets)
		l.inFiles(done)
	}
	return err
}
