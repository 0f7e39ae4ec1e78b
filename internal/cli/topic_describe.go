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
	"github.com/twmb/franz-go/pkg/kmsg"
)

// A describedTopic is what `strom topic describe` tells about one topic.
type describedTopic struct {
	Topic      string               `json:"topic"`
	ID         string               `json:"id"`
	Internal   bool                 `json:"internal"`
	Partitions []describedPartition `json:"partitions"`
	Configs    []describedConfig    `json:"configs"` // those that differ from the default
	defaults   int                  // how many configs do not
}

// A describedPartition has null for what its leader did not tell.
type describedPartition struct {
	Partition   int32   `json:"partition"`
	Leader      int32   `json:"leader"` // -1: nobody
	LeaderEpoch int32   `json:"leader_epoch"`
	Replicas    []int32 `json:"replicas"`
	InSync      []int32 `json:"in_sync"`
	ELR         []int32 `json:"eligible_leader_replicas"`
	Start       *int64  `json:"start_offset"`
	End         *int64  `json:"end_offset"`
	Error       string  `json:"error,omitempty"`
}

type describedConfig struct {
	Name    string  `json:"name"`
	Value   *string `json:"value"` // null when it is secret
	Source  string  `json:"source"`
	Default *string `json:"default,omitempty"`
}

func (c *CLI) topicDescribeCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "describe NAME...",
		Aliases: []string{"show"},
		Short:   "Show topics' partitions, and the configs that differ from the default",
		Long: `Show topics' partitions, and the configs that differ from the default.

START is the first offset that is kept, END the offset that the next record
gets. ELR are the replicas that left the in-sync set and still hold every
committed record (KIP-966).`,
		Example: examples(`
			strom topic describe orders
			strom topic describe orders payments
			strom topic describe orders -o json | jq '.[0].partitions[].end_offset'`),
		Args: atLeast(1, "the name of a topic"),
		RunE: func(cmd *cobra.Command, names []string) error {
			return c.admin(cmd.Context(), func(ctx context.Context, k *cluster) error {
				topics, err := describeTopics(ctx, k, unique(names))
				return errors.Join(printEach(c, c.printDescribedTopic, topics), err)
			})
		},
		ValidArgsFunction: c.completeTopics(0),
	}
}

// describeTopics tells about the topics that exist; the others are in the error.
func describeTopics(ctx context.Context, k *cluster, names []string) ([]describedTopic, error) {
	topics := []describedTopic{}
	var failures []error
	for _, name := range names {
		t, err := describeTopic(ctx, k, name)
		if err != nil {
			failures = append(failures, err)
			continue
		}
		topics = append(topics, t)
	}
	return topics, errors.Join(failures...)
}

func describeTopic(ctx context.Context, k *cluster, name string) (describedTopic, error) {
	detail, err := findTopic(ctx, k, name)
	if err != nil {
		return describedTopic{}, err
	}
	t := describedTopic{Topic: name, ID: topicID(detail.ID), Internal: detail.IsInternal, Configs: []describedConfig{}}
	for _, p := range detail.Partitions.Sorted() {
		d := describedPartition{Partition: p.Partition, Leader: p.Leader, LeaderEpoch: p.LeaderEpoch, Replicas: p.Replicas, InSync: p.ISR}
		if p.Err != nil && !errors.Is(p.Err, kerr.LeaderNotAvailable) {
			d.Error = p.Err.Error()
		}
		t.Partitions = append(t.Partitions, d)
	}
	if err := t.addOffsets(ctx, k); err != nil {
		return t, err
	}
	if err := t.addELR(ctx, k); err != nil {
		return t, err
	}
	return t, t.addConfigs(ctx, k)
}

// addOffsets asks the leaders; a partition without one keeps its offsets unknown.
func (t *describedTopic) addOffsets(ctx context.Context, k *cluster) error {
	starts, err := k.ListStartOffsets(ctx, t.Topic)
	if ignorable(err) != nil {
		return err
	}
	ends, err := k.ListEndOffsets(ctx, t.Topic)
	if ignorable(err) != nil {
		return err
	}
	for i := range t.Partitions {
		p := &t.Partitions[i]
		if o, ok := starts.Lookup(t.Topic, p.Partition); ok && o.Err == nil {
			p.Start = &o.Offset
		}
		if o, ok := ends.Lookup(t.Topic, p.Partition); ok && o.Err == nil {
			p.End = &o.Offset
		}
	}
	return nil
}

// ignorable drops the error of some brokers not answering: what the others
// answered is shown.
func ignorable(err error) error {
	var shards *kadm.ShardErrors
	if errors.As(err, &shards) && !shards.AllFailed {
		return nil
	}
	return err
}

