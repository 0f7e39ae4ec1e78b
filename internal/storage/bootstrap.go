package storage

import (
	"fmt"
	"path"
	"time"

	"github.com/stromkafka/strom/internal/batch"
	"github.com/stromkafka/strom/internal/metadata"
	"github.com/stromkafka/strom/internal/model"
	"github.com/stromkafka/strom/internal/vfs"
	"github.com/stromkafka/strom/internal/wire"
)

const (
	bootstrapFile = "bootstrap.checkpoint"
	// firstSnapshot is the snapshot at offset 0 of epoch 0. It is never
	// replicated: it is where the first leader finds the voters.
	firstSnapshot = "00000000000000000000-0000000000.checkpoint"
	maxBootstrap  = 64 << 20
)

// Bootstrap is what the first controller of a cluster puts into the metadata
// log: the records formatting left in the directory, or the defaults of a new
// cluster if there are none.
func Bootstrap(fsys vfs.FS, dir string) ([]wire.Record, error) {
	name := path.Join(dir, bootstrapFile)
	data, err := vfs.ReadFile(fsys, name, maxBootstrap)
	if notThere(err) {
		return metadata.BootstrapRecords(metadata.DefaultLevels(metadata.ProductionVersion)), nil
	}
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	records, err := decodeRecords(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return records, nil
}

// decodeRecords reads the metadata records of a file in snapshot format and
// passes over its control records.
func decodeRecords(data []byte) ([]wire.Record, error) {
	var out []wire.Record
	for len(data) > 0 {
		b, rest, err := batch.Next(data)
		if err != nil {
			return nil, err
		}
		if err := b.Check(); err != nil {
			return nil, err
		}
		data = rest
		if b.IsControl() {
			continue
		}
		for r, err := range b.Records(maxBootstrap) {
			if err != nil {
				return nil, err
			}
			record, _, err := wire.DecodeRecord(r.Value)
			if err != nil {
				return nil, err
			}
			out = append(out, record)
		}
	}
	return out, nil
}

// snapshotFile builds a file in snapshot format: batches of epoch 0 whose
// offsets count from 0.
type snapshotFile struct {
	data []byte
	next model.Offset
	now  int64
	err  error
}

// control is one control record.
type control struct {
	kind  batch.ControlType
	value wire.Message
}

// controls appends a batch of control records.
func (s *snapshotFile) controls(records ...control) {
	b := batch.New(batch.Options{BaseOffset: s.next, Control: true})
	for _, r := range records {
		value, err := wire.Encode(0, r.value)
		s.fail(err)
		b.Add(s.now, batch.ControlKey(r.kind), value)
	}
	s.append(b)
}

// records appends a batch of metadata records.
func (s *snapshotFile) records(records []wire.Record) {
	b := batch.New(batch.Options{BaseOffset: s.next})
	for _, r := range records {
		value, err := wire.EncodeRecord(0, r)
		s.fail(err)
		b.Add(s.now, nil, value)
	}
	s.append(b)
}

func (s *snapshotFile) append(b *batch.Builder) {
	out, err := b.Build()
	s.fail(err)
	if s.err != nil {
		return
	}
	s.data = append(s.data, out...)
	s.next = out.NextOffset()
}

func (s *snapshotFile) fail(err error) {
	if s.err == nil {
		s.err = err
	}
}

// writeBootstrap writes bootstrap.checkpoint: a snapshot's header, the records,
// its footer. Feature and SCRAM records have no version but 0.
func writeBootstrap(fsys vfs.FS, dir string, records []wire.Record, now time.Time) error {
	s := &snapshotFile{now: now.UnixMilli()}
	s.controls(control{batch.ControlSnapshotHeader, &wire.SnapshotHeaderRecord{}})
	s.records(records)
	s.controls(control{batch.ControlSnapshotFooter, &wire.SnapshotFooterRecord{}})
	if s.err != nil {
		return fmt.Errorf("encode %s: %w", bootstrapFile, s.err)
	}
	return vfs.WriteFileAtomic(fsys, path.Join(dir, bootstrapFile), s.data)
}

// writeFirstSnapshot writes the metadata log's snapshot 0-0: kraft.version 1 and
// the voters, as control records of one batch with the header.
func writeFirstSnapshot(fsys vfs.FS, dir string, voters *wire.VotersRecord, now time.Time) error {
	s := &snapshotFile{now: now.UnixMilli()}
	s.controls(
		control{batch.ControlSnapshotHeader, &wire.SnapshotHeaderRecord{LastContainedLogTimestamp: now.UnixMilli()}},
		control{batch.ControlKRaftVersion, &wire.KRaftVersionRecord{KRaftVersion: 1}},
		control{batch.ControlKRaftVoters, voters})
	s.controls(control{batch.ControlSnapshotFooter, &wire.SnapshotFooterRecord{}})
	if s.err != nil {
		return fmt.Errorf("encode %s: %w", firstSnapshot, s.err)
	}
	log := path.Join(dir, metadataTopicDir)
	if err := fsys.MkdirAll(log, 0o755); err != nil {
		return fmt.Errorf("format %s: %w", dir, err)
	}
	if err := vfs.WriteFileAtomic(fsys, path.Join(log, firstSnapshot), s.data); err != nil {
		return err
	}
	return fsys.SyncDir(dir)
}
