package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// A describedGroup is what `strom group describe` tells about one group.
type describedGroup struct {
	Group       string            `json:"group"`
	Type        string            `json:"type"` // classic or consumer
	State       string            `json:"state"`
	Assignor    string            `json:"assignor"`
	Coordinator int32             `json:"coordinator"`
	Members     []describedMember `json:"members"`
	Offsets     []groupOffset     `json:"offsets"`
	Lag         int64             `json:"lag"` // of all partitions with a committed offset
}

type describedMember struct {
	Member   string             `json:"member"`
	Instance string             `json:"instance,omitempty"` // of a static member
	Client   string             `json:"client"`
	Host     string             `json:"host"`
	Assigned map[string][]int32 `json:"assigned"`
}

// A groupOffset has null for what is not committed, or not known.
type groupOffset struct {
	Topic     string `json:"topic"`
	Partition int32  `json:"partition"`
	Committed *int64 `json:"committed"`
	End       *int64 `json:"end_offset"`
	Lag       *int64 `json:"lag"`
	Member    string `json:"member,omitempty"` // who reads it
	client    string
}

func (c *CLI) groupDescribeCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "describe NAME...",
		Aliases: []string{"show"},
		Short:   "Show groups' members, and how far they have read",
		Long: `Show groups' members, and how far they have read.

COMMITTED is the offset that the group reads next, END the offset that the next
record gets; LAG is what lies between.`,
		Example: examples(`
			strom group describe billing
			strom group describe billing -o json | jq '.[0].lag'`),
		Args: atLeast(1, "the name of a group"),
		RunE: func(cmd *cobra.Command, names []string) error {
			return c.admin(cmd.Context(), func(ctx context.Context, k *cluster) error {
				groups := []describedGroup{}
				var failures []error
				for _, name := range unique(names) {
					g, err := describeGroup(ctx, k, name)
					if err != nil {
						failures = append(failures, err)
						continue
					}
					groups = append(groups, g)
				}
				return errors.Join(append([]error{printEach(c, c.printDescribedGroup, groups)}, failures...)...)
			})
		},
		ValidArgsFunction: c.completeGroups(0),
	}
}

// describeGroup tells about a group of either protocol. One that has neither
// members nor offsets does not exist, whatever the coordinator calls it.
func describeGroup(ctx context.Context, k *cluster, name string) (describedGroup, error) {
	g, err := membersOf(ctx, k, name)
	if err != nil {
		return g, err
	}
	committed, err := k.committed(ctx, name)
	if err != nil {
		return g, err
	}
	if g.State == "Dead" && len(committed) == 0 {
		return g, unknownGroup(ctx, k, name)
	}
	return g, g.addOffsets(ctx, k, committed)
}

// membersOf asks for a classic group first, and then for one of the newer
// protocol (KIP-848), which older clusters do not have.
func membersOf(ctx context.Context, k *cluster, name string) (describedGroup, error) {
	classic, err := k.DescribeGroups(ctx, name)
	if err != nil {
		return describedGroup{}, err
	}
	d := classic[name]
	if d.Err == nil && d.State != "Dead" {
		return classicGroup(d), nil
	}
	if newer, err := k.serves(ctx, kmsg.ConsumerGroupDescribe); err != nil || !newer {
		return classicGroup(d), err
	}
	described, err := k.DescribeConsumerGroups(ctx, name)
	if err != nil {
		return describedGroup{}, err
	}
	n := described[name]
	switch {
	case n.Err == nil:
		return consumerGroup(n), nil
	case !errors.Is(n.Err, kerr.GroupIDNotFound):
		return describedGroup{}, refused(fmt.Sprintf("cannot describe group %q", name), n.Err, "")
	case d.Err != nil && !errors.Is(d.Err, kerr.GroupIDNotFound):
		return describedGroup{}, refused(fmt.Sprintf("cannot describe group %q", name), d.Err, d.ErrMessage)
	}
	return describedGroup{Group: name, State: "Dead", Coordinator: d.Coordinator.NodeID}, nil
}

func classicGroup(d kadm.DescribedGroup) describedGroup {
	g := describedGroup{Group: d.Group, Type: "classic", State: d.State, Assignor: d.Protocol, Coordinator: d.Coordinator.NodeID, Members: []describedMember{}}
	for _, m := range d.Members {
		one := describedMember{Member: m.MemberID, Client: m.ClientID, Host: strings.TrimPrefix(m.ClientHost, "/"), Assigned: map[string][]int32{}}
		if m.InstanceID != nil {
			one.Instance = *m.InstanceID
		}
		if a, ok := m.Assigned.AsConsumer(); ok && a != nil {
			for _, t := range a.Topics {
				one.Assigned[t.Topic] = slices.Sorted(slices.Values(t.Partitions))
			}
		}
		g.Members = append(g.Members, one)
	}
	return g
}

