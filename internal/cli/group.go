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

func (c *CLI) groupCommand() *cobra.Command {
	cmd := group("group", "List, describe and delete consumer groups, and move their offsets")
	cmd.Aliases = []string{"groups"}
	cmd.AddCommand(c.groupListCommand(), c.groupDescribeCommand(), c.groupDeleteCommand(), c.groupResetCommand())
	return cmd
}

// A listedGroup is one line of `strom group list`.
type listedGroup struct {
	Group       string `json:"group"`
	Type        string `json:"type"` // classic or consumer; empty before Apache Kafka 3.8
	State       string `json:"state"`
	Protocol    string `json:"protocol_type"`
	Coordinator int32  `json:"coordinator"`
}

// groups are all groups in name order. A coordinator that does not answer leaves
// its own out, and is in the error.
func (k *cluster) groups(ctx context.Context) ([]listedGroup, error) {
	var all []listedGroup
	var failures []error
	for _, shard := range k.raw.RequestSharded(ctx, kmsg.NewPtrListGroupsRequest()) {
		if shard.Err != nil {
			failures = append(failures, fmt.Errorf("node %d: %w", shard.Meta.NodeID, shard.Err))
			continue
		}
		resp := shard.Resp.(*kmsg.ListGroupsResponse)
		if err := kerr.ErrorForCode(resp.ErrorCode); err != nil {
			failures = append(failures, refused(fmt.Sprintf("cannot list the groups of node %d", shard.Meta.NodeID), err, ""))
		}
		for _, g := range resp.Groups {
			all = append(all, listedGroup{g.Group, strings.ToLower(g.GroupType), g.GroupState, g.ProtocolType, shard.Meta.NodeID})
		}
	}
	slices.SortFunc(all, func(a, b listedGroup) int { return cmp.Compare(a.Group, b.Group) })
	return all, errors.Join(failures...)
}

// unknownGroup names similar groups; where they cannot be listed it does without.
func unknownGroup(ctx context.Context, k *cluster, name string) *failure {
	f := fail(kerr.GroupIDNotFound, "there is no group %q", name)
	all, _ := k.groups(ctx) // those that are known will do
	var names []string
	for _, g := range all {
		names = append(names, g.Group)
	}
	if near := similar(name, names); len(near) > 0 {
		return f.withFix("Did you mean %s?", strings.Join(near, " or "))
	}
	return f.withFix("`strom group list` shows those there are.")
}

// completeGroups offers the cluster's groups to the shell.
func (c *CLI) completeGroups(most int) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, typed string) ([]cobra.Completion, cobra.ShellCompDirective) {
		if most > 0 && len(args) >= most {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		ctx, cancel := context.WithTimeout(cmd.Context(), completionTimeout)
		defer cancel()
		var out []string
		err := c.admin(ctx, func(ctx context.Context, k *cluster) error {
			all, err := k.groups(ctx)
			for _, g := range all {
				if strings.HasPrefix(g.Group, typed) && !slices.Contains(args, g.Group) {
					out = append(out, g.Group)
				}
			}
			return err
		})
		if err != nil {
			return nil, cobra.ShellCompDirectiveError
		}
		return out, cobra.ShellCompDirectiveNoFileComp
	}
}

func (c *CLI) groupListCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "list",
		Aliases: []string{"ls"},
		Short:   "List groups",
		Example: examples(`
			strom group list
			strom group list -o json | jq -r '.[] | select(.state == "Empty").group'`),
		Args: nothing,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return c.admin(cmd.Context(), func(ctx context.Context, k *cluster) error {
				all, err := k.groups(ctx)
				if len(all) == 0 && err != nil {
					return err // none was found, which does not say that there is none
				}
				return errors.Join(c.printGroups(all), err)
			})
		},
	}
}

func (c *CLI) printGroups(all []listedGroup) error {
	if c.json() {
		return c.printJSON(append([]listedGroup{}, all...))
	}
	if len(all) == 0 {
		c.note("there are no groups; `strom consume TOPIC --group NAME` makes one")
		return nil
	}
	style := c.outStyle()
	table := newTable("GROUP", "TYPE", "COORDINATOR>", "STATE")
	for _, g := range all {
		table.add(plain(g.Group), plain(g.Type), plain(number(g.Coordinator)), groupState(g.State, style))
	}
	return table.write(c.env.Out, style)
}

// groupState is a state in the colour of how much it deserves to be looked at.
func groupState(state string, s style) cell {
	switch state {
	case "Stable":
		return shown(state, s.good)
	case "Empty", "":
		return plain(state)
	case "Dead":
		return shown(state, s.bad)
	}
	return shown(state, s.warn)
}

// A deletedGroup is one line of the answer.
type deletedGroup struct {
	Group string `json:"group"`
}

func (c *CLI) groupDeleteCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "delete NAME...",
		Aliases: []string{"rm"},
		Short:   "Delete groups without members, and their committed offsets",
		Example: examples(`
			strom group delete old-service
			strom group delete $(strom group list -o json | jq -r '.[] | select(.state == "Empty").group')`),
		Args: atLeast(1, "the name of a group"),
		RunE: func(cmd *cobra.Command, names []string) error {
			return c.admin(cmd.Context(), func(ctx context.Context, k *cluster) error { return c.deleteGroups(ctx, k, unique(names)) })
		},
		ValidArgsFunction: c.completeGroups(0),
	}
}

func (c *CLI) deleteGroups(ctx context.Context, k *cluster, names []string) error {
	answers, err := k.DeleteGroups(ctx, names...)
	if ignorable(err) != nil {
		return err
	}
	deleted := []deletedGroup{}
	var failures []error
	for _, name := range names {
		a, answered := answers[name]
		switch {
		case !answered:
			failures = append(failures, fail(err, "cannot delete group %q: its coordinator does not answer", name))
		case a.Err == nil:
			deleted = append(deleted, deletedGroup{name})
		case errors.Is(a.Err, kerr.GroupIDNotFound):
			failures = append(failures, unknownGroup(ctx, k, name))
		case errors.Is(a.Err, kerr.NonEmptyGroup):
			failures = append(failures, fail(a.Err, "group %q has members", name).
				withFix("`strom group describe %s` shows them; stop them first.", name))
		default:
			failures = append(failures, refused(fmt.Sprintf("cannot delete group %q", name), a.Err, a.ErrMessage))
		}
	}
	return errors.Join(append([]error{c.printDeletedGroups(deleted)}, failures...)...)
}

func (c *CLI) printDeletedGroups(deleted []deletedGroup) error {
	if c.json() {
		return c.printJSON(deleted)
	}
	for _, g := range deleted {
		if _, err := fmt.Fprintln(c.env.Out, "deleted "+g.Group); err != nil {
			return err
		}
	}
	return nil
}

// committed are the offsets that a group has committed, empty if it is not known.
func (k *cluster) committed(ctx context.Context, group string) (kadm.OffsetResponses, error) {
	offsets, err := k.FetchOffsets(ctx, group)
	if errors.Is(err, kerr.GroupIDNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, refused(fmt.Sprintf("cannot read the offsets of group %q", group), err, "")
	}
	return offsets, nil
}
