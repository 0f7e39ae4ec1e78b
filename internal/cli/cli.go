// Package cli is the command line of Strom: `strom topic create`, `strom
// produce`, `strom consume` and the rest. One file a command.
//
// The commands that speak to a cluster are ordinary Kafka clients and work
// against any Kafka. The commands that run or format a node are functions
// passed in as Programs; a command whose function is missing is not in the tree.
//
// Every command keeps to this:
//   - what was asked for goes to standard output, everything else (progress,
//     summaries, notes, errors) to standard error;
//   - what goes into a pipe has no colour and no decoration;
//   - an error says what is wrong and, where it can be known, what to do;
//   - the exit code is 0, 1 for a failure and 2 for a command line that makes
//     no sense.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/spf13/cobra"
)

// The exit codes.
const (
	exitOK      = 0
	exitFailure = 1
	exitUsage   = 2
)

// Programs are what this binary can run besides being a client. A nil function
// leaves its command out.
type Programs struct {
	// Start runs a node until ctx ends.
	Start   func(ctx context.Context, o StartOptions) error
	Storage Storage
	// Version is the release, such as 0.3.1; empty takes the build's own.
	Version string
}

// Environment is the world as the commands see it.
type Environment struct {
	In       io.Reader
	Out, Err io.Writer
	Getenv   func(string) string
	Now      func() time.Time
	// Dial opens connections to brokers.
	Dial func(ctx context.Context, network, addr string) (net.Conn, error)
	// OutClosed is a channel that closes when nobody reads Out any more. It and
	// the channel are nil when that cannot be known.
	OutClosed func() <-chan struct{}
	// InTerminal, OutTerminal and ErrTerminal say whether a person sits at it.
	InTerminal, OutTerminal, ErrTerminal bool
}

// OS is the process's own environment.
func OS() Environment {
	return Environment{
		In: os.Stdin, Out: os.Stdout, Err: os.Stderr,
		Getenv:      os.Getenv,
		Now:         time.Now,
		Dial:        (&net.Dialer{Timeout: dialTimeout}).DialContext,
		OutClosed:   func() <-chan struct{} { return closedPipe(os.Stdout) },
		InTerminal:  isTerminal(os.Stdin),
		OutTerminal: isTerminal(os.Stdout),
		ErrTerminal: isTerminal(os.Stderr),
	}
}

// CLI is the tree of commands.
type CLI struct {
	programs Programs
	env      Environment
	opts     options
	// progressing says that the last line at Err will be written again.
	progressing atomic.Bool
}

// options are the flags every command shares.
type options struct {
	bootstrap string
	output    string
	noColor   bool
}

// New is the command line of a binary that can run p.
func New(p Programs, env Environment) *CLI {
	env.Err = &oneAtATime{w: env.Err}
	return &CLI{programs: p, env: env}
}

// oneAtATime is standard error, to which the client's goroutines write notes.
type oneAtATime struct {
	mu sync.Mutex
	w  io.Writer
}

func (o *oneAtATime) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.w.Write(p)
}

// Run executes one command line, without the program's name, and returns the
// exit code. Errors have been printed.
func (c *CLI) Run(ctx context.Context, args []string) int {
	root := c.root()
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	switch {
	case err == nil, isBrokenPipe(err):
		return exitOK
	case ctx.Err() != nil && errors.Is(err, context.Canceled): // Ctrl-C
		return exitFailure
	case errors.Is(err, errUnhealthy):
		return exitFailure
	}
	c.printError(err)
	var u *usageError
	if errors.As(err, &u) {
		return exitUsage
	}
	return exitFailure
}

