package cli_test

import (
	"encoding/binary"
	"encoding/json"
	"hash/crc32"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stromkafka/strom/stromtest"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"
)

// transactional is a producer of a transactional id.
type transactional struct {
	*testing.T
	*kgo.Client
}

func newTransactional(t *testing.T, bootstrap, id string) transactional {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(bootstrap), kgo.TransactionalID(id), kgo.DefaultProduceTopic("orders"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return transactional{t, client}
}

// write opens a transaction.
func (p transactional) write(value string) {
	p.Helper()
	if err := p.BeginTransaction(); err != nil {
		p.Fatal(err)
	}
	if err := p.ProduceSync(p.Context(), kgo.StringRecord(value)).FirstErr(); err != nil {
		p.Fatal(err)
	}
}

func (p transactional) end(how kgo.TransactionEndTry) {
	p.Helper()
	if err := p.EndTransaction(p.Context(), how); err != nil {
		p.Fatal(err)
	}
}

// TestConsumeCommitted leaves out what was aborted and what is open, and does
// not wait for either.
func TestConsumeCommitted(t *testing.T) {
	bootstrap := startBroker(t)
	strom(t, bootstrap, "", "topic", "create", "orders")
	producer := newTransactional(t, bootstrap, "shop")
	expect := func(want string, args ...string) {
		t.Helper()
		if got := strom(t, bootstrap, "", append([]string{"consume", "orders", "-e"}, args...)...); got != want {
			t.Fatalf("consume %v: %q, want %q", args, got, want)
		}
	}
	producer.write("kept")
	producer.end(kgo.TryCommit)
	producer.write("aborted")
	producer.end(kgo.TryAbort)
	expect("kept\n", "--committed")
	expect("kept\naborted\n")

	producer.write("open")
	expect("kept\n", "--committed")
	expect("kept\naborted\nopen\n")
	producer.end(kgo.TryCommit)
	expect("kept\nopen\n", "--committed")
}

// answers compares what a command line prints, and its exit code, with what is
// wanted. Ages and producer ids are replaced: they differ from run to run.
func answers(t *testing.T, bootstrap, want string, args ...string) {
	t.Helper()
	w := &world{}
	code := w.run(t, bootstrap, args...)
	got := regexp.MustCompile(`\b\d{5}d\b`).ReplaceAllString(w.result(code), "AGE")
	got = regexp.MustCompile(` +AGE`).ReplaceAllString(got, " AGE")
	if want = strings.TrimLeft(want, "\n"); got != want {
		t.Errorf("strom %s:\n%s\nwant:\n%s", strings.Join(args, " "), got, want)
	}
}

func TestTransactionCommands(t *testing.T) {
	b := stromtest.Start(t, stromtest.Options{})
	bootstrap := b.Bootstrap()
	answers(t, bootstrap, "stderr:\nstrom: there are no transactions\n", "transaction", "list")
	answers(t, bootstrap, "[]\n", "transaction", "list", "-o", "json")
	strom(t, bootstrap, "", "topic", "create", "orders")
	shop, mill := newTransactional(t, bootstrap, "shop-1"), newTransactional(t, bootstrap, "mill")
	shop.write("kept")
	shop.end(kgo.TryCommit)
	mill.write("open")

	answers(t, bootstrap, `
TRANSACTION  OPEN FOR  PRODUCER  COORDINATOR  STATE
mill AGE         1            1  Ongoing
shop-1              -         0            1  CompleteCommit
`, "transaction", "list")
	answers(t, bootstrap, `
TRANSACTION  OPEN FOR  PRODUCER  COORDINATOR  STATE
mill AGE         1            1  Ongoing
`, "transaction", "list", "--longer-than", "1m")
	answers(t, bootstrap, `
shop-1  committed, producer 0 of epoch 1, coordinator 1
·
mill  ongoing, open for AGE, is aborted after 40s, producer 1 of epoch 0, coordinator 1
·
TOPIC   PARTITION  START  LAST WRITE
orders          0      2 AGE ago
`, "transaction", "describe", "shop-1", "mill")
	answers(t, bootstrap, `
stderr:
strom: there is no transaction "shop"
  Did you mean shop-1?
exit code 1
`, "transaction", "describe", "shop")
	answers(t, bootstrap, `
stderr:
strom: transaction "shop-1" is not open: committed
  `+"`strom transaction list` shows those that are."+`
exit code 1
`, "transaction", "abort", "shop-1")
	answers(t, bootstrap, "aborted mill\n", "transaction", "abort", "mill")
	answers(t, bootstrap, "kept\n", "consume", "orders", "-e", "--committed", "-f", "%v\n")
	err := mill.ProduceSync(t.Context(), kgo.StringRecord("late")).FirstErr()
	if err == nil {
		err = mill.EndTransaction(t.Context(), kgo.TryCommit)
	}
	if err == nil {
		t.Error("the producer of an aborted transaction has written on and committed")
	}
	answers(t, bootstrap, "stderr:\nstrom: no transaction has been open for 60s\n", "transaction", "list", "--longer-than", "1m")
}

// TestTransactionJSON: scripts find under these names what the tables show.
func TestTransactionJSON(t *testing.T) {
	b := stromtest.Start(t, stromtest.Options{})
	strom(t, b.Bootstrap(), "", "topic", "create", "orders")
	newTransactional(t, b.Bootstrap(), "shop").write("open")
	for _, test := range []struct {
		args []string
		want map[string]any
	}{
		{[]string{"list"}, map[string]any{"transaction": "shop", "state": "Ongoing", "coordinator": 1.0, "producer_id": 0.0}},
		{[]string{"describe", "shop"}, map[string]any{"transaction": "shop", "state": "Ongoing", "timeout_ms": 40000.0, "producer_epoch": 0.0}},
		{[]string{"abort", "shop"}, map[string]any{"transaction": "shop", "producer_id": 0.0}},
	} {
		out := strom(t, b.Bootstrap(), "", append([]string{"transaction", "-o", "json"}, test.args...)...)
		var got []map[string]any
		if err := json.Unmarshal([]byte(out), &got); err != nil || len(got) != 1 {
			t.Fatalf("%s: %v: %s", test.args[0], err, out)
		}
		for name, want := range test.want {
			if got[0][name] != want {
				t.Errorf("%s: %s is %v, want %v", test.args[0], name, got[0][name], want)
			}
		}
	}
}

// TestHangingTransaction: one that no coordinator knows is found, keeps readers of
// committed records back, and is aborted.
func TestHangingTransaction(t *testing.T) {
	b := stromtest.Start(t, stromtest.Options{Config: map[string]string{"transaction.partition.verification.enable": "false"}})
	bootstrap := b.Bootstrap()
	strom(t, bootstrap, "", "topic", "create", "orders")
	strom(t, bootstrap, "before\n", "produce", "orders", "-q")
	answers(t, bootstrap, "stderr:\nstrom: no transaction hangs\n", "transaction", "find-hanging")
	answers(t, bootstrap, "[]\n", "transaction", "find-hanging", "-o", "json")
	newTransactional(t, bootstrap, "shop").write("owned")
	hang(t, b)
	strom(t, bootstrap, "after\n", "produce", "orders", "-q")

	found := `
TOPIC   PARTITION  START  PRODUCER  EPOCH  LAST WRITE
orders          0      2      4000      7 AGE ago
stderr:
strom: abort one with ` + "`strom transaction abort --topic orders --partition 0 --start-offset 2`" + `
`
	answers(t, bootstrap, found, "transaction", "find-hanging")
	answers(t, bootstrap, found, "transaction", "find-hanging", "--topic", "orders", "--longer-than", "0s")
	answers(t, bootstrap, `
stderr:
strom: there is no topic "order"
  Did you mean orders? Create it with `+"`strom topic create order`."+`
exit code 1
`, "transaction", "find-hanging", "--topic", "order")
	where := func(offset string) []string {
		return []string{"transaction", "abort", "--topic", "orders", "--partition", "0", "--start-offset", offset}
	}
	answers(t, bootstrap, `
stderr:
strom: this transaction does not hang: its coordinator knows it as "shop"
  `+"`strom transaction abort shop` aborts it everywhere."+`
exit code 1
`, where("1")...)
	answers(t, bootstrap, `
stderr:
strom: no open transaction begins at offset 3 of partition 0 of topic "orders"
  `+"`strom transaction find-hanging --topic orders` shows those that hang."+`
exit code 1
`, where("3")...)
	answers(t, bootstrap, "aborted the transaction of producer 4000 in partition 0 of topic orders\n", where("2")...)
	answers(t, bootstrap, "stderr:\nstrom: no transaction hangs\n", "transaction", "find-hanging")
	answers(t, bootstrap, "aborted shop\n", "transaction", "abort", "shop")
	answers(t, bootstrap, "before\nafter\n", "consume", "orders", "-e", "--committed", "-f", "%v\n")
}

// hang writes a record of a transaction that no coordinator has begun, as a broker
// without verification (KIP-890) takes it.
func hang(t *testing.T, b *stromtest.Broker) {
	t.Helper()
	record := kmsg.Record{Value: []byte("hangs")}
	record.Length = int32(len(record.AppendTo(nil)) - 1)
	batch := kmsg.NewRecordBatch()
	batch.PartitionLeaderEpoch, batch.Magic, batch.Attributes = -1, 2, 0x10
	batch.FirstTimestamp = time.Now().UnixMilli()
	batch.MaxTimestamp = batch.FirstTimestamp
	batch.ProducerID, batch.ProducerEpoch = 4000, 7
	batch.NumRecords, batch.Records = 1, record.AppendTo(nil)
	raw := batch.AppendTo(nil)
	binary.BigEndian.PutUint32(raw[8:], uint32(len(raw)-12))
	binary.BigEndian.PutUint32(raw[17:], crc32.Checksum(raw[21:], crc32.MakeTable(crc32.Castagnoli)))

	req, id := kmsg.NewPtrProduceRequest(), "nobody"
	req.TransactionID, req.Acks, req.TimeoutMillis = &id, -1, 10000
	topic, partition := kmsg.NewProduceRequestTopic(), kmsg.NewProduceRequestTopicPartition()
	partition.Records = raw
	topic.Topic, topic.Partitions = "orders", append(topic.Partitions, partition)
	req.Topics = append(req.Topics, topic)
	// A client of release 3.8 names topics, and adds no partitions to transactions by writing to them.
	resp, err := req.RequestWith(t.Context(), b.Client(kgo.MaxVersions(kversion.V3_8_0())))
	if err == nil {
		err = kerr.ErrorForCode(resp.Topics[0].Partitions[0].ErrorCode)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func TestTransactionUsage(t *testing.T) {
	for line, want := range map[string]string{
		"abort":                                  "`strom transaction abort` needs the name of a transaction",
		"abort shop --topic orders":              "a transaction is named by its transactional id, or by --topic, --partition and --start-offset, not by both",
		"abort --topic orders -p 0":              "--topic, --partition and --start-offset name a transaction together",
		"abort --topic a -p -2 --start-offset 1": "--partition and --start-offset are not negative",
		"describe":                               "`strom transaction describe` needs the name of a transaction",
		"list all":                               "`strom transaction list` takes no arguments: \"all\" is too much",
		"list --longer-than -5m":                 "--longer-than is a time such as 5m, not -5m0s",
		"find-hanging --longer-than soon":        "invalid argument \"soon\"",
		"find-hangin":                            "there is no command `strom transaction find-hangin`\n  did you mean `strom transaction find-hanging`?",
	} {
		w := &world{}
		if code := w.run(t, "nowhere:1", append([]string{"transaction"}, strings.Fields(line)...)...); code != 2 || !strings.Contains(w.err.String(), want) {
			t.Errorf("strom transaction %s: exit code %d, %s", line, code, w.err.String())
		}
	}
}
