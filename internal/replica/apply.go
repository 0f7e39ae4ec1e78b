package replica

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/stromkafka/strom/internal/commitlog"
	"github.com/stromkafka/strom/internal/metadata"
	"github.com/stromkafka/strom/internal/model"
	"github.com/stromkafka/strom/internal/vfs"
)

// Apply follows a change of the metadata. When it returns, every partition that
// the new image says this broker leads serves: the caller makes the image
// visible to clients only then. What fails takes its directory offline. Nothing
// is done until Options.CaughtUp.
func (s *Set) Apply(c *metadata.Change) {
	s.applying.Lock()
	defer s.applying.Unlock()
	s.image = c.To
	if !s.met {
		if s.met = s.o.CaughtUp == nil || s.o.CaughtUp(c.To); s.met {
			s.meet(c.To)
			s.mover.begun()
		}
		return
	}
	if slices.ContainsFunc(c.Configs, ofBroker) {
		s.bound(c.To)
	}
	for _, t := range c.Topics {
		s.leaveTopic(t)
	}
	var changed []placed
	for _, t := range c.Topics {
		for _, i := range t.Partitions {
			changed = append(changed, placed{topic: t.To, index: i})
		}
	}
	s.host(changed)
	s.reconfigure(c.Configs)
}

// meet compares what was found on disk with the first image: partitions that
// are not this broker's any more are stray, as in Kafka. They are set aside
// under another name and not deleted, since a mistake here could not be undone.
func (s *Set) meet(img *metadata.Image) {
	s.bound(img)
	for _, p := range s.Partitions() {
		a := img.Partition(p.topic, p.name.Index)
		if a != nil && hosts(a, s.o.Self) {
			s.tellMoved(p, a)
			if err := s.configure(p, s.o.Config(img, p.name.Topic)); err != nil {
				p.dir.fail(err)
			}
			continue
		}
		s.o.Logger.Warn("stray partition is set aside", "partition", p.name, "topic id", p.topic)
		s.setAside(p, straySuffix)
	}
	s.host(everything(img))
}

// everything is all partitions of an image.
func everything(img *metadata.Image) (all []placed) {
	for t := range img.Topics() {
		for i := range t.Partitions {
			all = append(all, placed{topic: t, index: int32(i)})
		}
	}
	return all
}

// createStarved tries again to create partitions for which there was no room.
// Until then this broker has no replica of them.
func (s *Set) createStarved() {
	s.applying.Lock()
	defer s.applying.Unlock()
	if s.starved {
		s.starved = false
		s.host(everything(s.image))
	}
}

// tellMoved tells where a replica is that the metadata places elsewhere: it was
// created before the controller heard of its directory, or moved while this
// broker was down.
func (s *Set) tellMoved(p *Partition, a *metadata.Partition) {
	if id, _ := a.Directory(s.o.Self); id != p.dir.id && p.dir.Err() == nil && s.o.Assigned != nil {
		s.o.Assigned(p.topic, p.name.Index, p.dir.id)
	}
}

// leaveTopic drops the partitions that this broker has no replica of any more.
func (s *Set) leaveTopic(t metadata.TopicChange) {
	if t.From == nil {
		return
	}
	if t.To == nil {
		for i := range t.From.Partitions {
			s.leavePartition(t.ID, int32(i))
		}
		return
	}
	for _, i := range t.Partitions {
		if !hosts(&t.To.Partitions[i], s.o.Self) {
			s.leavePartition(t.ID, i)
		}
	}
}

func (s *Set) leavePartition(topic model.TopicID, index int32) {
	if p, err := s.Partition(topic, index); err == nil {
		s.setAside(p, deleteSuffix)
	}
}

// placed is a replica, and where it is to be created if it is missing.
type placed struct {
	topic *metadata.Topic
	index int32
	dir   *Dir
	told  bool // the metadata names the directory
}

