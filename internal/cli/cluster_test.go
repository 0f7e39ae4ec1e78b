package cli_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/cockroachdb/datadriven"
	"github.com/stromkafka/strom/internal/cli"
	"github.com/stromkafka/strom/stromtest"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// TestCluster runs `strom cluster` against clusters that are in the state the
// script describes. The directive `cluster` is a new cluster, a line a fact:
//
//	node 1 rack=a             a broker, at node1:9092; fenced, silent
//	controller 4              the listener of a controller, at node4:9093
//	quorum leader=1 epoch=7 high=100, or quorum error=NAME, unsupported or silent
//	voter 1 end=100 fetched=0 caughtup=0 dir=1     milliseconds ago
//	observer 5 ...
//	topic orders min=2
//	partition leader=1 replicas=1,2,3 isr=1,2 elr=3 last=3
//	dir 1 /data offline
//
// `run` and `terminal` are those of TestCommands.
func TestCluster(t *testing.T) {
	datadriven.Walk(t, "testdata/cluster", func(t *testing.T, path string) {
		var s *scripted
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			if d.Cmd == "cluster" {
				s = newScripted(t, d.Input)
				return "ok\n"
			}
			args := words(t, d.Input)
			w := &world{terminal: d.Cmd == "terminal", env: map[string]string{"STROM_BOOTSTRAP": "node1:9092"}}
			env := w.environment()
			env.Dial = s.dial
			return w.result(cli.New(programs(&w.out), env).Run(t.Context(), args[1:]))
		})
	})
}

// A quorum without a majority leaves its question open; brokers that live are not
// called dead for it.
func TestClusterWithoutMajority(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScripted(t, "node 1\nnode 2\nnode 3 silent\nquorum silent\ndir 1 /data\ndir 2 /data\ntopic orders min=2\npartition leader=1 replicas=1,2,3 isr=1,2,3")
		w := &world{env: map[string]string{"STROM_BOOTSTRAP": "node1:9092"}}
		env := w.environment()
		env.Dial = s.dial
		code := cli.New(programs(&w.out), env).Run(t.Context(), []string{"cluster", "health"})
		for _, want := range []string{"the metadata quorum does not answer (nothing within 5s)", "problem: node 3 cannot be reached from here"} {
			if !strings.Contains(w.out.String(), want) {
				t.Errorf("exit code %d, no %q in\n%s", code, want, w.result(code))
			}
		}
	})
}

// Strom itself tells what the commands ask for.
func TestClusterOfStrom(t *testing.T) {
	broker := stromtest.Start(t, stromtest.Options{})
	for _, test := range []struct{ command, want string }{
		{"describe", `"role": "leader"`}, {"describe", `"state": "alive"`}, {"health", `"healthy": true`},
	} {
		w := &world{env: map[string]string{"STROM_BOOTSTRAP": broker.Bootstrap()}}
		env := w.environment()
		env.Dial = broker.Dial
		code := cli.New(programs(&w.out), env).Run(t.Context(), []string{"cluster", test.command, "-o", "json"})
		if code != 0 || !strings.Contains(w.out.String(), test.want) {
			t.Errorf("%s: exit code %d, no %s in\n%s", test.command, code, test.want, w.result(code))
		}
	}
}

// A scripted cluster answers as its script says, whichever node is asked.
type scripted struct {
	t           *testing.T
	brokers     []kmsg.DescribeClusterResponseBroker
	silent      map[string]bool // addresses that refuse connections
	topics      []scriptedTopic
	dirs        map[int32][]kmsg.DescribeLogDirsResponseDir
	quorum      kmsg.DescribeQuorumResponseTopicPartition
	noMajority  bool // what is asked of the quorum is not answered, nor what comes after on the connection
	nodes       []kmsg.DescribeQuorumResponseNode
	unsupported map[kmsg.Key]bool
}

type scriptedTopic struct {
	name, min  string
	partitions []kmsg.DescribeTopicPartitionsResponseTopicPartition
}

// moment is the time on the quorum leader's clock.
const moment = 1_800_000_000_000

func newScripted(t *testing.T, text string) *scripted {
	s := &scripted{t: t, silent: map[string]bool{}, dirs: map[int32][]kmsg.DescribeLogDirsResponseDir{}, unsupported: map[kmsg.Key]bool{}}
	for line := range strings.Lines(text) {
		f := fact{t: t, line: strings.TrimSpace(line)}
		f.words = strings.Fields(f.line)
		s.add(f)
	}
	return s
}

// A fact is a line of a script: words, and values as name=value.
type fact struct {
	t     *testing.T
	line  string
	words []string
}

func (f fact) has(word string) bool {
	for _, w := range f.words {
		if w == word {
			return true
		}
	}
	return false
}

func (f fact) value(name string) string {
	for _, w := range f.words {
		if v, ok := strings.CutPrefix(w, name+"="); ok {
			return v
		}
	}
	return ""
}

