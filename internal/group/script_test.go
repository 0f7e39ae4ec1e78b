package group

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"

	"github.com/stromkafka/strom/internal/kerr"
	"github.com/stromkafka/strom/internal/machine"
	"github.com/stromkafka/strom/internal/metadata"
	"github.com/stromkafka/strom/internal/model"
	"github.com/stromkafka/strom/internal/wire"
)

// TestScripts runs the scripts in testdata. A command is a request, or something
// that happens, with arguments key=value; v is the version of a request.
//
//	config max=N delay=DUR retention=DUR every=DUR     before start
//	topics a b=3 c           these topics exist from now on, and no others; b with partitions
//	start                    service begins
//	failover                 another broker begins, with what the log says
//	pass 5s                  time passes
//	fail ERROR | recover     appends fail from now on, or no longer
//	mark producer=N commit|abort
//	log                      what the log holds
//	join group= id= instance= type= protocols=(a,b) topics= session= rebalance= client= as=
//	sync group= id= generation= assign=(member,what,member,what) as=
//	heartbeat | leave | commit | txncommit | fetch | deleteoffsets | delete | describe | list
//	beat id= epoch= topics= regex= owns=(a-0,a-1) instance= assignor= full     ConsumerGroupHeartbeat
//	consumers groups=
//
// as= names who asks, where answers come late. In members' ids, id1, id2 and so on
// stand for the random part. After each command the machine must be as a replay of
// the log, and of the compacted log, makes another.
func TestScripts(t *testing.T) {
	datadriven.Walk(t, "testdata", func(t *testing.T, path string) {
		s := newScript(t)
		datadriven.RunTest(t, path, s.run)
	})
}

type script struct {
	*shell
	out    strings.Builder
	topics map[string]model.TopicID
	made   byte // topics so far
}

func newScript(t *testing.T) *script {
	s := &script{shell: newShell(), topics: map[string]model.TopicID{}}
	s.answer = func(who string, r machine.Reply, err error) {
		late := ""
		if !r.Early {
			late = " once committed"
		}
		if err != nil {
			fmt.Fprintf(&s.out, "%s: failed%s%s\n", who, late, code(kerr.Code(err)))
			return
		}
		fmt.Fprintf(&s.out, "%s%s:%s\n", who, late, response(r.Response))
	}
	s.wrote = func(r machine.Record, p machine.Producer) { fmt.Fprintf(&s.out, "write %s\n", recordText(r, p)) }
	return s
}

func (s *script) run(t *testing.T, d *datadriven.TestData) string {
	s.out.Reset()
	a := args{t, d}
	switch d.Cmd {
	case "config":
		s.configure(a)
	case "topics":
		s.exist(a)
	case "start":
		s.start()
	case "failover":
		s.failover()
	case "pass":
		s.pass(a.duration(d.CmdArgs[0].Key))
	case "fail":
		s.fail = named(t, d.CmdArgs[0].Key)
	case "recover":
		s.fail = nil
	case "mark":
		s.mark(machine.Producer{ID: model.ProducerID(a.int("producer", 1))}, d.HasArg("commit"))
	case "log":
		for _, l := range s.log {
			if l.marker {
				fmt.Fprintf(&s.out, "%d: marker of %d committed=%v\n", l.offset, l.producer.ID, l.committed)
				continue
			}
			fmt.Fprintf(&s.out, "%d: %s\n", l.offset, recordText(l.record, l.producer))
		}
	default:
		body := a.body(s)
		if body == nil {
			t.Fatalf("unknown command %s", d.Cmd)
		}
		s.ask(a.string("as", d.Cmd), Request{Version: int16(a.int("v", 4)), ClientID: a.string("client", "c"), ClientHost: "/h", Body: body})
	}
	if s.m.serving {
		if err := s.check(); err != nil {
			t.Fatalf("%s: after %s: %v", d.Pos, d.Cmd, err)
		}
		if due := s.m.Due(); !due.IsZero() && d.HasArg("due") {
			fmt.Fprintf(&s.out, "due in %v\n", due.Sub(s.now))
		}
	}
	if s.out.Len() == 0 {
		return "nothing\n"
	}
	return s.out.String()
}

func named(t *testing.T, name string) error {
	for c := int16(1); c < 140; c++ {
		if e, ok := kerr.FromCode(c).(*kerr.Error); ok && e.Name == name {
			return e
		}
	}
	t.Fatalf("no error %s", name)
	return nil
}

