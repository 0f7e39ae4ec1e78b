package replica_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stromkafka/strom/internal/batch"
	"github.com/stromkafka/strom/internal/commitlog"
	"github.com/stromkafka/strom/internal/metadata"
	"github.com/stromkafka/strom/internal/model"
	"github.com/stromkafka/strom/internal/replica"
	"github.com/stromkafka/strom/internal/replica/replicatest"
	"github.com/stromkafka/strom/internal/vfs"
	"github.com/stromkafka/strom/internal/wire"
)

// keyed is a batch with one record.
func keyed(t *testing.T, key, value string) []byte {
	t.Helper()
	b := batch.New(batch.Options{})
	b.Add(time.Now().UnixMilli(), []byte(key), []byte(value))
	out, err := b.Build()
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func compacted() replica.TopicConfig {
	c := replicatest.Fsync
	c.Log.Compact, c.Log.Delete = true, false
	c.Log.SegmentBytes = 500
	return c
}

// cleaning is a Set that compacts, in a bubble.
type cleaning struct {
	*replicatest.Node
	t    *testing.T
	disk *vfs.Faulty
	logs bytes.Buffer // to be read once it has ended
	stop context.CancelFunc
	ran  chan error
}

func startCleaning(t *testing.T, config replica.CleanerConfig) *cleaning {
	c := &cleaning{t: t, disk: vfs.NewFaulty(vfs.NewMem(), nil), ran: make(chan error, 1)}
	c.Node = replicatest.New(t, compacted())
	o := c.Options(c.disk, "data")
	o.Logger = slog.New(slog.NewTextHandler(&c.logs, nil))
	o.Cleaner = func(*metadata.Image) replica.CleanerConfig { return config }
	c.Open(o)
	return c
}

func (c *cleaning) run() {
	ctx, cancel := context.WithCancel(c.t.Context())
	c.stop = cancel
	go func() { c.ran <- c.Set.Run(ctx) }()
}

func (c *cleaning) end() {
	c.t.Helper()
	c.stop()
	if err := errors.Join(<-c.ran, c.Set.Close(1)); err != nil {
		c.t.Fatal(err)
	}
}

func (c *cleaning) fill(p *replica.Partition, n, keys int) {
	c.t.Helper()
	for i := range n {
		if _, _, err := p.Append(keyed(c.t, fmt.Sprint("key ", i%keys), fmt.Sprint("value ", i)), -1, replica.Client); err != nil {
			c.t.Fatal(err)
		}
	}
	synctest.Wait()
}

var oneThread = replica.CleanerConfig{Threads: 1, Memory: 1 << 20, Load: 0.9, BytesPerSecond: 1e300, Backoff: 15 * time.Second}

func TestCleanerKeepsTheNewestOfEachKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := startCleaning(t, oneThread)
		id := c.CreateTopic("compacted", 1)
		p := c.Partition(id, 0)
		c.fill(p, 100, 10)
		before := p.Size()
		c.run()
		time.Sleep(16 * time.Second)
		synctest.Wait()
		if p.Size() > before/3 {
			t.Errorf("%d of %d bytes left", p.Size(), before)
		}
		var values []string
		for next := model.Offset(0); next < 100; {
			var more []string
			more, next = replicatest.Consume(t, p, next)
			values = append(values, more...)
		}
		if len(values) < 10 || strings.Join(values[len(values)-10:], ",") != "value 90,value 91,value 92,value 93,value 94,value 95,value 96,value 97,value 98,value 99" {
			t.Errorf("consumed %v", values)
		}
		if gone := deletedFiles(t, c.disk); gone == 0 {
			t.Error("the old segments have left at once")
		}
		time.Sleep(71 * time.Second) // file.delete.delay.ms, and until it is looked at
		synctest.Wait()
		if gone := deletedFiles(t, c.disk); gone > 0 {
			t.Errorf("%d files of old segments are left", gone)
		}
		offsets, err := commitlog.ReadOffsets(c.disk, "data/"+commitlog.CleanerFile)
		if at := offsets[model.Partition{Topic: "compacted"}]; err != nil || at < 90 || at > 100 {
			t.Errorf("cleaner checkpoint %v %v", offsets, err)
		}
		c.end()
	})
}

func deletedFiles(t *testing.T, disk vfs.FS) (n int) {
	t.Helper()
	entries, err := disk.ReadDir("data/compacted-0")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), ".deleted") {
			n++
		}
	}
	return n
}

func TestCleanerKeepsToItsRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		config := oneThread
		config.BytesPerSecond, config.Backoff = 16<<10, time.Second
		c := startCleaning(t, config)
		id := c.CreateTopic("compacted", 1)
		p := c.Partition(id, 0)
		value := strings.Repeat("v", 400)
		for range 800 {
			if _, _, err := p.Append(keyed(t, "key", value), -1, replica.Client); err != nil {
				t.Fatal(err)
			}
		}
		synctest.Wait() // all is committed: a first pass over less ends earlier
		before := p.Size()
		c.run()
		// Every byte is read twice: the first pass over 378 KB alone takes 20 s.
		time.Sleep(20 * time.Second)
		synctest.Wait()
		if p.Size() < before*9/10 {
			t.Errorf("%d of %d bytes are left too early", p.Size(), before)
		}
		time.Sleep(60 * time.Second)
		synctest.Wait()
		if p.Size() > before/3 {
			t.Errorf("%d of %d bytes left", p.Size(), before)
		}
		c.end()
	})
}

func TestUncleanableLogIsSetAside(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := startCleaning(t, oneThread)
		broken, whole := c.Partition(c.CreateTopic("broken", 1), 0), c.Partition(c.CreateTopic("whole", 1), 0)
		c.fill(broken, 100, 3)
		c.fill(whole, 100, 3)
		f, err := c.disk.OpenFile("data/broken-0/00000000000000000000.log", vfs.ReadWrite, 0)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.WriteAt([]byte{0xff}, 70); err != nil {
			t.Fatal(err)
		}
		size := whole.Size()
		c.run()
		time.Sleep(31 * time.Second)
		synctest.Wait()
		aside := c.Set.Uncleanable()
		if why := aside[broken.Name()]; len(aside) != 1 || why == nil || !strings.Contains(why.Error(), "broken-0/00000000000000000000.log") {
			t.Errorf("set aside: %v", aside)
		}
		if whole.Size() > size/2 {
			t.Error("the other log is not cleaned")
		}
		c.fill(broken, 1, 1)
		time.Sleep(2 * time.Hour)
		c.end()
		// Told once with the file, the count and the bytes of its directory, and then
		// again every hour.
		told := regexp.MustCompile(`level=ERROR msg="log cannot be cleaned.* partition=broken-0 .*broken-0/00000000000000000000.log.* "to do"=".*" "uncleanable partitions in dir"=1 "uncleanable bytes in dir"=\d+`)
		if n := len(told.FindAllString(c.logs.String(), -1)); n != 1 {
			t.Errorf("told %d times: %s", n, c.logs.String())
		}
		again := regexp.MustCompile(`level=ERROR msg="logs are not cleaned.* dir=data "uncleanable partitions in dir"=1 .*partitions=\[broken-0\]`)
		if n := len(again.FindAllString(c.logs.String(), -1)); n != 2 {
			t.Errorf("reminded %d times: %s", n, c.logs.String())
		}
	})
}

// Without room for the cleaned segments nothing changes, and later there is.
func TestCleaningWithoutRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := startCleaning(t, oneThread)
		p := c.Partition(c.CreateTopic("compacted", 1), 0)
		c.fill(p, 100, 3)
		before := p.Size()
		c.run()
		c.disk.SetHook(func(op vfs.Op) error {
			if op.Kind == vfs.OpWrite && strings.HasSuffix(op.Path, ".cleaned") {
				return syscall.ENOSPC
			}
			return nil
		})
		time.Sleep(31 * time.Second)
		synctest.Wait()
		if p.Size() != before || p.Dir().Err() != nil || len(c.Set.Uncleanable()) > 0 {
			t.Errorf("%d of %d bytes left, %v", p.Size(), before, p.Dir().Err())
		}
		c.disk.SetHook(nil)
		time.Sleep(31 * time.Second)
		synctest.Wait()
		if p.Size() > before/3 {
			t.Errorf("%d of %d bytes left", p.Size(), before)
		}
		c.end()
	})
}

// A topic is deleted while it is being cleaned, and another takes its name.
func TestDeletedWhileCleaned(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		config := oneThread
		config.BytesPerSecond = 1000
		c := startCleaning(t, config)
		id := c.CreateTopic("compacted", 1)
		c.fill(c.Partition(id, 0), 500, 3)
		c.run()
		time.Sleep(20 * time.Second)
		c.Records(&wire.RemoveTopicRecord{TopicID: model.UUID(id)})
		p := c.Partition(c.CreateTopic("compacted", 1), 0)
		c.fill(p, 20, 3)
		time.Sleep(time.Minute)
		if got, _ := replicatest.Consume(t, p, 19); len(got) != 1 || got[0] != "value 19" || p.Dir().Err() != nil {
			t.Errorf("consumed %v", got)
		}
		c.end()
	})
}
