package commitlog

import (
	"errors"
	"math"
	"time"

	"github.com/stromkafka/strom/internal/batch"
	"github.com/stromkafka/strom/internal/model"
)

// Compaction is what a cleaning of a log has before it.
type Compaction struct {
	// From is the first offset that no cleaning has covered; To is where the
	// segments begin that must stay as they are.
	From, To model.Offset
	// Clean are the bytes before From, Dirty those from there to To, by segments.
	Clean, Dirty int64
	// Overdue is for how long records have waited beyond max.compaction.lag.ms.
	Overdue time.Duration
	// Reset says that the checkpoint is not of this log and From its start
	// instead, which must be written down.
	Reset bool
}

// Ratio is the part of the log that is dirty.
func (c Compaction) Ratio() float64 {
	if c.Clean+c.Dirty == 0 {
		return 0
	}
	return float64(c.Dirty) / float64(c.Clean+c.Dirty)
}

// Due reports whether the log should be cleaned.
func (c Compaction) Due(minRatio float64) bool {
	return c.Overdue > 0 && c.Dirty > 0 || c.Ratio() > minRatio
}

// Compactable looks at what there is to clean. checkpoint is how far cleanings
// have come, -1 if that is not known; stable is the last stable offset, which no
// cleaning passes. Nor does one touch the active segment, or segments with records
// younger than min.compaction.lag.ms.
func (l *Log) Compactable(checkpoint, stable model.Offset, now time.Time) (c Compaction, err error) {
	err = again(func() error {
		c, err = l.compactable(checkpoint, stable, now)
		return err
	})
	return c, err
}

func (l *Log) compactable(checkpoint, stable model.Offset, now time.Time) (Compaction, error) {
	views, start, err := l.views()
	if err != nil {
		return Compaction{}, err
	}
	cfg := l.config.Load()
	end := views[len(views)-1].next
	c := Compaction{From: checkpoint}
	if checkpoint < start || checkpoint > end {
		c.From, c.Reset = start, checkpoint >= 0
	}
	sealed := views[:len(views)-1]
	to := min(stable, views[len(views)-1].base)
	if cfg.MinCompactionLag > 0 {
		young, err := firstYounger(sealed, c.From, now.UnixMilli()-milliseconds(cfg.MinCompactionLag))
		if err != nil {
			return Compaction{}, err
		}
		to = min(to, young)
	}
	to = max(to, c.From)
	// Segments are cleaned as a whole.
	c.To = views[len(views)-1].base
	for i := len(sealed) - 1; i >= 0 && sealed[i].next > to; i-- {
		c.To = sealed[i].base
	}
	c.measure(sealed)
	if cfg.MaxCompactionLag < math.MaxInt64 {
		c.Overdue, err = overdue(sealed, c.From, now, cfg.MaxCompactionLag)
	}
	return c, err
}

// measure counts the bytes before and after From, a segment that holds it twice.
func (c *Compaction) measure(sealed []view) {
	for i := range sealed {
		if sealed[i].base < c.From {
			c.Clean += sealed[i].size
		}
		if sealed[i].base < c.To && sealed[i].next > min(c.From, c.To) {
			c.Dirty += sealed[i].size
		}
	}
}

// firstYounger is where the first segment at or after from begins that has a
// record younger than the time given.
func firstYounger(sealed []view, from model.Offset, before int64) (model.Offset, error) {
	for i := range sealed {
		if sealed[i].next <= from {
			continue
		}
		m, err := sealed[i].largest()
		if err != nil {
			return 0, err
		}
		if m.timestamp > before {
			return sealed[i].base, nil
		}
	}
	return math.MaxInt64, nil
}

// overdue is for how much longer than lag the oldest dirty segment has waited.
func overdue(sealed []view, from model.Offset, now time.Time, lag time.Duration) (time.Duration, error) {
	oldest := int64(math.MaxInt64)
	for i := range sealed {
		if sealed[i].next <= from {
			continue
		}
		r := headers{view: &sealed[i]}
		if r.next() && r.header.MaxTimestamp() > 0 {
			oldest = min(oldest, r.header.MaxTimestamp())
		}
		if r.err != nil {
			return 0, r.err
		}
	}
	late := now.UnixMilli() - milliseconds(lag) - oldest
	if oldest == math.MaxInt64 || late <= 0 {
		return 0, nil
	}
	return time.Duration(min(late, int64(maxWait/time.Millisecond))) * time.Millisecond, nil
}

// group are sealed segments that become one.
type group struct {
	from, to int // in the views that were grouped
}

// groups joins neighbours as far as the result is sure to fit into one segment:
// cleaning makes none larger.
func groups(views []view, cfg *Config) []group {
	var out []group
	for i := 0; i < len(views); {
		g := group{from: i, to: i + 1}
		size, index, times := views[i].size, views[i].index.count()*indexWidth, views[i].times.count()*timeWidth
		for ; g.to < len(views); g.to++ {
			v := &views[g.to]
			size, index, times = size+v.size, index+v.index.count()*indexWidth, times+v.times.count()*timeWidth
			if size > cfg.SegmentBytes || int64(index) > cfg.IndexBytes || int64(times) > cfg.IndexBytes || !fits(views[i].base, v.next-1) && v.size > 0 {
				break
			}
		}
		out = append(out, g)
		i = g.to
	}
	return out
}

// ErrCompactionStopped says that something else had to be done with the log
// first: it was cut, closed or lost segments. What was cleaned so far stays.
var ErrCompactionStopped = errors.New("compaction was stopped")

// lastRecord is what tells the last batch of a producer: the offset of its last
// record, or, of one of which only a marker is known, its epoch.
type lastRecord struct {
	offset model.Offset // -1 if there is none
	epoch  int16
}

func (r lastRecord) is(b batch.Batch) bool {
	if r.offset >= 0 {
		return b.LastOffset() == r.offset
	}
	return b.IsControl() && b.ProducerEpoch() == r.epoch
}

// lastRecords are the newest batches of the producers that are known. Without
// them nobody could tell, after a restart, how a producer's sequence goes on.
func (l *Log) lastRecords() map[model.ProducerID]lastRecord {
	l.mu.Lock()
	defer l.mu.Unlock()
	out := make(map[model.ProducerID]lastRecord, len(l.producers.byID))
	for id, p := range l.producers.byID {
		last := lastRecord{-1, p.epoch}
		if p.count > 0 {
			last.offset = p.batches[p.count-1].lastOffset
		}
		out[id] = last
	}
	return out
}
