//go:build interop

package clients

import (
	"context"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/cockroachdb/datadriven"
	"github.com/stromkafka/strom/interop/internal/peer"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"
)

// tools are Kafka's command line tools by the names of their scripts.
var tools = map[string]string{
	"topics":           topicsTool,
	"configs":          configsTool,
	"consumer-groups":  consumersTool,
	"groups":           groupsTool,
	"get-offsets":      offsetsTool,
	"delete-records":   deleteTool,
	"transactions":     transactionsTool,
	"features":         featuresTool,
	"metadata-quorum":  quorumTool,
	"client-metrics":   metricsTool,
	"log-dirs":         dirsTool,
	"leader-election":  electionTool,
	"cluster":          clusterTool,
	"console-producer": producerTool,
	"console-consumer": consumerTool,
}

// TestTranscripts runs Kafka's tools as the scripts in testdata/tools say, each against a node of its own. What they print
// was recorded with Apache Kafka:
//
//	go test -tags interop ./interop/clients -run TestTranscripts -program apache-kafka -rewrite
//
// The directives are:
//
//	topic NAME PARTITIONS
//	file NAME                          the input is what is in it
//	produce TOPIC PARTITION COUNT      a record a second, from firstTime on
//	member GROUP TOPIC PROTOCOL        joins, and has been assigned something
//	leave GROUP
//	transaction ID TOPIC commit|abort|open
//	hang TOPIC                         a transaction that no coordinator knows
//	tool                               the input is a command line, and then standard input
//	sorted                             the same, with its lines in order
func TestTranscripts(t *testing.T) {
	datadriven.Walk(t, "testdata/tools", func(t *testing.T, path string) {
		s := &stage{node: start(t, map[string]string{"transaction.partition.verification.enable": "false"}), dir: t.TempDir(), members: map[string]*sharing{}}
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string { return s.run(t, d) })
	})
}

// stage is what a script runs on.
type stage struct {
	node    *peer.Node
	dir     string // of files
	members map[string]*sharing
}

