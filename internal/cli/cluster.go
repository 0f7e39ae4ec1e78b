package cli

import "github.com/spf13/cobra"

func (c *CLI) clusterCommand() *cobra.Command {
	cmd := group("cluster", "Look at a cluster's nodes and its health; run one on this machine")
	cmd.AddCommand(c.clusterDescribeCommand(), c.clusterHealthCommand())
	if c.programs.Start != nil && c.programs.Storage.Format != nil {
		cmd.AddCommand(c.clusterLocalCommand())
	}
	return cmd
}
