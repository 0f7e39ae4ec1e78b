package cli

import "github.com/spf13/cobra"

// VersionMappingOptions are what `strom storage version-mapping` was told.
type VersionMappingOptions struct {
	ReleaseVersion string // empty: the newest
}

// FeatureDependenciesOptions are what `strom storage feature-dependencies` was
// told.
type FeatureDependenciesOptions struct {
	Features []Feature
}

func (c *CLI) storageVersionMappingCommand() *cobra.Command {
	var o VersionMappingOptions
	cmd := offline(&cobra.Command{
		Use:     "version-mapping",
		Short:   "Tell which levels of the features belong to a release",
		Example: examples("strom storage version-mapping --release-version 4.3"),
		Args:    nothing,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return c.programs.Storage.VersionMapping(cmd.Context(), o, c.env.Out)
		},
	})
	cmd.Flags().StringVarP(&o.ReleaseVersion, "release-version", "r", "", "the `RELEASE`, such as 4.3; without it the newest")
	return cmd
}

func (c *CLI) storageFeatureDependenciesCommand() *cobra.Command {
	var texts []string
	cmd := offline(&cobra.Command{
		Use:     "feature-dependencies -f NAME=LEVEL",
		Short:   "Tell which features a level of a feature needs",
		Example: examples("strom storage feature-dependencies --feature transaction.version=2"),
		Args:    nothing,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if len(texts) == 0 {
				return usage(cmd, "--feature is missing: name a feature and its level, such as metadata.version=30")
			}
			features, err := parseFeatures(cmd, texts)
			if err != nil {
				return err
			}
			return c.programs.Storage.FeatureDependencies(cmd.Context(), FeatureDependenciesOptions{features}, c.env.Out)
		},
	})
	cmd.DisableFlagsInUseLine = true
	cmd.Flags().StringArrayVarP(&texts, "feature", "f", nil, "a feature and its level, `NAME=LEVEL` (repeatable)")
	return cmd
}
