package cli

import "github.com/spf13/cobra"

func (c *CLI) clusterCommand() *cobra.Command {
	cmd := group("cluster", "Look at a cluster's nodes, its metadata quorum and its health")
	cmd.AddCommand(c.clusterDescribeCommand(), c.clusterHealthCommand())
	return cmd
}
