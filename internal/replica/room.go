package replica

import (
	"context"
	"fmt"
	"time"

	"github.com/stromkafka/strom/internal/vfs"
)

// untilRoom does what writes while a directory is opened. What a crash has left in
// the journal has to be put into the logs before any of them can be used, and a log
// without files gets its first. If the disk is full, a directory beside others goes
// offline, and the others serve. The last one waits, its journal as it was found,
// until there is room: a node that ended would come back to the same disk.
//
// write is done again from the beginning.
func (s *Set) untilRoom(ctx context.Context, d *Dir, write func() error) error {
	for told := false; ; told = true {
		err := write()
		if !vfs.IsNoSpace(err) {
			if told && err == nil {
				s.o.Logger.Info("there is room in the log directory again", "dir", d.path)
			}
			return err
		}
		if s.failBesideOthers(d, err) {
			return err
		}
		if !told {
			s.o.Logger.Error("log directory has no room for what has to be written before it can be used; nothing in it is served until there is", "dir", d.path, "err", err)
		}
		timer := time.NewTimer(hunger)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return context.Cause(ctx)
		}
	}
}

// failBesideOthers takes a directory offline for an error, unless it is the last.
// Directories are opened at once, and all may be full.
func (s *Set) failBesideOthers(d *Dir, err error) bool {
	s.opening.Lock()
	defer s.opening.Unlock()
	for _, other := range s.dirs {
		if other != d && other.Err() == nil {
			d.fail(fmt.Errorf("no room in %s to recover what is in it: %w", d.path, err))
			return true
		}
	}
	return false
}
