//go:build interop

package disk

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// produce writes values to a partition.
func (n *node) produce(topic string, partition int32, values ...string) {
	n.t.Helper()
	cl := n.client()
	defer cl.Close()
	var records []*kgo.Record
	for _, v := range values {
		records = append(records, &kgo.Record{Topic: topic, Partition: partition, Value: []byte(v)})
	}
	if err := cl.ProduceSync(n.t.Context(), records...).FirstErr(); err != nil {
		n.t.Fatal(err)
	}
}

// transact writes values in a transaction; how it ends is the caller's to say.
func (n *node) transact(id, topic string, end kgo.TransactionEndTry, leave bool, values ...string) {
	n.t.Helper()
	cl := n.client(kgo.TransactionalID(id), kgo.TransactionTimeout(10*time.Minute))
	if !leave {
		defer cl.Close()
	}
	if err := cl.BeginTransaction(); err != nil {
		n.t.Fatal(err)
	}
	for _, v := range values {
		if err := cl.ProduceSync(n.t.Context(), &kgo.Record{Topic: topic, Partition: 0, Value: []byte(v)}).FirstErr(); err != nil {
			n.t.Fatal(err)
		}
	}
	if leave {
		return
	}
	if err := cl.EndTransaction(n.t.Context(), end); err != nil {
		n.t.Fatal(err)
	}
}

func (n *node) expect(topic string, partition int32, want []string, opts ...kgo.Opt) {
	n.t.Helper()
	var got []string
	for _, r := range n.read(topic, partition, opts...) {
		got = append(got, string(r.Value))
	}
	if !slices.Equal(got, want) {
		n.t.Errorf("%s-%d has %d records, want %d: %.300q, want %.300q", topic, partition, len(got), len(want), got, want)
	}
}

func numbered(what string, from, to int) (out []string) {
	for i := from; i < to; i++ {
		out = append(out, fmt.Sprint(what, " ", i))
	}
	return out
}

var committed = kgo.FetchIsolationLevel(kgo.ReadCommitted())

// A combined node of Apache Kafka is stopped, Strom takes its properties and directories over, and gives them back:
// each finds what the other left, and what was written meanwhile.
func TestTakenOverAndGivenBack(t *testing.T) {
	n := newNode(t, kafka, map[string]string{
		"authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer", "super.users": "User:ANONYMOUS",
	})
	n.create("plain", 2, map[string]string{"retention.ms": "123456789", "segment.bytes": "1048576"})
	n.create("settled", 1, nil)
	n.create("open", 1, nil)
	n.create("compacted", 1, compactedTopic)
	n.produce("plain", 0, numbered("kafka", 0, 2000)...)
	n.produce("plain", 1, "one")
	n.transact("finished", "settled", kgo.TryCommit, false, "committed")
	n.transact("finished", "settled", kgo.TryAbort, false, "aborted")
	n.transact("unfinished", "open", kgo.TryAbort, true, "open")
	want := n.write("compacted", 20_000, 300, 1)
	admin(n, func(a *kadm.Client) {
		var offsets kadm.Offsets
		offsets.AddOffset("plain", 0, 1234, -1)
		if err := a.CommitAllOffsets(t.Context(), "group", offsets); err != nil {
			t.Fatal(err)
		}
		if _, err := a.AlterUserSCRAMs(t.Context(), nil, []kadm.UpsertSCRAM{{User: "alice", Mechanism: kadm.ScramSha256, Iterations: 4096, Password: "secret"}}); err != nil {
			t.Fatal(err)
		}
		acl := kadm.NewACLs().Topics("plain").Allow("User:alice").AllowHosts("*").Operations(kadm.OpRead).ResourcePatternType(kadm.ACLPatternLiteral)
		if _, err := a.CreateACLs(t.Context(), acl); err != nil {
			t.Fatal(err)
		}
	})
	for key, value := range want {
		if value == "" {
			delete(want, key)
		}
	}
	n.inherited(want)
	n.stop()

	// Strom has no authorizer yet and refuses to start with one; the ACLs stay.
	file := filepath.Join(filepath.Dir(n.Data), "server.properties")
	properties, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var open []string
	for line := range strings.Lines(string(properties)) {
		if !strings.HasPrefix(line, "authorizer.") && !strings.HasPrefix(line, "super.users") {
			open = append(open, line)
		}
	}
	if err := os.WriteFile(file, []byte(strings.Join(open, "")), 0o644); err != nil {
		t.Fatal(err)
	}
	n.start(strom)
	n.inherited(want)
	n.produce("plain", 0, numbered("strom", 0, 1000)...)
	n.create("new", 1, nil)
	n.produce("new", 0, "of strom")
	for key, value := range n.write("compacted", 20_000, 300, 2) {
		if want[key] = value; value == "" {
			delete(want, key)
		}
	}
	n.stop()
	n.dumped("*-[0-9]*")
	for _, name := range []string{"journal", ".kafka_cleanshutdown"} {
		if _, err := os.Stat(n.path(name)); (err == nil) != (name != "journal") {
			t.Errorf("after a clean stop of Strom: %s: %v", name, err)
		}
	}

	if err := os.WriteFile(file, properties, 0o644); err != nil {
		t.Fatal(err)
	}
	n.start(kafka)
	n.expect("plain", 0, append(numbered("kafka", 0, 2000), numbered("strom", 0, 1000)...))
	n.expect("new", 0, []string{"of strom"})
	n.expect("settled", 0, []string{"committed"}, committed)
	n.inherited2(want)
	// The transaction that was open all the time is ended by whoever takes its id.
	n.transact("unfinished", "open", kgo.TryCommit, false, "after")
	n.expect("open", 0, []string{"after"}, committed)
	admin(n, func(a *kadm.Client) {
		users, err := a.DescribeUserSCRAMs(t.Context(), "alice")
		if err != nil || len(users["alice"].CredInfos) != 1 || users["alice"].CredInfos[0].Iterations != 4096 {
			t.Errorf("SCRAM credentials: %+v %v", users, err)
		}
		acls, err := a.DescribeACLs(t.Context(), kadm.NewACLs().Topics("plain").Allow("User:alice").AllowHosts("*").Operations(kadm.OpRead).ResourcePatternType(kadm.ACLPatternLiteral))
		if err != nil || len(acls) != 1 || len(acls[0].Described) != 1 {
			t.Errorf("ACLs: %+v %v", acls, err)
		}
	})
	n.stop()
}