func (s *stage) run(t *testing.T, d *datadriven.TestData) string {
	var words []string
	for _, arg := range d.CmdArgs {
		words = append(words, arg.Key)
	}
	switch d.Cmd {
	case "tool", "sorted":
		line, in, _ := strings.Cut(d.Input, "\n")
		return s.tool(t, strings.Fields(line), in, d.Cmd == "sorted")
	case "topic":
		create(t, s.node.Addr, words[0], int32(atoi(t, words[1])))
	case "file":
		if err := os.WriteFile(filepath.Join(s.dir, words[0]), []byte(d.Input+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	case "produce":
		s.produce(t, words[0], atoi(t, words[1]), atoi(t, words[2]))
	case "member":
		s.member(t, words[0], words[1], words[2])
	case "leave":
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		left(t, ctx, s.members[words[0]])
	case "transaction":
		s.transaction(t, words[0], words[1], words[2])
	case "hang":
		s.hang(t, words[0])
	default:
		t.Fatalf("%s: no directive %s", d.Pos, d.Cmd)
	}
	return "ok\n"
}

func atoi(t *testing.T, text string) int {
	t.Helper()
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// tool runs one of Kafka's tools. A word @controller stands for the controller's address in place of the broker's, @FILE
// for the path of a file, and _ for a blank.
func (s *stage) tool(t *testing.T, words []string, in string, sorted bool) string {
	t.Helper()
	class, ok := tools[words[0]]
	if !ok {
		t.Fatalf("no tool %s", words[0])
	}
	server := []string{"--bootstrap-server", s.node.Addr}
	var args []string
	for _, word := range words[1:] {
		switch {
		case word == "@controller":
			server = []string{"--bootstrap-controller", s.node.Controller}
		case strings.HasPrefix(word, "@"):
			args = append(args, filepath.Join(s.dir, word[1:]))
		default:
			args = append(args, word)
		}
	}
	if words[0] == "cluster" { // takes its verb first
		server, args = append([]string{args[0]}, server...), args[1:]
	}
	j, err := java()
	if err != nil {
		t.Fatal(err)
	}
	r, err := j.run(class, in, append(server, args...)...)
	if err != nil {
		t.Fatal(err)
	}
	lines := s.steady(r.Out)
	if sorted {
		slices.Sort(lines)
	}
	for _, line := range s.steady(r.Err) {
		lines = append(lines, "stderr: "+line)
	}
	if r.Status != 0 {
		lines = append(lines, fmt.Sprintf("status %d", r.Status))
	}
	if len(lines) == 0 {
		return "(nothing)\n"
	}
	return strings.Join(lines, "\n") + "\n"
}

var unsteady = []struct {
	pattern *regexp.Regexp
	instead string
}{
	{regexp.MustCompile(`\b1[6-9]\d{11}\b`), "TIME"},
	{regexp.MustCompile(`\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d([.,]\d+)?Z?`), "DATE"},
	{regexp.MustCompile(`[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}`), "UUID"},
	{regexp.MustCompile(`\bEpoch: \d+`), "Epoch: N"},
	{regexp.MustCompile(`[ \t]{2,}|\t`), "  "},
	{regexp.MustCompile(`(  40000  TIME  )\d+`), "${1}DURATION"}, // of a transaction
}

// usage begins how a tool tells that it is used.
var usage = regexp.MustCompile(`^Option +Description`)

// word is what an id in either alphabet of base64 is one of.
var word = regexp.MustCompile(`[A-Za-z0-9_+/-]+`)

// steady is output without what differs from run to run: addresses, times, random ids, widths of columns, where in the
// tool an error was thrown (and that the tool ends there), and how it is used.
func (s *stage) steady(text string) (lines []string) {
	text = strings.NewReplacer(s.node.Addr, "BROKER", s.node.Controller, "CONTROLLER", s.node.Data, "DATA", s.dir, "DIR",
		port(s.node.Addr), "PORT", port(s.node.Controller), "PORT").Replace(text)
	for _, u := range unsteady {
		text = u.pattern.ReplaceAllString(text, u.instead)
	}
	text = word.ReplaceAllStringFunc(text, func(found string) string {
		if len(found) == 22 && random(found) {
			return "ID"
		}
		return found
	})
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, " \t\r\n")
		if usage.MatchString(line) {
			break
		}
		if trace := strings.TrimSpace(line); trace == "" || trace == "null" || trace == "Tools$Ended" || strings.HasPrefix(trace, "at ") || strings.HasPrefix(trace, "... ") {
			continue
		}
		lines = append(lines, line)
	}
	return lines
}

func port(addr string) string { return addr[strings.LastIndexByte(addr, ':')+1:] }

// random tells an id in base64 from a word of as many letters: it has digits among letters of both cases, or changes
// between the cases more often than any word does.
func random(id string) bool {
	changes, upper := 0, false
	for i, r := range id {
		if is := unicode.IsUpper(r); i > 0 && is != upper {
			changes++
			upper = is
		}
	}
	mixed := strings.ToLower(id) != id && strings.ToUpper(id) != id
	return mixed && strings.ContainsAny(id, "0123456789") || changes >= 8
}

func (s *stage) produce(t *testing.T, topic string, partition, count int) {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(s.node.Addr), kgo.DefaultProduceTopic(topic), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	var all []*kgo.Record
	for i := range count {
		all = append(all, &kgo.Record{Partition: int32(partition), Value: fmt.Appendf(nil, "%d", i), Timestamp: time.UnixMilli(firstTime + int64(i)*1000)})
	}
	if err := client.ProduceSync(t.Context(), all...).FirstErr(); err != nil {
		t.Fatal(err)
	}
}

func (s *stage) member(t *testing.T, group, topic, protocol string) {
	t.Helper()
	m, err := (&script{command: []string{*python, "python/confluent.py"}}).share(t.Context(), s.node.Addr, group, protocol, topic)
	if err != nil {
		t.Fatal(err)
	}
	s.members[group] = m
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	await(t, ctx, group, func(assigned, _ [][]string) bool { return len(assigned[0]) > 0 }, m)
}

func (s *stage) transaction(t *testing.T, id, topic, end string) {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(s.node.Addr), kgo.TransactionalID(id), kgo.DefaultProduceTopic(topic),
		kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	if err := client.BeginTransaction(); err != nil {
		t.Fatal(err)
	}
	if err := client.ProduceSync(t.Context(), kgo.StringRecord(id)).FirstErr(); err != nil {
		t.Fatal(err)
	}
	if end == "open" {
		return
	}
	if err := client.EndTransaction(t.Context(), kgo.TransactionEndTry(end == "commit")); err != nil {
		t.Fatal(err)
	}
	s.ended(t, client, id)
}

// ended waits until the markers of a transaction are written, of which its producer does not hear.
func (s *stage) ended(t *testing.T, client *kgo.Client, id string) {
	t.Helper()
	req := kmsg.NewPtrDescribeTransactionsRequest()
	req.TransactionalIDs = []string{id}
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); {
		resp, err := req.RequestWith(t.Context(), client)
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasPrefix(resp.TransactionStates[0].State, "Complete") {
			return
		}
	}
	t.Fatalf("transaction %s does not end", id)
}

// hang writes a record of a transaction that no coordinator has begun, as a broker without verification (KIP-890) takes
// it from a client that names topics.
func (s *stage) hang(t *testing.T, name string) {
	t.Helper()
	raw := oneRecord("hangs")
	raw[22] |= 0x10                            // transactional
	binary.BigEndian.PutUint64(raw[43:], 4000) // producer id
	binary.BigEndian.PutUint16(raw[51:], 7)    // its epoch
	binary.BigEndian.PutUint32(raw[53:], 0)    // first sequence
	sealed(raw)
	req, id := kmsg.NewPtrProduceRequest(), "nobody"
	req.TransactionID, req.Acks, req.TimeoutMillis = &id, -1, 10000
	topic, partition := kmsg.NewProduceRequestTopic(), kmsg.NewProduceRequestTopicPartition()
	partition.Records = raw
	topic.Topic, topic.Partitions = name, append(topic.Partitions, partition)
	req.Topics = append(req.Topics, topic)
	client, err := kgo.NewClient(kgo.SeedBrokers(s.node.Addr), kgo.MaxVersions(kversion.V3_8_0()))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	resp, err := req.RequestWith(t.Context(), client)
	if err == nil {
		err = kerr.ErrorForCode(resp.Topics[0].Partitions[0].ErrorCode)
	}
	if err != nil {
		t.Fatal(err)
	}
}
