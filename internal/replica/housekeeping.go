package replica

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/stromkafka/strom/internal/kerr"
	"github.com/stromkafka/strom/internal/model"
)

// chore is something done again and again for the whole Set.
type chore struct {
	every time.Duration
	next  time.Time
	do    func()
}

// hunger is how often partitions are tried to be created for which there was no
// room.
const hunger = time.Second

// reaping is how often files are looked for whose file.delete.delay.ms is over.
const reaping = 10 * time.Second

// reminding is how often it is told which logs are not cleaned.
const reminding = time.Hour

// soonest keeps an interval of 0 from taking all of a processor.
const soonest = 10 * time.Millisecond

// Run does what has to be done from time to time, on one timer: checkpoints,
// retention, and removing what was deleted. Compaction runs beside. It returns when the context ends.
func (s *Set) Run(ctx context.Context) error {
	var cleaning sync.WaitGroup
	cleaning.Go(func() { s.cleaner.run(ctx) })
	defer cleaning.Wait()
	start := s.o.Now()
	check := s.o.ProducerCheck
	if check == 0 {
		check = 10 * time.Minute
	}
	chores := []*chore{
		{s.o.RecoveryPoints, start.Add(s.o.RecoveryPoints), s.checkpointLogs},
		{s.o.LogStarts, start.Add(s.o.LogStarts), func() { s.checkpoint(logStartFile, (*Partition).logStart) }},
		{s.o.HighWatermarks, start.Add(s.o.HighWatermarks), s.checkpointHighWatermarks},
		{s.o.LagMax / 2, start.Add(s.o.LagMax / 2), s.proposeAll},
		{hunger, start.Add(hunger), s.createStarved},
		{s.o.Retention, start.Add(s.o.FirstRetention), s.retain},
		{check, start.Add(check), s.expireProducers},
		{reaping, start.Add(reaping), s.reap},
		{reminding, start.Add(reminding), s.cleaner.remind},
	}
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		now := s.o.Now()
		next := now.Add(time.Hour)
		for _, c := range chores {
			if !c.next.After(now) {
				c.do()
				c.next = now.Add(max(c.every, soonest))
			}
			if c.next.Before(next) {
				next = c.next
			}
		}
		if first := start.Add(s.o.FirstRetention); first.After(now) {
			next = earlier(next, first)
		} else if due, ok := s.bury(now); ok {
			next = earlier(next, due)
		}
		timer.Reset(next.Sub(now))
		select {
		case <-timer.C:
		case <-s.more: // a directory may be due before all else
		case <-ctx.Done():
			return nil
		}
	}
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

// recoveryPoint is what the directory's checkpoint says of the log. It is less
// than the log's own while the log is about to be cut.
func (p *Partition) recoveryPoint() model.Offset {
	p.mu.Lock()
	defer p.mu.Unlock()
	return min(p.log.RecoveryPoint(), p.cutting)
}

// checkpointRecovery writes down the recovery points of one directory.
func (s *Set) checkpointRecovery(d *Dir) error {
	s.applying.Lock()
	defer s.applying.Unlock()
	return s.checkpointDir(d, recoveryPointFile, (*Partition).recoveryPoint)
}

func (p *Partition) logStart() model.Offset { return p.log.Start() }
func (p *Partition) committedEnd() model.Offset {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.highWatermark
}

// checkpoint writes one offset of every partition to a file in each directory,
// unless it is the same as when it was last written.
func (s *Set) checkpoint(file string, offset func(*Partition) model.Offset) {
	s.applying.Lock()
	defer s.applying.Unlock()
	for _, d := range s.dirs {
		if d.Err() == nil {
			if err := s.checkpointDir(d, file, offset); err != nil {
				d.failUnlessFull(err)
			}
		}
	}
}

func (s *Set) checkpointDir(d *Dir, file string, offset func(*Partition) model.Offset) error {
	offsets := map[model.Partition]model.Offset{}
	for _, p := range s.in(d) {
		offsets[p.name] = offset(p)
	}
	return d.save(file, offsets)
}

// checkpointHighWatermarks does nothing while none moved: it comes often.
func (s *Set) checkpointHighWatermarks() {
	moved := false
	for _, d := range s.dirs {
		moved = d.moved.Swap(false) || moved
	}
	if moved {
		s.checkpoint(highWatermarkFile, (*Partition).committedEnd)
	}
}

