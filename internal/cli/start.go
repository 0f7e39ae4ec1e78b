package cli

import (
	"strings"

	"github.com/spf13/cobra"
)

// StartOptions are what `strom start` was told.
type StartOptions struct {
	// File is the node's server.properties; empty starts a node of its own with
	// defaults.
	File string
	// Set are properties that win over the file's, in the order given.
	Set []Property
}

// A Property is one name=value.
type Property struct{ Name, Value string }

func (c *CLI) startCommand() *cobra.Command {
	var set []string
	cmd := offline(&cobra.Command{
		Use:   "start [FILE] [--set NAME=VALUE]...",
		Short: "Run a node: alone, or as its properties file says",
		Long: `Run a node until it is told to stop (Ctrl-C or SIGTERM).

Without FILE it is a broker and controller of its own, a cluster of one, that
listens on localhost:9092. FILE is Kafka's server.properties.`,
		Example: examples(`
			strom start
			strom start --set log.dirs=/tmp/strom --set num.partitions=3
			strom start server.properties`),
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 1 {
				return usage(cmd, "a node has one properties file: %q is too much", args[1])
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			o := StartOptions{}
			if len(args) == 1 {
				o.File = args[0]
			}
			for _, s := range set {
				p, ok := parseProperty(s)
				if !ok {
					return usage(cmd, "--set takes NAME=VALUE, not %q", s)
				}
				o.Set = append(o.Set, p)
			}
			return c.programs.Start(cmd.Context(), o)
		},
	})
	cmd.DisableFlagsInUseLine = true
	cmd.Flags().StringArrayVar(&set, "set", nil, "a property that wins over the file's, `NAME=VALUE` (repeatable)")
	return cmd
}

// parseProperty splits name=value; the value may be empty and hold more '='.
func parseProperty(s string) (Property, bool) {
	name, value, ok := strings.Cut(s, "=")
	name = strings.TrimSpace(name)
	return Property{name, value}, ok && name != ""
}