// addELR asks with DescribeTopicPartitions, the only request that knows it. A
// cluster without that request has no eligible leader replicas either.
func (t *describedTopic) addELR(ctx context.Context, k *cluster) error {
	known, err := k.serves(ctx, kmsg.DescribeTopicPartitions)
	if err != nil || !known {
		return err
	}
	req := kmsg.NewPtrDescribeTopicPartitionsRequest()
	topic := kmsg.NewDescribeTopicPartitionsRequestTopic()
	topic.Topic = t.Topic
	req.Topics = append(req.Topics, topic)
	for {
		resp, err := req.RequestWith(ctx, k.raw)
		if err != nil {
			return fmt.Errorf("describe the partitions of %s: %w", t.Topic, err)
		}
		for _, rt := range resp.Topics {
			for _, rp := range rt.Partitions {
				if i := int(rp.Partition); i >= 0 && i < len(t.Partitions) && t.Partitions[i].Partition == rp.Partition {
					t.Partitions[i].ELR = rp.EligibleLeaderReplicas
				}
			}
		}
		next := resp.NextCursor
		if next == nil || next.Topic != t.Topic || req.Cursor != nil && next.Partition <= req.Cursor.Partition {
			return nil
		}
		cursor := kmsg.NewDescribeTopicPartitionsRequestCursor()
		cursor.Topic, cursor.Partition = next.Topic, next.Partition
		req.Cursor = &cursor
	}
}

func (t *describedTopic) addConfigs(ctx context.Context, k *cluster) error {
	resources, err := k.DescribeTopicConfigs(ctx, t.Topic)
	if err != nil {
		return fmt.Errorf("describe the configs of %s: %w", t.Topic, err)
	}
	r, err := resources.On(t.Topic, nil)
	if err != nil {
		return fmt.Errorf("describe the configs of %s: %w", t.Topic, err)
	}
	if r.Err != nil {
		return refused(fmt.Sprintf("cannot read the configs of topic %q", t.Topic), r.Err, r.ErrMessage)
	}
	for _, config := range r.Configs {
		if config.Source == kmsg.ConfigSourceDefaultConfig {
			t.defaults++
			continue
		}
		d := describedConfig{Name: config.Key, Value: config.Value, Source: sourceText(config.Source)}
		for _, s := range config.Synonyms {
			if s.Source == kmsg.ConfigSourceDefaultConfig {
				d.Default = s.Value
			}
		}
		t.Configs = append(t.Configs, d)
	}
	slices.SortFunc(t.Configs, func(a, b describedConfig) int { return cmp.Compare(a.Name, b.Name) })
	return nil
}

// sourceText says where a config is set.
func sourceText(s kmsg.ConfigSource) string {
	switch s {
	case kmsg.ConfigSourceDynamicTopicConfig:
		return "topic"
	case kmsg.ConfigSourceDynamicBrokerConfig:
		return "broker"
	case kmsg.ConfigSourceDynamicDefaultBrokerConfig:
		return "cluster"
	case kmsg.ConfigSourceStaticBrokerConfig:
		return "broker's file"
	}
	return strings.ToLower(s.String())
}

// printEach prints things one below the other, or all as JSON.
func printEach[T any](c *CLI, one func(T) error, all []T) error {
	if c.json() {
		return c.printJSON(all)
	}
	for i, t := range all {
		if i > 0 {
			fmt.Fprintln(c.env.Out)
		}
		if err := one(t); err != nil {
			return err
		}
	}
	return nil
}

func (c *CLI) printDescribedTopic(t describedTopic) error {
	style := c.outStyle()
	internal := ""
	if t.Internal {
		internal = ", internal"
	}
	fmt.Fprintf(c.env.Out, "%s  %s\n\n", style.head(t.Topic), style.dim(count(len(t.Partitions), "partition")+internal+", id "+t.ID))
	if err := t.partitionTable(style).write(c.env.Out, style); err != nil {
		return err
	}
	if len(t.Configs) == 0 {
		_, err := fmt.Fprintf(c.env.Out, "\n%s\n", style.dim("every config has its default"))
		return err
	}
	fmt.Fprintln(c.env.Out)
	configs := newTable("CONFIG", "VALUE", "DEFAULT", "SET BY")
	for _, d := range t.Configs {
		configs.add(plain(d.Name), plain(valueText(d.Value, "(secret)")), plain(valueText(d.Default, "")), plain(d.Source))
	}
	return configs.write(c.env.Out, style)
}

func valueText(v *string, null string) string {
	if v == nil {
		return null
	}
	if *v == "" {
		return `""`
	}
	return *v
}

func (t describedTopic) partitionTable(s style) *table {
	table := newTable("PARTITION>", "LEADER>", "EPOCH>", "REPLICAS", "IN SYNC", "ELR", "START>", "END>", "RECORDS>")
	for _, p := range t.Partitions {
		leader := plain(number(p.Leader))
		if p.Leader < 0 {
			leader = shown("none", s.bad)
		}
		inSync := plain(nodes(p.InSync))
		if len(p.InSync) < len(p.Replicas) {
			inSync = shown(nodes(p.InSync), s.warn)
		}
		start, end, records := "", "", ""
		if p.Start != nil {
			start = number(*p.Start)
		}
		if p.End != nil {
			end = number(*p.End)
		}
		if p.Start != nil && p.End != nil {
			records = number(*p.End - *p.Start)
		}
		table.add(plain(number(p.Partition)), leader, plain(number(p.LeaderEpoch)), plain(nodes(p.Replicas)), inSync,
			plain(nodes(p.ELR)), plain(start), plain(end), plain(records))
	}
	return table
}
