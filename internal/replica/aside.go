package replica

import (
	"encoding/hex"
	"fmt"
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
	s.remove(p)
	p.dir.counted(-1)
	// An append that is under way finishes before the log closes.
	p.appending.Lock()
	defer p.appending.Unlock()
	if suffix == deleteSuffix {
		s.delete(p)
		return
	}
	to := path.Join(p.dir.path, asideName(p.name, p.topic, suffix))
	err := p.log.Close()
	if err == nil {
		err = s.o.FS.Rename(p.dir.file(p.name.String()), to)
	}
	if err == nil {
		err = s.o.FS.SyncDir(p.dir.path)
	}
	if err != nil {
		p.dir.fail(fmt.Errorf("set %s aside: %w", p, err))
	}
}

func (s *Set) delete(p *Partition) {
	to, err := p.log.Delete(hex.EncodeToString(p.topic[:]))
	if err != nil {
		p.dir.fail(fmt.Errorf("delete %s: %w", p, err))
		return
	}
	delay := s.o.Config(s.image, p.name.Topic).Log.DeleteDelay
	s.doom(doomed{dir: p.dir, path: to, at: s.o.Now().Add(delay)})
}

// asideName keeps within the 255 bytes of a file name, as Kafka does. The topic
// id makes it unique.
func asideName(name model.Partition, topic model.TopicID, suffix string) string {
	suffix = "." + hex.EncodeToString(topic[:]) + suffix
	prefix := name.String()
	return prefix[:min(len(prefix), 255-len(suffix))] + suffix
}

func isDoomed(name string) bool {
	return strings.HasSuffix(name, deleteSuffix) && strings.Contains(name, ".")
}
