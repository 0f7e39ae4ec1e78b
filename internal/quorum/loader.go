package quorum

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/stromkafka/strom/internal/batch"
	"github.com/stromkafka/strom/internal/kraft"
	"github.com/stromkafka/strom/internal/metadata"
	"github.com/stromkafka/strom/internal/model"
	"github.com/stromkafka/strom/internal/vfs"
	"github.com/stromkafka/strom/internal/wire"
)

// loadBytes is how much of the log is read at once.
const loadBytes = 1 << 20

// loaded is what has been folded: the image of everything below end.
type loaded struct {
	image *metadata.Image
	end   model.Offset
}

// loader folds the committed log. Only its goroutine touches it.
type loader struct {
	n     *Node
	draft *metadata.Draft
	image *metadata.Image // the last one made
	// published is the image that subscribers have. It lags behind image inside
	// a metadata transaction, and at the start until the log has been read up
	// to the high watermark and held at least one record.
	published *metadata.Image

	end       model.Offset // of what is folded
	epoch     model.Epoch  // of the last batch
	timestamp int64        // of the last batch
	records   bool         // at least one was seen
	controls  []kraft.Control

	snapshotEnd  model.Offset // where the last snapshot ended
	snapshotTime time.Time
	bytes        int64 // of batches since then
}

// runLoader publishes what is committed.
func (n *Node) runLoader(ctx context.Context) error {
	l := &loader{n: n, draft: metadata.NewDraft(metadata.Empty), image: metadata.Empty, published: metadata.Empty, epoch: model.NoEpoch, snapshotTime: n.opts.Now()}
	if err := l.bootstrap(); err != nil {
		return err
	}
	for {
		hw, changed := n.commits.get()
		if hw >= 0 {
			if err := l.advance(ctx, hw); err != nil {
				return fmt.Errorf("load metadata: %w", err)
			}
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil
		}
	}
}

// bootstrap takes the voters of a 0-0 snapshot.
func (l *loader) bootstrap() error {
	c, err := l.n.files.read(kraft.SnapshotID{})
	l.controls = c.controls
	return err
}

// advance folds up to the high watermark and publishes.
func (l *loader) advance(ctx context.Context, hw model.Offset) error {
	for l.end < hw && ctx.Err() == nil {
		if snap, ok := l.n.files.newest(); ok && (l.end < l.n.log.start() || l.end == 0) && snap.End > l.end {
			if err := l.loadSnapshot(snap); err != nil {
				return err
			}
			continue
		}
		// A snapshot of the leader may replace the log meanwhile.
		if err := l.loadLog(hw); err != nil && !errors.Is(err, errBehind) {
			return err
		}
	}
	l.publish()
	l.maybeSnapshot()
	return nil
}

// loadSnapshot replaces everything by a snapshot's content.
func (l *loader) loadSnapshot(s kraft.Snapshot) error {
	c, err := l.n.files.read(s.SnapshotID)
	if err != nil {
		return err
	}
	img, err := metadata.FromRecords(slices.Values(c.records), s.End-1, s.Epoch)
	if err != nil {
		return fmt.Errorf("snapshot %s: %w", s.SnapshotID, err)
	}
	l.draft, l.image = metadata.NewDraft(img), img
	l.end, l.epoch, l.timestamp, l.controls = s.End, s.Epoch, c.timestamp, c.controls
	l.records = l.records || len(c.records) > 0
	l.snapshotEnd, l.snapshotTime, l.bytes = s.End, l.n.opts.Now(), 0
	return nil
}

// loadLog folds some batches below hw. The records may be kept by images, so
// each part is read into memory of its own.
func (l *loader) loadLog(hw model.Offset) error {
	part, err := l.n.log.read(l.end, hw, loadBytes)
	if err != nil {
		return err
	}
	for len(part) > 0 {
		b, rest, err := batch.Next(part)
		if err != nil {
			return err
		}
		part = rest
		if b.LastOffset() < l.end {
			continue // the batch that a snapshot ended behind
		}
		if err := l.fold(b); err != nil {
			return err
		}
	}
	return nil
}

