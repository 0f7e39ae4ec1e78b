package replica

import (
	"fmt"
	"math/rand/v2"
	"path"
	"strings"
	"time"

	"github.com/stromkafka/strom/internal/model"
)

// Suffixes of directories that are no partitions any more. The names are
// Kafka's: topic-partition.uniqueid-delete, cut to what a file name may be.
const (
	deleteSuffix = "-delete"
	straySuffix  = "-stray"
)

// doomed is a directory that will be removed.
type doomed struct {
	dir  *Dir
	path string
	at   time.Time
}

// setAside takes a partition out of service and gives its directory another
// name. With deleteSuffix it is removed after file.delete.delay.ms: readers that
// have its files open finish.
func (s *Set) setAside(p *Partition, suffix string) {
	p.leave(roleGone)
	s.mover.end(p, errReplaced)
	s.following.look(p)
	s.remove(p)
	p.dir.counted(-1)
	// An append that is under way finishes before the log closes.
	p.appending.Lock()
	defer p.appending.Unlock()
	if suffix == deleteSuffix {
		s.delete(p)
		return
	}
	if err := s.rename(p, suffix); err != nil {
		p.dir.fail(fmt.Errorf("set %s aside: %w", p, err))
	}
}

func (s *Set) rename(p *Partition, suffix string) error {
	if err := p.log.Close(); err != nil {
		return err
	}
	if err := s.o.FS.Rename(p.dir.file(p.name.String()), path.Join(p.dir.path, asideName(p.name, unique(), suffix))); err != nil {
		return err
	}
	return s.o.FS.SyncDir(p.dir.path)
}

func (s *Set) delete(p *Partition) {
	to, err := p.log.Delete(unique())
	if err != nil {
		p.dir.fail(fmt.Errorf("delete %s: %w", p, err))
		return
	}
	delay := s.o.Config(s.image, p.name.Topic).Log.DeleteDelay
	s.doom(doomed{dir: p.dir, path: to, at: s.o.Now().Add(delay)})
}

// unique names a directory that is set aside, in Kafka's form. The clock is no
// help: the same partition may be set aside again after a crash.
func unique() string { return fmt.Sprintf("%016x%016x", rand.Uint64(), rand.Uint64()) }

// asideName keeps within the 255 bytes of a file name, as Kafka does.
func asideName(name model.Partition, id, suffix string) string {
	suffix = "." + id + suffix
	prefix := name.String()
	return prefix[:min(len(prefix), 255-len(suffix))] + suffix
}

func isDoomed(name string) bool {
	return strings.HasSuffix(name, deleteSuffix) && strings.Contains(name, ".")
}
