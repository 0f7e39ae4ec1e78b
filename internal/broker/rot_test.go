package broker_test

import (
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stromkafka/strom/internal/kerr"
	"github.com/stromkafka/strom/internal/model"
	"github.com/stromkafka/strom/internal/vfs"
)

// ending is how a node ends before its disk is changed.
type ending struct {
	kill   bool
	policy string
}

// endings after which the change is found in different places. What was written
// since the last checkpoint is under policy fsync in the journal too.
var endings = map[string]ending{
	"after a clean stop":    {false, "fsync"},
	"after a crash":         {true, "os"},
	"while it is journaled": {true, "fsync"},
}

// repaired reports whether the journal has what was changed.
func (e ending) repaired() bool { return e.kill && e.policy == "fsync" }

// rotten is a node with two partitions whose files hold ten records each, ended
// in a way, with the first one's log changed.
func rotten(t *testing.T, how ending, change func(f vfs.File, size int64) error) (*life, model.UUID) {
	t.Helper()
	mem := vfs.NewMem()
	l, err := boot(t, mem, "log.flush.policy="+how.policy)
	if err != nil {
		t.Fatal(err)
	}
	id, err := l.createTopic("t", 2, nil)
	if err != nil {
		t.Fatal(err)
	}
	for range 10 {
		for p := range int32(2) {
			if _, err := l.produce(id, p, -1, newBatch(t, nil, strings.Repeat("v", 100))); err != nil {
				t.Fatal(err)
			}
		}
	}
	if how.kill {
		mem = mem.Crash()
		_ = l.stop() // the disk is gone
	} else if err := l.stop(); err != nil {
		t.Fatal(err)
	}
	f, err := mem.OpenFile("data/t-0/00000000000000000000.log", vfs.ReadWrite, 0)
	if err != nil {
		t.Fatal(err)
	}
	size, err := f.Size()
	if err == nil {
		err = change(f, size)
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if l, err = boot(t, mem, "log.flush.policy="+how.policy); err != nil {
		t.Fatal(err)
	}
	return l, id
}

func flip(f vfs.File, size int64) error {
	var b [1]byte
	if _, err := f.ReadAt(b[:], size/2+100); err != nil {
		return err
	}
	b[0] ^= 0x10
	_, err := f.WriteAt(b[:], size/2+100)
	return err
}

// whole checks that a partition is as it was, and goes on.
func (l *life) whole(t *testing.T, id model.UUID, partition int32) {
	t.Helper()
	if got, err := l.all(id, partition); err != nil || len(got) != 10 {
		t.Errorf("partition %d: %d records, %v", partition, len(got), err)
	}
	if at, err := l.produce(id, partition, -1, newBatch(t, nil, "on")); err != nil || at != 10 {
		t.Errorf("partition %d: the next offset is %d, %v", partition, at, err)
	}
}

// A bit that changes on disk is never read as a record: where recovery does not
// look, the reader's checksum tells; the rest of the node is not concerned.
func TestBitRot(t *testing.T) {
	for name, how := range endings {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l, id := rotten(t, how, flip)
				got, err := l.all(id, 0)
				if !how.kill && kerr.Code(err) != kerr.CorruptMessage.Code {
					t.Errorf("%v", err)
				}
				if (len(got) == 10) != how.repaired() || slices.ContainsFunc(got, func(v string) bool { return v != strings.Repeat("v", 100) }) {
					t.Errorf("read %d records: %q", len(got), got)
				}
				l.whole(t, id, 1)
				if err := l.stop(); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// A log that lost its end while nobody looked is served up to there, and goes on.
func TestTruncatedFile(t *testing.T) {
	for name, how := range endings {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l, id := rotten(t, how, func(f vfs.File, size int64) error { return f.Truncate(size/2 + 3) })
				got, err := l.all(id, 0)
				t.Logf("%d records, %v", len(got), err)
				if (len(got) == 10) != how.repaired() {
					t.Errorf("read %d records", len(got))
				}
				l.whole(t, id, 1)
				if err := l.stop(); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// A node that stood still for a year, so that its clock jumps, has all that it may
// keep, and its broker is in the cluster.
func TestClockJumpsAhead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		mem := vfs.NewMem()
		l, err := boot(t, mem, "log.retention.ms=-1", "metadata.max.idle.interval.ms=0")
		if err != nil {
			t.Fatal(err)
		}
		id, err := l.createTopic("t", 1, nil)
		if err != nil {
			t.Fatal(err)
		}
		for range 10 {
			if _, err := l.produce(id, 0, -1, newBatch(t, nil, "v")); err != nil {
				t.Fatal(err)
			}
		}
		mem = mem.Crash()
		_ = l.stop() // the disk is gone
		time.Sleep(365 * 24 * time.Hour)
		if l, err = boot(t, mem, "log.retention.ms=-1", "metadata.max.idle.interval.ms=0"); err != nil {
			t.Fatal(err)
		}
		l.whole(t, id, 0)
		if err := l.stop(); err != nil {
			t.Error(err)
		}
	})
}
