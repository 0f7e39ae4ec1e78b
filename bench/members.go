package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

const (
	// heartbeatEvery is the members' pace, whatever the broker would have them do: it bounds what a rebalance can be
	// measured to.
	heartbeatEvery = 100 * time.Millisecond
	sessionMS      = 45_000
	rebalanceMS    = 60_000
	groupTimeout   = 2 * time.Minute
	// rested is how long a group is left alone before a member leaves. A broker assigns the partitions of a group of the
	// consumer protocol at most once in group.consumer.assignment.interval.ms, 1 s, which would be all that is measured.
	rested = 2 * time.Second
)

// roll says which generation each member is in, and wakes who waits for all of them to be in one.
type roll struct {
	mu      sync.Mutex
	present map[int]standing
	changed chan struct{}
}

// standing is what a member holds in a generation (an epoch, in the consumer protocol).
type standing struct {
	generation int32
	partitions int
}

func newRoll() *roll { return &roll{present: map[int]standing{}, changed: make(chan struct{}, 1)} }

func (r *roll) set(member int, s standing) {
	r.mu.Lock()
	r.present[member] = s
	r.mu.Unlock()
	select {
	case r.changed <- struct{}{}:
	default:
	}
}

func (r *roll) leave(member int) {
	r.mu.Lock()
	delete(r.present, member)
	r.mu.Unlock()
}

// together waits until so many members are in one generation after a given one and hold all partitions between them, each
// at least one.
func (r *roll) together(ctx context.Context, members, partitions int, after int32) (int32, error) {
	for {
		if g, ok := r.same(members, partitions); ok && g > after {
			return g, nil
		}
		select {
		case <-r.changed:
		case <-ctx.Done():
			return 0, fmt.Errorf("%s: %w", r, context.Cause(ctx))
		}
	}
}

func (r *roll) same(members, partitions int) (int32, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	held, generation := 0, int32(-1)
	for _, s := range r.present {
		if s.partitions == 0 || generation >= 0 && s.generation != generation {
			return 0, false
		}
		generation = s.generation
		held += s.partitions
	}
	return generation, len(r.present) == members && held == partitions
}

func (r *roll) String() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return fmt.Sprintf("%d members are there", len(r.present))
}

// A groupMember is one of a group. live takes part until the context ends and says on the roll where it stands.
type groupMember interface {
	live(ctx context.Context) error
	leave(ctx context.Context) error
}

// groupClient measures how long it takes until all members stand together, and again after one of them has left.
func groupClient(ctx context.Context, o clientOptions, member func(client *kgo.Client, index int, r *roll) groupMember) error {
	ctx, timeout := context.WithTimeout(ctx, groupTimeout)
	defer timeout()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	clients, err := connect(o, o.clients)
	if err != nil {
		return err
	}
	defer closeAll(clients)
	if err := awaitGroup(ctx, clients[0], o.topic); err != nil {
		return err
	}
	if err := dial(ctx, clients); err != nil {
		return err
	}
	r := newRoll()
	var group sync.WaitGroup
	defer group.Wait()
	defer cancel(nil)
	members := make([]groupMember, o.clients)
	stops := make([]context.CancelFunc, o.clients)
	began := time.Now()
	for i := range members {
		members[i] = member(clients[i], i, r)
		own, stop := context.WithCancel(ctx)
		defer stop()
		stops[i] = stop
		group.Go(func() {
			if err := members[i].live(own); err != nil && own.Err() == nil {
				cancel(err)
			}
		})
	}
	generation, err := r.together(ctx, o.clients, o.clients, -1)
	if err != nil {
		return err
	}
	joined := time.Since(began)
	if err := pause(ctx, rested); err != nil {
		return err
	}
	last := o.clients - 1
	stops[last]()
	r.leave(last)
	began = time.Now()
	if err := members[last].leave(ctx); err != nil {
		return err
	}
	if _, err := r.together(ctx, o.clients-1, o.clients, generation); err != nil {
		return err
	}
	return tell(map[string]float64{"join": milliseconds(joined), "rebalance": milliseconds(time.Since(began))}, nil)
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1e3 }

