// Package stromtest is a real broker inside a Go test: one call starts it, and
// the end of the test stops it and removes what it wrote.
//
// It is the same code that `strom start` runs, a broker and controller that is a
// cluster by itself. Without options its files are in memory and it listens on a
// free port of 127.0.0.1, so every Kafka client can reach it. Ready is a matter
// of milliseconds.
//
// A broker can be stopped, killed and started again under the same address, over
// the files that it left. For tests in a bubble of testing/synctest, and for
// tests that may not open ports, Options.InProcess replaces TCP by connections in
// memory; clients then dial with [Broker.Dial]:
//
//	client, err := kgo.NewClient(kgo.SeedBrokers(b.Bootstrap()), kgo.Dialer(b.Dial))
package stromtest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/stromkafka/strom/internal/broker"
	"github.com/stromkafka/strom/internal/config"
	"github.com/stromkafka/strom/internal/transport"
	"github.com/stromkafka/strom/internal/vfs"
)

// Options say how a broker differs from the plain one. The zero value is good.
type Options struct {
	// Config is configuration by name, as in a server.properties file.
	Config map[string]string
	// Dir is where the broker keeps its files on disk; they stay there at the
	// end. Empty is a disk in memory.
	Dir string
	// InProcess replaces TCP by connections in memory, which only Dial makes.
	InProcess bool
	// Log is where the broker's log goes; nil is nowhere.
	Log io.Writer
}

// Broker is a broker that a test has started. Its methods are to be called from
// the test's own goroutine, but for Bootstrap, Dial and Client.
type Broker struct {
	t       testing.TB
	options Options
	network transport.Network
	disk    disk
	address string // host:port, the same in every life

	cancel context.CancelFunc // nil while the broker is down
	ended  chan error
}

// Start starts a broker and waits until it serves. What is wrong fails the test
// at once. The test's end stops the broker.
func Start(t testing.TB, o Options) *Broker {
	t.Helper()
	b := &Broker{t: t, options: o, network: transport.TCP(), address: "127.0.0.1:0", disk: newMemDisk()}
	if o.InProcess {
		b.network, b.address = transport.NewPipe(), "127.0.0.1:9092"
	}
	if o.Dir != "" {
		b.disk = newRealDisk()
	}
	t.Cleanup(func() {
		if b.cancel != nil {
			b.Stop()
		}
	})
	b.Start()
	return b
}

// Bootstrap is the broker's address for clients. It stays the same when the
// broker is started again.
func (b *Broker) Bootstrap() string { return b.address }

// Dial connects to an address of the broker's network. It is what kgo.Dialer
// takes.
func (b *Broker) Dial(ctx context.Context, _, address string) (net.Conn, error) {
	return b.network.Dial(ctx, address)
}

// Client is a client of the broker, closed at the test's end.
func (b *Broker) Client(opts ...kgo.Opt) *kgo.Client {
	b.t.Helper()
	client, err := kgo.NewClient(append([]kgo.Opt{kgo.SeedBrokers(b.address), kgo.Dialer(b.Dial)}, opts...)...)
	if err != nil {
		b.t.Fatalf("client: %v", err)
	}
	b.t.Cleanup(client.Close)
	return client
}

// Start starts the broker again after Stop, Kill or PowerLoss.
func (b *Broker) Start() {
	b.t.Helper()
	if b.cancel != nil {
		b.t.Fatal("the broker is running")
	}
	values, err := config.Load(config.Sources{Set: b.settings()})
	if err != nil {
		b.t.Fatalf("configuration: %v", err)
	}
	log := slog.New(slog.DiscardHandler)
	if b.options.Log != nil {
		log = slog.New(slog.NewTextHandler(b.options.Log, nil))
	}
	ctx, cancel := context.WithCancel(context.Background())
	ready := make(chan broker.Ready, 1)
	ended := make(chan error, 1)
	o := broker.Options{Values: values, FS: b.disk.open(), Network: b.network, Log: log, Ready: func(r broker.Ready) { ready <- r }}
	go func() { ended <- broker.Run(ctx, o) }()
	select {
	case r := <-ready:
		b.address = r.Listeners[0].Address()
		b.cancel, b.ended = cancel, ended
	case err := <-ended:
		cancel()
		b.t.Fatalf("the broker did not start: %v", err)
	}
}

// settings are the test's over those that make the node small and local.
func (b *Broker) settings() []string {
	dir := b.options.Dir
	if dir == "" {
		dir = "strom-data"
	}
	all := []string{"log.dirs=" + dir, "listeners=PLAINTEXT://" + b.address}
	for name, value := range b.options.Config {
		all = append(all, name+"="+value)
	}
	return all
}

// Stop stops the broker cleanly.
func (b *Broker) Stop() {
	b.t.Helper()
	if err := b.end(); err != nil {
		b.t.Errorf("the broker did not stop cleanly: %v", err)
	}
}

// Restart stops the broker cleanly and starts it again.
func (b *Broker) Restart() {
	b.t.Helper()
	b.Stop()
	b.Start()
}

// Kill ends the broker as kill -9 does: from now on nothing more reaches its
// disk, which holds all that was written until now.
func (b *Broker) Kill() {
	b.t.Helper()
	b.disk.kill()
	_ = b.end() // it has lost its disk; whatever it says is about that
}

// PowerLoss ends the broker as a power cut does: of what it wrote and did not
// sync, each sector and each name in a directory is kept or lost, by seed. It
// needs a disk in memory.
func (b *Broker) PowerLoss(seed uint64) {
	b.t.Helper()
	if err := b.disk.powerLoss(seed); err != nil {
		b.t.Fatal(err)
	}
	_ = b.end() // as in Kill
}

func (b *Broker) end() error {
	b.t.Helper()
	if b.cancel == nil {
		b.t.Fatal("the broker is not running")
	}
	b.cancel()
	b.cancel = nil
	return <-b.ended
}

// disk is where a broker's files are, across its lives.
type disk interface {
	open() vfs.FS
	kill() // what was opened before fails from now on
	powerLoss(seed uint64) error
}

type memDisk struct{ mem *vfs.Mem }

func newMemDisk() *memDisk { return &memDisk{vfs.NewMem()} }

func (d *memDisk) open() vfs.FS { return d.mem }
func (d *memDisk) kill()        { d.mem = d.mem.Crash() }
func (d *memDisk) powerLoss(seed uint64) error {
	d.mem = d.mem.PowerLoss(vfs.KeepRandom(seed))
	return nil
}

// realDisk is the operating system's. Each life of the broker sees it through a
// wrapping that can be told to fail.
type realDisk struct{ life *vfs.Faulty }

func newRealDisk() *realDisk { return &realDisk{} }

func (d *realDisk) open() vfs.FS {
	d.life = vfs.NewFaulty(vfs.OS(), nil)
	return d.life
}

func (d *realDisk) kill() {
	d.life.SetHook(func(op vfs.Op) error { return fmt.Errorf("%s: %w", op.Kind, errKilled) })
}

func (d *realDisk) powerLoss(uint64) error {
	return errors.New("the power of a real disk cannot be cut; leave Options.Dir empty")
}

var errKilled = errors.New("the broker was killed")