// checkpointLogs raises the logs' recovery points and writes them down.
func (s *Set) checkpointLogs() {
	for _, p := range s.Partitions() {
		if p.dir.Err() != nil {
			continue
		}
		if _, err := p.log.Checkpoint(); err != nil && !errors.Is(err, kerr.KafkaStorageError) {
			p.dir.fail(fmt.Errorf("checkpoint %s: %w", p, err))
		}
	}
	s.checkpoint(recoveryPointFile, (*Partition).recoveryPoint)
	for _, d := range s.dirs {
		d.journal.Cut() // the logs have just been settled
	}
}

// retain lets every log drop what its retention does not keep.
func (s *Set) retain() {
	for _, p := range s.Partitions() {
		p.mu.Lock()
		skip := p.usable() != nil
		highWatermark := p.highWatermark
		p.mu.Unlock()
		if skip {
			continue
		}
		dropped, err := p.log.Retain(s.o.Now(), highWatermark)
		if err != nil && !errors.Is(err, kerr.KafkaStorageError) {
			p.dir.fail(fmt.Errorf("retention of %s: %w", p, err))
		}
		if dropped > 0 {
			p.mu.Lock()
			p.tell(ChangedStart)
			p.mu.Unlock()
		}
	}
}

// reap removes the files of segments that retention and compaction took away.
func (s *Set) reap() {
	for _, p := range s.Partitions() {
		if p.dir.Err() != nil {
			continue
		}
		if err := p.log.Reap(s.o.Now()); err != nil {
			p.dir.fail(fmt.Errorf("remove files of %s: %w", p, err))
		}
	}
}

// expireProducers forgets producers that have been silent for long.
func (s *Set) expireProducers() {
	for _, p := range s.Partitions() {
		p.log.ExpireProducers(s.o.Now())
	}
}

// bury removes the directories whose time has come, and tells when the next one's
// does, if there is one.
func (s *Set) bury(now time.Time) (next time.Time, more bool) {
	s.mu.Lock()
	var due []doomed
	kept := s.doomed[:0]
	for _, d := range s.doomed {
		if d.at.After(now) {
			kept = append(kept, d)
			if !more || d.at.Before(next) {
				next, more = d.at, true
			}
		} else {
			due = append(due, d)
		}
	}
	s.doomed = kept
	s.mu.Unlock()
	for _, d := range due {
		if d.dir.Err() != nil {
			continue
		}
		if err := s.o.FS.RemoveAll(d.path); err != nil {
			d.dir.fail(fmt.Errorf("remove deleted partition %s: %w", d.path, err))
		}
	}
	return next, more
}

func (s *Set) doom(d doomed) {
	s.mu.Lock()
	s.doomed = append(s.doomed, d)
	s.mu.Unlock()
	select {
	case s.more <- struct{}{}:
	default:
	}
}

// Close syncs and closes all logs and marks the directories as stopped cleanly
// in the life of this broker that epoch names. Nothing may append any more, and
// Run must have returned. A directory that fails is left without the mark.
func (s *Set) Close(epoch model.BrokerEpoch) error {
	s.following.close()
	s.mover.close()
	s.applying.Lock()
	defer s.applying.Unlock()
	for _, d := range s.dirs {
		d.flushers.close()
	}
	err := s.eachDir(context.Background(), func(_ context.Context, d *Dir) error { return s.closeDir(d, epoch) })
	for _, d := range s.dirs {
		err = errors.Join(err, d.journal.Close()) // of one that failed; it stays on disk
	}
	for _, d := range s.dirs {
		if failed := d.Err(); failed != nil {
			err = errors.Join(err, failed, s.abandon(d))
		}
	}
	return err
}

// abandon closes the files of a directory that failed. Closed logs stay closed.
func (s *Set) abandon(d *Dir) (err error) {
	for _, p := range s.in(d) {
		err = errors.Join(err, p.log.Close())
	}
	return err
}

func (s *Set) closeDir(d *Dir, epoch model.BrokerEpoch) error {
	partitions := s.in(d)
	err := together(creators, partitions, func(p *Partition) error {
		p.leave(roleGone)
		// An append that is under way finishes first.
		p.appending.Lock()
		defer p.appending.Unlock()
		if err := p.log.Close(); err != nil {
			return fmt.Errorf("close %s: %w", p, err)
		}
		return nil
	})
	if err != nil {
		return err
	}
	for file, offset := range map[string]func(*Partition) model.Offset{
		recoveryPointFile: (*Partition).recoveryPoint, logStartFile: (*Partition).logStart, highWatermarkFile: (*Partition).committedEnd,
	} {
		if err := s.checkpointDir(d, file, offset); err != nil {
			return err
		}
	}
	if err := d.journal.Remove(); err != nil {
		return err
	}
	if err := d.writeEpoch(cleanFile, epoch); err != nil {
		return err
	}
	return d.removeFile(syncedFile)
}
