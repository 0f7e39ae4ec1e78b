// Package workload is clients at work on a cluster, whose every operation is
// recorded as a history: producers that send values of which each is sent once,
// and consumers that read them. What they saw is for package history to judge.
package workload

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/stromkafka/strom/internal/history"
)

// Options say what the clients work on.
type Options struct {
	Seeds []string
	// Dial makes the clients' connections; nil is TCP.
	Dial   func(ctx context.Context, network, address string) (net.Conn, error)
	Topics map[string]int32 // partitions by topic
	// Transactions are how many transactional producers there are besides.
	Transactions int
	// Copies, if not zero, is between two of the topics.
	Copies Copies
	Groups []Group
	// Every is the time between two sends of one producer to one partition.
	Every  time.Duration
	Size   int // of a record's value, about
	Seed   uint64
	Record *Recorder
	// Patience is how long a send may take before its outcome is called unknown.
	Patience time.Duration
	// Log is where the clients say what they do; nil is nowhere.
	Log io.Writer
}

// backoff is the wait before another try.
func backoff(tries int) time.Duration {
	return min(time.Duration(tries+1)*20*time.Millisecond, 200*time.Millisecond)
}

// client makes a client that finds a new leader as soon as it can.
func (o *Options) client(id string, more ...kgo.Opt) (*kgo.Client, error) {
	client, err := kgo.NewClient(append(o.common(id), more...)...)
	if err != nil {
		return nil, fmt.Errorf("client %s: %w", id, err)
	}
	return client, nil
}

// common is what all clients have in common.
func (o *Options) common(id string) []kgo.Opt {
	opts := []kgo.Opt{
		kgo.SeedBrokers(o.Seeds...), kgo.ClientID(id), kgo.MetadataMinAge(50 * time.Millisecond), kgo.RetryBackoffFn(backoff),
		kgo.DialTimeout(2 * time.Second), kgo.RequestTimeoutOverhead(3 * time.Second), kgo.RecordPartitioner(kgo.ManualPartitioner()),
	}
	if o.Log != nil {
		opts = append(opts, kgo.WithLogger(kgo.BasicLogger(o.Log, kgo.LogLevelInfo, func() string { return fmt.Sprintf("%v %s ", o.Record.Now(), id) })))
	}
	if o.Dial != nil {
		opts = append(opts, kgo.Dialer(o.Dial))
	}
	return opts
}

// partitions are all that the clients work on.
func (o *Options) partitions() []history.Partition {
	var all []history.Partition
	for topic, n := range o.Topics {
		for i := range n {
			all = append(all, history.Partition{Topic: topic, Index: i})
		}
	}
	return all
}

// offsets are one position for each partition.
func (o *Options) offsets(at kgo.Offset) map[string]map[int32]kgo.Offset {
	all := map[string]map[int32]kgo.Offset{}
	for topic, n := range o.Topics {
		all[topic] = map[int32]kgo.Offset{}
		for i := range n {
			all[topic][i] = at
		}
	}
	return all
}

// Run runs the clients until ctx is done, and then until every send has its
// outcome.
func (o Options) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var running sync.WaitGroup
	var mu sync.Mutex
	var failed error
	all := []func(context.Context) error{
		o.producer("plain", -1, false, o.partitions()), o.producer("leader", 1, false, o.partitions()), o.once,
		o.producer("idempotent", -1, true, o.partitions()),
		o.consumer("reader", false, 0), o.consumer("rereader", true, 2*time.Second),
	}
	for i := range o.Transactions {
		all = append(all, o.transactor(fmt.Sprintf("transactor-%d", i+1)))
	}
	if o.Copies.From != "" {
		all = append(all, o.copier("copier-1"), o.copier("copier-2"))
	}
	for _, g := range o.Groups {
		for n := range g.Members {
			all = append(all, o.sharer(g, n+1))
		}
	}
	for _, run := range all {
		running.Go(func() {
			if err := run(ctx); err != nil {
				mu.Lock()
				failed = errors.Join(failed, err)
				mu.Unlock()
				cancel()
			}
		})
	}
	running.Wait()
	return failed
}

// padding follows the value in a record and is no part of it.
const padding = "|"

func payload(value string, size int) []byte {
	return []byte(value + padding + strings.Repeat("x", max(0, size-len(value))))
}

func valueOf(record []byte) string {
	value, _, _ := strings.Cut(string(record), padding)
	return value
}
