package cli

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
)

// serverDefault asks the broker for its num.partitions and
// default.replication.factor.
const serverDefault = -1

type topicCreate struct {
	partitions  int32
	replicas    int16
	configs     []string
	ifNotExists bool
}

// A createdTopic is one line of the answer.
type createdTopic struct {
	Topic      string `json:"topic"`
	ID         string `json:"id,omitempty"`
	Created    bool   `json:"created"`
	Partitions int32  `json:"partitions,omitempty"`
	Replicas   int16  `json:"replicas,omitempty"`
}

func (c *CLI) topicCreateCommand() *cobra.Command {
	var o topicCreate
	cmd := &cobra.Command{
		Use:   "create NAME...",
		Short: "Create topics",
		Example: examples(`
			strom topic create orders
			strom topic create orders payments --partitions 12 --replication-factor 3
			strom topic create users --config cleanup.policy=compact --config min.compaction.lag.ms=60000`),
		Args: atLeast(1, "the name of a topic"),
		RunE: func(cmd *cobra.Command, names []string) error {
			configs, err := o.check(cmd)
			if err != nil {
				return err
			}
			return c.admin(cmd.Context(), func(ctx context.Context, k *cluster) error {
				return c.createTopics(ctx, k, o, configs, names)
			})
		},
		ValidArgsFunction: cobra.NoFileCompletions,
	}
	f := cmd.Flags()
	f.SortFlags = false
	f.Int32VarP(&o.partitions, "partitions", "p", serverDefault, "`HOW MANY` partitions; -1 takes the broker's num.partitions")
	f.Int16VarP(&o.replicas, "replication-factor", "r", serverDefault, "`HOW MANY` copies of each; -1 takes the broker's default.replication.factor")
	f.StringArrayVar(&o.configs, "config", nil, "a config of the topic, `NAME=VALUE` (repeatable)")
	f.BoolVar(&o.ifNotExists, "if-not-exists", false, "a topic that exists is no failure")
	return cmd
}

func (o topicCreate) check(cmd *cobra.Command) (map[string]*string, error) {
	if o.partitions < 1 && o.partitions != serverDefault {
		return nil, usage(cmd, "--partitions is 1 or more, not %d", o.partitions)
	}
	if o.replicas < 1 && o.replicas != serverDefault {
		return nil, usage(cmd, "--replication-factor is 1 or more, not %d", o.replicas)
	}
	configs := map[string]*string{}
	for _, s := range o.configs {
		p, ok := parseProperty(s)
		if !ok {
			return nil, usage(cmd, "--config takes NAME=VALUE, not %q", s)
		}
		configs[p.Name] = &p.Value
	}
	return configs, nil
}

func (c *CLI) createTopics(ctx context.Context, k *cluster, o topicCreate, configs map[string]*string, names []string) error {
	names = unique(names)
	answers, err := k.CreateTopics(ctx, o.partitions, o.replicas, configs, names...)
	if err != nil {
		return err
	}
	created := []createdTopic{}
	var failures []error
	for _, name := range names {
		a := answers[name]
		switch {
		case a.Err == nil:
			created = append(created, createdTopic{name, topicID(a.ID), true, a.NumPartitions, a.ReplicationFactor})
		case errors.Is(a.Err, kerr.TopicAlreadyExists) && o.ifNotExists:
			created = append(created, createdTopic{Topic: name})
		default:
			failures = append(failures, notCreated(ctx, k, name, a))
		}
	}
	if err := c.printCreated(created); err != nil {
		return err
	}
	return errors.Join(failures...)
}

func (c *CLI) printCreated(created []createdTopic) error {
	if c.json() {
		return c.printJSON(created)
	}
	for _, t := range created {
		line := fmt.Sprintf("%s exists already", t.Topic)
		if t.Created {
			line = fmt.Sprintf("created %s", t.Topic)
		}
		if t.Partitions > 0 {
			line += fmt.Sprintf(" with %s on %s", count(t.Partitions, "partition"), count(t.Replicas, "replica"))
		}
		if _, err := fmt.Fprintln(c.env.Out, line); err != nil {
			return err
		}
	}
	return nil
}

func notCreated(ctx context.Context, k *cluster, name string, a kadm.CreateTopicResponse) error {
	if errors.Is(a.Err, kerr.TopicAlreadyExists) {
		return fail(a.Err, "topic %q exists already", name).
			withFix("`strom topic describe %s` shows it; --if-not-exists makes this no failure.", name)
	}
	f := refused(fmt.Sprintf("cannot create topic %q", name), a.Err, a.ErrMessage)
	switch {
	case errors.Is(a.Err, kerr.InvalidReplicationFactor):
		if brokers, err := k.ListBrokers(ctx); err == nil {
			return f.withFix("This cluster has %s: --replication-factor can be at most %d.", count(len(brokers), "broker"), len(brokers))
		}
	case errors.Is(a.Err, kerr.InvalidTopicException):
		return f.withFix("A name has up to 249 of a-z A-Z 0-9 . _ - and is neither . nor ..")
	}
	return f
}

// unique drops what was named before, and keeps the order.
func unique(names []string) []string {
	seen := map[string]bool{}
	var out []string
	for _, name := range names {
		if !seen[name] {
			seen[name] = true
			out = append(out, name)
		}
	}
	return out
}