// host creates the replicas that are missing, and gives all of this broker's
// their roles. Creating is done at once for all of a directory, so that many cost
// few syncs.
func (s *Set) host(partitions []placed) {
	missing := map[*Dir][]placed{}
	for _, at := range partitions {
		if !hosts(at.assigned(), s.o.Self) {
			continue
		}
		if _, err := s.Partition(at.topic.ID, at.index); err == nil {
			continue
		}
		if at, ok := s.place(at.topic, at.index); ok {
			missing[at.dir] = append(missing[at.dir], at)
		}
	}
	var all sync.WaitGroup
	var full atomic.Bool
	for d, list := range missing {
		all.Go(func() {
			if err := s.create(d, list); err != nil {
				d.counted(-len(list)) // they are placed anew
				full.CompareAndSwap(false, vfs.IsNoSpace(err))
				d.failUnlessFull(err)
			}
		})
	}
	all.Wait()
	s.starved = s.starved || full.Load()
	s.tellAssigned(missing)
	for _, at := range partitions {
		if p, err := s.Partition(at.topic.ID, at.index); err == nil && hosts(at.assigned(), s.o.Self) {
			p.assign(at.assigned())
			s.following.look(p)
		}
	}
}

func (at *placed) assigned() *metadata.Partition { return &at.topic.Partitions[at.index] }

// tellAssigned tells of replicas whose place the metadata does not know yet.
func (s *Set) tellAssigned(created map[*Dir][]placed) {
	if s.o.Assigned == nil {
		return
	}
	for _, d := range s.dirs {
		for _, at := range created[d] {
			if !at.told && d.Err() == nil {
				s.o.Assigned(at.topic.ID, at.index, d.id)
			}
		}
	}
}

// place chooses the directory of a new replica: the one that the metadata names
// or else the one with the fewest partitions; a cordoned one only if all are, since
// the controller may not have heard of it when it chose this broker. While a directory is offline a
// replica that the metadata places in none of the others may be in it, and is
// not created a second time.
func (s *Set) place(t *metadata.Topic, index int32) (placed, bool) {
	id, _ := t.Partitions[index].Directory(s.o.Self)
	at := placed{topic: t, index: index}
	offline := false
	for _, d := range s.dirs {
		switch {
		case d.Err() != nil:
			offline = true
		case d.id == id:
			d.counted(1)
			at.dir, at.told = d, true
			return at, true
		case at.dir == nil || d.before(at.dir):
			at.dir = d
		}
	}
	if at.dir == nil || offline && id != model.DirectoryUnassigned {
		return placed{}, false
	}
	at.dir.counted(1)
	return at, true
}

// before reports whether a new replica is better created here than there.
func (d *Dir) before(there *Dir) bool {
	if a, b := d.Cordoned(), there.Cordoned(); a != b {
		return b
	}
	return d.partitions() < there.partitions()
}

// creators is how many partitions of one directory are created at once: what
// takes time is the file system, not the processor.
const creators = 8

func (s *Set) create(d *Dir, list []placed) (err error) {
	names := make([]model.Partition, len(list))
	for i, at := range list {
		names[i] = model.Partition{Topic: at.topic.Name, Index: at.index}
	}
	if err := d.forget(names); err != nil {
		return err
	}
	// With its directory there, a log leaves syncing the one above to us.
	var made []string
	fresh := make([]bool, len(list))
	created := make([]*Partition, len(list))
	defer func() {
		if err != nil {
			err = errors.Join(err, s.uncreate(created, made))
		}
	}()
	for i, name := range names {
		at := d.file(name.String())
		there, err := d.exists(name.String())
		if err == nil && !there {
			made, fresh[i] = append(made, at), true
			err = s.o.FS.MkdirAll(at, 0o755)
		}
		if err != nil {
			return err
		}
	}
	items := make([]int, len(list))
	for i := range items {
		items[i] = i
	}
	bulk := len(list) >= bulkCreation
	err = together(creators, items, func(i int) (err error) {
		if created[i], err = s.createOne(d, list[i], fresh[i], bulk); err == nil || isDisk(err) {
			return err
		}
		s.complete.Store(false)
		s.o.Logger.Error("partition cannot be created", "partition", names[i], "dir", d.path, "err", err)
		return nil
	})
	if err == nil && bulk {
		err = syncCreated(d, created)
	}
	if err == nil {
		err = d.fs.SyncDir(d.path)
	}
	if err != nil {
		return err
	}
	for _, p := range created {
		if p != nil {
			s.add(p)
		}
	}
	return nil
}