// number is the value of a name, or -1 when it is missing.
func (f fact) number(name string) int64 {
	if f.value(name) == "" {
		return -1
	}
	return f.parse(f.value(name))
}

func (f fact) id() int32 { return int32(f.parse(f.words[1])) }

func (f fact) parse(text string) int64 {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		f.t.Fatalf("%s: %v", f.line, err)
	}
	return n
}

func (f fact) ids(name string) []int32 {
	ids := []int32{}
	for id := range strings.SplitSeq(f.value(name), ",") {
		if id != "" {
			ids = append(ids, int32(f.parse(id)))
		}
	}
	return ids
}

func (s *scripted) add(f fact) {
	switch f.words[0] {
	case "node":
		b := kmsg.NewDescribeClusterResponseBroker()
		b.NodeID, b.Host, b.Port, b.IsFenced = f.id(), fmt.Sprintf("node%d", f.id()), 9092, f.has("fenced")
		if rack := f.value("rack"); rack != "" {
			b.Rack = &rack
		}
		s.brokers = append(s.brokers, b)
		s.silent[fmt.Sprintf("%s:%d", b.Host, b.Port)] = f.has("silent")
	case "controller":
		n := kmsg.NewDescribeQuorumResponseNode()
		n.NodeID = f.id()
		l := kmsg.NewDescribeQuorumResponseNodeListener()
		l.Name, l.Host, l.Port = "CONTROLLER", fmt.Sprintf("node%d", f.id()), 9093
		n.Listeners = append(n.Listeners, l)
		s.nodes = append(s.nodes, n)
	case "quorum":
		s.unsupported[kmsg.DescribeQuorum] = f.has("unsupported")
		s.quorum.ErrorCode, s.noMajority = code(f), f.has("silent")
		s.quorum.LeaderID, s.quorum.LeaderEpoch, s.quorum.HighWatermark = int32(f.number("leader")), int32(f.number("epoch")), f.number("high")
	case "voter":
		s.quorum.CurrentVoters = append(s.quorum.CurrentVoters, f.replica())
	case "observer":
		s.quorum.Observers = append(s.quorum.Observers, f.replica())
	case "topic":
		s.topics = append(s.topics, scriptedTopic{name: f.words[1], min: f.value("min")})
	case "partition":
		topic := &s.topics[len(s.topics)-1]
		p := kmsg.NewDescribeTopicPartitionsResponseTopicPartition()
		p.Partition, p.LeaderID = int32(len(topic.partitions)), int32(f.number("leader"))
		p.Replicas, p.ISR, p.EligibleLeaderReplicas, p.LastKnownELR = f.ids("replicas"), f.ids("isr"), f.ids("elr"), f.ids("last")
		topic.partitions = append(topic.partitions, p)
	case "dir":
		d := kmsg.NewDescribeLogDirsResponseDir()
		d.Dir = f.words[2]
		if f.has("offline") {
			d.ErrorCode = kerr.KafkaStorageError.Code
		}
		s.dirs[f.id()] = append(s.dirs[f.id()], d)
	default:
		s.t.Fatalf("no fact is called %q", f.words[0])
	}
}

func code(f fact) int16 {
	name := f.value("error")
	if name == "" {
		return 0
	}
	for c := range int16(200) {
		if e := kerr.TypedErrorForCode(c); e != nil && e.Message == name {
			return c
		}
	}
	f.t.Fatalf("%s: no such error", f.line)
	return 0
}

func (f fact) replica() kmsg.DescribeQuorumResponseTopicPartitionReplicaState {
	r := kmsg.NewDescribeQuorumResponseTopicPartitionReplicaState()
	r.ReplicaID, r.LogEndOffset = f.id(), f.number("end")
	if n := f.number("fetched"); n >= 0 {
		r.LastFetchTimestamp = moment - n
	}
	if n := f.number("caughtup"); n >= 0 {
		r.LastCaughtUpTimestamp = moment - n
	}
	if n := f.number("dir"); n >= 0 {
		r.ReplicaDirectoryID[15] = byte(n)
	}
	return r
}

func (s *scripted) dial(_ context.Context, _, addr string) (net.Conn, error) {
	if s.silent[addr] {
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: io.ErrUnexpectedEOF}
	}
	client, server := net.Pipe()
	go s.serve(server, addr)
	return client, nil
}

// serve answers one request after the other until the client goes.
func (s *scripted) serve(conn net.Conn, addr string) {
	defer conn.Close()
	for {
		var length [4]byte
		if _, err := io.ReadFull(conn, length[:]); err != nil {
			return
		}
		frame := make([]byte, binary.BigEndian.Uint32(length[:]))
		if _, err := io.ReadFull(conn, frame); err != nil {
			return
		}
		key, version := int16(binary.BigEndian.Uint16(frame)), int16(binary.BigEndian.Uint16(frame[2:]))
		if s.noMajority && kmsg.Key(key) == kmsg.DescribeQuorum {
			_, _ = io.Copy(io.Discard, conn) // until the client goes
			return
		}
		correlation := frame[4:8]
		response := s.answer(kmsg.Key(key), addr)
		if response == nil {
			s.t.Errorf("request %s was not expected", kmsg.Key(key).Name())
			return
		}
		response.SetVersion(version)
		body := append([]byte{}, correlation...)
		if response.IsFlexible() && key != kmsg.ApiVersions.Int16() {
			body = append(body, 0) // no tags in the header
		}
		body = response.AppendTo(body)
		if _, err := conn.Write(append(binary.BigEndian.AppendUint32(nil, uint32(len(body))), body...)); err != nil {
			return
		}
	}
}

