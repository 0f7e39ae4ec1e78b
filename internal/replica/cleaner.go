package replica

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/stromkafka/strom/internal/commitlog"
	"github.com/stromkafka/strom/internal/model"
)

// CleanerConfig bounds what compaction may use.
type CleanerConfig struct {
	Threads        int           // cleanings at once; 0 cleans nothing
	Memory         int64         // of their maps of keys together
	Load           float64       // how full a map may become
	Buffer         int           // of what they read and write, together
	BytesPerSecond float64       // read and written together
	Backoff        time.Duration // how long to wait when nothing is to be cleaned
}

// cleaner compacts the logs of a Set, the dirtiest first. Between cleanings it is
// one goroutine and one timer.
//
// A log that cannot be cleaned, because of what is in it, is set aside: it goes
// on to be written and read, and is told of by Set.Uncleanable.
type cleaner struct {
	set    *Set
	pace   pace
	wake   chan struct{} // a cleaning has ended, or the configuration changed
	config struct {
		sync.Mutex
		CleanerConfig
	}

	mu      sync.Mutex
	running map[*Partition]bool
	aside   map[*Partition]error
	resting map[*Partition]time.Time // until when, after a cleaning that came to nothing
}

func newCleaner(s *Set) *cleaner {
	c := &cleaner{set: s, wake: make(chan struct{}, 1), running: map[*Partition]bool{}, aside: map[*Partition]error{}, resting: map[*Partition]time.Time{}}
	return c
}

func (c *cleaner) configure(to CleanerConfig) {
	c.config.Lock()
	c.config.CleanerConfig = to
	c.config.Unlock()
	c.pace.set(to.BytesPerSecond)
	c.poke()
}

func (c *cleaner) current() CleanerConfig {
	c.config.Lock()
	defer c.config.Unlock()
	return c.config.CleanerConfig
}

func (c *cleaner) poke() {
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// run cleans until the context ends, and returns once no cleaning is left.
func (c *cleaner) run(ctx context.Context) {
	var cleanings sync.WaitGroup
	defer cleanings.Wait()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		case <-c.wake:
		}
		for ctx.Err() == nil {
			job, ok := c.dirtiest()
			if !ok {
				break
			}
			cleanings.Go(func() {
				c.clean(ctx, job)
				c.poke()
			})
		}
		timer.Reset(max(c.current().Backoff, soonest))
	}
}

// cleanJob is a log and what is to be cleaned of it.
type cleanJob struct {
	p      *Partition
	what   commitlog.Compaction
	config CleanerConfig
}

// dirtiest takes the log that should be cleaned next, if one should and may.
func (c *cleaner) dirtiest() (cleanJob, bool) {
	config := c.current()
	partitions := c.set.Partitions()
	now := c.set.o.Now()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.forget(partitions)
	if len(c.running) >= config.Threads {
		return cleanJob{}, false
	}
	var best cleanJob
	for _, p := range partitions {
		if c.running[p] || c.aside[p] != nil || now.Before(c.resting[p]) {
			continue
		}
		what, due, err := p.toClean(now)
		if err != nil {
			c.failed(p, err, config)
		}
		if due && (best.p == nil || what.Ratio() > best.what.Ratio()) {
			best = cleanJob{p, what, config}
		}
	}
	if best.p == nil {
		return cleanJob{}, false
	}
	c.running[best.p] = true
	return best, true
}

// forget drops what is known of partitions that are gone.
func (c *cleaner) forget(partitions []*Partition) {
	if len(c.aside)+len(c.resting) == 0 {
		return
	}
	here := make(map[*Partition]bool, len(partitions))
	for _, p := range partitions {
		here[p] = true
	}
	maps.DeleteFunc(c.aside, func(p *Partition, _ error) bool { return !here[p] })
	maps.DeleteFunc(c.resting, func(p *Partition, _ time.Time) bool { return !here[p] })
}

// toClean is what there is to clean of a partition, and whether it is time.
func (p *Partition) toClean(now time.Time) (what commitlog.Compaction, due bool, err error) {
	config := p.log.Config()
	if !config.Compact || p.dir.Err() != nil {
		return what, false, nil
	}
	p.mu.Lock()
	usable, stable := p.usable() == nil && p.move == nil, p.lastStable
	p.mu.Unlock()
	if !usable {
		return what, false, nil
	}
	if what, err = p.log.Compactable(p.dir.cleanedTo(p.name), stable, now); err != nil {
		return what, false, err
	}
	if what.Reset {
		err = p.dir.noteCleaned(p.name, what.From)
	}
	return what, what.Due(config.MinCleanableRatio), err
}

// clean cleans one log, and notes how far that came.
func (c *cleaner) clean(ctx context.Context, job cleanJob) {
	p := job.p
	began := c.set.o.Now()
	out, err := c.cleanLog(ctx, job)
	if err == nil {
		err = p.dir.noteCleaned(p.name, out.End)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.running, p)
	if err != nil {
		c.failed(p, err, job.config)
		return
	}
	c.set.o.Logger.Info("log cleaned", "partition", p.name, "from", job.what.From, "to", out.End,
		"records", out.RecordsRead, "kept", out.Kept, "bytes", out.BytesRead, "bytes kept", out.BytesKept,
		"segments", out.SegmentsIn, "segments now", out.Segments, "map used", fmt.Sprintf("%.0f%%", 100*out.MapUsed),
		"took", c.set.o.Now().Sub(began))
}

