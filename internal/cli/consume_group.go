package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// leaveTimeout bounds the last commit and leaving the group after Ctrl-C.
const leaveTimeout = 5 * time.Second

// checkGroup refuses what a member of a group has no say in.
func (o consume) checkGroup(cmd *cobra.Command, from position) error {
	switch {
	case len(o.partitions) > 0:
		return usage(cmd, "--group and --partition exclude each other: the group gives out the partitions")
	case o.exitAtEnd:
		return usage(cmd, "--group and --exit-at-end exclude each other: other members may read the rest")
	case from.kind != atBeginning && from.kind != atEnd:
		return usage(cmd, "with --group, --from is beginning or end, for a group that has committed nothing: `strom group reset-offsets` moves one that has")
	}
	return nil
}

// readInGroup reads as a member of a group. What has been written out is
// committed, and only that.
func (c *CLI) readInGroup(ctx context.Context, o consume, from position, format formatter) error {
	opts := []kgo.Opt{
		kgo.ConsumerGroup(o.group), kgo.ConsumeTopics(o.topic), kgo.DisableAutoCommit(), kgo.BlockRebalanceOnPoll(),
		kgo.FetchMaxWait(500 * time.Millisecond), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
	}
	if from.kind == atEnd {
		opts = append(opts, kgo.ConsumeResetOffset(kgo.NewOffset().AtEnd()))
	}
	if o.committed {
		opts = append(opts, kgo.FetchIsolationLevel(kgo.ReadCommitted()))
	}
	client, err := c.connect(ctx, opts...)
	if err != nil {
		return err
	}
	defer client.CloseAllowingRebalance()
	bounded, cancel := context.WithTimeout(ctx, adminTimeout)
	_, err = findTopic(bounded, newCluster(client), o.topic)
	cancel()
	if err != nil {
		return err
	}
	m := &membership{client: client, o: o, out: bufio.NewWriterSize(c.env.Out, 64<<10), format: format}
	return m.run(ctx)
}

// membership reads in a group until it has written as many records as it may.
type membership struct {
	client  *kgo.Client
	o       consume
	out     *bufio.Writer
	format  formatter
	written int64
	buf     []byte
}

func (m *membership) run(ctx context.Context) error {
	for m.o.max == 0 || m.written < m.o.max {
		most := 0 // all there is
		if m.o.max > 0 {
			most = int(m.o.max - m.written)
		}
		fetches := m.client.PollRecords(ctx, most)
		if err := m.write(fetches); err != nil {
			return err
		}
		if err := m.commit(ctx); err != nil {
			return err
		}
		m.client.AllowRebalance()
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err := groupError(m.o.group, fetches); err != nil {
			return err
		}
	}
	return nil
}

func (m *membership) write(fetches kgo.Fetches) error {
	for records := fetches.RecordIter(); !records.Done(); {
		m.buf = m.format(m.buf[:0], records.Next())
		if _, err := m.out.Write(m.buf); err != nil {
			return fmt.Errorf("write to standard output: %w", err)
		}
		m.written++
	}
	if err := m.out.Flush(); err != nil {
		return fmt.Errorf("write to standard output: %w", err)
	}
	return nil
}

// commit also commits what was written before Ctrl-C.
func (m *membership) commit(ctx context.Context) error {
	bounded, cancel := context.WithTimeout(context.WithoutCancel(ctx), leaveTimeout)
	defer cancel()
	err := m.client.CommitUncommittedOffsets(bounded)
	switch {
	case err == nil, errors.Is(err, kerr.RebalanceInProgress), errors.Is(err, kerr.IllegalGeneration), errors.Is(err, kerr.UnknownMemberID):
		return nil // another member reads them again: nothing is lost
	}
	return refused(fmt.Sprintf("cannot commit offsets of group %q", m.o.group), err, "")
}

// groupError is what will not pass by itself.
func groupError(group string, fetches kgo.Fetches) error {
	var failure error
	fetches.EachError(func(topic string, partition int32, err error) {
		switch {
		case failure != nil, errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded), errors.Is(err, kgo.ErrClientClosed), kerr.IsRetriable(err), isNetwork(err):
		case topic == "":
			failure = refused(fmt.Sprintf("cannot read in group %q", group), err, "")
		default:
			failure = refused(fmt.Sprintf("cannot read partition %d of topic %q", partition, topic), err, "")
		}
	})
	return failure
}
