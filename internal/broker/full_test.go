package broker_test

import (
	"errors"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stromkafka/strom/internal/kerr"
	"github.com/stromkafka/strom/internal/vfs"
)

// A node whose disk fills up refuses what needs room, with a storage error, and
// goes on as soon as there is room again: nothing of it ends.
func TestFullDiskRefusesAndGoesOn(t *testing.T) {
	for _, policy := range []string{"fsync", "os"} {
		t.Run(policy, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var full atomic.Bool
				disk := vfs.NewFaulty(vfs.NewMem(), func(op vfs.Op) error {
					if full.Load() && (op.Kind == vfs.OpWrite || op.Kind == vfs.OpPreallocate || op.Kind == vfs.OpMkdir) {
						return &vfs.ShortWrite{Wrote: op.Length / 2, Err: syscall.ENOSPC}
					}
					return nil
				})
				l, err := boot(t, disk, append([]string{"log.flush.policy=" + policy}, crashSettings...)...)
				if err != nil {
					t.Fatal(err)
				}
				id, err := l.createTopic("t", 3, nil)
				if err != nil {
					t.Fatal(err)
				}
				write := func(want int64) {
					t.Helper()
					for p := range int32(3) {
						if base, err := l.produce(id, p, -1, newBatch(t, nil, "v")); err != nil || base != want {
							t.Fatalf("partition %d: offset %d, want %d: %v", p, base, want, err)
						}
					}
				}
				write(0)
				for round := range int64(3) {
					full.Store(true)
					if _, err := l.produce(id, 0, -1, newBatch(t, nil, strings.Repeat("x", 5000))); !errors.Is(err, kerr.KafkaStorageError) {
						t.Errorf("produce to a full disk: %v", err)
					}
					time.Sleep(3 * time.Minute) // checkpoints, retention
					if values, err := l.all(id, 1); err != nil || len(values) != int(round)+1 {
						t.Errorf("read from a full disk: %d records, %v", len(values), err)
					}
					full.Store(false)
					time.Sleep(time.Minute)
					write(round + 1)
				}
				if _, err := l.createTopic("another", 20, nil); err != nil {
					t.Errorf("create once there is room: %v", err)
				}
				if err := l.stop(); err != nil {
					t.Errorf("stop: %v", err)
				}
			})
		})
	}
}

// A topic that is created while the disk of its broker is full comes to life once
// there is room, and a node with a full disk can be stopped.
func TestTopicCreatedOnAFullDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var full atomic.Bool
		disk := vfs.NewFaulty(vfs.NewMem(), func(op vfs.Op) error {
			inMetadata := strings.Contains(op.Path, "__cluster_metadata")
			if full.Load() && !inMetadata && (op.Kind == vfs.OpWrite || op.Kind == vfs.OpMkdir) {
				return syscall.ENOSPC
			}
			return nil
		})
		l, err := boot(t, disk, crashSettings...)
		if err != nil {
			t.Fatal(err)
		}
		full.Store(true)
		id, err := l.createTopic("t", 12, nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := l.produce(id, 0, -1, newBatch(t, nil, "v")); err == nil {
			t.Error("there is a replica although there is no room for it")
		}
		full.Store(false)
		time.Sleep(5 * time.Second)
		for p := range int32(12) {
			if _, err := l.produce(id, p, -1, newBatch(t, nil, "v")); err != nil {
				t.Errorf("partition %d: %v", p, err)
			}
		}
		full.Store(true)
		begun := time.Now()
		_ = l.stop() // it cannot be clean
		if took := time.Since(begun); took > time.Minute {
			t.Errorf("stopping took %v", took)
		}
	})
}

// A node dies and starts on a disk on which no file can grow: it waits, and once
// there is room it has all that it acknowledged.
func TestStartOnAFullDisk(t *testing.T) {
	for name, keep := range map[string]func() bool{"killed": vfs.KeepAll, "power lost": vfs.KeepNone} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				mem := vfs.NewMem()
				l, err := boot(t, mem, crashSettings...)
				if err != nil {
					t.Fatal(err)
				}
				id, err := l.createTopic("t", 3, nil)
				if err != nil {
					t.Fatal(err)
				}
				for range 5 {
					if _, err := l.produce(id, 1, -1, newBatch(t, nil, "v")); err != nil {
						t.Fatal(err)
					}
				}
				left := mem.PowerLoss(keep)
				_ = l.stop() // its disk is gone
				var full atomic.Bool
				full.Store(true)
				disk := vfs.NewFaulty(left, func(op vfs.Op) error {
					if !full.Load() || op.Kind != vfs.OpWrite {
						return nil
					}
					if info, err := left.Stat(op.Path); err != nil || op.Offset+op.Length > info.Size() {
						return syscall.ENOSPC
					}
					return nil
				})
				began := time.Now()
				time.AfterFunc(30*time.Second, func() { full.Store(false) })
				l, err = boot(t, disk, crashSettings...)
				if err != nil {
					t.Fatalf("after %v: %v", time.Since(began), err)
				}
				if values, err := l.all(id, 1); err != nil || len(values) != 5 {
					t.Errorf("%d records, %v", len(values), err)
				}
				if base, err := l.produce(id, 1, -1, newBatch(t, nil, "v")); err != nil || base != 5 {
					t.Errorf("offset %d, %v", base, err)
				}
				if err := l.stop(); err != nil {
					t.Error(err)
				}
			})
		})
	}
}
