package quorum

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"reflect"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/stromkafka/strom/internal/auth"
	"github.com/stromkafka/strom/internal/controller"
	"github.com/stromkafka/strom/internal/kerr"
	"github.com/stromkafka/strom/internal/kraft"
	"github.com/stromkafka/strom/internal/metadata"
	"github.com/stromkafka/strom/internal/model"
	"github.com/stromkafka/strom/internal/transport"
	"github.com/stromkafka/strom/internal/vfs"
	"github.com/stromkafka/strom/internal/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// noTopicConfigs is a controller's view of topic configs that has none.
type noTopicConfigs struct{}

func (noTopicConfigs) Validate(map[string]string) error      { return nil }
func (noTopicConfigs) ValidateGroup(map[string]string) error { return nil }
func (noTopicConfigs) Effective(_, _, _ map[string]string) []controller.ConfigValue {
	return nil
}
func (noTopicConfigs) Value(name string, _, _, _ map[string]string) string {
	return map[string]string{"min.insync.replicas": "1", "unclean.leader.election.enable": "false"}[name]
}

// newDisk has an empty, durable metadata.log.dir.
func newDisk() *vfs.Mem {
	m := vfs.NewMem()
	if err := errors.Join(m.MkdirAll("/meta", 0o755), m.SyncDir("/")); err != nil {
		panic(err)
	}
	return m
}

// replica is a Node that runs, and what it published.
type replica struct {
	*Node
	cancel context.CancelFunc
	ended  chan error

	mu        sync.Mutex
	published []*metadata.Change
}

func (r *replica) changes() []*metadata.Change {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.published)
}

// controllerOptions are those of node 1, the only voter.
func controllerOptions(fsys vfs.FS) Options {
	voters, err := kraft.NewVoterSet(kraft.Voter{Replica: kraft.Replica{ID: 1}, Endpoints: controllerEndpoints})
	if err != nil {
		panic(err)
	}
	return Options{
		NodeID: 1, DirectoryID: model.DirectoryID{0: 0xd, 15: 1}, ClusterID: "cluster", Controller: true, Dir: "/meta",
		Listener: "CONTROLLER", Endpoints: controllerEndpoints, StaticVoters: voters, FS: fsys,
		Rand: rand.New(rand.NewPCG(1, 2)), SnapshotInterval: -1,
		NewMachine: func(version func() int16) *controller.Machine {
			return controller.New(controller.Config{
				NodeID: 1, ClusterID: "cluster", SessionTimeout: 9 * time.Second, MaxIdle: 500 * time.Millisecond,
				DefaultPartitions: 1, DefaultReplicas: 1, MinISR: 1, DeleteTopics: true, Topics: noTopicConfigs{},
				KRaftVersion: version, Rand: rand.New(rand.NewPCG(3, 4)), Log: slog.New(slog.DiscardHandler), NewUUID: newUUID,
			})
		},
	}
}

// uuids counts ids of topics: none is given twice, whatever restarts.
var uuids atomic.Uint32

func newUUID() model.UUID {
	u := model.UUID{0: 0x70}
	binary.BigEndian.PutUint32(u[12:], uuids.Add(1)+1000)
	return u
}

var controllerEndpoints = []kraft.Endpoint{{Name: "CONTROLLER", Address: kraft.Address{Host: "c1", Port: 9093}}}

// observerOptions are those of a broker that follows node 1.
func observerOptions(fsys vfs.FS, network transport.Network) Options {
	o := controllerOptions(fsys)
	o.NodeID, o.DirectoryID, o.Controller, o.NewMachine, o.Endpoints = 7, model.DirectoryID{0: 0xd, 15: 7}, false, nil, nil
	o.Network = network
	return o
}

// start opens and runs a node.
func start(o Options) (*replica, error) {
	r := &replica{ended: make(chan error, 1)}
	o.Publish = func(c *metadata.Change) {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.published = append(r.published, c)
	}
	n, err := Open(o)
	if err != nil {
		return nil, err
	}
	r.Node = n
	var ctx context.Context
	ctx, r.cancel = context.WithCancel(context.Background())
	go func() { r.ended <- n.Run(ctx) }()
	return r, nil
}

func (r *replica) stop() error {
	r.cancel()
	return <-r.ended
}