func (s *script) configure(a args) {
	s.config.Classic.MaxSize = a.int("max", s.config.Classic.MaxSize)
	s.configureConsumers(a)
	s.config.Classic.InitialDelay = a.duration(a.string("delay", "3s"))
	s.config.Retention = a.duration(a.string("retention", "1h"))
	s.config.CheckInterval = a.duration(a.string("every", "10m"))
}

// exist makes an image with these topics. One that was there keeps its id.
func (s *script) exist(a args) {
	d := metadata.NewDraft(metadata.Empty)
	now := map[string]model.TopicID{}
	for _, arg := range a.d.CmdArgs {
		id, ok := s.topics[arg.Key]
		if !ok {
			s.made++
			id = model.TopicID{15: 100 + s.made}
		}
		now[arg.Key] = id
		if err := d.Apply(&wire.TopicRecord{Name: arg.Key, TopicID: model.UUID(id)}, 0); err != nil {
			a.t.Fatal(err)
		}
		for p := range a.int(arg.Key, 0) {
			r := &wire.PartitionRecord{PartitionID: int32(p), TopicID: model.UUID(id), Replicas: []int32{1}, ISR: []int32{1}, Leader: 1}
			if err := d.Apply(r, 0); err != nil {
				a.t.Fatal(err)
			}
		}
	}
	s.topics = now
	img, _ := d.Image(model.Offset(s.made), 0)
	if s.m.serving {
		s.publish(img)
	}
	s.img = img
}

// args reads a command's arguments.
type args struct {
	t *testing.T
	d *datadriven.TestData
}

func (a args) vals(key string) []string {
	for _, arg := range a.d.CmdArgs {
		if arg.Key == key {
			return arg.Vals
		}
	}
	return nil
}

func (a args) string(key, otherwise string) string {
	if v := a.vals(key); len(v) > 0 {
		return v[0]
	}
	return otherwise
}

func (a args) optional(key string) *string {
	if v := a.vals(key); len(v) > 0 {
		return &v[0]
	}
	return nil
}

func (a args) int(key string, otherwise int) int {
	v := a.vals(key)
	if len(v) == 0 {
		return otherwise
	}
	n, err := strconv.Atoi(v[0])
	if err != nil {
		a.t.Fatal(err)
	}
	return n
}

func (a args) duration(s string) time.Duration {
	d, err := time.ParseDuration(s)
	if err != nil {
		a.t.Fatal(err)
	}
	return d
}

// spots are the partitions in arguments of the form on=(topic-0,topic-1).
func (a args) spots() (topics []string, partitions map[string][]int32) { return a.partitions("on") }

func (a args) partitions(key string) (topics []string, partitions map[string][]int32) {
	partitions = map[string][]int32{}
	for _, v := range a.vals(key) {
		i := strings.LastIndexByte(v, '-')
		n, err := strconv.Atoi(v[i+1:])
		if err != nil {
			a.t.Fatal(err)
		}
		topic := v[:i]
		if !slices.Contains(topics, topic) {
			topics = append(topics, topic)
		}
		partitions[topic] = append(partitions[topic], int32(n))
	}
	return topics, partitions
}

func (a args) body(s *script) any {
	group := a.string("group", "g")
	switch a.d.Cmd {
	case "join":
		return a.join(group)
	case "sync":
		q := &wire.SyncGroupRequest{GroupID: group, MemberID: a.string("id", ""), GenerationID: int32(a.int("generation", 1)), GroupInstanceID: a.optional("instance"),
			ProtocolName: a.optional("protocol"), ProtocolType: a.optional("type")}
		for v := range slices.Chunk(a.vals("assign"), 2) {
			q.Assignments = append(q.Assignments, wire.SyncGroupRequestAssignment{MemberID: v[0], Assignment: []byte(v[1])})
		}
		a.plan(q)
		return q
	case "heartbeat":
		return &wire.HeartbeatRequest{GroupID: group, MemberID: a.string("id", ""), GenerationID: int32(a.int("generation", 1)), GroupInstanceID: a.optional("instance")}
	case "leave":
		q := &wire.LeaveGroupRequest{GroupID: group}
		for _, id := range a.vals("ids") {
			q.Members = append(q.Members, wire.LeaveGroupRequestMember{MemberID: id})
		}
		for _, instance := range a.vals("instances") {
			q.Members = append(q.Members, wire.LeaveGroupRequestMember{GroupInstanceID: &instance})
		}
		return q
	case "delete":
		return &wire.DeleteGroupsRequest{GroupsNames: a.vals("groups")}
	case "describe":
		return &wire.DescribeGroupsRequest{Groups: a.vals("groups")}
	case "list":
		return &wire.ListGroupsRequest{StatesFilter: a.vals("states"), TypesFilter: a.vals("types")}
	}
	return a.offsetsBody(s, group)
}