func consumerGroup(d kadm.DescribedConsumerGroup) describedGroup {
	g := describedGroup{Group: d.Group, Type: "consumer", State: d.State, Assignor: d.AssignorName, Coordinator: d.Coordinator.NodeID, Members: []describedMember{}}
	for _, m := range d.Members {
		one := describedMember{Member: m.MemberID, Client: m.ClientID, Host: strings.TrimPrefix(m.ClientHost, "/"), Assigned: map[string][]int32{}}
		if m.InstanceID != nil {
			one.Instance = *m.InstanceID
		}
		for topic, partitions := range m.Assignment {
			one.Assigned[topic] = slices.Sorted(maps.Keys(partitions))
		}
		g.Members = append(g.Members, one)
	}
	return g
}

// addOffsets lists what is committed and what is assigned, with the lag where
// both ends are known.
func (g *describedGroup) addOffsets(ctx context.Context, k *cluster, committed kadm.OffsetResponses) error {
	known := map[namedPartition]*groupOffset{}
	at := func(topic string, partition int32) *groupOffset {
		p := namedPartition{topic, partition}
		if known[p] == nil {
			known[p] = &groupOffset{Topic: topic, Partition: partition}
		}
		return known[p]
	}
	committed.Each(func(o kadm.OffsetResponse) {
		if o.Err == nil && o.At >= 0 {
			at(o.Topic, o.Partition).Committed = &o.At
		}
	})
	for _, m := range g.Members {
		for topic, partitions := range m.Assigned {
			for _, p := range partitions {
				at(topic, p).Member, at(topic, p).client = m.Member, m.Client
			}
		}
	}
	topics := map[string]bool{}
	for p := range known {
		topics[p.Topic] = true
	}
	g.Offsets = []groupOffset{}
	if len(topics) == 0 {
		return nil
	}
	ends, err := listed(k.ListEndOffsets(ctx, slices.Collect(maps.Keys(topics))...))
	if err != nil {
		return err
	}
	for _, o := range known {
		if end, ok := ends.Lookup(o.Topic, o.Partition); ok && end.Err == nil {
			o.End = &end.Offset
		}
		if o.End != nil && o.Committed != nil {
			lag := max(0, *o.End-*o.Committed)
			o.Lag = &lag
			g.Lag += lag
		}
		g.Offsets = append(g.Offsets, *o)
	}
	slices.SortFunc(g.Offsets, func(a, b groupOffset) int {
		return cmp.Or(cmp.Compare(a.Topic, b.Topic), cmp.Compare(a.Partition, b.Partition))
	})
	return nil
}

func (c *CLI) printDescribedGroup(g describedGroup) error {
	style := c.outStyle()
	words := []string{g.Type, strings.ToLower(g.State), count(len(g.Members), "member"), "lag " + grouped(g.Lag)}
	if g.Assignor != "" {
		words = append(words, "assignor "+g.Assignor)
	}
	words = append(words, "coordinator "+number(g.Coordinator))
	fmt.Fprintf(c.env.Out, "%s  %s\n", style.head(g.Group), style.dim(strings.Join(words, ", ")))
	if len(g.Offsets) > 0 {
		fmt.Fprintln(c.env.Out)
		table := newTable("TOPIC", "PARTITION>", "COMMITTED>", "END>", "LAG>", "READ BY")
		for _, o := range g.Offsets {
			table.add(plain(o.Topic), plain(number(o.Partition)), plain(maybe(o.Committed)), plain(maybe(o.End)), lagCell(o.Lag, style), plain(o.client))
		}
		if err := table.write(c.env.Out, style); err != nil {
			return err
		}
	}
	if len(g.Members) == 0 {
		return nil
	}
	fmt.Fprintln(c.env.Out)
	members := newTable("MEMBER", "INSTANCE", "CLIENT", "HOST", "PARTITIONS")
	for _, m := range g.Members {
		members.add(plain(m.Member), plain(m.Instance), plain(m.Client), plain(m.Host), plain(assignedText(m.Assigned)))
	}
	return members.write(c.env.Out, style)
}

func maybe(n *int64) string {
	if n == nil {
		return ""
	}
	return number(*n)
}

func lagCell(lag *int64, s style) cell {
	if lag != nil && *lag > 0 {
		return shown(number(*lag), s.warn)
	}
	return plain(maybe(lag))
}

func assignedText(assigned map[string][]int32) string {
	var all []namedPartition
	for _, topic := range slices.Sorted(maps.Keys(assigned)) {
		for _, p := range assigned[topic] {
			all = append(all, namedPartition{topic, p})
		}
	}
	if len(all) == 0 {
		return ""
	}
	return partitionsText(all)
}
