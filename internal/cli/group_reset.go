package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
)

type resetOffsets struct {
	group      string
	to         string
	topics     []string
	partitions []int32
	execute    bool
}

// A movedOffset is one line of the plan.
type movedOffset struct {
	Topic     string `json:"topic"`
	Partition int32  `json:"partition"`
	From      *int64 `json:"from"` // null: nothing was committed
	To        int64  `json:"to"`
}

func (c *CLI) groupResetCommand() *cobra.Command {
	var o resetOffsets
	cmd := &cobra.Command{
		Use:   "reset-offsets GROUP --to WHERE [--topic TOPIC]... [--execute]",
		Short: "Move the offsets that a group without members reads next",
		Long: `Move the offsets that a group without members reads next.

Without --topic these are all topics that the group has committed offsets of. It
only shows what it would do, until --execute.

--to is ` + positionForms + ".\n-N are the last N records of each partition. A TIME is " + timeForms + ".",
		Example: examples(`
			strom group reset-offsets billing --to beginning
			strom group reset-offsets billing --to @-2h --topic orders --execute
			strom group reset-offsets billing --to 4711 --topic orders --partition 0 --execute`),
		Args: exactly(1, "one group"),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.group = args[0]
			return c.resetOffsets(cmd, o)
		},
		ValidArgsFunction: c.completeGroups(1),
	}
	cmd.DisableFlagsInUseLine = true
	f := cmd.Flags()
	f.SortFlags = false
	f.StringVar(&o.to, "to", "", "`WHERE` the group is to go on, see above")
	f.StringArrayVar(&o.topics, "topic", nil, "only this `TOPIC` (repeatable)")
	f.Int32SliceVarP(&o.partitions, "partition", "p", nil, "only these `PARTITIONS` of the one --topic (repeatable, or 0,1,2)")
	f.Lookup("partition").DefValue = "" // not []
	f.BoolVar(&o.execute, "execute", false, "do it")
	_ = cmd.RegisterFlagCompletionFunc("topic", c.completeTopics(0))
	_ = cmd.RegisterFlagCompletionFunc("to", cobra.FixedCompletions([]string{"beginning", "end", "-10", "@-15m"}, cobra.ShellCompDirectiveNoFileComp))
	_ = cmd.RegisterFlagCompletionFunc("partition", cobra.NoFileCompletions)
	return cmd
}

func (c *CLI) resetOffsets(cmd *cobra.Command, o resetOffsets) error {
	if o.to == "" {
		return usage(cmd, "--to says where the group is to go on: %s", positionForms)
	}
	to, err := parsePosition(cmd, "--to", o.to, c.env.Now())
	if err != nil {
		return err
	}
	if len(o.partitions) > 0 && len(o.topics) != 1 {
		return usage(cmd, "--partition needs the one --topic that the partitions are of")
	}
	return c.admin(cmd.Context(), func(ctx context.Context, k *cluster) error {
		plan, err := c.planReset(ctx, k, o, to)
		if err != nil {
			return err
		}
		if o.execute {
			if err := k.move(ctx, o.group, plan); err != nil {
				return err
			}
		}
		return c.printMoved(plan, o.execute)
	})
}

// planReset says what moves where. A group that has members is refused: they
// would commit over it.
func (c *CLI) planReset(ctx context.Context, k *cluster, o resetOffsets, to position) ([]movedOffset, error) {
	g, err := membersOf(ctx, k, o.group)
	if err != nil {
		return nil, err
	}
	if len(g.Members) > 0 {
		return nil, fail(kerr.NonEmptyGroup, "group %q has %s, which would commit over it", o.group, count(len(g.Members), "member")).
			withFix("`strom group describe %s` shows them; stop them first.", o.group)
	}
	committed, err := k.committed(ctx, o.group)
	if err != nil {
		return nil, err
	}
	topics := unique(o.topics)
	if len(topics) == 0 {
		for topic := range committed {
			topics = append(topics, topic)
		}
		slices.Sort(topics)
	}
	if len(topics) == 0 {
		return nil, unknownGroup(ctx, k, o.group)
	}
	var plan []movedOffset
	for _, topic := range topics {
		spans, err := c.resetSpans(ctx, k, topic, o.partitions, to)
		if err != nil {
			return nil, err
		}
		for _, m := range spans {
			if was, ok := committed.Lookup(topic, m.Partition); ok && was.Err == nil && was.At >= 0 {
				m.From = &was.At
			}
			plan = append(plan, m)
		}
	}
	return plan, nil
}

// resetSpans is where a position lies in the partitions of one topic.
func (c *CLI) resetSpans(ctx context.Context, k *cluster, topic string, partitions []int32, to position) ([]movedOffset, error) {
	t, err := findTopic(ctx, k, topic)
	if err != nil {
		return nil, err
	}
	for _, p := range partitions {
		if err := hasPartition(t, p); err != nil {
			return nil, err
		}
	}
	if len(partitions) == 0 {
		partitions = t.Partitions.Numbers()
	}
	spans, notes, err := to.spans(ctx, k, consume{topic: topic}, partitions)
	for _, n := range notes {
		c.note("%s", n)
	}
	if err != nil {
		return nil, err
	}
	var all []movedOffset
	for _, p := range slices.Sorted(slices.Values(partitions)) {
		all = append(all, movedOffset{Topic: topic, Partition: p, To: spans[p].from})
	}
	return all, nil
}

// move commits the plan.
func (k *cluster) move(ctx context.Context, group string, plan []movedOffset) error {
	var offsets kadm.Offsets
	for _, m := range plan {
		offsets.AddOffset(m.Topic, m.Partition, m.To, -1)
	}
	answers, err := k.CommitOffsets(ctx, group, offsets)
	if err == nil {
		err = answers.Error()
	}
	switch {
	case err == nil:
		return nil
	case errors.Is(err, kerr.UnknownMemberID), errors.Is(err, kerr.RebalanceInProgress), errors.Is(err, kerr.StaleMemberEpoch):
		return fail(err, "group %q has got members meanwhile", group).withFix("Stop them first.")
	}
	return refused(fmt.Sprintf("cannot commit offsets of group %q", group), err, "")
}

func (c *CLI) printMoved(plan []movedOffset, executed bool) error {
	if c.json() {
		return c.printJSON(plan)
	}
	style := c.outStyle()
	table := newTable("TOPIC", "PARTITION>", "FROM>", "TO>")
	for _, m := range plan {
		table.add(plain(m.Topic), plain(number(m.Partition)), plain(maybe(m.From)), plain(number(m.To)))
	}
	if err := table.write(c.env.Out, style); err != nil {
		return err
	}
	if !executed {
		c.note("nothing was changed; --execute does it")
	}
	return nil
}
