package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
)

// hangingAge is the longest that a broker lets a transaction be open, unless its
// transaction.max.timeout.ms says otherwise.
const hangingAge = 15 * time.Minute

// A hangingTransaction is open in a partition though its coordinator has ended
// it, or does not know it (KIP-664). Nobody will end it, and the last stable
// offset stays where it is.
type hangingTransaction struct {
	namedPartition
	Start      int64 `json:"start_offset"`
	ProducerID int64 `json:"producer_id"`
	Epoch      int16 `json:"producer_epoch"`
	WroteMS    int64 `json:"last_write_ms"`
}

func (c *CLI) transactionHangingCommand() *cobra.Command {
	var topics []string
	var longerThan time.Duration
	cmd := &cobra.Command{
		Use:   "find-hanging",
		Short: "Find transactions that nobody will end",
		Long: `Find transactions that nobody will end.

Such a transaction is open in a partition though its coordinator has ended it, or
does not know it. Those who read committed records alone are stuck where it
begins, until it is aborted.`,
		Example: examples(`
			strom transaction find-hanging
			strom transaction find-hanging --topic orders --longer-than 1h`),
		Args: nothing,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if longerThan < 0 {
				return usage(cmd, "--longer-than is a time such as 15m, not %s", longerThan)
			}
			return c.admin(cmd.Context(), func(ctx context.Context, k *cluster) error {
				all, err := c.findHanging(ctx, k, unique(topics), longerThan)
				if len(all) == 0 && err != nil {
					return err // nothing was found, which does not say that there is nothing
				}
				return errors.Join(c.printHanging(all), err)
			})
		},
	}
	f := cmd.Flags()
	f.SortFlags = false
	f.StringArrayVar(&topics, "topic", nil, "only in this `TOPIC` (repeatable)")
	f.DurationVar(&longerThan, "longer-than", hangingAge, "only where nothing was written for this `TIME`, which is to be longer\nthan any producer's transaction.timeout.ms")
	f.Lookup("longer-than").DefValue = "15m" // not 15m0s
	_ = cmd.RegisterFlagCompletionFunc("topic", c.completeTopics(0))
	_ = cmd.RegisterFlagCompletionFunc("longer-than", cobra.NoFileCompletions)
	return cmd
}

// findHanging asks every leader what is open for long, and then the coordinators
// whether they know it. That order is what makes it right: a transaction begins at
// its coordinator before it is open in a partition.
func (c *CLI) findHanging(ctx context.Context, k *cluster, topics []string, longerThan time.Duration) ([]hangingTransaction, error) {
	for _, topic := range topics {
		if _, err := findTopic(ctx, k, topic); err != nil {
			return nil, err
		}
	}
	var in kadm.TopicsSet
	for _, topic := range topics {
		in.Add(topic)
	}
	producers, err := k.DescribeProducers(ctx, in)
	if ignorable(err) != nil {
		return nil, err
	}
	failures := []error{coordinatorErrors(err)}
	var old []kadm.DescribedProducer
	for _, p := range producers.SortedPartitions() {
		if p.Err != nil {
			failures = append(failures, refused(fmt.Sprintf("cannot read the producers of partition %d of topic %q", p.Partition, p.Topic), p.Err, p.ErrMessage))
		}
		for _, d := range p.ActiveProducers.Sorted() {
			if quiet := c.since(d.LastTimestamp); d.CurrentTxnStartOffset >= 0 && quiet != nil && *quiet >= longerThan.Milliseconds() {
				old = append(old, d)
			}
		}
	}
	owners, err := k.owners(ctx, old)
	if err != nil {
		return nil, err
	}
	var all []hangingTransaction
	for _, d := range old {
		if _, known := owners.of(d); !known {
			all = append(all, hangingTransaction{namedPartition: namedPartition{d.Topic, d.Partition}, Start: d.CurrentTxnStartOffset,
				ProducerID: d.ProducerID, Epoch: d.ProducerEpoch, WroteMS: *c.since(d.LastTimestamp)})
		}
	}
	return all, errors.Join(failures...)
}

// owners are the transactions of some producers, as their coordinators know them.
type owners map[int64]kadm.DescribedTransaction

// owners fails unless every coordinator answers: what one does not tell would
// pass for unknown.
func (k *cluster) owners(ctx context.Context, of []kadm.DescribedProducer) (owners, error) {
	if len(of) == 0 {
		return nil, nil
	}
	var ids []int64
	for _, d := range of {
		ids = append(ids, d.ProducerID)
	}
	slices.Sort(ids)
	listed, err := k.ListTransactions(ctx, slices.Compact(ids), nil)
	if err != nil {
		return nil, coordinatorErrors(err)
	}
	if len(listed) == 0 {
		return nil, nil
	}
	described, err := k.DescribeTransactions(ctx, listed.TransactionalIDs()...)
	if err != nil {
		return nil, coordinatorErrors(err)
	}
	all := owners{}
	for _, d := range described {
		switch {
		case errors.Is(d.Err, kerr.TransactionalIDNotFound): // it has expired meanwhile
			continue
		case d.Err != nil:
			return nil, refused(fmt.Sprintf("cannot describe transaction %q", d.TxnID), d.Err, "")
		}
		all[d.ProducerID] = d
	}
	return all, nil
}

// of names the transaction that a producer has open in a partition, unless its
// coordinator has ended it there.
func (o owners) of(d kadm.DescribedProducer) (name string, ok bool) {
	t, known := o[d.ProducerID]
	return t.TxnID, known && t.Topics.Lookup(d.Topic, d.Partition)
}

func (c *CLI) printHanging(all []hangingTransaction) error {
	if c.json() {
		return c.printJSON(append([]hangingTransaction{}, all...))
	}
	if len(all) == 0 {
		c.note("no transaction hangs")
		return nil
	}
	style := c.outStyle()
	table := newTable("TOPIC", "PARTITION>", "START>", "PRODUCER>", "EPOCH>", "LAST WRITE>")
	for _, t := range all {
		table.add(plain(t.Topic), plain(number(t.Partition)), plain(number(t.Start)), plain(number(t.ProducerID)), plain(number(t.Epoch)), plain(age(&t.WroteMS, " ago")))
	}
	if err := table.write(c.env.Out, style); err != nil {
		return err
	}
	c.note("abort one with `strom transaction abort --topic %s --partition %d --start-offset %d`", all[0].Topic, all[0].Partition, all[0].Start)
	return nil
}
