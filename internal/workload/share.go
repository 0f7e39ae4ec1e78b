package workload

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/stromkafka/strom/internal/history"
)

// Group is a consumer group whose members share a topic and commit what they have
// read.
type Group struct {
	Name, Topic string
	Members     int
	Consumer    bool // with the consumer protocol (KIP-848); else the classic one
}

// sharer is a member. It holds rebalances off from a poll to the commit of what that
// returned, so that it has the partitions for which it commits.
type sharer struct {
	options *Options
	group   Group
	name    string
	static  bool // keeps its place while it is away
	rng     *rand.Rand
	topicID [16]byte

	client      *kgo.Client
	life        string
	has         map[history.Partition]bool // by the callbacks, and when they may not run by the others
	coordinator int32                      // -1 if not known
}

// sharer is member number n of a group; the first of them is a static one.
func (o *Options) sharer(g Group, n int) func(context.Context) error {
	return func(ctx context.Context) error {
		name := fmt.Sprintf("%s-%d", g.Name, n)
		s := &sharer{options: o, group: g, name: name, static: n == 1, rng: rand.New(rand.NewPCG(o.Seed, hash(name))), coordinator: -1}
		for life := 1; ctx.Err() == nil; life++ {
			if err := s.live(ctx, fmt.Sprintf("%s/%d", name, life)); err != nil {
				return err
			}
			wait(ctx, time.Duration(s.rng.IntN(2000))*time.Millisecond)
		}
		return nil
	}
}

