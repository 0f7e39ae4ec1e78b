package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
)

// A describedTransaction is what `strom transaction describe` tells about the
// last transaction of a transactional id.
type describedTransaction struct {
	Transaction string                 `json:"transaction"`
	State       string                 `json:"state"`
	OpenMS      *int64                 `json:"open_ms"` // null: it has ended
	Started     *int64                 `json:"started"` // in ms since 1970; null: it has ended
	TimeoutMS   int32                  `json:"timeout_ms"`
	ProducerID  int64                  `json:"producer_id"`
	Epoch       int16                  `json:"producer_epoch"`
	Coordinator int32                  `json:"coordinator"`
	Partitions  []transactionPartition `json:"partitions"`
}

// A transactionPartition is one that the open transaction has written to, or will.
type transactionPartition struct {
	namedPartition
	Start *int64 `json:"start_offset"` // of its first record; null: none yet, or not known
	Wrote *int64 `json:"last_write_ms"`
}

func (c *CLI) transactionDescribeCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "describe NAME...",
		Aliases: []string{"show"},
		Short:   "Show the last transaction of transactional ids, and where it is open",
		Long: `Show the last transaction of transactional ids, and where it is open.

START is the offset of the transaction's first record in a partition: those who
read committed records alone wait there until the transaction ends.`,
		Example: examples(`
			strom transaction describe shop-1
			strom transaction describe shop-1 -o json | jq '.[0].partitions'`),
		Args: atLeast(1, "the name of a transaction"),
		RunE: func(cmd *cobra.Command, names []string) error {
			return c.admin(cmd.Context(), func(ctx context.Context, k *cluster) error { return c.describeTransactions(ctx, k, unique(names)) })
		},
		ValidArgsFunction: c.completeTransactions,
	}
}

func (c *CLI) describeTransactions(ctx context.Context, k *cluster, names []string) error {
	all := []describedTransaction{}
	var failures []error
	for _, name := range names {
		d, err := k.transaction(ctx, name)
		if err != nil {
			failures = append(failures, err)
			continue
		}
		t, err := c.describeTransaction(ctx, k, d)
		all, failures = append(all, t), append(failures, err)
	}
	return errors.Join(append([]error{printEach(c, c.printDescribedTransaction, all)}, failures...)...)
}

// transaction asks the coordinator of a transactional id.
func (k *cluster) transaction(ctx context.Context, name string) (kadm.DescribedTransaction, error) {
	all, err := k.DescribeTransactions(ctx, name)
	if err != nil {
		return kadm.DescribedTransaction{}, coordinatorErrors(err)
	}
	d := all[name]
	switch {
	case errors.Is(d.Err, kerr.TransactionalIDNotFound):
		return d, unknownTransaction(ctx, k, name)
	case d.Err != nil:
		return d, refused(fmt.Sprintf("cannot describe transaction %q", name), d.Err, "")
	}
	return d, nil
}

// describeTransaction also asks the leaders of the partitions where it begins.
func (c *CLI) describeTransaction(ctx context.Context, k *cluster, d kadm.DescribedTransaction) (describedTransaction, error) {
	t := describedTransaction{Transaction: d.TxnID, State: d.State, TimeoutMS: d.TimeoutMillis, ProducerID: d.ProducerID, Epoch: d.ProducerEpoch,
		Coordinator: d.Coordinator, Partitions: []transactionPartition{}}
	if isOpen(d.State) && d.StartTimestamp >= 0 {
		t.Started, t.OpenMS = &d.StartTimestamp, c.since(d.StartTimestamp)
	}
	if len(d.Topics) == 0 {
		return t, nil
	}
	producers, err := k.DescribeProducers(ctx, d.Topics)
	d.Topics.Each(func(topic string, partition int32) {
		p := transactionPartition{namedPartition: namedPartition{topic, partition}}
		if writer, ok := producers[topic].Partitions[partition].ActiveProducers[d.ProducerID]; ok && writer.CurrentTxnStartOffset >= 0 {
			p.Start, p.Wrote = &writer.CurrentTxnStartOffset, c.since(writer.LastTimestamp)
		}
		t.Partitions = append(t.Partitions, p)
	})
	slices.SortFunc(t.Partitions, func(a, b transactionPartition) int {
		return cmp.Or(cmp.Compare(a.Topic, b.Topic), cmp.Compare(a.Partition, b.Partition))
	})
	return t, ignorable(err)
}

func (c *CLI) printDescribedTransaction(t describedTransaction) error {
	style := c.outStyle()
	words := []string{stateText(t.State)}
	if t.OpenMS != nil {
		timeout := int64(t.TimeoutMS)
		words = append(words, fmt.Sprintf("open for %s, is aborted after %s", age(t.OpenMS, ""), age(&timeout, "")))
	}
	words = append(words, fmt.Sprintf("producer %d of epoch %d", t.ProducerID, t.Epoch), "coordinator "+number(t.Coordinator))
	fmt.Fprintf(c.env.Out, "%s  %s\n", style.head(t.Transaction), style.dim(strings.Join(words, ", ")))
	if len(t.Partitions) == 0 {
		return nil
	}
	fmt.Fprintln(c.env.Out)
	table := newTable("TOPIC", "PARTITION>", "START>", "LAST WRITE>")
	for _, p := range t.Partitions {
		table.add(plain(p.Topic), plain(number(p.Partition)), plain(maybe(p.Start)), plain(age(p.Wrote, " ago")))
	}
	return table.write(c.env.Out, style)
}

// stateText writes CompleteCommit as the words for it.
func stateText(state string) string {
	words := map[string]string{"Empty": "none begun", "Ongoing": "ongoing", "PrepareCommit": "being committed", "PrepareAbort": "being aborted",
		"PrepareEpochFence": "being aborted", "CompleteCommit": "committed", "CompleteAbort": "aborted", "Dead": "dead"}
	if text, ok := words[state]; ok {
		return text
	}
	return state
}