func (s *scripted) answer(key kmsg.Key, addr string) kmsg.Response {
	switch key {
	case kmsg.ApiVersions:
		return s.apiVersions()
	case kmsg.Metadata:
		return s.metadata()
	case kmsg.DescribeCluster:
		r := kmsg.NewPtrDescribeClusterResponse()
		r.ClusterID, r.Brokers = "cluster-1", s.brokers
		return r
	case kmsg.DescribeQuorum:
		r := kmsg.NewPtrDescribeQuorumResponse()
		topic := kmsg.NewDescribeQuorumResponseTopic()
		topic.Topic, topic.Partitions = "__cluster_metadata", append(topic.Partitions, s.quorum)
		r.Topics, r.Nodes = append(r.Topics, topic), s.nodes
		return r
	case kmsg.DescribeTopicPartitions:
		r := kmsg.NewPtrDescribeTopicPartitionsResponse()
		for _, t := range s.topics {
			rt := kmsg.NewDescribeTopicPartitionsResponseTopic()
			rt.Topic, rt.Partitions = &t.name, t.partitions
			r.Topics = append(r.Topics, rt)
		}
		return r
	case kmsg.DescribeConfigs:
		return s.configs()
	case kmsg.DescribeLogDirs:
		r := kmsg.NewPtrDescribeLogDirsResponse()
		for _, b := range s.brokers {
			if addr == fmt.Sprintf("%s:%d", b.Host, b.Port) {
				r.Dirs = s.dirs[b.NodeID]
			}
		}
		return r
	}
	return nil
}

func (s *scripted) apiVersions() kmsg.Response {
	r := kmsg.NewPtrApiVersionsResponse()
	for _, key := range []kmsg.Key{kmsg.ApiVersions, kmsg.Metadata, kmsg.DescribeConfigs, kmsg.DescribeLogDirs, kmsg.DescribeQuorum, kmsg.DescribeCluster, kmsg.DescribeTopicPartitions} {
		if !s.unsupported[key] {
			k := kmsg.NewApiVersionsResponseApiKey()
			k.ApiKey, k.MaxVersion = key.Int16(), min(kmsg.RequestForKey(key.Int16()).MaxVersion(), 12) // 12: topics have names
			r.ApiKeys = append(r.ApiKeys, k)
		}
	}
	f := kmsg.NewApiVersionsResponseFinalizedFeature()
	f.Name, f.MaxVersionLevel = "metadata.version", 30
	r.FinalizedFeatures = append(r.FinalizedFeatures, f)
	return r
}

func (s *scripted) metadata() kmsg.Response {
	r := kmsg.NewPtrMetadataResponse()
	r.ClusterID = kmsg.StringPtr("cluster-1")
	for _, b := range s.brokers {
		if !b.IsFenced {
			m := kmsg.NewMetadataResponseBroker()
			m.NodeID, m.Host, m.Port, m.Rack = b.NodeID, b.Host, b.Port, b.Rack
			r.Brokers = append(r.Brokers, m)
			r.ControllerID = b.NodeID // any live broker passes on what is for the controller
		}
	}
	for _, t := range s.topics {
		rt := kmsg.NewMetadataResponseTopic()
		rt.Topic, rt.IsInternal = &t.name, strings.HasPrefix(t.name, "__")
		for _, p := range t.partitions {
			rp := kmsg.NewMetadataResponseTopicPartition()
			rp.Partition, rp.Leader, rp.Replicas, rp.ISR = p.Partition, p.LeaderID, p.Replicas, p.ISR
			if p.LeaderID < 0 {
				rp.ErrorCode = kerr.LeaderNotAvailable.Code
			}
			rt.Partitions = append(rt.Partitions, rp)
		}
		r.Topics = append(r.Topics, rt)
	}
	return r
}

func (s *scripted) configs() kmsg.Response {
	r := kmsg.NewPtrDescribeConfigsResponse()
	for _, t := range s.topics {
		resource := kmsg.NewDescribeConfigsResponseResource()
		resource.ResourceType, resource.ResourceName = kmsg.ConfigResourceTypeTopic, t.name
		config := kmsg.NewDescribeConfigsResponseResourceConfig()
		config.Name, config.Value = "min.insync.replicas", &t.min
		resource.Configs = append(resource.Configs, config)
		r.Resources = append(r.Resources, resource)
	}
	return r
}