func (c *CLI) root() *cobra.Command {
	root := group("strom", "Strom is Apache Kafka's platform as one program.")
	root.Example = examples(`
		strom topic create orders --partitions 3
		echo hello | strom produce orders
		strom consume orders --exit-at-end`)
	root.SilenceErrors, root.SilenceUsage = true, true
	root.SetIn(c.env.In)
	root.SetOut(c.env.Out)
	root.SetErr(c.env.Err)
	root.SetUsageTemplate(usageTemplate)
	root.SetHelpTemplate(helpTemplate)
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error { return usage(cmd, "%v", err) })
	root.CompletionOptions.HiddenDefaultCmd = false

	bootstrap := c.env.Getenv("STROM_BOOTSTRAP")
	if bootstrap == "" {
		bootstrap = defaultBootstrap
	}
	flags := root.PersistentFlags()
	flags.SortFlags = false
	flags.StringVarP(&c.opts.bootstrap, "bootstrap", "b", bootstrap, "brokers to connect to first, as `HOST:PORT,...`; also STROM_BOOTSTRAP")
	flags.StringVarP(&c.opts.output, "output", "o", "table", "`FORMAT` of the output: table or json")
	root.Flags().SortFlags = false
	flags.BoolVar(&c.opts.noColor, "no-color", false, "no colour on a terminal; also NO_COLOR")
	_ = root.RegisterFlagCompletionFunc("output", cobra.FixedCompletions([]string{"table", "json"}, cobra.ShellCompDirectiveNoFileComp))
	root.PersistentPreRunE = func(cmd *cobra.Command, _ []string) error { return c.checkOptions(cmd) }

	root.AddCommand(c.topicCommand(), c.produceCommand(), c.consumeCommand(), c.groupCommand(), c.transactionCommand(), c.clusterCommand(), c.storageCommand(), c.versionCommand())
	if c.programs.Start != nil {
		root.AddCommand(c.startCommand())
	}
	return root
}

func (c *CLI) checkOptions(cmd *cobra.Command) error {
	if c.opts.output != "table" && c.opts.output != "json" {
		return usage(cmd, "--output is table or json, not %q", c.opts.output)
	}
	if strings.Trim(c.opts.bootstrap, ", ") == "" {
		return usage(cmd, "--bootstrap names no broker: give it HOST:PORT, such as %s", defaultBootstrap)
	}
	return nil
}

func (c *CLI) json() bool { return c.opts.output == "json" }

// group is a command that only holds others.
func group(use, short string) *cobra.Command {
	return &cobra.Command{
		Use:   use,
		Short: short,
		Args:  cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return cmd.Help()
			}
			return unknownCommand(cmd, args[0])
		},
	}
}

func unknownCommand(cmd *cobra.Command, name string) error {
	var names []string
	for _, sub := range cmd.Commands() {
		if sub.IsAvailableCommand() {
			names = append(names, sub.Name())
		}
	}
	err := usage(cmd, "there is no command `%s %s`", cmd.CommandPath(), name)
	if near := similar(name, names); len(near) > 0 {
		err.fix = fmt.Sprintf("did you mean `%s %s`?", cmd.CommandPath(), near[0])
	}
	return err
}

// examples strips the indentation of source code and sets cobra's.
func examples(s string) string {
	lines := strings.Split(strings.TrimSpace(s), "\n")
	for i, line := range lines {
		lines[i] = "  " + strings.TrimSpace(line)
	}
	return strings.Join(lines, "\n")
}

// offline marks a command that connects to no broker: its help leaves out the
// flags about connections.
func offline(cmd *cobra.Command) *cobra.Command {
	cmd.Annotations = map[string]string{"offline": "yes"}
	return cmd
}

const helpTemplate = `{{with (or .Long .Short)}}{{. | trimTrailingWhitespaces}}

{{end}}{{.UsageString}}`

const usageTemplate = `{{if .HasAvailableSubCommands}}Usage: {{.CommandPath}} COMMAND

Commands:{{range .Commands}}{{if .IsAvailableCommand}}
  {{rpad .Name .NamePadding}}  {{.Short}}{{end}}{{end}}{{else}}Usage: {{.UseLine}}{{end}}{{if .HasExample}}

Examples:
{{.Example}}{{end}}{{if .HasAvailableLocalFlags}}

Flags:
{{.LocalFlags.FlagUsages | trimTrailingWhitespaces}}{{end}}{{if and .HasAvailableInheritedFlags (not (index .Annotations "offline"))}}

Flags of every command:
{{.InheritedFlags.FlagUsages | trimTrailingWhitespaces}}{{end}}{{if .HasAvailableSubCommands}}

{{.CommandPath}} COMMAND --help tells more about a command.{{end}}
`
