package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
)

func (c *CLI) transactionCommand() *cobra.Command {
	cmd := group("transaction", "List, describe and abort transactions, and find those that hang")
	cmd.Aliases = []string{"transactions", "txn"}
	cmd.AddCommand(c.transactionListCommand(), c.transactionDescribeCommand(), c.transactionAbortCommand(), c.transactionHangingCommand())
	return cmd
}

// A listedTransaction is one line of `strom transaction list`: the last
// transaction of a transactional id.
type listedTransaction struct {
	Transaction string `json:"transaction"`
	State       string `json:"state"`
	OpenMS      *int64 `json:"open_ms"` // null: it has ended
	ProducerID  int64  `json:"producer_id"`
	Coordinator int32  `json:"coordinator"`
}

func (c *CLI) transactionListCommand() *cobra.Command {
	var longerThan time.Duration
	cmd := &cobra.Command{
		Use:     "list",
		Aliases: []string{"ls"},
		Short:   "List transactional ids with the state of their last transaction",
		Example: examples(`
			strom transaction list
			strom transaction list --longer-than 5m
			strom transaction list -o json | jq -r '.[] | select(.state == "Ongoing").transaction'`),
		Args: nothing,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if longerThan < 0 {
				return usage(cmd, "--longer-than is a time such as 5m, not %s", longerThan)
			}
			return c.admin(cmd.Context(), func(ctx context.Context, k *cluster) error {
				all, err := c.listTransactions(ctx, k)
				if cmd.Flags().Changed("longer-than") {
					all = slices.DeleteFunc(all, func(t listedTransaction) bool { return t.OpenMS == nil || *t.OpenMS < longerThan.Milliseconds() })
				}
				if len(all) == 0 && err != nil {
					return err // none was found, which does not say that there is none
				}
				return errors.Join(c.printTransactions(all, longerThan), err)
			})
		},
	}
	cmd.Flags().DurationVar(&longerThan, "longer-than", 0, "only those that have been open for this `TIME`, such as 90s or 5m")
	cmd.Flags().Lookup("longer-than").DefValue = "" // not 0s
	_ = cmd.RegisterFlagCompletionFunc("longer-than", cobra.NoFileCompletions)
	return cmd
}

// transactions are those of all coordinators, in name order. A coordinator that
// does not answer leaves its own out, and is in the error.
func (k *cluster) transactions(ctx context.Context) ([]kadm.ListedTransaction, error) {
	all, err := k.ListTransactions(ctx, nil, nil)
	return all.Sorted(), coordinatorErrors(err)
}

// coordinatorErrors says which coordinators did not answer.
func coordinatorErrors(err error) error {
	var shards *kadm.ShardErrors
	if !errors.As(err, &shards) {
		return err
	}
	var failures []error
	for _, e := range shards.Errs {
		failures = append(failures, refused(fmt.Sprintf("cannot read the transactions of node %d", e.Broker.NodeID), e.Err, ""))
	}
	return errors.Join(failures...)
}

// listTransactions also asks since when the open ones are.
func (c *CLI) listTransactions(ctx context.Context, k *cluster) ([]listedTransaction, error) {
	listed, err := k.transactions(ctx)
	var all []listedTransaction
	var open []string
	for _, t := range listed {
		all = append(all, listedTransaction{Transaction: t.TxnID, State: t.State, ProducerID: t.ProducerID, Coordinator: t.Coordinator})
		if isOpen(t.State) {
			open = append(open, t.TxnID)
		}
	}
	if len(open) == 0 {
		return all, err
	}
	described, unknown := k.DescribeTransactions(ctx, open...)
	for i := range all {
		if d, ok := described[all[i].Transaction]; ok && d.Err == nil && isOpen(d.State) {
			all[i].OpenMS = c.since(d.StartTimestamp)
		}
	}
	return all, errors.Join(err, coordinatorErrors(unknown))
}

// isOpen reports whether a transaction in this state holds up those who read
// committed records alone.
func isOpen(state string) bool { return state == "Ongoing" || strings.HasPrefix(state, "Prepare") }

// since is how long ago a time in milliseconds was, nil for one that is not known.
func (c *CLI) since(ms int64) *int64 {
	if ms < 0 {
		return nil
	}
	ago := max(0, c.env.Now().UnixMilli()-ms)
	return &ago
}

func (c *CLI) printTransactions(all []listedTransaction, longerThan time.Duration) error {
	if c.json() {
		return c.printJSON(append([]listedTransaction{}, all...))
	}
	if len(all) == 0 {
		if longerThan > 0 {
			ms := longerThan.Milliseconds()
			c.note("no transaction has been open for %s", age(&ms, ""))
		} else {
			c.note("there are no transactions")
		}
		return nil
	}
	style := c.outStyle()
	table := newTable("TRANSACTION", "OPEN FOR>", "PRODUCER>", "COORDINATOR>", "STATE")
	for _, t := range all {
		table.add(plain(t.Transaction), plain(age(t.OpenMS, "")), plain(number(t.ProducerID)), plain(number(t.Coordinator)), transactionState(t.State, style))
	}
	return table.write(c.env.Out, style)
}

// transactionState is a state in the colour of how much it deserves to be looked
// at.
func transactionState(state string, s style) cell {
	switch {
	case state == "Dead":
		return shown(state, s.bad)
	case isOpen(state):
		return shown(state, s.warn)
	case state == "CompleteCommit":
		return shown(state, s.good)
	}
	return plain(state)
}

// unknownTransaction names similar ids; where they cannot be listed it does
// without.
func unknownTransaction(ctx context.Context, k *cluster, name string) *failure {
	f := fail(kerr.TransactionalIDNotFound, "there is no transaction %q", name)
	all, _ := k.transactions(ctx) // those that are known will do
	var names []string
	for _, t := range all {
		names = append(names, t.TxnID)
	}
	if near := similar(name, names); len(near) > 0 {
		return f.withFix("Did you mean %s?", strings.Join(near, " or "))
	}
	return f.withFix("`strom transaction list` shows those there are.")
}

// completeTransactions offers the cluster's transactional ids to the shell.
func (c *CLI) completeTransactions(cmd *cobra.Command, args []string, typed string) ([]cobra.Completion, cobra.ShellCompDirective) {
	ctx, cancel := context.WithTimeout(cmd.Context(), completionTimeout)
	defer cancel()
	var out []string
	err := c.admin(ctx, func(ctx context.Context, k *cluster) error {
		all, err := k.transactions(ctx)
		for _, t := range all {
			if strings.HasPrefix(t.TxnID, typed) && !slices.Contains(args, t.TxnID) {
				out = append(out, t.TxnID)
			}
		}
		return err
	})
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	return out, cobra.ShellCompDirectiveNoFileComp
}
