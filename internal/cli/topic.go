package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/stromkafka/strom/internal/model"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
)

// completionTimeout is what a person waits for the Tab key.
const completionTimeout = 2 * time.Second

func (c *CLI) topicCommand() *cobra.Command {
	cmd := group("topic", "Create, list, describe and delete topics")
	cmd.Aliases = []string{"topics"}
	cmd.AddCommand(c.topicCreateCommand(), c.topicListCommand(), c.topicDescribeCommand(), c.topicDeleteCommand())
	return cmd
}

// topicID is an id in Kafka's notation.
func topicID(id kadm.TopicID) string { return model.TopicID(id).String() }

// findTopic is a topic that exists, or an error that names similar ones.
func findTopic(ctx context.Context, k *cluster, name string) (kadm.TopicDetail, error) {
	m, err := k.Metadata(ctx, name)
	if err != nil {
		return kadm.TopicDetail{}, err
	}
	t := m.Topics[name]
	switch {
	case errors.Is(t.Err, kerr.UnknownTopicOrPartition):
		return t, unknownTopic(ctx, k, name)
	case t.Err != nil:
		return t, refused(fmt.Sprintf("cannot read topic %q", name), t.Err, "")
	}
	return t, nil
}

// unknownTopic names similar topics; where they cannot be listed it does without.
func unknownTopic(ctx context.Context, k *cluster, name string) error {
	f := fail(kerr.UnknownTopicOrPartition, "there is no topic %q", name)
	var near []string
	if all, err := k.names(ctx); err == nil {
		near = similar(name, all)
	}
	create := fmt.Sprintf("Create it with `strom topic create %s`.", name)
	if len(near) > 0 {
		return f.withFix("Did you mean %s? %s", strings.Join(near, " or "), create)
	}
	return f.withFix("%s", create)
}

// names are the topics that exist: the client also lists what it was asked for
// before in vain.
func (k *cluster) names(ctx context.Context) ([]string, error) {
	all, err := k.ListTopicsWithInternal(ctx)
	all.FilterInternal()
	var names []string
	for _, t := range all.Sorted() {
		if t.Err == nil {
			names = append(names, t.Topic)
		}
	}
	return names, err
}

// completeTopics offers the cluster's topics to the shell, those beginning with
// what was typed and not yet named.
func (c *CLI) completeTopics(most int) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, typed string) ([]cobra.Completion, cobra.ShellCompDirective) {
		if most > 0 && len(args) >= most {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		ctx, cancel := context.WithTimeout(cmd.Context(), completionTimeout)
		defer cancel()
		var names []string
		err := c.admin(ctx, func(ctx context.Context, k *cluster) error {
			all, err := k.names(ctx)
			names = all
			return err
		})
		if err != nil {
			return nil, cobra.ShellCompDirectiveError
		}
		var out []string
		for _, name := range names {
			if strings.HasPrefix(name, typed) && !slices.Contains(args, name) {
				out = append(out, name)
			}
		}
		return out, cobra.ShellCompDirectiveNoFileComp
	}
}