// live is one membership: it leaves after a while, and comes back as somebody else
// unless it is static.
func (s *sharer) live(ctx context.Context, life string) error {
	o := s.options
	s.life, s.has = life, map[history.Partition]bool{}
	opts := []kgo.Opt{
		kgo.ConsumerGroup(s.group.Name), kgo.ConsumeTopics(s.group.Topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.DisableAutoCommit(),
		kgo.BlockRebalanceOnPoll(), kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.FetchMaxWait(500 * time.Millisecond),
		kgo.SessionTimeout(6 * time.Second), kgo.RebalanceTimeout(10 * time.Second), kgo.HeartbeatInterval(time.Second),
		kgo.OnPartitionsAssigned(s.given), kgo.OnPartitionsRevoked(s.taken), kgo.OnPartitionsLost(s.taken),
		// With the consumer protocol this client goes on dialing a coordinator that is
		// gone until the metadata do not name that node any more.
		kgo.MetadataMaxAge(time.Second),
	}
	if s.group.Consumer {
		opts = append(opts, kgo.ServerSideBalancer(), kgo.Balancers(kgo.StickyBalancer()))
	}
	if s.static {
		opts = append(opts, kgo.InstanceID(s.name))
	}
	var err error
	if s.client, err = o.client(life, opts...); err != nil {
		return err
	}
	stays := s.options.Record.Now() + 5*time.Second + time.Duration(s.rng.IntN(20))*time.Second
	for ctx.Err() == nil && o.Record.Now() < stays {
		s.share(ctx)
		wait(ctx, o.Every)
	}
	s.client.CloseAllowingRebalance()
	return nil
}

// given and taken are the group's word, while the client holds its poll off.
func (s *sharer) given(_ context.Context, _ *kgo.Client, partitions map[string][]int32) {
	s.moved(history.Given, partitions, func(p history.Partition) { s.has[p] = true })
}

func (s *sharer) taken(_ context.Context, _ *kgo.Client, partitions map[string][]int32) {
	s.moved(history.Taken, partitions, func(p history.Partition) { delete(s.has, p) })
}

func (s *sharer) moved(kind history.Kind, partitions map[string][]int32, each func(history.Partition)) {
	now := s.options.Record.Now()
	op := history.Op{Kind: kind, Client: s.life, Group: s.group.Name, Begin: now, End: now}
	for topic, all := range partitions {
		for _, i := range all {
			p := history.Partition{Topic: topic, Index: i}
			op.Partitions = append(op.Partitions, p)
			each(p)
		}
	}
	if len(op.Partitions) > 0 {
		s.options.Record.Add(op)
	}
}

// share polls once and commits what that returned.
func (s *sharer) share(ctx context.Context) {
	o := s.options
	defer s.client.AllowRebalance()
	waiting, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	fetches := s.client.PollRecords(waiting, 1000)
	// While it waited partitions may have come and gone; from here on they may not.
	now := o.Record.Now()
	op := history.Op{Kind: history.Poll, Client: s.life, Group: s.group.Name, Begin: now, End: now}
	fetches.EachPartition(func(f kgo.FetchTopicPartition) {
		if r := readOf(f); len(r.Offsets) > 0 && s.has[r.Partition] {
			op.Reads = append(op.Reads, r)
		}
	})
	if len(op.Reads) == 0 {
		return
	}
	o.Record.Add(op)
	// Some of what was read is read again by whoever has it next.
	if s.rng.IntN(10) > 0 {
		s.save(ctx, op.Reads)
	}
}

// save commits behind what was read, with one request that is never sent again: a
// repetition could take effect after a later commit.
func (s *sharer) save(ctx context.Context, reads []history.Read) {
	o := s.options
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	if !s.locate(ctx) {
		return
	}
	request := s.request(reads)
	op := history.Op{Kind: history.Save, Client: s.life, Group: s.group.Name, Outcome: history.Unknown}
	for _, r := range reads {
		op.Reads = append(op.Reads, history.Read{Partition: r.Partition, Offsets: []int64{r.Offsets[len(r.Offsets)-1] + 1}})
	}
	op.Begin = o.Record.Now()
	response, err := s.client.Broker(int(s.coordinator)).Request(ctx, request)
	op.End = o.Record.Now()
	if err == nil {
		err = saved(response.(*kmsg.OffsetCommitResponse), len(reads))
	}
	switch {
	case err == nil:
		op.Outcome = history.OK
	case fenced[err]:
		op.Outcome, op.Error = history.Failed, err.Error()
	default:
		s.coordinator, op.Error = -1, err.Error()
	}
	o.Record.Add(op)
}

// fenced are the answers of a coordinator that has looked at who asks, and has
// therefore committed nothing.
var fenced = map[error]bool{
	kerr.IllegalGeneration: true, kerr.UnknownMemberID: true, kerr.FencedInstanceID: true, kerr.StaleMemberEpoch: true,
	kerr.FencedMemberEpoch: true, kerr.RebalanceInProgress: true,
}

// saved is the first error in a response.
func saved(r *kmsg.OffsetCommitResponse, partitions int) error {
	for _, t := range r.Topics {
		for _, p := range t.Partitions {
			if err := kerr.ErrorForCode(p.ErrorCode); err != nil {
				return err
			}
			partitions--
		}
	}
	if partitions != 0 {
		return fmt.Errorf("an answer that lacks %d partitions", partitions)
	}
	return nil
}

func (s *sharer) request(reads []history.Read) *kmsg.OffsetCommitRequest {
	request := kmsg.NewPtrOffsetCommitRequest()
	request.Group = s.group.Name
	request.MemberID, request.Generation = s.client.GroupMetadata()
	if s.static {
		request.InstanceID = &s.name
	}
	topic := kmsg.NewOffsetCommitRequestTopic()
	topic.Topic, topic.TopicID = s.group.Topic, s.topicID
	for _, r := range reads {
		p := kmsg.NewOffsetCommitRequestTopicPartition()
		p.Partition, p.Offset = r.Partition.Index, r.Offsets[len(r.Offsets)-1]+1
		topic.Partitions = append(topic.Partitions, p)
	}
	request.Topics = append(request.Topics, topic)
	return request
}

// locate asks for the coordinator and for the topic's id, unless they are known.
func (s *sharer) locate(ctx context.Context) bool {
	admin := kadm.NewClient(s.client)
	if s.topicID == [16]byte{} {
		if topics, err := admin.ListTopics(ctx, s.group.Topic); err == nil {
			s.topicID = topics[s.group.Topic].ID
		}
	}
	if s.coordinator < 0 {
		found := admin.FindGroupCoordinators(ctx, s.group.Name)
		if found.Error() == nil && found[s.group.Name].Err == nil {
			s.coordinator = found[s.group.Name].NodeID
		}
	}
	return s.coordinator >= 0 && s.topicID != [16]byte{}
}
