package simtest

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	mrand "math/rand/v2"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/stromkafka/strom/internal/broker"
	"github.com/stromkafka/strom/internal/config"
	"github.com/stromkafka/strom/internal/model"
	"github.com/stromkafka/strom/internal/storage"
	"github.com/stromkafka/strom/internal/vfs"
)

// clusterID is every cluster's.
const clusterID = "4L6g3nShT-eMCtK--X86sw"

// node is one node of the cluster, across its lives.
type node struct {
	id       model.NodeID
	name     string // of its host
	roles    string
	settings []string
	network  *Network
	skew     atomic.Int64 // its wall clock is ahead by that many nanoseconds
	logs     io.Writer
	sync     time.Duration       // how long a sync takes at most
	wrap     func(vfs.FS) vfs.FS // the disk as the process sees it; may be nil

	mu    sync.Mutex
	mem   *vfs.Mem // what its disk holds
	life  *life    // nil while down
	lives sync.WaitGroup
	over  bool // the simulation has ended; nobody starts any more
}

// life is one run of the node's process.
type life struct {
	host   *Host
	disk   *vfs.Faulty
	cancel context.CancelFunc
	ended  chan struct{} // closed with err set
	err    error
	serves atomic.Bool
}

func (n *node) address() string    { return n.name + ":9092" }
func (n *node) controller() string { return n.name + ":9093" }

func (n *node) values() (*config.Values, error) {
	return config.Load(config.Sources{FileName: n.name, FileText: []byte(strings.Join(n.settings, "\n"))})
}

// format prepares the node's disk.
func (n *node) format() error {
	values, err := n.values()
	if err != nil {
		return fmt.Errorf("node %d: %w", n.id, err)
	}
	n.mem = vfs.NewMem()
	err = storage.Format(n.mem, storage.FormatOptions{Values: values, ClusterID: clusterID, Now: time.Now(), Random: rand.Reader}, io.Discard)
	if err != nil {
		return fmt.Errorf("format node %d: %w", n.id, err)
	}
	return nil
}

// start begins a life. It does not wait until the node serves, for which it may
// need others.
func (n *node) start() error {
	values, err := n.values()
	if err != nil {
		return err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.life != nil {
		return fmt.Errorf("node %d is running", n.id)
	}
	if n.over {
		return nil
	}
	n.network.Power(n.name, true)
	ctx, cancel := context.WithCancel(context.Background())
	var disk vfs.FS = n.mem
	if n.wrap != nil {
		disk = n.wrap(disk)
	}
	l := &life{host: n.network.Host(n.name), disk: vfs.NewFaulty(disk, upTo(n.sync)), cancel: cancel, ended: make(chan struct{})}
	n.life = l
	log := slog.New(slog.NewTextHandler(n.logs, &slog.HandlerOptions{Level: slog.LevelInfo})).With("node", n.id)
	n.lives.Go(func() {
		l.err = broker.Run(ctx, broker.Options{Values: values, FS: l.disk, Network: l.host, Log: log,
			Now: n.now, Ready: func(broker.Ready) { l.serves.Store(true) }})
		log.Info("the life of the node is over", "error", l.err)
		l.host.End() // what it forgot to close, the operating system does
		close(l.ended)
	})
	return nil
}

// now is what the node's clock shows.
func (n *node) now() time.Time { return clock(time.Duration(n.skew.Load())) }

// take takes the current life away, if there is one.
func (n *node) take() *life {
	n.mu.Lock()
	defer n.mu.Unlock()
	l := n.life
	n.life = nil
	return l
}

// starting reports whether the running life does not serve yet.
func (n *node) starting() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.life != nil && !n.life.serves.Load()
}

// down reports whether the node has no life, or one that ended by itself; then it
// says how.
func (n *node) down() (bool, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.life == nil {
		return true, nil
	}
	select {
	case <-n.life.ended:
		return true, n.life.err
	default:
		return false, nil
	}
}

// stop ends a life cleanly. One that cannot reach the active controller would
// wait long for it, so in the end it is killed.
func (n *node) stop(patience time.Duration) {
	l := n.take()
	if l == nil {
		return
	}
	l.cancel()
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-l.ended:
	case <-timer.C:
		n.end(l, func(m *vfs.Mem) *vfs.Mem { return m.Crash() })
	}
}

// kill ends a life as kill -9 does: all that was written stays.
func (n *node) kill() { n.end(n.take(), func(m *vfs.Mem) *vfs.Mem { return m.Crash() }) }

// losePower ends a life as a power cut does: of what was not synced, anything may
// be lost, and nobody is told that the connections are gone until the host is
// back.
func (n *node) losePower(seed uint64) {
	n.network.Power(n.name, false)
	n.end(n.take(), func(m *vfs.Mem) *vfs.Mem { return m.PowerLoss(vfs.KeepRandom(seed)) })
}

// end ends a life at once: the disk is another's, the network is gone. Its
// goroutines end by themselves.
func (n *node) end(l *life, disk func(*vfs.Mem) *vfs.Mem) {
	if l == nil {
		return
	}
	n.mu.Lock()
	n.mem = disk(n.mem)
	n.mu.Unlock()
	l.host.End()
	l.cancel()
}

// damage changes the last segment of a partition while the node is down; one that
// does not have it, or nothing in it, is spared.
func (n *node) damage(dir string, do func(f vfs.File, size int64) error) (err error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	entries, err := n.mem.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	last := ""
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), ".log") {
			last = dir + "/" + e.Name()
		}
	}
	if err != nil || last == "" {
		return err
	}
	f, err := n.mem.OpenFile(last, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	size, err := f.Size()
	if err != nil || size == 0 {
		return err
	}
	return do(f, size)
}

// hook has the running life's disk misbehave; nil heals it.
func (n *node) hook(before func(vfs.Op) error) {
	if before == nil {
		before = upTo(n.sync)
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.life != nil {
		n.life.disk.SetHook(before)
	}
}

// The ways in which a disk misbehaves.

// slow syncs of logs and journals take a time of their own each, as draw says. Who
// waits for one must hold no lock that others wait for: that would stop the bubble's
// time.
func slow(draw func() time.Duration) func(vfs.Op) error {
	return func(op vfs.Op) error {
		if op.Kind == vfs.OpSync && keepsRecords(op.Path) {
			time.Sleep(draw())
		}
		return nil
	}
}

// keepsRecords reports whether a file is a segment or of a journal.
func keepsRecords(name string) bool {
	return strings.HasSuffix(name, ".log") || strings.Contains(name, "/journal/")
}

// upTo is a disk that is well: a sync takes some time up to d.
func upTo(d time.Duration) func(vfs.Op) error {
	return slow(func() time.Duration { return mrand.N(d) })
}

// full has no room for anything new. A directory that is there needs none.
func (n *node) full(op vfs.Op) error {
	switch op.Kind {
	case vfs.OpWrite, vfs.OpPreallocate:
		return &vfs.ShortWrite{Err: syscall.ENOSPC}
	case vfs.OpMkdir:
		if _, err := n.mem.Stat(op.Path); err != nil {
			return syscall.ENOSPC
		}
	}
	return nil
}

// failing fails the syncs of partitions, or all.
func failing(of string) func(vfs.Op) error {
	return func(op vfs.Op) error {
		if op.Kind == vfs.OpSync && strings.Contains(op.Path, of) {
			return syscall.EIO
		}
		return nil
	}
}

// errDied is a node that ended by itself without a reason.
var errDied = errors.New("the node ended by itself")