func mustStart(t *testing.T, o Options) *replica {
	t.Helper()
	r, err := start(o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func mustStop(t *testing.T, r *replica) {
	t.Helper()
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}
}

// awaitActive waits until the node is the active controller, or has ended.
func (r *replica) awaitActive() bool {
	for {
		_, changed := r.claimed.get()
		if r.IsActive() {
			return true
		}
		select {
		case <-changed:
		case <-r.done:
			return false
		}
	}
}

// awaitImage waits until the published image satisfies a condition.
func (r *replica) awaitImage(cond func(*metadata.Image) bool) *metadata.Image {
	for {
		l, changed := r.loaded.get()
		if l.image != nil && cond(l.image) {
			return l.image
		}
		select {
		case <-changed:
		case <-r.done:
			return nil
		}
	}
}

func allowAll(auth.Operation, auth.ResourceType, string) bool { return true }

func (r *replica) submit(body wire.Request, version int16) (wire.Response, error) {
	return r.Submit(context.Background(), controller.Request{Body: body, Version: version, Allowed: allowAll})
}

// register brings broker 1 to life, unfenced.
func (r *replica) register() error {
	q := new(wire.BrokerRegistrationRequest)
	q.Reset()
	q.BrokerID, q.ClusterID, q.IncarnationID = 1, "cluster", model.UUID{1: 1}
	q.Listeners = []wire.BrokerRegistrationRequestListener{{Name: "PLAINTEXT", Host: "b1", Port: 9092}}
	for _, f := range metadata.SupportedFeatures(false) {
		q.Features = append(q.Features, wire.BrokerRegistrationRequestFeature{Name: f.Name, MinSupportedVersion: f.Min, MaxSupportedVersion: f.Max})
	}
	q.LogDirs = []model.UUID{{0: 0xd, 15: 9}}
	resp, err := r.submit(q, 4)
	if err != nil {
		return err
	}
	answer := resp.(*wire.BrokerRegistrationResponse)
	if answer.ErrorCode != 0 {
		return kerr.FromCode(answer.ErrorCode)
	}
	beat := new(wire.BrokerHeartbeatRequest)
	beat.Reset()
	beat.BrokerID, beat.BrokerEpoch, beat.CurrentMetadataOffset = 1, answer.BrokerEpoch, 1<<40
	resp, err = r.submit(beat, 1)
	if err != nil {
		return err
	}
	if h := resp.(*wire.BrokerHeartbeatResponse); h.ErrorCode != 0 || h.IsFenced {
		return fmt.Errorf("heartbeat: %+v", h)
	}
	return nil
}

func (r *replica) create(name string) error {
	q := new(wire.CreateTopicsRequest)
	q.Reset()
	q.Topics = []wire.CreateTopicsRequestTopic{{Name: name, NumPartitions: 2, ReplicationFactor: 1}}
	resp, err := r.submit(q, 7)
	if err != nil {
		return err
	}
	return kerr.FromCode(resp.(*wire.CreateTopicsResponse).Topics[0].ErrorCode)
}

func hasTopic(name string) func(*metadata.Image) bool {
	return func(i *metadata.Image) bool { return i.Topic(name) != nil }
}

// contents are an image as the records of its snapshot.
func contents(i *metadata.Image) []metadata.Versioned { return slices.Collect(i.Records()) }

func wantEqual(t *testing.T, got, want *metadata.Image) {
	t.Helper()
	if got == nil || want == nil {
		t.Fatalf("images %v and %v", got, want)
	}
	if g, w := contents(got), contents(want); !reflect.DeepEqual(g, w) {
		t.Errorf("images differ:\n%+v\n%+v", g, w)
	}
}

// bubble runs a test on virtual time.
func bubble(t *testing.T, f func(t *testing.T)) { synctest.Test(t, f) }

// serveController answers on a listener for a node, as a broker's controller
// listener does.
func serveController(l net.Listener, n *Node) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Add(1)
	go func() {
		defer wg.Done()
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			wg.Add(1)
			go func() {
				defer wg.Done()
				stop := context.AfterFunc(ctx, func() { conn.Close() })
				defer stop()
				defer conn.Close()
				for serveOne(ctx, conn, n) == nil {
				}
			}()
		}
	}()
	return func() { cancel(); l.Close(); wg.Wait() }
}

func readFrame(from io.Reader) ([]byte, error) {
	var size [4]byte
	if _, err := io.ReadFull(from, size[:]); err != nil {
		return nil, err
	}
	frame := make([]byte, binary.BigEndian.Uint32(size[:]))
	_, err := io.ReadFull(from, frame)
	return frame, err
}

func serveOne(ctx context.Context, conn net.Conn, n *Node) error {
	frame, err := readFrame(conn)
	if err != nil {
		return err
	}
	h, q, err := wire.DecodeRequest(frame)
	if err != nil {
		return err
	}
	var r wire.Response
	switch q := q.(type) {
	case *wire.ApiVersionsRequest:
		r = apiVersions()
	case *wire.FetchRequest:
		r, err = n.Fetch(ctx, h.APIVersion, "CONTROLLER", q)
	case *wire.FetchSnapshotRequest:
		r, err = n.FetchSnapshot(ctx, h.APIVersion, "CONTROLLER", q)
	case *wire.VoteRequest:
		r, err = n.Vote(ctx, h.APIVersion, "CONTROLLER", q)
	case *wire.BeginQuorumEpochRequest:
		r, err = n.BeginQuorumEpoch(ctx, h.APIVersion, "CONTROLLER", q)
	case *wire.EndQuorumEpochRequest:
		r, err = n.EndQuorumEpoch(ctx, h.APIVersion, "CONTROLLER", q)
	case *wire.UpdateRaftVoterRequest:
		r, err = n.UpdateRaftVoter(ctx, h.APIVersion, "CONTROLLER", q)
	default:
		err = errors.New("not served")
	}
	if err != nil {
		return err
	}
	f, err := wire.EncodeResponse(h.CorrelationID, h.APIVersion, r)
	if err != nil {
		return err
	}
	_, err = f.WriteTo(conn)
	return err
}

func apiVersions() *wire.ApiVersionsResponse {
	r := new(wire.ApiVersionsResponse)
	r.Reset()
	for _, a := range wire.APIs {
		if a.Controller {
			r.APIKeys = append(r.APIKeys, wire.ApiVersionsResponseAPIKey{APIKey: a.Key, MinVersion: a.Min, MaxVersion: a.Max})
		}
	}
	return r
}
