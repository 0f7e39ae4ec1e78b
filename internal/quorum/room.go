package quorum

import (
	"errors"
	"time"

	"github.com/stromkafka/strom/internal/vfs"
)

// roomPatience is how often a full disk is tried again.
const roomPatience = 100 * time.Millisecond

// errLeft ends the raft goroutine of a node that leaves while its disk is full.
var errLeft = errors.New("the node leaves while the disk of its metadata log is full")

// untilRoom does what writes, again and again while the disk is full. A replica of
// the metadata log that cannot write stands still, as if the process were paused:
// it answers nobody, so that the others elect a leader without it, and goes on
// where it stopped once there is room. It gives up when the node leaves.
func (n *Node) untilRoom(write func() error) error {
	for told := false; ; told = true {
		err := write()
		if !vfs.IsNoSpace(err) {
			if told && err == nil {
				n.opts.Log.Info("there is room for the metadata log again")
			}
			return err
		}
		if !told {
			n.opts.Log.Error("the disk of the metadata log is full; this replica stands still until there is room", "dir", n.opts.Dir, "err", err)
		}
		timer := time.NewTimer(roomPatience)
		select {
		case <-timer.C:
		case <-n.leaving:
			timer.Stop()
			return errLeft
		}
	}
}
