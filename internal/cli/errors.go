package cli

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
)

// A failure is an error written for a person: what is wrong, and what to do
// about it when that is known.
type failure struct {
	what string
	fix  string
	err  error
}

func (f *failure) Error() string { return f.what }
func (f *failure) Unwrap() error { return f.err }

func fail(err error, format string, args ...any) *failure {
	return &failure{what: fmt.Sprintf(format, args...), err: err}
}

func (f *failure) withFix(format string, args ...any) *failure {
	f.fix = fmt.Sprintf(format, args...)
	return f
}

// A usageError is a command line that makes no sense: exit code 2.
type usageError struct {
	cmd  *cobra.Command
	what string
	fix  string
}

func (u *usageError) Error() string { return u.what }

func usage(cmd *cobra.Command, format string, args ...any) *usageError {
	return &usageError{cmd: cmd, what: fmt.Sprintf(format, args...)}
}

// isBrokenPipe reports whether nobody reads standard output any more, as after
// `| head`: a reason to stop, and nothing to complain about.
func isBrokenPipe(err error) bool {
	return errors.Is(err, syscall.EPIPE) || errors.Is(err, io.ErrClosedPipe)
}

// printError writes each failure in err as one paragraph: `strom: what`, then
// the fix, indented.
func (c *CLI) printError(err error) {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		for _, e := range joined.Unwrap() {
			c.printError(e)
		}
		return
	}
	style := c.errStyle()
	fmt.Fprintf(c.env.Err, "%s %s\n", style.bad("strom:"), err.Error())
	if fix := fixOf(err); fix != "" {
		fmt.Fprintf(c.env.Err, "  %s\n", strings.ReplaceAll(fix, "\n", "\n  "))
	}
}

func fixOf(err error) string {
	var u *usageError
	var f *failure
	switch {
	case errors.As(err, &u) && u.fix != "":
		return u.fix
	case errors.As(err, &u):
		return fmt.Sprintf("`%s --help` tells how it is used", u.cmd.CommandPath())
	case errors.As(err, &f):
		return f.fix
	}
	return ""
}

// atLeast and exactly are cobra's argument checks with words that name what is
// missing.
func atLeast(n int, what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) < n {
			return usage(cmd, "`%s` needs %s", cmd.CommandPath(), what)
		}
		return nil
	}
}

func exactly(n int, what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) == n {
			return nil
		}
		if len(args) > n {
			return usage(cmd, "`%s` takes %s and nothing else: %q is too much", cmd.CommandPath(), what, args[n])
		}
		return usage(cmd, "`%s` needs %s", cmd.CommandPath(), what)
	}
}

func nothing(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usage(cmd, "`%s` takes no arguments: %q is too much", cmd.CommandPath(), args[0])
	}
	return nil
}
