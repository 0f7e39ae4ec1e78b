package cli

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// concurrentWait is the time between two questions whether a transaction has
// been aborted.
const concurrentWait = 50 * time.Millisecond

type abort struct {
	topic     string
	partition int32
	start     int64
}

// An abortedTransaction is one line of the answer: of a transactional id, or in
// one partition of a transaction that hung there.
type abortedTransaction struct {
	Transaction string          `json:"transaction,omitempty"`
	Hung        *namedPartition `json:"hung_in,omitempty"`
	ProducerID  int64           `json:"producer_id"`
}

func (c *CLI) transactionAbortCommand() *cobra.Command {
	var o abort
	cmd := &cobra.Command{
		Use:   "abort NAME... | --topic TOPIC --partition PARTITION --start-offset OFFSET",
		Short: "Abort open transactions",
		Long: `Abort open transactions.

Named by its transactional id, a transaction is aborted everywhere, and its
producer is fenced: whatever it sends next is refused, and it must begin anew.

Named by the partition and the offset where it begins, as find-hanging shows
them, a transaction is aborted there alone. That is for one that hangs: one that
its coordinator has ended, or does not know.`,
		Example: examples(`
			strom transaction abort shop-1
			strom transaction abort --topic orders --partition 0 --start-offset 4711`),
		RunE: func(cmd *cobra.Command, names []string) error {
			hanging, err := o.check(cmd, names)
			if err != nil {
				return err
			}
			return c.admin(cmd.Context(), func(ctx context.Context, k *cluster) error {
				if hanging {
					return c.abortHanging(ctx, k, o)
				}
				return c.abortTransactions(ctx, k, unique(names))
			})
		},
		ValidArgsFunction: c.completeTransactions,
	}
	cmd.DisableFlagsInUseLine = true
	f := cmd.Flags()
	f.SortFlags = false
	f.StringVar(&o.topic, "topic", "", "the `TOPIC` where it hangs")
	f.Int32VarP(&o.partition, "partition", "p", -1, "the `PARTITION` where it hangs")
	f.Int64Var(&o.start, "start-offset", -1, "the `OFFSET` where it begins there")
	f.Lookup("partition").DefValue, f.Lookup("start-offset").DefValue = "0", "0" // not -1
	_ = cmd.RegisterFlagCompletionFunc("topic", c.completeTopics(0))
	_ = cmd.RegisterFlagCompletionFunc("partition", cobra.NoFileCompletions)
	_ = cmd.RegisterFlagCompletionFunc("start-offset", cobra.NoFileCompletions)
	return cmd
}

// check tells whether it is one that hangs that is named.
func (o abort) check(cmd *cobra.Command, names []string) (hanging bool, err error) {
	given := 0
	for _, flag := range []string{"topic", "partition", "start-offset"} {
		if cmd.Flags().Changed(flag) {
			given++
		}
	}
	switch {
	case given > 0 && len(names) > 0:
		return false, usage(cmd, "a transaction is named by its transactional id, or by --topic, --partition and --start-offset, not by both")
	case given > 0 && given < 3:
		return false, usage(cmd, "--topic, --partition and --start-offset name a transaction together")
	case given == 0 && len(names) == 0:
		return false, usage(cmd, "`%s` needs the name of a transaction", cmd.CommandPath())
	case given == 3 && (o.partition < 0 || o.start < 0):
		return false, usage(cmd, "--partition and --start-offset are not negative")
	}
	return given == 3, nil
}

func (c *CLI) abortTransactions(ctx context.Context, k *cluster, names []string) error {
	aborted := []abortedTransaction{}
	var failures []error
	for _, name := range names {
		d, err := k.transaction(ctx, name)
		if err == nil {
			err = k.abort(ctx, d)
		}
		if err != nil {
			failures = append(failures, err)
			continue
		}
		aborted = append(aborted, abortedTransaction{Transaction: name, ProducerID: d.ProducerID})
	}
	return errors.Join(append([]error{c.printAborted(aborted)}, failures...)...)
}

