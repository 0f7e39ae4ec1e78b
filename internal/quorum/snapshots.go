package quorum

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/stromkafka/strom/internal/batch"
	"github.com/stromkafka/strom/internal/kraft"
	"github.com/stromkafka/strom/internal/metadata"
	"github.com/stromkafka/strom/internal/model"
	"github.com/stromkafka/strom/internal/vfs"
	"github.com/stromkafka/strom/internal/wire"
)

const (
	snapshotSuffix = ".checkpoint"
	partialSuffix  = ".checkpoint.part"
	deletedSuffix  = ".checkpoint.deleted"
	// fetchSuffix is of a snapshot that comes from the leader; it ends in
	// partialSuffix, so that a restart removes it.
	fetchSuffix = ".fetched" + partialSuffix

	maxSnapshotBytes = 1 << 30
)

// snapshots are the snapshot files of the metadata log, but for the bootstrap
// one, 0-0, which is only read. A file under its final name is complete and on
// disk. Safe for concurrent use; one goroutine writes each kind.
type snapshots struct {
	fs  vfs.FS
	dir string

	mu     sync.Mutex
	frozen []kraft.Snapshot // ascending
}

func openSnapshots(fsys vfs.FS, dir string) (*snapshots, error) {
	s := &snapshots{fs: fsys, dir: dir}
	entries, err := fsys.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		name := e.Name()
		if strings.HasSuffix(name, partialSuffix) || strings.HasSuffix(name, deletedSuffix) {
			if err := fsys.Remove(path.Join(dir, name)); err != nil {
				return nil, err
			}
			continue
		}
		id, ok := parseSnapshotName(name)
		if !ok || id == (kraft.SnapshotID{}) {
			continue
		}
		info, err := fsys.Stat(path.Join(dir, name))
		if err != nil {
			return nil, err
		}
		s.frozen = append(s.frozen, kraft.Snapshot{SnapshotID: id, Size: info.Size()})
	}
	return s, nil
}

// parseSnapshotName reads <offset, 20 digits>-<epoch, 10 digits>.checkpoint.
func parseSnapshotName(name string) (kraft.SnapshotID, bool) {
	base, ok := strings.CutSuffix(name, snapshotSuffix)
	if !ok || len(base) != 31 || base[20] != '-' {
		return kraft.SnapshotID{}, false
	}
	end, err1 := strconv.ParseUint(base[:20], 10, 63)
	epoch, err2 := strconv.ParseUint(base[21:], 10, 31)
	return kraft.SnapshotID{End: model.Offset(end), Epoch: model.Epoch(epoch)}, err1 == nil && err2 == nil
}

func (s *snapshots) name(id kraft.SnapshotID, suffix string) string {
	return path.Join(s.dir, id.String()+suffix)
}

func (s *snapshots) list() []kraft.Snapshot {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.frozen)
}

func (s *snapshots) newest() (kraft.Snapshot, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.frozen) == 0 {
		return kraft.Snapshot{}, false
	}
	return s.frozen[len(s.frozen)-1], true
}

func (s *snapshots) added(snap kraft.Snapshot) {
	s.mu.Lock()
	defer s.mu.Unlock()
	i, found := slices.BinarySearchFunc(s.frozen, snap.End, func(f kraft.Snapshot, end model.Offset) int { return int(f.End - end) })
	if !found {
		s.frozen = slices.Insert(s.frozen, i, snap)
	}
}

// dropBelow removes the snapshots that end below start. A reader that has one
// open keeps its bytes.
func (s *snapshots) dropBelow(start model.Offset) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var errs []error
	for len(s.frozen) > 0 && s.frozen[0].End < start {
		errs = append(errs, s.fs.Remove(s.name(s.frozen[0].SnapshotID, snapshotSuffix)))
		s.frozen = s.frozen[1:]
	}
	return errors.Join(errs...)
}

// write writes a part of a snapshot that is being fetched.
func (s *snapshots) write(id kraft.SnapshotID, at int64, part []byte) error {
	f, err := s.fs.OpenFile(s.name(id, fetchSuffix), vfs.CreateOrOpen, 0o644)
	if err != nil {
		return err
	}
	if at == 0 {
		err = f.Truncate(0)
	}
	if err == nil {
		_, err = f.WriteAt(part, at)
	}
	return errors.Join(err, f.Close())
}

// freeze makes a fetched snapshot durable under its name.
func (s *snapshots) freeze(id kraft.SnapshotID) (kraft.Snapshot, error) {
	f, err := s.fs.OpenFile(s.name(id, fetchSuffix), vfs.ReadWrite, 0o644)
	if err != nil {
		return kraft.Snapshot{}, err
	}
	size, err := f.Size()
	err = errors.Join(err, f.Sync(), f.Close())
	if err != nil {
		return kraft.Snapshot{}, err
	}
	return s.rename(id, fetchSuffix, size)
}

func (s *snapshots) rename(id kraft.SnapshotID, suffix string, size int64) (kraft.Snapshot, error) {
	if err := s.fs.Rename(s.name(id, suffix), s.name(id, snapshotSuffix)); err != nil {
		return kraft.Snapshot{}, err
	}
	if err := s.fs.SyncDir(s.dir); err != nil {
		return kraft.Snapshot{}, err
	}
	snap := kraft.Snapshot{SnapshotID: id, Size: size}
	s.added(snap)
	return snap, nil
}

