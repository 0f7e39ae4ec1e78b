package commitlog

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"math"
	"path"
	"slices"
	"strings"

	"github.com/stromkafka/strom/internal/model"
	"github.com/stromkafka/strom/internal/vfs"
)

// Open opens the log in a directory, which it makes if need be, and recovers it
// unless the shutdown was clean: what lies beyond the recovery point is read and
// checked, cut at the first byte that is wrong, and synced. What was durable is
// found again; of the rest, a prefix.
func Open(o Options) (*Log, error) {
	l := &Log{
		fs: o.FS, files: o.Files, dir: o.Dir, partition: o.Partition,
		now: o.Now, logger: o.Logger, onFailure: o.OnFailure, jitter: o.Jitter,
	}
	if l.logger == nil {
		l.logger = slog.New(slog.DiscardHandler)
	}
	l.config.Store(&o.Config)
	l.journal = o.Journal
	if err := l.open(o); err != nil {
		return nil, fmt.Errorf("open log %v in %s: %w", o.Partition, o.Dir, errors.Join(err, l.closeFiles()))
	}
	return l, nil
}

func (l *Log) open(o Options) error {
	names, err := l.makeDir(o)
	if err != nil {
		return err
	}
	if err := l.loadMetadata(o, names); err != nil {
		return err
	}
	if names, err = l.finishSwaps(names); err != nil {
		return err
	}
	if err := l.loadSegments(names); err != nil {
		return err
	}
	if err := l.loadEpochs(o, names); err != nil {
		return err
	}
	trusted, err := l.recover(o)
	if err != nil {
		return err
	}
	if err := l.settleStart(o.LogStart); err != nil {
		return err
	}
	if err := l.finishOpen(min(trusted, l.end())); err != nil {
		return err
	}
	l.settled()
	// The journal may still speak of a replica that was here before.
	return l.unjournal()
}

// finishOpen loads the producer state and makes durable what recovery kept
// beyond the trusted offset.
func (l *Log) finishOpen(trusted model.Offset) error {
	if cut, changed := l.epochs.cutEnd(l.end()); changed {
		l.epochs, l.epochsChanged = cut, true
	}
	l.durable, l.recovery = trusted, trusted
	l.producers = &producers{end: l.start}
	p, err := l.loadProducers(trusted)
	if err != nil {
		return err
	}
	l.producers = p
	if len(l.unsynced) == 0 && !l.unindexedEntries() {
		return nil
	}
	_, err = l.Checkpoint()
	if vfs.IsNoSpace(err) {
		// The records are there. What only spares the next start work waits for room.
		l.logger.Error("no room for the indexes and the producer state of a log; it is tried again", "partition", l.partition, "err", err)
		err = l.settle()
	}
	return err
}

// unindexedEntries reports whether index entries wait to be written.
func (l *Log) unindexedEntries() bool {
	for _, s := range append(l.unindexed[:len(l.unindexed):len(l.unindexed)], l.active()) {
		for _, e := range s.indexes() {
			if len(e.pending) > 0 {
				return true
			}
		}
	}
	return false
}

// SyncNew makes durable that there is a log, after Options.Unsynced. Its directory's
// name is the caller's to sync.
func (l *Log) SyncNew() error {
	f, err := l.fs.OpenFile(l.path(metadataFile), vfs.ReadWrite, 0)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close(), l.fs.SyncDir(l.dir))
}

// makeDir makes the directory if it is not there, and lists the files in it.
func (l *Log) makeDir(o Options) ([]string, error) {
	if o.Made {
		return nil, nil
	}
	names, err := l.list()
	if !errors.Is(err, fs.ErrNotExist) {
		return names, err
	}
	if err := l.fs.MkdirAll(l.dir, 0o755); err != nil {
		return nil, err
	}
	return nil, l.fs.SyncDir(path.Dir(l.dir))
}

// loadMetadata reads or writes partition.metadata. One that does not parse and
// one of another topic are errors: the directory is somebody else's. But beside a
// log without records, what does not parse is what a power loss left of making it.
func (l *Log) loadMetadata(o Options, names []string) error {
	id := o.TopicID
	if !slices.Contains(names, metadataFile) {
		return l.writeMetadata(o)
	}
	data, err := vfs.ReadFile(l.fs, l.path(metadataFile), 4096)
	if err != nil {
		return err
	}
	if l.topicID, err = parseMetadata(data); err != nil {
		if empty, other := l.hasNoRecords(); other != nil || !empty {
			return errors.Join(err, other)
		}
		return l.writeMetadata(o)
	}
	if !id.IsZero() && l.topicID != id {
		return fmt.Errorf("the directory is of topic id %v, not %v", l.topicID, id)
	}
	return nil
}

// writeMetadata ties a new log to its topic, if that is known.
func (l *Log) writeMetadata(o Options) error {
	l.topicID = o.TopicID
	if l.topicID.IsZero() {
		return nil
	}
	name, data := l.path(metadataFile), formatMetadata(l.topicID)
	if !o.Unsynced {
		return vfs.WriteFileAtomic(l.fs, name, data)
	}
	f, err := l.fs.OpenFile(name, vfs.CreateOrOpen|vfs.Truncate, 0o644)
	if err != nil {
		return err
	}
	_, err = f.WriteAt(data, 0)
	return errors.Join(err, f.Close())
}

// hasNoRecords looks at the sizes of the segments.
func (l *Log) hasNoRecords() (bool, error) {
	names, err := l.list()
	if err != nil {
		return false, err
	}
	for _, name := range names {
		if _, ok := parseName(name, logSuffix); !ok {
			continue
		}
		info, err := l.fs.Stat(l.path(name))
		if err != nil || info.Size() > 0 {
			return false, err
		}
	}
	return true, nil
}