// abort takes the place of a transaction's producer, which ends its transaction,
// and returns when it has ended. Nothing is done where nothing is open: the
// producer that is fenced may be well.
func (k *cluster) abort(ctx context.Context, d kadm.DescribedTransaction) error {
	if d.State != "Ongoing" {
		f := fail(kerr.InvalidTxnState, "transaction %q is not open: %s", d.TxnID, stateText(d.State))
		if isOpen(d.State) {
			return f.withFix("That ends by itself; `strom transaction describe %s` shows where it is open yet.", d.TxnID)
		}
		return f.withFix("`strom transaction list` shows those that are.")
	}
	req := kmsg.NewPtrInitProducerIDRequest()
	req.TransactionalID, req.TransactionTimeoutMillis = &d.TxnID, d.TimeoutMillis
	for {
		resp, err := req.RequestWith(ctx, k.raw)
		if err == nil {
			err = kerr.ErrorForCode(resp.ErrorCode)
		}
		switch {
		case err == nil:
			return nil
		case errors.Is(err, kerr.ConcurrentTransactions): // the markers are being written
			if err := pause(ctx, concurrentWait); err != nil {
				return err
			}
		default:
			return refused(fmt.Sprintf("cannot abort transaction %q", d.TxnID), err, "")
		}
	}
}

// pause waits, or says why it may not.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

// abortHanging writes the marker that the coordinator should have written.
func (c *CLI) abortHanging(ctx context.Context, k *cluster, o abort) error {
	t, err := findTopic(ctx, k, o.topic)
	if err != nil {
		return err
	}
	if err := hasPartition(t, o.partition); err != nil {
		return err
	}
	writer, err := k.writer(ctx, o)
	if err != nil {
		return err
	}
	owner, err := k.owners(ctx, []kadm.DescribedProducer{writer})
	if err != nil {
		return err
	}
	if name, ok := owner.of(writer); ok {
		return fail(kerr.InvalidTxnState, "this transaction does not hang: its coordinator knows it as %q", name).
			withFix("`strom transaction abort %s` aborts it everywhere.", name)
	}
	var topics kadm.TopicsSet
	topics.Add(o.topic, o.partition)
	answers, err := k.WriteTxnMarkers(ctx, kadm.TxnMarkers{ProducerID: writer.ProducerID, ProducerEpoch: writer.ProducerEpoch,
		CoordinatorEpoch: max(0, writer.CoordinatorEpoch), Topics: topics})
	if err == nil {
		err = answers[writer.ProducerID].Topics[o.topic].Partitions[o.partition].Err
	}
	if err != nil {
		return refused(fmt.Sprintf("cannot abort the transaction in partition %d of topic %q", o.partition, o.topic), err, "")
	}
	return c.printAborted([]abortedTransaction{{Hung: &namedPartition{o.topic, o.partition}, ProducerID: writer.ProducerID}})
}

// writer is who has the transaction open that begins at an offset.
func (k *cluster) writer(ctx context.Context, o abort) (kadm.DescribedProducer, error) {
	var topics kadm.TopicsSet
	topics.Add(o.topic, o.partition)
	all, err := k.DescribeProducers(ctx, topics)
	p := all[o.topic].Partitions[o.partition]
	if err == nil {
		err = p.Err
	}
	if err != nil {
		return kadm.DescribedProducer{}, refused(fmt.Sprintf("cannot read the producers of partition %d of topic %q", o.partition, o.topic), err, p.ErrMessage)
	}
	for _, d := range p.ActiveProducers {
		if d.CurrentTxnStartOffset == o.start {
			return d, nil
		}
	}
	return kadm.DescribedProducer{}, fail(kerr.InvalidTxnState, "no open transaction begins at offset %d of partition %d of topic %q", o.start, o.partition, o.topic).
		withFix("`strom transaction find-hanging --topic %s` shows those that hang.", o.topic)
}

func (c *CLI) printAborted(aborted []abortedTransaction) error {
	if c.json() {
		return c.printJSON(aborted)
	}
	for _, t := range aborted {
		line := "aborted " + t.Transaction
		if t.Hung != nil {
			line = fmt.Sprintf("aborted the transaction of producer %d in partition %d of topic %s", t.ProducerID, t.Hung.Partition, t.Hung.Topic)
		}
		if _, err := fmt.Fprintln(c.env.Out, line); err != nil {
			return err
		}
	}
	return nil
}