// dial connects every client, so that the connections are not part of what is measured.
func dial(ctx context.Context, clients []*kgo.Client) error {
	for _, c := range clients {
		if _, err := c.SeedBrokers()[0].Request(ctx, kmsg.NewPtrFindCoordinatorRequest()); err != nil {
			return err
		}
	}
	return nil
}

// ask sends a request on the client's own connection.
func ask[R any](ctx context.Context, client *kgo.Client, request kmsg.Request) (R, error) {
	var none R
	response, err := client.SeedBrokers()[0].Request(ctx, request)
	if err != nil {
		return none, err
	}
	return response.(R), nil
}

// classicMember is one of JoinGroup, SyncGroup and Heartbeat. The leader gives each member one partition, and the first
// what is left.
type classicMember struct {
	client     *kgo.Client
	group      string
	partitions int
	index      int
	roll       *roll
	mu         sync.Mutex // guards id, which leave reads after live has ended or is about to
	id         string
	generation int32
}

func classicGroup(ctx context.Context, o clientOptions) error {
	return groupClient(ctx, o, func(client *kgo.Client, index int, r *roll) groupMember {
		return &classicMember{client: client, group: o.topic, partitions: o.clients, index: index, roll: r}
	})
}

func (m *classicMember) live(ctx context.Context) error {
	for {
		err := m.rejoin(ctx)
		for err == nil {
			if err = pause(ctx, heartbeatEvery); err == nil {
				err = m.heartbeat(ctx)
			}
		}
		if !errors.Is(err, kerr.RebalanceInProgress) && !errors.Is(err, kerr.IllegalGeneration) {
			return err
		}
	}
}

func (m *classicMember) memberID() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.id
}

func (m *classicMember) rejoin(ctx context.Context) error {
	response, err := m.join(ctx)
	if errors.Is(err, kerr.MemberIDRequired) {
		response, err = m.join(ctx)
	}
	if err != nil {
		return err
	}
	m.generation = response.Generation
	request := kmsg.NewPtrSyncGroupRequest()
	request.Group, request.MemberID, request.Generation = m.group, m.memberID(), m.generation
	request.ProtocolType, request.Protocol = response.ProtocolType, response.Protocol
	if response.LeaderID == m.memberID() {
		share, more := m.partitions/len(response.Members), m.partitions%len(response.Members)
		for i, member := range response.Members {
			n := share
			if i < more {
				n++
			}
			a := kmsg.NewSyncGroupRequestGroupAssignment()
			a.MemberID, a.MemberAssignment = member.MemberID, make([]byte, n)
			request.GroupAssignment = append(request.GroupAssignment, a)
		}
	}
	synced, err := ask[*kmsg.SyncGroupResponse](ctx, m.client, request)
	if err == nil {
		err = kerr.ErrorForCode(synced.ErrorCode)
	}
	if err == nil {
		m.roll.set(m.index, standing{m.generation, len(synced.MemberAssignment)})
	}
	return err
}

func (m *classicMember) join(ctx context.Context) (*kmsg.JoinGroupResponse, error) {
	request := kmsg.NewPtrJoinGroupRequest()
	request.Group, request.MemberID, request.ProtocolType = m.group, m.memberID(), "bench"
	request.SessionTimeoutMillis, request.RebalanceTimeoutMillis = sessionMS, rebalanceMS
	p := kmsg.NewJoinGroupRequestProtocol()
	p.Name = "even"
	request.Protocols = []kmsg.JoinGroupRequestProtocol{p}
	response, err := ask[*kmsg.JoinGroupResponse](ctx, m.client, request)
	if err != nil {
		return nil, err
	}
	m.mu.Lock()
	m.id = response.MemberID
	m.mu.Unlock()
	return response, kerr.ErrorForCode(response.ErrorCode)
}

