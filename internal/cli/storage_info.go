package cli

import "github.com/spf13/cobra"

// InfoOptions are what `strom storage info` was told.
type InfoOptions struct {
	Config string // the properties file
}

func (c *CLI) storageInfoCommand() *cobra.Command {
	var o InfoOptions
	cmd := offline(&cobra.Command{
		Use:     "info -c FILE",
		Short:   "Tell what a node's directories hold, and what is wrong with them",
		Example: examples("strom storage info -c server.properties"),
		Args:    nothing,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if o.Config == "" {
				return usage(cmd, "--config is missing: name the node's properties file")
			}
			return c.programs.Storage.Info(cmd.Context(), o, c.env.Out)
		},
	})
	cmd.DisableFlagsInUseLine = true
	cmd.Flags().StringVarP(&o.Config, "config", "c", "", "the node's properties `FILE`")
	return cmd
}
