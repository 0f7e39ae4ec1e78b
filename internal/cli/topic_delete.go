package cli

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
)

// A deletedTopic is one line of the answer.
type deletedTopic struct {
	Topic   string `json:"topic"`
	Deleted bool   `json:"deleted"`
}

func (c *CLI) topicDeleteCommand() *cobra.Command {
	var ifExists bool
	cmd := &cobra.Command{
		Use:     "delete NAME...",
		Aliases: []string{"rm"},
		Short:   "Delete topics and every record in them",
		Example: examples(`
			strom topic delete orders
			strom topic delete orders payments --if-exists`),
		Args: atLeast(1, "the name of a topic"),
		RunE: func(cmd *cobra.Command, names []string) error {
			return c.admin(cmd.Context(), func(ctx context.Context, k *cluster) error {
				return c.deleteTopics(ctx, k, unique(names), ifExists)
			})
		},
		ValidArgsFunction: c.completeTopics(0),
	}
	cmd.Flags().BoolVar(&ifExists, "if-exists", false, "a topic that does not exist is no failure")
	return cmd
}

func (c *CLI) deleteTopics(ctx context.Context, k *cluster, names []string, ifExists bool) error {
	answers, err := k.DeleteTopics(ctx, names...)
	if err != nil {
		return err
	}
	deleted := []deletedTopic{}
	var failures []error
	for _, name := range names {
		a := answers[name]
		switch {
		case a.Err == nil:
			deleted = append(deleted, deletedTopic{name, true})
		case errors.Is(a.Err, kerr.UnknownTopicOrPartition) && ifExists:
			deleted = append(deleted, deletedTopic{name, false})
		default:
			failures = append(failures, notDeleted(ctx, k, name, a))
		}
	}
	if err := c.printDeleted(deleted); err != nil {
		return err
	}
	return errors.Join(failures...)
}

func (c *CLI) printDeleted(deleted []deletedTopic) error {
	if c.json() {
		return c.printJSON(deleted)
	}
	for _, t := range deleted {
		line := "deleted " + t.Topic
		if !t.Deleted {
			line = t.Topic + " does not exist"
		}
		if _, err := fmt.Fprintln(c.env.Out, line); err != nil {
			return err
		}
	}
	return nil
}

func notDeleted(ctx context.Context, k *cluster, name string, a kadm.DeleteTopicResponse) error {
	switch {
	case errors.Is(a.Err, kerr.UnknownTopicOrPartition):
		f := fail(a.Err, "there is no topic %q", name)
		if all, err := k.names(ctx); err == nil {
			if near := similar(name, all); len(near) > 0 {
				return f.withFix("Did you mean %s? --if-exists makes this no failure.", near[0])
			}
		}
		return f.withFix("--if-exists makes this no failure.")
	case errors.Is(a.Err, kerr.TopicDeletionDisabled):
		return refused(fmt.Sprintf("cannot delete topic %q", name), a.Err, a.ErrMessage).
			withFix("The broker's delete.topic.enable is false.")
	}
	return refused(fmt.Sprintf("cannot delete topic %q", name), a.Err, a.ErrMessage)
}
