package workload

import (
	"context"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Whole is a cluster of which nothing is missing: brokers 1 to Brokers, and of each
// partition all replicas in sync.
type Whole struct {
	Brokers  int
	Replicas int
	Topics   map[string]int32
}

// wholePatience is how long one look at a cluster may take.
const wholePatience = 5 * time.Second

// Await waits until a cluster is whole, or returns what is missing when there is no
// more time.
func (w Whole) Await(ctx context.Context, client *kgo.Client) error {
	for {
		err := w.missing(ctx, client)
		if err == nil {
			return nil
		}
		wait(ctx, 100*time.Millisecond)
		if ctx.Err() != nil {
			return err
		}
	}
}

// AwaitBrokers waits for the brokers alone.
func (w Whole) AwaitBrokers(ctx context.Context, client *kgo.Client) error {
	w.Topics = nil
	return w.Await(ctx, client)
}

// missing is nil, or what is missing. Each broker must answer for itself: of one
// that has just ended the others do not know yet.
func (w Whole) missing(ctx context.Context, client *kgo.Client) error {
	ctx, cancel := context.WithTimeout(ctx, wholePatience)
	defer cancel()
	for id := 1; id <= w.Brokers; id++ {
		if _, err := client.Broker(id).Request(ctx, kmsg.NewPtrMetadataRequest()); err != nil {
			return fmt.Errorf("node %d does not answer: %w", id, err)
		}
	}
	metadata, err := kadm.NewClient(client).Metadata(ctx)
	if err != nil {
		return err
	}
	if len(metadata.Brokers) != w.Brokers {
		return fmt.Errorf("%d of %d brokers are there", len(metadata.Brokers), w.Brokers)
	}
	for topic, partitions := range w.Topics {
		for i := range partitions {
			p, ok := metadata.Topics[topic].Partitions[i]
			if !ok || p.Err != nil || p.Leader < 0 || len(p.ISR) != w.Replicas {
				return fmt.Errorf("%s-%d has leader %d and in-sync replicas %v of %v (%v)", topic, i, p.Leader, p.ISR, p.Replicas, p.Err)
			}
		}
	}
	return nil
}