// segmentBase is the offset in the name of a segment's file.
func segmentBase(name string) (model.Offset, bool) {
	for _, suffix := range []string{logSuffix, indexSuffix, timeSuffix, txnSuffix} {
		if base, ok := parseName(name, suffix); ok {
			return base, true
		}
	}
	return 0, false
}

func (l *Log) list() ([]string, error) {
	dir, err := l.fs.ReadDir(l.dir)
	if err != nil {
		return nil, err
	}
	names := make([]string, 0, len(dir))
	for _, e := range dir {
		if !e.IsDir() {
			names = append(names, e.Name())
		}
	}
	return names, nil
}

// loadSegments finds the segments and snapshots by their names. Of each segment
// it looks only at the sizes of its files; index files without a segment go.
func (l *Log) loadSegments(names []string) error {
	have := make(map[string]bool, len(names))
	for _, name := range names {
		have[name] = true
	}
	for _, name := range names {
		if o, ok := parseName(name, snapshotSuffix); ok {
			l.snapshots = append(l.snapshots, o)
			continue
		}
		base, ok := segmentBase(name)
		switch {
		case !ok:
		case strings.HasSuffix(name, logSuffix):
			s, err := l.findSegment(base, have)
			if err != nil {
				return err
			}
			l.segments = append(l.segments, s)
		case !have[fileName(base, logSuffix)]:
			l.logger.Warn("index of a segment that is not there removed", "partition", l.partition, "file", l.path(name))
			if err := l.fs.Remove(l.path(name)); err != nil {
				return err
			}
		}
	}
	for i, s := range l.segments {
		if i > 0 {
			l.segments[i-1].next = s.base
		}
	}
	return nil
}

func (l *Log) findSegment(base model.Offset, have map[string]bool) (*segment, error) {
	handle := func(suffix string, flag int) *handle { return l.files.handle(l.path(fileName(base, suffix)), flag) }
	s := newSegment(base, handle(logSuffix, vfs.ReadWrite), handle(indexSuffix, vfs.CreateOrOpen),
		handle(timeSuffix, vfs.CreateOrOpen), handle(txnSuffix, vfs.CreateOrOpen), l.now())
	info, err := l.fs.Stat(s.log.name)
	if err != nil {
		return nil, err
	}
	s.size = info.Size()
	s.created = info.ModTime()
	for i, e := range s.indexes() {
		if !have[path.Base(e.file.name)] {
			s.broken = s.broken || i < 2
			continue
		}
		info, err := l.fs.Stat(e.file.name)
		if err != nil {
			return nil, err
		}
		e.written = int(info.Size() / int64(e.width))
		s.broken = s.broken || info.Size()%int64(e.width) != 0 || int64(e.written) > s.size/minIndexed+1
	}
	return s, nil
}

// minIndexed is the least number of bytes of a segment for one index entry: a
// batch of no records.
const minIndexed = 61

// loadEpochs reads the leader epochs; a file that is missing or does not parse
// is made anew from the batches that can be trusted; recovery adds the others'.
func (l *Log) loadEpochs(o Options, names []string) error {
	if slices.Contains(names, epochFile) {
		data, err := vfs.ReadFile(l.fs, l.path(epochFile), maxTextFile)
		if err != nil {
			return err
		}
		if l.epochs, err = parseEpochs(data); err == nil {
			l.epochsFile = l.epochs
			return nil
		}
		l.logger.Warn("leader epochs are made anew from the batches", "partition", l.partition, "error", err)
		l.epochsChanged = true
	}
	l.epochs = nil
	if o.CleanShutdown {
		return l.scanEpochs(math.MaxInt64)
	}
	return l.scanEpochs(o.RecoveryPoint)
}

// scanEpochs reads the headers of the batches below limit.
func (l *Log) scanEpochs(limit model.Offset) error {
	for _, s := range l.segments {
		v := s.view()
		r := headers{view: &v}
		for s.base < limit && r.next() && r.header.BaseOffset() < limit {
			l.raiseEpoch(r.header.LeaderEpoch(), r.header.BaseOffset())
		}
		if r.err != nil && !errors.Is(r.err, errCorrupt) {
			return r.err
		}
	}
	return nil
}

func (l *Log) raiseEpoch(e model.Epoch, start model.Offset) {
	if e >= 0 && e > l.epochs.latest() {
		l.assignEpoch(e, start)
	}
}

// settleStart makes the log begin at the checkpointed start, or where its first
// segment does. A log that ends before its start is begun anew there.
func (l *Log) settleStart(start model.Offset) error {
	if l.end() < start {
		l.logger.Warn("log ends before its start and begins anew", "partition", l.partition, "end", l.end(), "start", start)
		l.producers = &producers{}
		if err := l.restart(start); err != nil {
			return err
		}
		return l.fs.SyncDir(l.dir)
	}
	l.start = max(start, l.segments[0].base)
	next, changed := l.epochs.cutStart(l.start)
	l.epochs, l.epochsChanged = next, l.epochsChanged || changed
	return nil
}

// moveAway renames the directory for its removal.
func (l *Log) moveAway(unique string) (string, error) {
	parent, name := path.Split(l.dir)
	// Kafka cuts the topic's name so that the whole stays within 255 bytes.
	suffix := fmt.Sprintf("-%d.%s-delete", l.partition.Index, unique)
	topic := strings.TrimSuffix(name, fmt.Sprintf("-%d", l.partition.Index))
	dir := path.Join(parent, topic[:min(len(topic), 255-len(suffix))]+suffix)
	if err := l.fs.Rename(l.dir, dir); err != nil {
		return "", err
	}
	return dir, l.fs.SyncDir(path.Clean(parent))
}
