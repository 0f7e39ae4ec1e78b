package quorum

import (
	"context"
	"errors"
	"fmt"
	"path"
	"time"

	"github.com/stromkafka/strom/internal/batch"
	"github.com/stromkafka/strom/internal/commitlog"
	"github.com/stromkafka/strom/internal/kraft"
	"github.com/stromkafka/strom/internal/model"
	"github.com/stromkafka/strom/internal/vfs"
)

// metadataLogDir is the directory of the metadata log inside metadata.log.dir.
var metadataLogDir = model.Partition{Topic: model.MetadataTopic}.String()

// maxOpenFiles of the metadata log: two segments and their indexes.
const maxOpenFiles = 8

// metaLog is the metadata log. The raft goroutine alone changes it; any may read.
type metaLog struct {
	log *commitlog.Log
	dir string
}

// openLog opens the log with recovery point 0: no checkpoint says how much of it
// was synced, so all of it is checked, every time, and then synced.
func openLog(o Options) (*metaLog, error) {
	dir := path.Join(o.Dir, metadataLogDir)
	if err := makeDir(o.FS, o.Dir, dir); err != nil {
		return nil, err
	}
	cfg := commitlog.DefaultConfig()
	cfg.SegmentBytes, cfg.SegmentAge, cfg.MaxMessageBytes = o.SegmentBytes, o.SegmentAge, maxRecordsBytes
	cfg.Delete, cfg.RetentionAge, cfg.RetentionBytes = false, -1, -1
	log, err := commitlog.Open(commitlog.Options{
		FS: o.FS, Files: commitlog.NewFiles(o.FS, maxOpenFiles), Dir: dir,
		Partition: model.Partition{Topic: model.MetadataTopic}, TopicID: model.MetadataTopicID,
		Config: cfg, Now: o.Now, Logger: o.Log,
	})
	if err != nil {
		return nil, err
	}
	l := &metaLog{log: log, dir: dir}
	return l, l.sync()
}

// makeDir makes the log's directory and its entry in the parent durable: a log
// whose directory is lost is lost, however often it was synced.
func makeDir(fsys vfs.FS, parent, dir string) error {
	if err := fsys.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	return fsys.SyncDir(parent)
}

func (l *metaLog) start() model.Offset   { return l.log.Start() }
func (l *metaLog) end() model.Offset     { return l.log.End() }
func (l *metaLog) durable() model.Offset { return l.log.Durable() }
func (l *metaLog) size() int64           { return l.log.Size() }
func (l *metaLog) close() error          { return l.log.Close() }

// append writes whole batches whose offsets and epochs are set.
func (l *metaLog) append(batches []byte) error {
	_, err := l.log.AppendFollower(batches, model.NoEpoch)
	return err
}

// behind is the part of whole batches that the log does not have: of several, the
// disk may have had room for some.
func (l *metaLog) behind(batches []byte) ([]byte, error) {
	for len(batches) > 0 {
		b, rest, err := batch.Next(batches)
		if err != nil || b.BaseOffset() >= l.end() {
			return batches, err
		}
		batches = rest
	}
	return nil, nil
}

// sync makes the whole log durable.
func (l *metaLog) sync() error { return l.syncTo(l.log.End()) }

// syncTo makes the log durable up to end. Any goroutine may.
func (l *metaLog) syncTo(end model.Offset) error { return l.log.Flush(context.Background(), end) }

func (l *metaLog) truncate(end model.Offset) error {
	got, err := l.log.TruncateTo(end)
	if err == nil && got != end {
		err = fmt.Errorf("the leader asks to truncate the metadata log to %d, inside the batch at %d", end, got)
	}
	return err
}

// restart empties the log and lets it begin at start.
func (l *metaLog) restart(start model.Offset) error { return l.log.TruncateFullyTo(start) }

// read is whole batches from the one that holds the offset, below limit, at
// least one.
//
// A truncation of the log's end breaks reads of what lies before it in the same
// segment, so a read is tried again; a log that begins above from by now is
// errBehind.
func (l *metaLog) read(from, limit model.Offset, maxBytes int) (b []byte, err error) {
	for range maxReadTries {
		if from < l.start() {
			return nil, errBehind
		}
		var s commitlog.Slice
		if s, err = l.log.Read(from, maxBytes, limit, true); err != nil {
			continue
		}
		if b, err = s.Bytes(); err == nil {
			return b, nil
		}
	}
	return nil, err
}

const maxReadTries = 3

var errBehind = errors.New("the metadata log begins above what is to be read")

// scan finds the epochs and the quorum's control records in a part of the log.
func (l *metaLog) scan(from model.Offset) ([]kraft.EpochStart, []kraft.Control, error) {
	var epochs []kraft.EpochStart
	var controls []kraft.Control
	for b, err := range l.log.Batches(from) {
		if err != nil {
			return nil, nil, err
		}
		epochs = addEpoch(epochs, b)
		c, err := controlsOf(b)
		if err != nil {
			return nil, nil, err
		}
		controls = append(controls, c...)
	}
	return epochs, controls, nil
}

func addEpoch(epochs []kraft.EpochStart, b batch.Batch) []kraft.EpochStart {
	if n := len(epochs); n > 0 && epochs[n-1].Epoch >= b.LeaderEpoch() {
		return epochs
	}
	return append(epochs, kraft.EpochStart{Epoch: b.LeaderEpoch(), Start: b.BaseOffset()})
}

func controlsOf(b batch.Batch) ([]kraft.Control, error) {
	if !b.IsControl() {
		return nil, nil
	}
	all, err := controlRecords(b)
	return quorumControls(all), err
}

// follow is the part of what a leader sent that may be appended: whole, intact
// batches that continue the log. What follows a batch that is none of it is
// dropped, and err says why.
func (l *metaLog) follow(records []byte) (good []byte, epochs []kraft.EpochStart, controls []kraft.Control, err error) {
	next := l.end()
	for rest := records; len(rest) > 0; {
		b, after, nextErr := batch.Next(rest)
		if nextErr == batch.ErrIncomplete {
			break
		}
		if nextErr == nil {
			nextErr = b.Check()
		}
		if nextErr == nil && b.BaseOffset() != next {
			nextErr = fmt.Errorf("batch at offset %d, the log ends at %d", b.BaseOffset(), next)
		}
		var c []kraft.Control
		if nextErr == nil {
			c, nextErr = controlsOf(b)
		}
		if nextErr != nil {
			err = nextErr
			break
		}
		epochs, controls = addEpoch(epochs, b), append(controls, c...)
		next, rest = b.NextOffset(), after
		good = records[:len(records)-len(after)]
	}
	return good, epochs, controls, err
}

// dropBelow moves the log's start up and deletes the segments wholly below it.
// The start is not stored: after a restart it is the first segment's base again,
// as in Apache Kafka.
func (l *metaLog) dropBelow(start model.Offset, now time.Time) error {
	if err := l.log.AdvanceStart(start); err != nil {
		return err
	}
	_, err := l.log.Retain(now, start)
	return err
}