func (a args) join(group string) *wire.JoinGroupRequest {
	q := &wire.JoinGroupRequest{
		GroupID: group, MemberID: a.string("id", ""), GroupInstanceID: a.optional("instance"), ProtocolType: a.string("type", "consumer"),
		SessionTimeoutMS:   int32(a.duration(a.string("session", "10s")).Milliseconds()),
		RebalanceTimeoutMS: int32(a.duration(a.string("rebalance", "60s")).Milliseconds()),
	}
	protocols := a.vals("protocols")
	if protocols == nil && !a.d.HasArg("none") {
		protocols = []string{"range"}
	}
	for _, p := range protocols {
		q.Protocols = append(q.Protocols, wire.JoinGroupRequestProtocol{Name: p, Metadata: subscription(a.vals("topics")...)})
	}
	return q
}

// subscription is a consumer's, of version 0.
func subscription(topics ...string) []byte {
	b := binary.BigEndian.AppendUint32([]byte{0, 0}, uint32(len(topics)))
	for _, t := range topics {
		b = append(binary.BigEndian.AppendUint16(b, uint16(len(t))), t...)
	}
	return binary.BigEndian.AppendUint32(b, 0xffffffff) // no user data
}

func (a args) offsetsBody(s *script, group string) any {
	topics, partitions := a.spots()
	switch a.d.Cmd {
	case "commit":
		q := &wire.OffsetCommitRequest{GroupID: group, MemberID: a.string("id", ""), GroupInstanceID: a.optional("instance"),
			GenerationIDOrMemberEpoch: int32(a.int("generation", -1)), RetentionTimeMS: -1}
		if r := a.string("keep", ""); r != "" {
			q.RetentionTimeMS = a.duration(r).Milliseconds()
		}
		for _, topic := range topics {
			t := wire.OffsetCommitRequestTopic{Name: topic, TopicID: model.UUID(s.topics[topic])}
			for _, p := range partitions[topic] {
				t.Partitions = append(t.Partitions, wire.OffsetCommitRequestPartition{PartitionIndex: p, CommittedOffset: int64(a.int("offset", 1)),
					CommittedLeaderEpoch: int32(a.int("epoch", -1)), CommittedMetadata: a.optional("metadata")})
			}
			q.Topics = append(q.Topics, t)
		}
		return q
	case "txncommit":
		q := &wire.TxnOffsetCommitRequest{GroupID: group, ProducerID: int64(a.int("producer", 1)), MemberID: a.string("id", ""),
			GroupInstanceID: a.optional("instance"), GenerationID: int32(a.int("generation", -1))}
		for _, topic := range topics {
			t := wire.TxnOffsetCommitRequestTopic{Name: topic}
			for _, p := range partitions[topic] {
				t.Partitions = append(t.Partitions, wire.TxnOffsetCommitRequestPartition{PartitionIndex: p, CommittedOffset: int64(a.int("offset", 1)),
					CommittedLeaderEpoch: -1, CommittedMetadata: a.optional("metadata")})
			}
			q.Topics = append(q.Topics, t)
		}
		return q
	case "fetch":
		q := &wire.OffsetFetchRequestGroup{GroupID: group, MemberEpoch: -1}
		for _, topic := range topics {
			t := wire.OffsetFetchRequestGroupTopic{Name: topic, PartitionIndexes: partitions[topic]}
			if a.d.HasArg("ids") {
				t.TopicID = model.UUID(s.topics[topic])
			}
			q.Topics = append(q.Topics, t)
		}
		return FetchOffsets{Group: q, RequireStable: a.d.HasArg("stable")}
	case "deleteoffsets":
		q := &wire.OffsetDeleteRequest{GroupID: group}
		for _, topic := range topics {
			t := wire.OffsetDeleteRequestTopic{Name: topic}
			for _, p := range partitions[topic] {
				t.Partitions = append(t.Partitions, wire.OffsetDeleteRequestPartition{PartitionIndex: p})
			}
			q.Topics = append(q.Topics, t)
		}
		return q
	}
	return a.consumerBody(s, group)
}
