package cli

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

// A build is what `strom version` tells.
type build struct {
	Version  string `json:"version"`
	Commit   string `json:"commit,omitempty"`
	Modified bool   `json:"modified,omitempty"`
	Go       string `json:"go"`
	Platform string `json:"platform"`
}

func (c *CLI) versionCommand() *cobra.Command {
	return offline(&cobra.Command{
		Use:     "version",
		Short:   "Tell the version of this program",
		Args:    nothing,
		Example: examples("strom version\nstrom version -o json"),
		RunE: func(*cobra.Command, []string) error {
			b := c.build()
			if c.json() {
				return c.printJSON(b)
			}
			_, err := fmt.Fprintln(c.env.Out, b)
			return err
		},
	})
}

func (c *CLI) build() build {
	b := build{Version: c.programs.Version, Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH}
	if info, ok := debug.ReadBuildInfo(); ok {
		if b.Version == "" {
			b.Version = info.Main.Version
		}
		for _, s := range info.Settings {
			switch s.Key {
			case "vcs.revision":
				b.Commit = s.Value[:min(12, len(s.Value))]
			case "vcs.modified":
				b.Modified = s.Value == "true"
			}
		}
	}
	if b.Version == "" || b.Version == "(devel)" {
		b.Version = "development"
	}
	return b
}

func (b build) String() string {
	commit := ""
	if b.Commit != "" {
		commit = b.Commit + ", "
		if b.Modified {
			commit = b.Commit + " and changes, "
		}
	}
	return fmt.Sprintf("strom %s (%s%s, %s)", b.Version, commit, b.Go, b.Platform)
}
