package cli_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"
	"github.com/stromkafka/strom/internal/cli"
)

// now is the time in every test: long after the time that a broker gives records
// by the real clock, so that those of the tests are the later ones.
var now = time.Date(2126, 11, 24, 10, 30, 0, 0, time.UTC)

// world is an environment whose output is kept.
type world struct {
	in       string
	terminal bool
	env      map[string]string
	out, err bytes.Buffer
}

func (w *world) environment() cli.Environment {
	return cli.Environment{
		In: strings.NewReader(w.in), Out: &w.out, Err: &w.err,
		Getenv:      func(name string) string { return w.env[name] },
		Now:         func() time.Time { return now },
		Dial:        (&net.Dialer{}).DialContext,
		OutTerminal: w.terminal, ErrTerminal: w.terminal,
	}
}

// programs records what start and storage were told.
func programs(out io.Writer) cli.Programs {
	return cli.Programs{
		Version: "1.2.3",
		Start:   func(_ context.Context, o cli.StartOptions) error { return told(out, "start", o) },
		Storage: cli.Storage{
			Format: func(_ context.Context, o cli.FormatOptions, w io.Writer) error { return told(w, "format", o) },
			Info:   func(_ context.Context, o cli.InfoOptions, w io.Writer) error { return told(w, "info", o) },
			VersionMapping: func(_ context.Context, o cli.VersionMappingOptions, w io.Writer) error {
				return told(w, "version-mapping", o)
			},
			FeatureDependencies: func(_ context.Context, o cli.FeatureDependenciesOptions, w io.Writer) error {
				return told(w, "feature-dependencies", o)
			},
		},
	}
}

func told(w io.Writer, name string, options any) error {
	_, err := fmt.Fprintf(w, "%s %+v\n", name, options)
	return err
}

// TestCommands runs the command lines in testdata against a broker of their
// own. In each case the first line is a command line, the others are standard
// input; the answer is standard output, standard error after "stderr:", and the
// exit code when it is not 0. What differs from run to run is replaced.
//
// The directive `terminal` runs the line as if on a terminal; escape codes are
// shown as ␛.
func TestCommands(t *testing.T) {
	datadriven.Walk(t, "testdata/commands", func(t *testing.T, path string) {
		bootstrap := startBroker(t)
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			line, input, _ := strings.Cut(d.Input, "\n")
			if input != "" {
				input += "\n"
			}
			args := words(t, line)
			if len(args) == 0 || args[0] != "strom" {
				t.Fatalf("%s: a command line begins with strom: %q", d.Pos, line)
			}
			w := &world{in: input, terminal: d.Cmd == "terminal", env: map[string]string{"STROM_BOOTSTRAP": bootstrap}}
			code := cli.New(programs(&w.out), w.environment()).Run(t.Context(), args[1:])
			return strings.ReplaceAll(w.result(code), bootstrap, "BROKER")
		})
	})
}

func (w *world) result(code int) string {
	var b strings.Builder
	b.WriteString(w.out.String())
	if w.err.Len() > 0 {
		b.WriteString("stderr:\n" + w.err.String())
	}
	if code != 0 {
		fmt.Fprintf(&b, "exit code %d\n", code)
	}
	return steady(b.String())
}

var unsteady = []struct {
	pattern *regexp.Regexp
	instead string
}{
	{regexp.MustCompile(`(?m)(^|\bid |"id": ")[A-Za-z0-9_-]{22}\b`), "${1}ID"},
	{regexp.MustCompile(`go1\.[0-9.]+`), "GO"},
	{regexp.MustCompile(`"platform": "[^"]*"|linux/amd64|linux/arm64|darwin/arm64`), "PLATFORM"},
	{regexp.MustCompile("\x1b"), "␛"},
	{regexp.MustCompile("(?m)^$"), "·"}, // datadriven would take an empty line for the end
}

func steady(s string) string {
	if s = strings.TrimSuffix(s, "\n"); s == "" {
		return "(nothing)\n"
	}
	for _, u := range unsteady {
		s = u.pattern.ReplaceAllString(s, u.instead)
	}
	return s + "\n"
}

// words splits a command line at blanks; '...' holds blanks and anything else.
func words(t *testing.T, line string) []string {
	var out []string
	for line = strings.TrimLeft(line, " "); line != ""; line = strings.TrimLeft(line, " ") {
		var word strings.Builder
		for line != "" && line[0] != ' ' {
			if line[0] != '\'' {
				word.WriteByte(line[0])
				line = line[1:]
				continue
			}
			end := strings.IndexByte(line[1:], '\'')
			if end < 0 {
				t.Fatalf("a quote is open in %q", line)
			}
			word.WriteString(line[1 : 1+end])
			line = line[end+2:]
		}
		out = append(out, word.String())
	}
	return out
}