func admin(n *node, do func(*kadm.Client)) {
	cl := n.client()
	defer cl.Close()
	do(kadm.NewClient(cl))
}

// inherited looks for what the first life left.
func (n *node) inherited(compacted map[string]string) {
	n.t.Helper()
	n.expect("plain", 0, numbered("kafka", 0, 2000))
	n.expect("settled", 0, []string{"committed"}, committed)
	n.expect("open", 0, []string{"open"})
	n.inherited2(compacted)
}

func (n *node) inherited2(compacted map[string]string) {
	n.t.Helper()
	n.expect("plain", 1, []string{"one"})
	if got := newest(n.read("compacted", 0)); !maps.Equal(got, compacted) {
		n.t.Errorf("compacted: %d keys, want %d", len(got), len(compacted))
	}
	admin(n, func(a *kadm.Client) {
		configs, err := a.DescribeTopicConfigs(n.t.Context(), "plain")
		if err != nil {
			n.t.Fatal(err)
		}
		found := false
		for _, c := range configs[0].Configs {
			found = found || c.Key == "retention.ms" && c.MaybeValue() == "123456789"
		}
		if !found {
			n.t.Errorf("configs of plain: %+v", configs)
		}
		stable, err := a.ListCommittedOffsets(n.t.Context(), "open")
		if o, _ := stable.Lookup("open", 0); err != nil || o.Offset != 0 {
			n.t.Errorf("last stable offset behind an open transaction: %+v %v", o, err)
		}
		if !n.serves(int16(kmsg.OffsetFetch)) {
			return
		}
		offsets, err := a.FetchOffsets(n.t.Context(), "group")
		if o, ok := offsets.Lookup("plain", 0); err != nil || !ok || o.At != 1234 {
			n.t.Errorf("committed offset: %+v %v", o, err)
		}
	})
}

// serves tells whether the node has an API.
func (n *node) serves(key int16) bool {
	n.t.Helper()
	cl := n.client()
	defer cl.Close()
	v, err := kmsg.NewPtrApiVersionsRequest().RequestWith(n.t.Context(), cl)
	if err != nil {
		n.t.Fatal(err)
	}
	return slices.ContainsFunc(v.ApiKeys, func(k kmsg.ApiVersionsResponseApiKey) bool { return k.ApiKey == key })
}
