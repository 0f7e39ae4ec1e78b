// Package quorum runs the consensus of package kraft: it owns this node's one
// replica of the metadata log with its snapshots and quorum-state file, its
// clock and its links, folds what is committed into images, and runs the
// controller while this node leads. A node without a controller role runs the
// same code as an observer. See docs/formats/metadata-log.md for the files.
//
// Goroutines of a Node, and who waits for whom:
//
//	Submit ──► controller ──appends──► raft ──high watermark──► loader ──► Publish
//	  ▲        (decides on a draft)    (kraft.Machine,           (folds what is
//	  └──────────── released ───────── log, fsync)                committed)
//
// The raft goroutine owns the kraft.Machine and is the only one to change the
// log. It waits for nobody, but for writes of the quorum-state file, which come
// before the answers that depend on them, and for truncations. A sync of the log
// runs beside it, at most one: meanwhile requests are answered, and what the
// controller decides is appended and served to followers; the next sync is for all
// of it. An idle log is drained at once, which is why no append lingers
// (controller.quorum.append.linger.ms is an upper bound that is never reached).
//
// A sync that fails ends the node, and is never tried again.
//
// The metadata log is always synced before anything in it counts, whatever
// log.flush.policy says.
package quorum

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/stromkafka/strom/internal/controller"
	"github.com/stromkafka/strom/internal/kraft"
	"github.com/stromkafka/strom/internal/metadata"
	"github.com/stromkafka/strom/internal/model"
	"github.com/stromkafka/strom/internal/notify"
	"github.com/stromkafka/strom/internal/transport"
	"github.com/stromkafka/strom/internal/vfs"
	"github.com/stromkafka/strom/internal/wire"
)

// Options are what a Node is told once. Durations and sizes that are zero take
// Kafka's defaults.
type Options struct {
	NodeID      model.NodeID
	DirectoryID model.DirectoryID // of Dir
	ClusterID   string
	Controller  bool   // the node has the controller role
	Dir         string // metadata.log.dir; the log is in __cluster_metadata-0 below it

	Listener     string            // the first of controller.listener.names
	Endpoints    []kraft.Endpoint  // this controller's advertised listeners
	StaticVoters kraft.VoterSet    // controller.quorum.voters
	Servers      []kraft.Address   // controller.quorum.bootstrap.servers
	Network      transport.Network // reaches the Listener of other controllers

	ElectionTimeout  time.Duration // controller.quorum.election.timeout.ms, 1 s
	ElectionBackoff  time.Duration // controller.quorum.election.backoff.max.ms, 1 s
	FetchTimeout     time.Duration // controller.quorum.fetch.timeout.ms, 2 s
	RequestTimeout   time.Duration // controller.quorum.request.timeout.ms, 2 s
	RetryBackoff     time.Duration // controller.quorum.retry.backoff.ms, 20 ms
	FetchBytes       int32         // controller.quorum.fetch.max.bytes, 1 MiB
	SnapshotFetch    int32         // controller.quorum.fetch.snapshot.max.bytes, 1 MiB
	SnapshotBytes    int64         // metadata.log.max.record.bytes.between.snapshots, 20 MiB
	SnapshotInterval time.Duration // metadata.log.max.snapshot.interval.ms, 1 h; negative is off
	RetentionBytes   int64         // metadata.max.retention.bytes, 100 MiB; negative is no limit
	RetentionAge     time.Duration // metadata.max.retention.ms, 7 days; negative is no limit
	SegmentBytes     int64         // metadata.log.segment.bytes, 1 GiB
	SegmentAge       time.Duration // metadata.log.segment.ms, 7 days

	// NewMachine makes what decides while this node leads; nil on a node without
	// controller role. kraftVersion is the quorum's. Bootstrap are the records of a new cluster's first activation
	// (bootstrap.checkpoint); the data records of a 0-0 snapshot replace them.
	NewMachine func(kraftVersion func() int16) *controller.Machine
	Bootstrap  []wire.Record

	// Publish is given every committed image, in order, from one goroutine that
	// waits for it. The first change begins at metadata.Empty.
	Publish func(*metadata.Change)

	FS   vfs.FS
	Log  *slog.Logger
	Now  func() time.Time
	Rand *rand.Rand
}

