package workload

import (
	"context"
	"fmt"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/stromkafka/strom/internal/history"
)

// positions records what each group has committed, in the end.
func (o *Options) positions(ctx context.Context, client *kgo.Client) error {
	if o.Copies.From != "" {
		if err := o.position(ctx, client, copiers, history.Op{Client: copiers}); err != nil {
			return err
		}
	}
	for _, g := range o.Groups {
		if err := o.position(ctx, client, g.Name, history.Op{Client: g.Name, Group: g.Name}); err != nil {
			return err
		}
	}
	return nil
}

func (o *Options) position(ctx context.Context, client *kgo.Client, group string, op history.Op) error {
	for tries := 0; ; tries++ {
		op.Kind, op.Begin = history.Position, o.Record.Now()
		offsets, err := kadm.NewClient(client).FetchOffsets(ctx, group)
		if err == nil {
			err = offsets.Error()
		}
		if err == nil {
			op.End = o.Record.Now()
			for _, f := range offsets.Sorted() {
				op.Reads = append(op.Reads, history.Read{Partition: history.Partition{Topic: f.Topic, Index: f.Partition}, Offsets: []int64{f.At}})
			}
			o.Record.Add(op)
			return nil
		}
		wait(ctx, backoff(tries))
		if ctx.Err() != nil {
			return fmt.Errorf("the offsets of group %s are not known: %w", group, err)
		}
	}
}
