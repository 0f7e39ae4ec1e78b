package quorum

import (
	"fmt"
	"time"

	"github.com/stromkafka/strom/internal/batch"
	"github.com/stromkafka/strom/internal/kraft"
	"github.com/stromkafka/strom/internal/metadata"
	"github.com/stromkafka/strom/internal/model"
	"github.com/stromkafka/strom/internal/wire"
)

const (
	// maxBatchRecords is how many records of a decision that is not atomic go
	// into one batch, and maxSnapshotRecords how many of a snapshot.
	maxBatchRecords    = 10_000
	maxSnapshotRecords = 1024
	// maxRecordsBytes bounds a batch of the metadata log that is compressed,
	// which none should be.
	maxRecordsBytes = 64 << 20
)

// dataBatch is records of the metadata log as the one batch at base.
func dataBatch(base model.Offset, epoch model.Epoch, now time.Time, records []metadata.Versioned) (batch.Batch, error) {
	b := batch.New(batch.Options{BaseOffset: base, LeaderEpoch: epoch})
	for _, r := range records {
		value, err := wire.EncodeRecord(r.Version, r.Record)
		if err != nil {
			return nil, fmt.Errorf("encode %T version %d: %w", r.Record, r.Version, err)
		}
		b.Add(now.UnixMilli(), nil, value)
	}
	return b.Build()
}

// controlBatch is control records as the one batch at base. All are written at
// version 0, which each value also says in its first field.
func controlBatch(base model.Offset, epoch model.Epoch, now time.Time, records []wire.Message) (batch.Batch, error) {
	b := batch.New(batch.Options{BaseOffset: base, LeaderEpoch: epoch, Control: true})
	for _, r := range records {
		value, err := wire.Encode(0, r)
		if err != nil {
			return nil, fmt.Errorf("encode %T: %w", r, err)
		}
		b.Add(now.UnixMilli(), batch.ControlKey(controlType(r)), value)
	}
	return b.Build()
}

func controlType(r wire.Message) batch.ControlType {
	switch r.(type) {
	case *wire.LeaderChangeMessage:
		return batch.ControlLeaderChange
	case *wire.SnapshotHeaderRecord:
		return batch.ControlSnapshotHeader
	case *wire.SnapshotFooterRecord:
		return batch.ControlSnapshotFooter
	case *wire.KRaftVersionRecord:
		return batch.ControlKRaftVersion
	case *wire.VotersRecord:
		return batch.ControlKRaftVoters
	}
	panic(fmt.Sprintf("%T is no control record", r))
}

// newControl is an empty record of a kind; nil for kinds that say nothing here.
func newControl(t batch.ControlType) wire.Message {
	switch t {
	case batch.ControlLeaderChange:
		return new(wire.LeaderChangeMessage)
	case batch.ControlSnapshotHeader:
		return new(wire.SnapshotHeaderRecord)
	case batch.ControlSnapshotFooter:
		return new(wire.SnapshotFooterRecord)
	case batch.ControlKRaftVersion:
		return new(wire.KRaftVersionRecord)
	case batch.ControlKRaftVoters:
		return new(wire.VotersRecord)
	}
	return nil
}

// controlRecords are those of a control batch.
func controlRecords(b batch.Batch) ([]kraft.Control, error) {
	var out []kraft.Control
	for r, err := range b.Records(maxRecordsBytes) {
		if err != nil {
			return nil, err
		}
		t, err := batch.ParseControlKey(r.Key)
		if err != nil {
			return nil, err
		}
		c := newControl(t)
		if c == nil {
			return nil, fmt.Errorf("control record of kind %d at offset %d is unknown", t, r.Offset)
		}
		if len(r.Value) < 2 {
			return nil, fmt.Errorf("control record at offset %d has %d bytes", r.Offset, len(r.Value))
		}
		version := int16(r.Value[0])<<8 | int16(r.Value[1])
		if err := wire.Decode(r.Value, version, c); err != nil {
			return nil, fmt.Errorf("control record at offset %d: %w", r.Offset, err)
		}
		out = append(out, kraft.Control{Offset: r.Offset, Record: c})
	}
	return out, nil
}

// quorumControls are those that the consensus remembers.
func quorumControls(controls []kraft.Control) (out []kraft.Control) {
	for _, c := range controls {
		switch c.Record.(type) {
		case *wire.VotersRecord, *wire.KRaftVersionRecord:
			out = append(out, c)
		}
	}
	return out
}

// applyBatch folds a data batch into a draft.
func applyBatch(d *metadata.Draft, b batch.Batch) error {
	for r, err := range b.Records(maxRecordsBytes) {
		if err != nil {
			return fmt.Errorf("metadata batch at offset %d: %w", b.BaseOffset(), err)
		}
		record, _, err := wire.DecodeRecord(r.Value)
		if err != nil {
			return fmt.Errorf("metadata record at offset %d: %w", r.Offset, err)
		}
		if err := d.Apply(record, r.Offset); err != nil {
			return err
		}
	}
	return nil
}