func (o *Options) setDefaults() {
	orDefault(&o.ElectionTimeout, time.Second)
	orDefault(&o.ElectionBackoff, time.Second)
	orDefault(&o.FetchTimeout, 2*time.Second)
	orDefault(&o.RequestTimeout, 2*time.Second)
	orDefault(&o.RetryBackoff, 20*time.Millisecond)
	orDefault(&o.FetchBytes, 1<<20)
	orDefault(&o.SnapshotFetch, 1<<20)
	orDefault(&o.SnapshotBytes, 20<<20)
	orDefault(&o.SnapshotInterval, time.Hour)
	orDefault(&o.RetentionBytes, 100<<20)
	orDefault(&o.RetentionAge, 7*24*time.Hour)
	orDefault(&o.SegmentBytes, 1<<30)
	orDefault(&o.SegmentAge, 7*24*time.Hour)
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Rand == nil {
		o.Rand = rand.New(rand.NewPCG(rand.Uint64(), rand.Uint64()))
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Publish == nil {
		o.Publish = func(*metadata.Change) {}
	}
}

func orDefault[T int32 | int64 | time.Duration](v *T, d T) {
	if *v == 0 {
		*v = d
	}
}

// Node is one replica of the metadata quorum. Its methods may be called from any
// goroutine; they answer once Run runs.
type Node struct {
	opts    Options
	log     *metaLog
	files   *snapshots
	machine *kraft.Machine
	first   []kraft.Effect // of machine, to be done by Run

	events     chan event                // to the raft goroutine
	synced     chan syncDone             // to the raft goroutine, of the one sync that is under way
	appends    chan *decision            // from the controller goroutine
	places     chan kraft.ProposeControl // to the controller goroutine
	submits    chan *submission          // to the controller goroutine
	jobs       chan snapshotJob          // to the snapshot goroutine
	peers      *peers
	calls      sync.WaitGroup // requests to other controllers, and the sync
	foreigners foreigners
	answers    answers
	pending    pending

	status  watched[kraft.Status]
	term    watched[term]
	loaded  watched[loaded]
	commits watched[model.Offset] // the high watermark; -1 while unknown
	claimed watched[model.Epoch]  // the newest epoch that the controller has claimed
	leaving chan struct{}         // closed when the node is to end
	leave   sync.Once             // closes leaving
	over    chan struct{}         // closed when this node has handed over what it led
	deaf    chan struct{}         // closed when the raft goroutine has ended
	done    chan struct{}         // closed when Run has ended
	tokens  atomic.Uint64
}

// watched is a value with a signal for its changes. The zero value holds the
// zero value.
type watched[T any] struct {
	mu      sync.Mutex
	value   T
	changed notify.Signal
}

func (w *watched[T]) set(v T) {
	w.mu.Lock()
	w.value = v
	w.mu.Unlock()
	w.changed.Notify()
}

// get is the value, and what is closed at its next change.
func (w *watched[T]) get() (T, <-chan struct{}) {
	ch := w.changed.Wait()
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.value, ch
}

// Open reads the node's disk: every segment of the log is checked, for nothing
// says how much of it was synced. It writes nothing that a second Open would
// not.
func Open(opts Options) (*Node, error) {
	opts.setDefaults()
	n := &Node{
		opts: opts, events: make(chan event, 64), synced: make(chan syncDone, 1), appends: make(chan *decision, 256), places: make(chan kraft.ProposeControl, 1),
		submits: make(chan *submission, 256), jobs: make(chan snapshotJob, 1), leaving: make(chan struct{}), over: make(chan struct{}), deaf: make(chan struct{}), done: make(chan struct{}),
		peers: newPeers(opts),
	}
	n.answers.waiting = map[kraft.Token]chan kraft.Effect{}
	n.commits.value = -1
	if err := n.open(); err != nil {
		if n.log != nil {
			err = errors.Join(err, n.log.close())
		}
		return nil, fmt.Errorf("open metadata log in %s: %w", opts.Dir, err)
	}
	return n, nil
}

func (n *Node) open() error {
	log, err := openLog(n.opts)
	if err != nil {
		return err
	}
	n.log = log
	if n.files, err = openSnapshots(n.opts.FS, log.dir); err != nil {
		return err
	}
	if err := n.alignSnapshots(); err != nil {
		return err
	}
	election, err := readElection(n.opts.FS, log.dir)
	if err != nil {
		return err
	}
	stored, err := n.storedLog()
	if err != nil {
		return err
	}
	cfg := kraft.Config{
		NodeID: n.opts.NodeID, DirectoryID: n.opts.DirectoryID, ClusterID: n.opts.ClusterID,
		Controller: n.opts.Controller, Listener: n.opts.Listener, Endpoints: n.opts.Endpoints,
		StaticVoters: n.opts.StaticVoters, Bootstrap: n.opts.Servers,
		ElectionTimeout: n.opts.ElectionTimeout, ElectionBackoff: n.opts.ElectionBackoff, FetchTimeout: n.opts.FetchTimeout, RequestTimeout: n.opts.RequestTimeout, RetryBackoff: n.opts.RetryBackoff,
		FetchMaxBytes: n.opts.FetchBytes, SnapshotMaxBytes: n.opts.SnapshotFetch, Rand: n.opts.Rand,
	}
	n.machine, n.first, err = kraft.New(cfg, n.opts.Now(), election, stored)
	if err != nil {
		return err
	}
	n.status.value = n.machine.Status()
	return nil
}

// alignSnapshots makes log and snapshots one history. A newest snapshot beyond
// the log's end means that the log lost what the snapshot holds: it begins anew
// behind it. Snapshots below the log's start are of no use.
func (n *Node) alignSnapshots() error {
	newest, ok := n.files.newest()
	if ok && newest.End > n.log.end() {
		n.opts.Log.Warn("the metadata log ends before its newest snapshot and begins anew behind it", "end", n.log.end(), "snapshot", newest.String())
		if err := n.log.restart(newest.End); err != nil {
			return err
		}
	}
	if n.log.start() > 0 && (!ok || newest.End < n.log.start()) {
		return fmt.Errorf("the log starts at offset %d and no snapshot holds what was before", n.log.start())
	}
	return n.files.dropBelow(n.log.start())
}

// storedLog is what the machine must know of the disk.
func (n *Node) storedLog() (kraft.Log, error) {
	out := kraft.Log{Start: n.log.start(), End: n.log.end(), Snapshots: n.files.list()}
	id := kraft.SnapshotID{}
	if newest, ok := n.files.newest(); ok {
		id = newest.SnapshotID
	}
	content, err := n.files.read(id)
	if err != nil {
		return out, err
	}
	out.Controls = content.controls
	epochs, controls, err := n.log.scan(n.log.start())
	out.Epochs = epochs
	for _, c := range controls {
		if c.Offset >= id.End {
			out.Controls = append(out.Controls, c)
		}
	}
	return out, err
}

// Run runs the node until ctx is done, or something goes wrong that Kafka, too,
// stops for. A leader resigns cleanly, and waits for the next one, but not for
// long. It must be called once: it also closes
// what Open has opened.
func (n *Node) Run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return n.runRaft(ctx) })
	g.Go(func() error { return n.runLoader(ctx) })
	g.Go(func() error { return n.runSnapshots(ctx) })
	g.Go(func() error { return n.runController() })
	err := g.Wait()
	close(n.done)
	n.calls.Wait()
	n.pending.fail()
	n.answers.fail()
	n.peers.close()
	return errors.Join(err, n.log.close())
}

