//go:build interop

package clients

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// groupClient reads in a group, commits what it read, and leaves.
type groupClient interface {
	kafkaClient
	groupProtocols() []string
	group(ctx context.Context, server, group, protocol, topic string, count int) ([]*record, error)
}

const groupPartitions = 3

// TestGroups: what is there is read once by a member that commits and leaves, and the next member of the group reads what
// has come since, and nothing else.
func TestGroups(t *testing.T) {
	for _, c := range everyClient() {
		c, ok := c.(groupClient)
		if !ok {
			continue
		}
		for _, protocol := range c.groupProtocols() {
			t.Run(c.name()+"/"+protocol, func(t *testing.T) {
				t.Parallel()
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				topic := "group-" + c.name() + "-" + protocol
				create(t, shared.Addr, topic, groupPartitions)
				for round, count := range []int{300, 30} {
					want := spread(t, ctx, topic, round, count)
					read, err := c.group(ctx, shared.Addr, topic, protocol, topic, count)
					if err != nil {
						t.Fatal(err)
					}
					var got []string
					for _, r := range read {
						got = append(got, groupValue(c, r))
					}
					slices.Sort(got)
					if !slices.Equal(got, want) {
						t.Fatalf("round %d: read %d records, first %.80v, want %d, first %.80v", round, len(got), got, len(want), want)
					}
					committed(t, ctx, topic, topic)
				}
			})
		}
	}
}

// groupValue is the text of a value: kcat shows it as it is.
func groupValue(c kafkaClient, r *record) string {
	if _, ok := c.(kcat); ok {
		return *r.Value
	}
	return string(plain(r.Value))
}

// spread writes records to all partitions, and returns their values in order.
func spread(t *testing.T, ctx context.Context, topic string, round, count int) (values []string) {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(shared.Addr), kgo.DefaultProduceTopic(topic), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	var all []*kgo.Record
	for i := range count {
		value := fmt.Sprintf("%d/%06d", round, i)
		values = append(values, value)
		all = append(all, &kgo.Record{Partition: int32(i % groupPartitions), Value: []byte(value)})
	}
	if err := client.ProduceSync(ctx, all...).FirstErr(); err != nil {
		t.Fatal(err)
	}
	return values
}

// committed checks that a group has committed everything there is in a topic.
func committed(t *testing.T, ctx context.Context, group, topic string) {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(shared.Addr))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	admin := kadm.NewClient(client)
	ends, err := admin.ListEndOffsets(ctx, topic)
	if err != nil {
		t.Fatal(err)
	}
	offsets, err := admin.FetchOffsets(ctx, group)
	if err != nil {
		t.Fatal(err)
	}
	for partition := range int32(groupPartitions) {
		end, _ := ends.Lookup(topic, partition)
		if at, ok := offsets.Lookup(topic, partition); !ok || at.At != end.Offset {
			t.Errorf("partition %d: committed %d of %d", partition, at.At, end.Offset)
		}
	}
}

// transactClient writes in transactions of ten records, of which every other is aborted.
type transactClient interface {
	kafkaClient
	transactional() bool
	transact(ctx context.Context, server, id, topic string, records []*record) error
	// copy reads FROM in a group and writes TO, with the offsets in the same transactions.
	copy(ctx context.Context, server, id, group string, count int, from, to string) error
}

// eachTransactional runs a test of each client that writes in transactions, all at the same time.
func eachTransactional(t *testing.T, test func(ctx context.Context, t *testing.T, c transactClient)) {
	for _, c := range everyClient() {
		c, ok := c.(transactClient)
		if !ok || !c.transactional() {
			continue
		}
		t.Run(c.name(), func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			test(ctx, t, c)
		})
	}
}

// TestCopies: what is read, written and committed in transactions, of which half are aborted, is there once.
func TestCopies(t *testing.T) {
	eachTransactional(t, func(ctx context.Context, t *testing.T, c transactClient) {
		from, to := "copy-from-"+c.name(), "copy-to-"+c.name()
		create(t, shared.Addr, from, 1)
		create(t, shared.Addr, to, 1)
		records := c.records()
		if _, err := (franz{}).produce(ctx, shared.Addr, from, "none", records); err != nil {
			t.Fatal(err)
		}
		if err := c.copy(ctx, shared.Addr, from, from, len(records), from, to); err != nil {
			t.Fatal(err)
		}
		read, err := (franz{}).consume(ctx, shared.Addr, []string{to})
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range append(read, records...) {
			r.Offset = 0 // markers take offsets of their own
		}
		if why := differs(records, read, exactly); why != "" {
			t.Error(why)
		}
		client, err := kgo.NewClient(kgo.SeedBrokers(shared.Addr))
		if err != nil {
			t.Fatal(err)
		}
		defer client.Close()
		offsets, err := kadm.NewClient(client).FetchOffsets(ctx, from)
		if err != nil {
			t.Fatal(err)
		}
		if at, ok := offsets.Lookup(from, 0); !ok || at.At != int64(len(records)) {
			t.Errorf("the group has committed %d of %d", at.At, len(records))
		}
	})
}

// TestTransactions: who reads committed records alone sees the transactions that were committed, in order.
func TestTransactions(t *testing.T) {
	eachTransactional(t, func(ctx context.Context, t *testing.T, c transactClient) {
		topic := "txn-" + c.name()
		create(t, shared.Addr, topic, 1)
		records := c.records()
		if err := c.transact(ctx, shared.Addr, topic, topic, records); err != nil {
			t.Fatal(err)
		}
		// A transaction of which nobody reads the end shows as one without records.
		flushed := c.records()[:1]
		if err := (franz{}).transact(ctx, shared.Addr, topic+"-last", topic, flushed); err != nil {
			t.Fatal(err)
		}
		var want []*record
		for at, r := range records {
			if at/10%2 == 0 {
				want = append(want, r)
			}
		}
		want = append(want, flushed...)
		readers := []kafkaClient{franz{}}
		if s, ok := c.(*script); !ok || !s.waits {
			readers = append(readers, c)
		}
		for _, reader := range readers {
			read, err := reader.consume(ctx, shared.Addr, []string{topic})
			if err != nil {
				t.Fatal(err)
			}
			for _, r := range append(read, want...) {
				r.Offset = 0 // markers take offsets of their own
			}
			if why := differs(timed(want, read), read, reader.equal); why != "" {
				t.Errorf("read by %s: %s", reader.name(), why)
			}
		}
	})
}
