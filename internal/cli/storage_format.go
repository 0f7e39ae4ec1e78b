package cli

import (
	"strconv"
	"strings"

	"github.com/spf13/cobra"
)

// FormatOptions are what `strom storage format` was told. At most one of
// Standalone, NoInitialControllers and InitialControllers is set.
type FormatOptions struct {
	ClusterID            string
	Config               string // the properties file
	IgnoreFormatted      bool   // leave formatted directories as they are
	ReleaseVersion       string // empty: the newest
	Features             []Feature
	Standalone           bool
	NoInitialControllers bool
	InitialControllers   string   // id@host:port:directory,...
	AddSCRAM             []string // SCRAM-SHA-256=[name=...,password=...]
}

func (c *CLI) storageFormatCommand() *cobra.Command {
	var o FormatOptions
	var features []string
	cmd := offline(&cobra.Command{
		Use:   "format -t CLUSTER_ID -c FILE",
		Short: "Give a node's directories to a cluster, before its first start",
		Example: examples(`
			strom storage format -t $(strom storage random-uuid) -c server.properties --standalone
			strom storage format -t q1Sh-9_ISia_zwGINzRvyQ -c controller.properties --initial-controllers 0@a:9093:JEXY6aqzQY-32P5TStzaFg
			strom storage format -t q1Sh-9_ISia_zwGINzRvyQ -c broker.properties -S 'SCRAM-SHA-256=[name=alice,password=secret]'`),
		Args: nothing,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if o.ClusterID == "" {
				return usage(cmd, "--cluster-id is missing: `strom storage random-uuid` makes one for a new cluster")
			}
			if o.Config == "" {
				return usage(cmd, "--config is missing: name the node's properties file")
			}
			if err := onlyOneQuorum(cmd, o); err != nil {
				return err
			}
			var err error
			if o.Features, err = parseFeatures(cmd, features); err != nil {
				return err
			}
			return c.programs.Storage.Format(cmd.Context(), o, c.env.Out)
		},
	})
	cmd.DisableFlagsInUseLine = true
	f := cmd.Flags()
	f.SortFlags = false
	f.StringVarP(&o.ClusterID, "cluster-id", "t", "", "the cluster's `ID`, the same on every node")
	f.StringVarP(&o.Config, "config", "c", "", "the node's properties `FILE`")
	f.BoolVarP(&o.IgnoreFormatted, "ignore-formatted", "g", false, "leave directories that are formatted as they are")
	f.StringVarP(&o.ReleaseVersion, "release-version", "r", "", "start with the features of this `RELEASE`, such as 4.3")
	f.StringArrayVarP(&features, "feature", "f", nil, "start with this level of a feature, `NAME=LEVEL` (repeatable)")
	f.BoolVarP(&o.Standalone, "standalone", "s", false, "this controller is the only voter of a dynamic quorum")
	f.BoolVarP(&o.NoInitialControllers, "no-initial-controllers", "N", false, "this node joins a dynamic quorum that exists")
	f.StringVarP(&o.InitialControllers, "initial-controllers", "I", "", "the voters of a new dynamic quorum, `ID@HOST:PORT:DIRECTORY,...`")
	f.StringArrayVarP(&o.AddSCRAM, "add-scram", "S", nil, "a user's SCRAM `CREDENTIAL`, SCRAM-SHA-256=[name=...,password=...] (repeatable)")
	return cmd
}

func onlyOneQuorum(cmd *cobra.Command, o FormatOptions) error {
	var given []string
	if o.Standalone {
		given = append(given, "--standalone")
	}
	if o.NoInitialControllers {
		given = append(given, "--no-initial-controllers")
	}
	if o.InitialControllers != "" {
		given = append(given, "--initial-controllers")
	}
	if len(given) > 1 {
		return usage(cmd, "%s exclude each other", strings.Join(given, " and "))
	}
	return nil
}

func parseFeatures(cmd *cobra.Command, texts []string) ([]Feature, error) {
	var features []Feature
	for _, s := range texts {
		p, ok := parseProperty(s)
		level, err := strconv.ParseInt(strings.TrimSpace(p.Value), 10, 16)
		if !ok || err != nil || level < 0 {
			return nil, usage(cmd, "--feature takes NAME=LEVEL such as kraft.version=1, not %q", s)
		}
		features = append(features, Feature{Name: p.Name, Level: int16(level)})
	}
	return features, nil
}
