package coordinator

import (
	"context"
	"errors"
	"time"

	"github.com/stromkafka/strom/internal/batch"
	"github.com/stromkafka/strom/internal/machine"
	"github.com/stromkafka/strom/internal/model"
)

// maxDecompressed bounds what one batch of the topic may decompress to.
const maxDecompressed = 256 << 20

var errStopped = errors.New("stopped while loading")

// load folds the local log into a new machine: from its start up to its end,
// whether committed or not, since all of it is this leader's.
func (sh *shard) load(ctx context.Context) error {
	select {
	case sh.set.loading <- struct{}{}:
	case <-sh.quit:
		return errStopped
	case <-ctx.Done():
		return errStopped
	}
	defer func() { <-sh.set.loading }()
	began := time.Now()
	status, err := sh.partition.Status()
	if err != nil {
		return err
	}
	sh.machine, sh.next = sh.set.o.New(sh.index), status.LogStart
	if err := sh.foldUpTo(status.LogEnd); err != nil {
		return err
	}
	if !sh.leads() {
		return errStopped
	}
	took := time.Since(began)
	sh.set.counters.loads.Add(1)
	sh.set.counters.loadTime.Add(int64(took))
	sh.set.o.Logger.Info("coordinator loaded", "partition", sh.partition, "records", sh.next-status.LogStart, "took", took)
	return nil
}

// foldUpTo folds what is in the log from where the machine is up to an offset.
func (sh *shard) foldUpTo(end model.Offset) error {
	if sh.next >= end {
		return nil
	}
	for b, err := range sh.partition.Batches(sh.next) {
		if err != nil {
			return err
		}
		if b.BaseOffset() >= end {
			break
		}
		select {
		case <-sh.quit:
			return errStopped
		default:
		}
		if err := b.Check(); err != nil {
			return err
		}
		if err := sh.foldBatch(b); err != nil {
			return err
		}
		sh.next = b.NextOffset()
	}
	sh.next = max(sh.next, end)
	return nil
}

func (sh *shard) foldBatch(b batch.Batch) error {
	from := machine.Origin{Producer: noProducer}
	if b.IsTransactional() {
		from.Producer = machine.Producer{ID: b.ProducerID(), Epoch: b.ProducerEpoch()}
	}
	for r, err := range b.Records(maxDecompressed) {
		switch {
		case err != nil:
			return err
		case r.Offset < sh.next: // before the log's start, or folded already
		case b.IsControl():
			m, ok, err := batch.ParseMarker(r)
			if err != nil {
				return err
			}
			if ok {
				sh.machine.FoldMarker(machine.Producer{ID: b.ProducerID(), Epoch: b.ProducerEpoch()}, m.Type == batch.ControlCommit)
			}
		default:
			from.Offset, from.Timestamp = r.Offset, time.UnixMilli(r.Timestamp)
			sh.fold(from, machine.Record{Key: r.Key, Value: r.Value})
		}
	}
	return nil
}
