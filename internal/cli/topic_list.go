package cli

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kadm"
)

// A listedTopic is one line of `strom topic list`.
type listedTopic struct {
	Topic           string `json:"topic"`
	ID              string `json:"id"`
	Internal        bool   `json:"internal"`
	Partitions      int    `json:"partitions"`
	Replicas        int    `json:"replicas"`
	UnderReplicated int    `json:"under_replicated_partitions"`
	Offline         int    `json:"offline_partitions"`
	Error           string `json:"error,omitempty"`
}

func (c *CLI) topicListCommand() *cobra.Command {
	var internal bool
	cmd := &cobra.Command{
		Use:     "list",
		Aliases: []string{"ls"},
		Short:   "List topics",
		Example: examples(`
			strom topic list
			strom topic list --internal
			strom topic list -o json | jq -r '.[].topic'`),
		Args: nothing,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return c.admin(cmd.Context(), func(ctx context.Context, k *cluster) error {
				topics, err := k.ListTopicsWithInternal(ctx)
				if err != nil {
					return err
				}
				if !internal {
					topics.FilterInternal()
				}
				return c.printTopics(topics)
			})
		},
	}
	cmd.Flags().BoolVar(&internal, "internal", false, "also Kafka's own topics, such as __consumer_offsets")
	return cmd
}

func (c *CLI) printTopics(topics kadm.TopicDetails) error {
	list := []listedTopic{}
	for _, t := range topics.Sorted() {
		list = append(list, listTopic(t))
	}
	if c.json() {
		return c.printJSON(list)
	}
	if len(list) == 0 {
		c.note("there are no topics; `strom topic create NAME` makes one")
		return nil
	}
	style := c.outStyle()
	table := newTable("TOPIC", "PARTITIONS>", "REPLICAS>", "STATE")
	for _, t := range list {
		table.add(plain(t.Topic), plain(number(t.Partitions)), plain(number(t.Replicas)), t.state(style))
	}
	return table.write(c.env.Out, style)
}

func listTopic(t kadm.TopicDetail) listedTopic {
	l := listedTopic{Topic: t.Topic, ID: topicID(t.ID), Internal: t.IsInternal, Partitions: len(t.Partitions)}
	if t.Err != nil {
		l.Error = t.Err.Error()
	}
	for _, p := range t.Partitions {
		l.Replicas = max(l.Replicas, len(p.Replicas))
		switch {
		case p.Leader < 0:
			l.Offline++
		case len(p.ISR) < len(p.Replicas):
			l.UnderReplicated++
		}
	}
	return l
}

// state is the worst that is known about a topic, in words.
func (t listedTopic) state(s style) cell {
	switch {
	case t.Error != "":
		return shown(t.Error, s.bad)
	case t.Offline > 0:
		return shown(fmt.Sprintf("%d offline", t.Offline)+orUnder(t.UnderReplicated), s.bad)
	case t.UnderReplicated > 0:
		return shown(strings.TrimPrefix(orUnder(t.UnderReplicated), ", "), s.warn)
	}
	return shown("ok", s.good)
}

func orUnder(n int) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprintf(", %d under-replicated", n)
}
