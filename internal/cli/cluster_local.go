package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/spf13/cobra"
)

const (
	defaultLocalPort = 9092
	maxLocalNodes    = 9
)

// localOptions are what `strom cluster local` was told.
type localOptions struct {
	nodes    int
	nodesSet bool   // by the person: else a directory's own number counts
	data     string // empty: a temporary directory
	port     int    // 0: the directory's own, or what is free
	set      []Property
	keep     bool // the temporary directory
}

func (c *CLI) clusterLocalCommand() *cobra.Command {
	var o localOptions
	var set []string
	cmd := offline(&cobra.Command{
		Use:   "local [--nodes N] [--data DIR]",
		Short: "Run a cluster of several nodes on this machine",
		Long: `Run a cluster of several nodes on this machine until it is told to stop (Ctrl-C
or SIGTERM).

Each node is a process of its own, broker and controller, with its properties
file and its data in a directory node-N and its log in node-N.log. With --data
they stay, and the next run with that directory is the same cluster; without, a
temporary directory holds them and is removed at the end.

A node that ends is not started again: it is told how that is done.`,
		Example: examples(`
			strom cluster local
			strom cluster local --nodes 5 --data ./cluster --port 19092
			strom cluster local --set num.partitions=3 --set auto.create.topics.enable=false`),
		Args: nothing,
		RunE: func(cmd *cobra.Command, _ []string) error {
			for _, s := range set {
				p, ok := parseProperty(s)
				if !ok {
					return usage(cmd, "--set takes NAME=VALUE, not %q", s)
				}
				o.set = append(o.set, p)
			}
			o.nodesSet = cmd.Flags().Changed("nodes")
			if err := o.check(cmd); err != nil {
				return err
			}
			return c.runLocal(cmd.Context(), o)
		},
	})
	cmd.DisableFlagsInUseLine = true
	f := cmd.Flags()
	f.SortFlags = false
	f.IntVarP(&o.nodes, "nodes", "n", 3, "how many `NODES`")
	f.StringVarP(&o.data, "data", "d", "", "the `DIR` that holds the nodes, and keeps them")
	f.IntVarP(&o.port, "port", "p", 0, fmt.Sprintf("the first `PORT`: brokers from there on, then controllers (default %d if those are free)", defaultLocalPort))
	f.StringArrayVar(&set, "set", nil, "a property for every node, `NAME=VALUE` (repeatable)")
	f.BoolVar(&o.keep, "keep", false, "keep the temporary directory")
	return cmd
}

func (o localOptions) check(cmd *cobra.Command) error {
	switch {
	case o.nodes < 1 || o.nodes > maxLocalNodes:
		return usage(cmd, "--nodes is 1 to %d, not %d", maxLocalNodes, o.nodes)
	case o.port < 0 || o.port > 65536-2*o.nodes:
		return usage(cmd, "--port is 1 to %d for %s, not %d", 65536-2*o.nodes, count(o.nodes, "node"), o.port)
	case o.keep && o.data != "":
		return usage(cmd, "--keep is for a temporary directory: --data %s is kept anyway", o.data)
	}
	for _, p := range o.set {
		if isLocalProperty(p.Name) {
			return usage(cmd, "--set %s: that differs from node to node, and is chosen for each", p.Name)
		}
	}
	return nil
}

// runLocal runs the cluster until ctx ends, or until the last node has.
func (c *CLI) runLocal(ctx context.Context, o localOptions) (err error) {
	program, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find this program's file: %w", err)
	}
	dir, temporary, err := localDir(o.data)
	if err != nil {
		return err
	}
	if temporary && !o.keep {
		defer func() { err = errors.Join(err, c.dropLocal(dir)) }()
	}
	l, err := openLocal(dir, o)
	if err != nil {
		return err
	}
	if err := l.format(ctx, c.programs.Storage.Format); err != nil {
		return err
	}
	nodes := c.startLocal(program, l)
	if err := nodes.untilReady(ctx); err != nil {
		return errors.Join(err, nodes.stop())
	}
	if ctx.Err() == nil {
		c.announceLocal(l, temporary && !o.keep)
	}
	ended := nodes.untilEnd(ctx)
	if ctx.Err() != nil {
		c.note("stopping %s", count(nodes.running(), "node"))
	}
	err = errors.Join(ended, nodes.stop())
	if err == nil && (!temporary || o.keep) {
		c.note("stopped; %s keeps the data, and `strom cluster local --data %s` goes on with it", dir, dir)
	}
	return err
}

// localDir is the directory of --data, or a new temporary one.
func localDir(data string) (dir string, temporary bool, err error) {
	if data == "" {
		dir, err = os.MkdirTemp("", "strom-local-")
		return dir, true, err
	}
	if dir, err = filepath.Abs(data); err != nil {
		return "", false, err
	}
	return dir, false, os.MkdirAll(dir, 0o755)
}

func (c *CLI) dropLocal(dir string) error {
	if err := os.RemoveAll(dir); err != nil {
		return fail(err, "cannot remove %s: %v", dir, err)
	}
	c.note("removed %s", dir)
	return nil
}

func (c *CLI) announceLocal(l *local, dropped bool) {
	kept := "kept"
	if dropped {
		kept = "removed at the end; --keep keeps it, and --data DIR names one to keep"
	}
	s := c.outStyle()
	out := c.env.Out
	fmt.Fprintf(out, "%s\n", s.head(fmt.Sprintf("A cluster of %s is ready.", count(len(l.nodes), "node"))))
	fmt.Fprintf(out, "  bootstrap     %s\n", l.bootstrap())
	fmt.Fprintf(out, "  data in       %s  %s\n", l.dir, s.dim("("+kept+")"))
	fmt.Fprintf(out, "  logs in       %s\n", filepath.Join(l.dir, "node-*.log"))
	fmt.Fprintf(out, "  try           echo hello | %s produce greetings%s\n", os.Args[0], l.flag())
	fmt.Fprintf(out, "  look          %s cluster describe%s\n", os.Args[0], l.flag())
	fmt.Fprintf(out, "  stop          Ctrl-C\n")
}

// flag is what a client command needs to find the cluster.
func (l *local) flag() string {
	if first := l.nodes[0].broker; first != defaultLocalPort {
		return fmt.Sprintf(" -b localhost:%d", first)
	}
	return ""
}

// shellWord quotes a path for a line that a person copies.
func shellWord(path string) string {
	if runtime.GOOS == "windows" || !strings.ContainsAny(path, " \t\n'\"\\$&;()<>|*?[]#~`!{}") {
		return path
	}
	return "'" + strings.ReplaceAll(path, "'", `'\''`) + "'"
}
