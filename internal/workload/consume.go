package workload

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/stromkafka/strom/internal/history"
)

// consumer reads all partitions from their beginning, what is committed of
// transactions or, uncommitted, everything. Once in rewind, if that is not zero, it
// goes back to an earlier record of one of them.
func (o *Options) consumer(name string, uncommitted bool, rewind time.Duration) func(context.Context) error {
	return func(ctx context.Context) error {
		isolation := kgo.ReadCommitted()
		if uncommitted {
			isolation = kgo.ReadUncommitted()
		}
		client, err := o.client(name, kgo.ConsumePartitions(o.offsets(kgo.NewOffset().AtStart())), kgo.FetchMaxWait(500*time.Millisecond), kgo.FetchIsolationLevel(isolation))
		if err != nil {
			return err
		}
		defer client.Close()
		now := o.Record.Now()
		o.Record.Add(history.Op{Kind: history.Assign, Client: name, Partitions: o.partitions(), Begin: now, End: now})
		rng := rand.New(rand.NewPCG(o.Seed, 77))
		ends := map[history.Partition]int64{}
		moved := now
		for ctx.Err() == nil {
			o.poll(ctx, client, name, uncommitted, ends)
			if rewind > 0 && o.Record.Now()-moved > rewind {
				moved = o.Record.Now()
				o.rewind(client, name, ends, rng)
			}
		}
		return nil
	}
}

// poll records what one poll returned, and where it ended.
func (o *Options) poll(ctx context.Context, client *kgo.Client, name string, uncommitted bool, ends map[history.Partition]int64) {
	// However little there is, a consumer that goes back must get to do so.
	waiting, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	op := history.Op{Kind: history.Poll, Client: name, Uncommitted: uncommitted, Begin: o.Record.Now()}
	fetches := client.PollFetches(waiting)
	op.End = o.Record.Now()
	fetches.EachPartition(func(f kgo.FetchTopicPartition) {
		if len(f.Records) > 0 {
			r := readOf(f)
			op.Reads = append(op.Reads, r)
			ends[r.Partition] = r.Offsets[len(r.Offsets)-1] + 1
		}
	})
	for _, e := range fetches.Errors() {
		if waiting.Err() == nil {
			op.Error = fmt.Sprintf("%s-%d: %v", e.Topic, e.Partition, e.Err)
		}
	}
	if len(op.Reads) > 0 || op.Error != "" {
		o.Record.Add(op)
	}
}

func readOf(f kgo.FetchTopicPartition) history.Read {
	r := history.Read{Partition: history.Partition{Topic: f.Topic, Index: f.Partition}}
	for _, record := range f.Records {
		r.Offsets = append(r.Offsets, record.Offset)
		r.Values = append(r.Values, valueOf(record.Value))
	}
	return r
}

func (o *Options) rewind(client *kgo.Client, name string, ends map[history.Partition]int64, rng *rand.Rand) {
	partitions := o.partitions()
	p := partitions[rng.IntN(len(partitions))]
	if ends[p] == 0 {
		return
	}
	now := o.Record.Now()
	client.SetOffsets(map[string]map[int32]kgo.EpochOffset{p.Topic: {p.Index: {Epoch: -1, Offset: max(0, ends[p]-1-rng.Int64N(200))}}})
	o.Record.Add(history.Op{Kind: history.Seek, Client: name, Partitions: []history.Partition{p}, Begin: now, End: o.Record.Now()})
}

// ReadAll reads every partition from its start to its end, once all faults are
// healed, and records that: what is committed of transactions, of which none is open
// for long. The end is where the leader says, and not before all that was
// acknowledged.
func (o Options) ReadAll(ctx context.Context) error {
	client, err := o.client("final", kgo.ConsumePartitions(o.offsets(kgo.NewOffset().AtStart())), kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.KeepControlRecords())
	if err != nil {
		return err
	}
	defer client.Close()
	ends, err := o.ends(ctx, client)
	if err != nil {
		return err
	}
	begin := o.Record.Now()
	reads, next := map[history.Partition]*history.Read{}, map[history.Partition]int64{}
	for _, p := range o.partitions() {
		reads[p] = &history.Read{Partition: p}
	}
	missing := func() (n int) {
		for p := range reads {
			if next[p] < ends[p] {
				n++
			}
		}
		return n
	}
	for missing() > 0 {
		fetches := client.PollFetches(ctx)
		if ctx.Err() != nil {
			return fmt.Errorf("%d of %d partitions could not be read to their end: %w", missing(), len(reads), ctx.Err())
		}
		fetches.EachPartition(func(f kgo.FetchTopicPartition) {
			p := history.Partition{Topic: f.Topic, Index: f.Partition}
			r := reads[p]
			for _, record := range f.Records {
				next[p] = record.Offset + 1
				if !record.Attrs.IsControl() {
					r.Offsets, r.Values = append(r.Offsets, record.Offset), append(r.Values, valueOf(record.Value))
					r.Epochs = append(r.Epochs, fmt.Sprintf("%d/%d", record.ProducerID, record.ProducerEpoch))
				}
			}
		})
	}
	for _, r := range reads {
		o.Record.Add(history.Op{Kind: history.Final, Client: "final", Begin: begin, End: o.Record.Now(), Reads: []history.Read{*r}})
	}
	return o.positions(ctx, client)
}

// endPatience is how long a leader may take to learn again how much is
// committed.
const endPatience = 15 * time.Second

// ends are the ends of all partitions. A leader that was elected a moment ago
// learns only from its followers how much is committed; if it never says as much
// as was acknowledged, its word is taken, and the difference is a lost write.
func (o *Options) ends(ctx context.Context, client *kgo.Client) (map[history.Partition]int64, error) {
	var topics []string
	for topic := range o.Topics {
		topics = append(topics, topic)
	}
	begin := o.Record.Now()
	for tries := 0; ; tries++ {
		listed, err := kadm.NewClient(client).ListEndOffsets(ctx, topics...)
		if err == nil {
			err = listed.Error()
		}
		ends, short := map[history.Partition]int64{}, false
		listed.Each(func(l kadm.ListedOffset) {
			p := history.Partition{Topic: l.Topic, Index: l.Partition}
			ends[p] = l.Offset
			short = short || l.Offset < o.Record.acknowledgedEnd(p)
		})
		if err == nil && (!short || o.Record.Now()-begin > endPatience) {
			return ends, nil
		}
		select {
		case <-time.After(backoff(tries)):
		case <-ctx.Done():
			return nil, fmt.Errorf("the ends of the partitions are not known: %w", err)
		}
	}
}