// slice is a part of a snapshot's bytes.
func (s *snapshots) slice(id kraft.SnapshotID, at int64, n int) ([]byte, error) {
	f, err := s.fs.OpenFile(s.name(id, snapshotSuffix), vfs.ReadOnly, 0)
	if err != nil {
		return nil, err
	}
	b := make([]byte, n)
	read, err := f.ReadAt(b, at)
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return b[:read], errors.Join(err, f.Close())
}

// create writes a snapshot of an image.
func (s *snapshots) create(j snapshotJob) (kraft.Snapshot, error) {
	name := s.name(j.id, partialSuffix)
	f, err := s.fs.OpenFile(name, vfs.CreateOrOpen, 0o644)
	if err != nil {
		return kraft.Snapshot{}, err
	}
	w := snapshotWriter{file: f, epoch: j.id.Epoch, at: j.at}
	err = f.Truncate(0)
	if err == nil {
		err = w.image(j)
	}
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return kraft.Snapshot{}, errors.Join(err, s.fs.Remove(name))
	}
	return s.rename(j.id, partialSuffix, w.size)
}

// snapshotWriter writes batches; offsets count from 0 inside a snapshot.
type snapshotWriter struct {
	file  vfs.File
	epoch model.Epoch
	at    time.Time
	next  model.Offset
	size  int64
}

func (w *snapshotWriter) image(j snapshotJob) error {
	header := new(wire.SnapshotHeaderRecord)
	header.Reset()
	header.LastContainedLogTimestamp = j.lastTimestamp
	controls := []wire.Message{header}
	for _, c := range j.controls {
		controls = append(controls, c.Record)
	}
	if err := w.control(controls...); err != nil {
		return err
	}
	var records []metadata.Versioned
	for r := range j.image.Records() {
		records = append(records, r)
		if len(records) == maxSnapshotRecords {
			if err := w.data(records); err != nil {
				return err
			}
			records = records[:0]
		}
	}
	if len(records) > 0 {
		if err := w.data(records); err != nil {
			return err
		}
	}
	footer := new(wire.SnapshotFooterRecord)
	footer.Reset()
	return w.control(footer)
}

func (w *snapshotWriter) data(records []metadata.Versioned) error {
	b, err := dataBatch(w.next, w.epoch, w.at, records)
	if err != nil {
		return err
	}
	return w.write(b)
}

func (w *snapshotWriter) control(records ...wire.Message) error {
	b, err := controlBatch(w.next, w.epoch, w.at, records)
	if err != nil {
		return err
	}
	return w.write(b)
}

func (w *snapshotWriter) write(b batch.Batch) error {
	if _, err := w.file.WriteAt(b, w.size); err != nil {
		return err
	}
	w.size += int64(len(b))
	w.next = b.NextOffset()
	return nil
}

// snapshotContent is what a snapshot holds: its quorum's control records, at the
// last offset that it contains, and its metadata.
type snapshotContent struct {
	controls  []kraft.Control
	records   []wire.Record
	timestamp int64 // of the last record it contains, in milliseconds
	size      int64
}

// read is a snapshot's content. The bootstrap snapshot 0-0 may be missing; any
// other must be whole.
func (s *snapshots) read(id kraft.SnapshotID) (snapshotContent, error) {
	bytes, err := vfs.ReadFile(s.fs, s.name(id, snapshotSuffix), maxSnapshotBytes)
	if errors.Is(err, fs.ErrNotExist) && id == (kraft.SnapshotID{}) {
		return snapshotContent{}, nil
	}
	if err != nil {
		return snapshotContent{}, err
	}
	c, err := decodeSnapshot(bytes, id.End-1)
	if err != nil {
		return c, fmt.Errorf("snapshot %s: %w", id, err)
	}
	return c, nil
}

func decodeSnapshot(b []byte, last model.Offset) (snapshotContent, error) {
	c := snapshotContent{size: int64(len(b))}
	header, footer := false, false
	for len(b) > 0 {
		one, rest, err := batch.Next(b)
		if err != nil {
			return c, err
		}
		if err := one.Check(); err != nil {
			return c, err
		}
		b = rest
		if footer {
			return c, fmt.Errorf("a batch follows the footer")
		}
		if one.IsControl() {
			err = c.control(one, last, &header, &footer)
		} else {
			err = c.data(one)
		}
		if err != nil {
			return c, err
		}
		if !header {
			return c, fmt.Errorf("it does not begin with a header")
		}
	}
	if !footer {
		return c, fmt.Errorf("it has no footer: it was cut")
	}
	return c, nil
}

func (c *snapshotContent) control(b batch.Batch, last model.Offset, header, footer *bool) error {
	controls, err := controlRecords(b)
	if err != nil {
		return err
	}
	for _, r := range controls {
		switch m := r.Record.(type) {
		case *wire.SnapshotHeaderRecord:
			*header, c.timestamp = true, m.LastContainedLogTimestamp
		case *wire.SnapshotFooterRecord:
			*footer = true
		default:
			c.controls = append(c.controls, kraft.Control{Offset: last, Record: r.Record})
		}
	}
	return nil
}

func (c *snapshotContent) data(b batch.Batch) error {
	for r, err := range b.Records(maxRecordsBytes) {
		if err != nil {
			return err
		}
		record, _, err := wire.DecodeRecord(r.Value)
		if err != nil {
			return err
		}
		c.records = append(c.records, record)
	}
	return nil
}