// uncreate takes back what came of a creation that failed: another one of the same
// name would find a directory of another topic.
func (s *Set) uncreate(created []*Partition, made []string) (err error) {
	for _, p := range created {
		if p != nil {
			err = errors.Join(err, p.log.Close())
		}
	}
	for _, dir := range made {
		err = errors.Join(err, s.o.FS.RemoveAll(dir))
	}
	return err
}

// bulkCreation is from how many new partitions on one sync of everything takes less
// time than three of each.
const bulkCreation = 8

// syncCreated makes new partitions durable, all at once if the operating system can.
func syncCreated(d *Dir, created []*Partition) error {
	err := vfs.SyncAll(d.fs, d.path)
	if !errors.Is(err, errors.ErrUnsupported) {
		return err
	}
	return together(creators, created, func(p *Partition) error {
		if p == nil {
			return nil
		}
		return p.log.SyncNew()
	})
}

func (s *Set) createOne(d *Dir, at placed, made, unsynced bool) (*Partition, error) {
	name := model.Partition{Topic: at.topic.Name, Index: at.index}
	config := s.o.Config(s.image, at.topic.Name)
	log, err := commitlog.Open(commitlog.Options{
		FS: s.o.FS, Files: s.o.Files, Dir: d.file(name.String()), Partition: name, TopicID: at.topic.ID,
		Config: config.Log, CleanShutdown: true, Made: made, Unsynced: unsynced, Journal: d.journal, Now: s.o.Now, Logger: s.o.Logger, OnFailure: d.fail, Jitter: rand.Float64,
	})
	if err != nil {
		return nil, err
	}
	p := s.newPartition(d, name, at.topic.ID, log)
	if err := s.configure(p, config); err != nil {
		return nil, err
	}
	return p, nil
}

// bound takes over what compaction and moves may use, and where replicas may be
// created.
func (s *Set) bound(img *metadata.Image) {
	if s.o.Cordoned != nil {
		cordoned := s.o.Cordoned(img)
		for _, d := range s.dirs {
			d.cordon(slices.Contains(cordoned, d.id))
		}
	}
	if s.o.Cleaner != nil {
		s.cleaner.configure(s.o.Cleaner(img))
	}
	if s.o.MoveRate != nil {
		s.mover.pace.set(s.o.MoveRate(img))
	}
}

func ofBroker(r metadata.ConfigResource) bool { return r.Type == metadata.ConfigBroker }

// reconfigure gives partitions their new configuration.
func (s *Set) reconfigure(changed []metadata.ConfigResource) {
	topics, all := map[string]bool{}, false
	for _, r := range changed {
		switch {
		case ofBroker(r):
			all = true
		case r.Type == metadata.ConfigTopic:
			topics[r.Name] = true
		}
	}
	if !all && len(topics) == 0 {
		return
	}
	for _, p := range s.Partitions() {
		if all || topics[p.name.Topic] {
			if err := s.configure(p, s.o.Config(s.image, p.name.Topic)); err != nil {
				p.dir.fail(err)
			}
		}
	}
}

// configure takes over a configuration. A change to policy fsync syncs first;
// what counted as kept before goes on to count. A change to policy os is noted in
// the directory first.
func (s *Set) configure(p *Partition, c TopicConfig) error {
	if !c.Synced {
		if err := p.dir.distrust(); err != nil {
			return err
		}
	}
	if c.Synced {
		if err := p.log.Flush(context.Background(), p.log.End()); err != nil {
			return err
		}
	}
	if err := p.log.SetJournaling(c.Synced); err != nil {
		return err
	}
	p.log.SetConfig(c.Log)
	p.appending.Lock()
	defer p.appending.Unlock()
	p.mu.Lock()
	defer p.mu.Unlock()
	if c.Synced != p.synced {
		_, p.counted = p.ends()
		p.synced = c.Synced
		p.dir.flushers.schedule(p)
	}
	p.minISR = c.MinISR
	if p.role == roleLeader {
		if p.leader.SetMinISR(c.MinISR, p.now()) {
			p.lift(ChangedHighWatermark)
		}
		p.advance()
	}
	return nil
}