// Image is the newest committed image, metadata.Empty at first.
func (n *Node) Image() *metadata.Image {
	l, _ := n.loaded.get()
	if l.image == nil {
		return metadata.Empty
	}
	return l.image
}

// Status is what this replica knows of the quorum, and what is closed when its
// role, epoch or leader changes.
func (n *Node) Status() (kraft.Status, <-chan struct{}) {
	s, changed := n.status.get()
	s.HighWatermark, _ = n.commits.get()
	s.End, s.Synced = n.log.end(), n.log.durable()
	return s, changed
}

// Leader is the leader that this node knows, and what is closed when that
// changes. ID is model.NoNode while there is none; the address is that of the
// default controller listener, empty if it is not known.
type Leader struct {
	ID      model.NodeID
	Epoch   model.Epoch
	Address kraft.Address
}

// Leader is the active controller as far as this node knows.
func (n *Node) Leader() (Leader, <-chan struct{}) {
	s, changed := n.status.get()
	l := Leader{ID: s.Leader, Epoch: s.Epoch}
	l.Address, _ = kraft.AddressOf(s.Endpoints, n.opts.Listener)
	if s.Role == kraft.Resigned {
		l.ID, l.Address = model.NoNode, kraft.Address{}
	}
	return l, changed
}

// Claimed is the newest epoch in which this node became the active controller, 0
// before the first, and what is closed when there is a newer one.
func (n *Node) Claimed() (model.Epoch, <-chan struct{}) { return n.claimed.get() }

// IsActive reports whether this node is the active controller and takes
// requests.
func (n *Node) IsActive() bool {
	t, _ := n.term.get()
	claimed, _ := n.claimed.get()
	return t.leading && t.epoch == claimed
}