func (l *loader) fold(b batch.Batch) error {
	if b.IsControl() {
		controls, err := controlRecords(b)
		if err != nil {
			return err
		}
		for _, c := range quorumControls(controls) {
			l.control(c)
		}
	} else {
		if err := applyBatch(l.draft, b); err != nil {
			return err
		}
		l.records = true
	}
	l.end, l.epoch, l.timestamp = b.NextOffset(), b.LeaderEpoch(), b.MaxTimestamp()
	l.bytes += int64(len(b))
	return nil
}

// control keeps the last record of each kind, kraft.version first, as a
// snapshot has them.
func (l *loader) control(c kraft.Control) {
	_, isVersion := c.Record.(*wire.KRaftVersionRecord)
	kept := slices.DeleteFunc(slices.Clone(l.controls), func(o kraft.Control) bool {
		_, is := o.Record.(*wire.KRaftVersionRecord)
		return is == isVersion
	})
	if isVersion {
		l.controls = slices.Insert(kept, 0, c)
	} else {
		l.controls = append(kept, c)
	}
}

// publish makes an image of all that is folded, and gives it to the subscriber
// unless that would show half a transaction.
func (l *loader) publish() {
	if l.image.Offset == l.end-1 && l.image == l.published {
		return
	}
	var change *metadata.Change
	from := l.image
	if l.image.Offset != l.end-1 {
		l.image, change = l.draft.Image(l.end-1, l.epoch)
	}
	l.n.loaded.set(loaded{image: l.image, end: l.end})
	if !l.records || (l.image.InTransaction && (change == nil || change.Empty())) {
		return
	}
	// The image before is the published one but for what a transaction or the
	// start held back, and but for a snapshot: then all is compared.
	if change == nil || from != l.published {
		change = metadata.Diff(l.published, l.image)
	}
	l.published = l.image
	l.n.opts.Publish(change)
}

// snapshotJob is one snapshot to write.
type snapshotJob struct {
	id            kraft.SnapshotID
	image         *metadata.Image
	controls      []kraft.Control
	lastTimestamp int64
	at            time.Time
}

// maybeSnapshot orders a snapshot when enough was folded since the last one, or
// long enough ago. Never inside a transaction: a snapshot has no markers.
func (l *loader) maybeSnapshot() {
	now := l.n.opts.Now()
	byTime := l.n.opts.SnapshotInterval > 0 && now.Sub(l.snapshotTime) >= l.n.opts.SnapshotInterval
	if l.image.InTransaction || l.end <= l.snapshotEnd || (l.bytes < l.n.opts.SnapshotBytes && !byTime) {
		return
	}
	job := snapshotJob{id: kraft.SnapshotID{End: l.end, Epoch: l.epoch}, image: l.image, controls: slices.Clone(l.controls), lastTimestamp: l.timestamp, at: now}
	select {
	case l.n.jobs <- job:
		l.snapshotEnd, l.snapshotTime, l.bytes = l.end, now, 0
	default: // one is being written; the next image tries again
	}
}

// runSnapshots writes snapshots, beside all else: an image never changes.
func (n *Node) runSnapshots(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case j := <-n.jobs:
			s, err := n.files.create(j)
			if vfs.IsNoSpace(err) {
				n.opts.Log.Error("no room for a snapshot of the metadata; the next one is tried later", "snapshot", j.id.String(), "err", err)
				continue
			}
			if err != nil {
				return fmt.Errorf("write snapshot %s: %w", j.id, err)
			}
			n.opts.Log.Info("wrote a snapshot of the metadata", "snapshot", s.String(), "bytes", s.Size)
			n.post(kraft.Frozen{Snapshot: s})
			if err := n.clean(); err != nil {
				return fmt.Errorf("clean the metadata log: %w", err)
			}
		}
	}
}