func (m *classicMember) heartbeat(ctx context.Context) error {
	request := kmsg.NewPtrHeartbeatRequest()
	request.Group, request.MemberID, request.Generation = m.group, m.memberID(), m.generation
	response, err := ask[*kmsg.HeartbeatResponse](ctx, m.client, request)
	if err != nil {
		return err
	}
	return kerr.ErrorForCode(response.ErrorCode)
}

func (m *classicMember) leave(ctx context.Context) error {
	request := kmsg.NewPtrLeaveGroupRequest()
	request.Group, request.MemberID = m.group, m.memberID()
	who := kmsg.NewLeaveGroupRequestMember()
	who.MemberID = m.memberID()
	request.Members = []kmsg.LeaveGroupRequestMember{who}
	response, err := ask[*kmsg.LeaveGroupResponse](ctx, m.client, request)
	if err != nil {
		return err
	}
	return kerr.ErrorForCode(response.ErrorCode)
}

// consumerMember is one of ConsumerGroupHeartbeat (KIP-848): it takes and gives up partitions as it is told.
type consumerMember struct {
	client *kgo.Client
	group  string
	index  int
	roll   *roll
	id     string
	epoch  int32
	owned  []kmsg.ConsumerGroupHeartbeatRequestTopic
	told   bool // the assignment has changed, and the broker waits to hear that it is carried out
}

func consumerGroup(ctx context.Context, o clientOptions) error {
	return groupClient(ctx, o, func(client *kgo.Client, index int, r *roll) groupMember {
		return &consumerMember{client: client, group: o.topic, index: index, roll: r, id: fmt.Sprintf("member-%s-%04d", o.topic, index)}
	})
}

func (m *consumerMember) live(ctx context.Context) error {
	for {
		if err := m.heartbeat(ctx); err != nil {
			return err
		}
		if m.told {
			continue // acknowledge at once, as consumers do
		}
		if err := pause(ctx, heartbeatEvery); err != nil {
			return err
		}
	}
}

func (m *consumerMember) heartbeat(ctx context.Context) error {
	request := kmsg.NewPtrConsumerGroupHeartbeatRequest()
	request.Group, request.MemberID, request.MemberEpoch = m.group, m.id, m.epoch
	if m.epoch == 0 {
		request.RebalanceTimeoutMillis = rebalanceMS
		request.SubscribedTopicNames = []string{m.group}
		request.Topics = []kmsg.ConsumerGroupHeartbeatRequestTopic{}
	} else if m.told {
		request.Topics = m.owned
	}
	response, err := ask[*kmsg.ConsumerGroupHeartbeatResponse](ctx, m.client, request)
	if err != nil {
		return err
	}
	if err := kerr.ErrorForCode(response.ErrorCode); err != nil {
		return err
	}
	m.epoch, m.told = response.MemberEpoch, false
	if response.Assignment != nil {
		m.owned, m.told = []kmsg.ConsumerGroupHeartbeatRequestTopic{}, true
		for _, t := range response.Assignment.Topics {
			owned := kmsg.NewConsumerGroupHeartbeatRequestTopic()
			owned.TopicID, owned.Partitions = t.TopicID, t.Partitions
			m.owned = append(m.owned, owned)
		}
	}
	held := 0
	for _, t := range m.owned {
		held += len(t.Partitions)
	}
	m.roll.set(m.index, standing{m.epoch, held})
	return nil
}

func (m *consumerMember) leave(ctx context.Context) error {
	request := kmsg.NewPtrConsumerGroupHeartbeatRequest()
	request.Group, request.MemberID, request.MemberEpoch = m.group, m.id, -1
	response, err := ask[*kmsg.ConsumerGroupHeartbeatResponse](ctx, m.client, request)
	if err != nil {
		return err
	}
	return kerr.ErrorForCode(response.ErrorCode)
}
