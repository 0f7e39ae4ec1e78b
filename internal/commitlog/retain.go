package commitlog

import (
	"time"

	"github.com/stromkafka/strom/internal/model"
)

// Retain does what time brings: segments below Start, and under cleanup.policy
// delete those beyond the topic's size and age, leave the log if they lie wholly
// below highWatermark; files whose file.delete.delay.ms is over are removed. It
// returns how many segments left.
func (l *Log) Retain(now time.Time, highWatermark model.Offset) (int, error) {
	l.checkpointing.Lock()
	defer l.checkpointing.Unlock()
	// A cut that is replayed would take away the segments after it, of which the
	// journal has those parts only that came since.
	if err := l.forgetCuts(); err != nil {
		return 0, err
	}
	l.append.Lock()
	defer l.append.Unlock()
	if err := l.Err(); err != nil {
		return 0, err
	}
	l.mu.Lock()
	cut := l.mustVoid()
	l.mu.Unlock()
	if cut {
		return 0, nil // again; the next time will do
	}
	cfg := l.config.Load()
	n, err := l.expired(cfg, now, highWatermark)
	if err != nil {
		return 0, err
	}
	if n > 0 {
		if err := l.drop(n, cfg, now); err != nil {
			return 0, err
		}
	}
	return n, l.reap(now, false)
}

// expired is how many of the oldest segments may go.
func (l *Log) expired(cfg *Config, now time.Time, highWatermark model.Offset) (int, error) {
	excess := l.Size() - cfg.RetentionBytes
	for i, s := range l.segments {
		after := l.end()
		if i+1 < len(l.segments) {
			after = l.segments[i+1].base
		} else if s.size == 0 {
			return i, nil
		}
		if after > highWatermark {
			return i, nil
		}
		due := i+1 < len(l.segments) && after <= l.start
		if cfg.Delete && cfg.RetentionBytes >= 0 {
			excess -= s.size
			due = due || excess >= 0
		}
		if cfg.Delete && cfg.RetentionAge >= 0 && !due {
			newest, err := l.newest(s)
			if err != nil {
				return 0, err
			}
			due = now.UnixMilli()-newest > cfg.RetentionAge.Milliseconds()
		}
		if !due {
			return i, nil
		}
	}
	return len(l.segments), nil
}

// newest is the largest timestamp of a segment in milliseconds; without one,
// when its file was last written.
func (l *Log) newest(s *segment) (int64, error) {
	v := s.view()
	m, err := v.largest()
	if err != nil || m.timestamp >= 0 {
		return m.timestamp, err
	}
	info, err := l.fs.Stat(s.log.name)
	if err != nil {
		return 0, err
	}
	return info.ModTime().UnixMilli(), nil
}

// drop removes the n oldest segments, all of them after beginning a new one.
func (l *Log) drop(n int, cfg *Config, now time.Time) error {
	if n == len(l.segments) {
		if err := l.roll(l.end(), cfg, now); err != nil {
			return err
		}
	}
	gone := l.segments[:n]
	l.mu.Lock()
	l.segments = append([]*segment(nil), l.segments[n:]...)
	first := l.segments[0].base
	l.advance(first)
	l.mu.Unlock()
	if err := l.discard(gone, now); err != nil {
		return l.fail(err)
	}
	// A power loss must not bring them back.
	if err := l.fs.SyncDir(l.dir); err != nil {
		return l.fail(err)
	}
	return l.dropSnapshots(func(o model.Offset) bool { return o < first })
}

// Delete takes the log away: it is closed and its directory renamed to
// topic-partition.unique-delete, which after a restart is still known to be
// rubbish. The caller removes the directory it returns.
func (l *Log) Delete(unique string) (string, error) {
	defer l.StopCompaction()()
	l.checkpointing.Lock()
	defer l.checkpointing.Unlock()
	l.append.Lock()
	defer l.append.Unlock()
	l.mu.Lock()
	l.failure = ErrClosed
	l.mu.Unlock()
	// The files go anyhow: what cannot be written any more is no loss.
	_ = l.closeFiles()
	return l.moveAway(unique)
}
