package quorum

import "github.com/stromkafka/strom/internal/kraft"

// snapshotBootstrap is the snapshot of formatting.
var snapshotBootstrap = kraft.SnapshotID{}

// clean moves the log's start up to a newer snapshot while log and snapshots
// take more room than metadata.max.retention.bytes, or the oldest snapshot is
// older than metadata.max.retention.ms. It runs after each new snapshot, the
// only time that there is more to remove than before, so it needs no timer.
// One snapshot always stays, exactly at the log's start.
func (n *Node) clean() error {
	for {
		all := n.files.list()
		if len(all) < 2 {
			return nil
		}
		size := n.log.size()
		for _, s := range all {
			size += s.Size
		}
		oldest, err := n.files.read(all[0].SnapshotID)
		if err != nil {
			return err
		}
		tooLarge := n.opts.RetentionBytes > 0 && size > n.opts.RetentionBytes
		age := n.opts.Now().UnixMilli() - oldest.timestamp
		tooOld := n.opts.RetentionAge > 0 && age > n.opts.RetentionAge.Milliseconds()
		if !tooLarge && !tooOld {
			return nil
		}
		start := all[1].End
		if err := n.log.dropBelow(start, n.opts.Now()); err != nil {
			return err
		}
		if err := n.files.dropBelow(start); err != nil {
			return err
		}
		n.post(kraft.Cleaned{Start: start})
	}
}