func (c *cleaner) cleanLog(ctx context.Context, job cleanJob) (commitlog.Cleaned, error) {
	p := job.p
	point, err := p.log.Checkpoint()
	if err != nil {
		return commitlog.Cleaned{}, err
	}
	// A restart must not look into what is about to be replaced.
	if err := c.set.checkpointRecovery(p.dir); err != nil {
		return commitlog.Cleaned{}, err
	}
	n := max(job.config.Threads, 1)
	return p.log.Clean(ctx, job.what, commitlog.CleanOptions{
		Now: c.set.o.Now(), Point: point, Memory: job.config.Memory / int64(n), Load: job.config.Load,
		Buffer: job.config.Buffer / n / 2, Throttle: c.pace.wait,
	})
}

// failed sorts why a cleaning came to nothing. Needs mu.
func (c *cleaner) failed(p *Partition, err error, config CleanerConfig) {
	rest := func() { c.resting[p] = c.set.o.Now().Add(config.Backoff) }
	switch {
	case errors.Is(err, context.Canceled), p.log.Err() != nil:
	case errors.Is(err, commitlog.ErrCompactionStopped):
		rest()
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		c.set.o.Logger.Warn("log is not cleaned: there is no room for the cleaned segments", "partition", p.name, "dir", p.dir.path, "err", err)
		rest()
	case isDisk(err):
		p.dir.fail(fmt.Errorf("clean %s: %w", p, err))
	default:
		c.aside[p] = err
		partitions, bytes := c.asideIn(p.dir)
		c.set.o.Logger.Error("log cannot be cleaned and is set aside; it goes on to be written and read", "partition", p.name, "dir", p.dir.path, "err", err,
			"to do", uncleanableAdvice, "uncleanable partitions in dir", len(partitions), "uncleanable bytes in dir", bytes)
	}
}

// uncleanableAdvice stands beside every log that is set aside.
const uncleanableAdvice = "err names the file; if another replica is in sync, stop this broker, remove the partition's directory and start: " +
	"it is fetched anew; else copy what can be read to another topic. A restart tries to clean it again"

// asideIn are the partitions of a directory that are set aside, which Kafka counts as
// uncleanable-partitions-count, and the bytes of their logs. Needs mu.
func (c *cleaner) asideIn(d *Dir) (partitions []string, bytes int64) {
	for p := range c.aside {
		if p.dir == d {
			partitions = append(partitions, p.name.String())
			bytes += p.log.Size()
		}
	}
	slices.Sort(partitions)
	return partitions, bytes
}

// remind tells again which logs are set aside: they grow without bound, and the line
// that said why may be days old.
func (c *cleaner) remind() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, d := range c.set.dirs {
		partitions, bytes := c.asideIn(d)
		if n := len(partitions); n > 0 {
			c.set.o.Logger.Error("logs are not cleaned since they were set aside", "dir", d.path, "uncleanable partitions in dir", n,
				"uncleanable bytes in dir", bytes, "partitions", partitions[:min(n, remindedOf)], "to do", uncleanableAdvice)
		}
	}
}

// remindedOf bounds how many partitions one line names.
const remindedOf = 20

// Uncleanable are the partitions that compaction has set aside, and why.
func (s *Set) Uncleanable() map[model.Partition]error {
	s.cleaner.mu.Lock()
	defer s.cleaner.mu.Unlock()
	out := make(map[model.Partition]error, len(s.cleaner.aside))
	for p, err := range s.cleaner.aside {
		out[p.name] = err
	}
	return out
}

// cleanedTo is how far cleanings of a log have come, as the directory's checkpoint
// says; -1 if it says nothing.
func (d *Dir) cleanedTo(name model.Partition) model.Offset {
	d.mu.Lock()
	defer d.mu.Unlock()
	if o, ok := d.saved[cleanerFile][name]; ok {
		return o
	}
	return -1
}

// noteCleaned writes down how far cleanings of a log have come.
func (d *Dir) noteCleaned(name model.Partition, to model.Offset) error {
	return d.changeCleaned(func(all map[model.Partition]model.Offset) { all[name] = to })
}

// lowerCleaned is called before a log is cut: what comes in place of the records
// cut was never cleaned. Were it taken for clean, tombstones in it would leave
// before what they delete.
func (d *Dir) lowerCleaned(name model.Partition, to model.Offset) error {
	if d.cleanedTo(name) <= to {
		return nil
	}
	return d.noteCleaned(name, to)
}

// changeCleaned replaces the cleaner's checkpoint.
func (d *Dir) changeCleaned(change func(map[model.Partition]model.Offset)) error {
	d.cleaning.Lock()
	defer d.cleaning.Unlock()
	d.mu.Lock()
	all := maps.Clone(d.saved[cleanerFile])
	d.mu.Unlock()
	if all == nil {
		all = map[model.Partition]model.Offset{}
	}
	change(all)
	return d.save(cleanerFile, all)
}

// pace holds cleanings back to a number of bytes in a second, all together.
type pace struct {
	mu   sync.Mutex
	rate float64 // 0 is no limit
	free time.Time
}

// unlimited is a rate that no disk reaches.
const unlimited = 1e15

func (p *pace) set(rate float64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if rate > unlimited {
		rate = 0
	}
	p.rate = rate
}

// wait returns when it is the turn of so many bytes.
func (p *pace) wait(ctx context.Context, bytes int) error {
	p.mu.Lock()
	if p.rate <= 0 {
		p.mu.Unlock()
		return nil
	}
	now := time.Now()
	if p.free.Before(now) {
		p.free = now
	}
	delay := p.free.Sub(now)
	p.free = p.free.Add(time.Duration(float64(bytes) / p.rate * float64(time.Second)))
	p.mu.Unlock()
	if delay <= 0 {
		return nil
	}
	timer := time.NewTimer(delay)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
