package cli_test

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/stromkafka/strom/internal/cli"
)

// strom runs a command line that must succeed and returns standard output.
func strom(t *testing.T, bootstrap, in string, args ...string) string {
	t.Helper()
	w := &world{in: in, env: map[string]string{"STROM_BOOTSTRAP": bootstrap}}
	if code := cli.New(cli.Programs{}, w.environment()).Run(t.Context(), args); code != 0 {
		t.Fatalf("strom %s: exit code %d\n%s", strings.Join(args, " "), code, w.err.String())
	}
	return w.out.String()
}

// writerFunc does what it wants with what is written.
type writerFunc func(p []byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

func TestConsumeUntilInterrupted(t *testing.T) {
	bootstrap := startBroker(t)
	strom(t, bootstrap, "", "topic", "create", "orders")
	strom(t, bootstrap, "one\n", "produce", "orders")

	ctx, interrupt := context.WithCancel(t.Context())
	w := &world{env: map[string]string{"STROM_BOOTSTRAP": bootstrap}}
	env := w.environment()
	env.Out = writerFunc(func(p []byte) (int, error) {
		interrupt()
		return w.out.Write(p)
	})
	code := cli.New(cli.Programs{}, env).Run(ctx, []string{"consume", "orders"})
	if code != 0 || w.out.String() != "one\n" || w.err.Len() > 0 {
		t.Fatalf("exit code %d, output %q, errors %q", code, w.out.String(), w.err.String())
	}
}

func TestConsumeIntoClosedPipe(t *testing.T) {
	bootstrap := startBroker(t)
	strom(t, bootstrap, "", "topic", "create", "orders")
	strom(t, bootstrap, "one\ntwo\n", "produce", "orders")

	w := &world{env: map[string]string{"STROM_BOOTSTRAP": bootstrap}}
	env := w.environment()
	env.Out = writerFunc(func([]byte) (int, error) { return 0, syscall.EPIPE })
	code := cli.New(cli.Programs{}, env).Run(t.Context(), []string{"consume", "orders"})
	if code != 0 || w.err.Len() > 0 {
		t.Fatalf("exit code %d, errors %q", code, w.err.String())
	}
}

// TestConsumeWaitsForNobody: reading ends when the pipe's reader has gone, even
// while there is nothing to write.
func TestConsumeWaitsForNobody(t *testing.T) {
	bootstrap := startBroker(t)
	strom(t, bootstrap, "", "topic", "create", "orders")
	w := &world{env: map[string]string{"STROM_BOOTSTRAP": bootstrap}}
	env := w.environment()
	closed := make(chan struct{})
	close(closed)
	env.OutClosed = func() <-chan struct{} { return closed }
	code := cli.New(cli.Programs{}, env).Run(t.Context(), []string{"consume", "orders"})
	if code != 0 || w.err.Len() > 0 {
		t.Fatalf("exit code %d, errors %q", code, w.err.String())
	}
}

// TestConsumeOfDeletedTopic ends when the topic that is read is deleted.
func TestConsumeOfDeletedTopic(t *testing.T) {
	bootstrap := startBroker(t)
	strom(t, bootstrap, "", "topic", "create", "orders")
	strom(t, bootstrap, "one\n", "produce", "orders")
	w := &world{env: map[string]string{"STROM_BOOTSTRAP": bootstrap}}
	env := w.environment()
	env.Out = writerFunc(func(p []byte) (int, error) {
		strom(t, bootstrap, "", "topic", "delete", "orders")
		return len(p), nil
	})
	code := cli.New(cli.Programs{}, env).Run(t.Context(), []string{"consume", "orders"})
	if code != 1 || !strings.Contains(w.err.String(), `topic "orders" was deleted`) {
		t.Fatalf("exit code %d, errors %q", code, w.err.String())
	}
}

// TestConsumeFollows reads records that are written while it reads.
func TestConsumeFollows(t *testing.T) {
	bootstrap := startBroker(t)
	strom(t, bootstrap, "", "topic", "create", "orders")
	strom(t, bootstrap, "old\nnew 0\n", "produce", "orders")

	w := &world{env: map[string]string{"STROM_BOOTSTRAP": bootstrap}}
	env := w.environment()
	next := 1
	env.Out = writerFunc(func(p []byte) (int, error) {
		strom(t, bootstrap, fmt.Sprintf("new %d\n", next), "produce", "orders")
		next++
		return w.out.Write(p)
	})
	code := cli.New(cli.Programs{}, env).Run(t.Context(), []string{"consume", "orders", "--from", "1", "-n", "3"})
	if want := "new 0\nnew 1\nnew 2\n"; code != 0 || w.out.String() != want {
		t.Fatalf("exit code %d, output %q, want %q, errors %q", code, w.out.String(), want, w.err.String())
	}
}

// TestCopyTopic holds the promise of `consume -o json | produce --input json`.
func TestCopyTopic(t *testing.T) {
	bootstrap := startBroker(t)
	strom(t, bootstrap, "", "topic", "create", "from", "to", "-p", "3")
	var in bytes.Buffer
	for i := range 500 {
		fmt.Fprintf(&in, "key%d=value %d\n", i, i)
	}
	strom(t, bootstrap, in.String(), "produce", "from", "--key-separator", "=", "-H", "h=1")
	copied := strom(t, bootstrap, "", "consume", "from", "-e", "-o", "json")
	strom(t, bootstrap, copied, "produce", "to", "--input", "json")

	layout := []string{"-e", "-f", `%p %k %v %T %h\n`}
	sorted := func(topic string) []string {
		out := strom(t, bootstrap, "", append([]string{"consume", topic}, layout...)...)
		return slices.Sorted(strings.Lines(out))
	}
	from, to := sorted("from"), sorted("to")
	if len(from) != 500 || !slices.Equal(from, to) {
		t.Fatalf("%d records became %d others", len(from), len(to))
	}
	tail := strom(t, bootstrap, "", "consume", "to", "-e", "--from", "-2")
	if n := strings.Count(tail, "\n"); n != 6 {
		t.Fatalf("the last 2 of each of 3 partitions are %d records", n)
	}
}

func TestProduceNamesTheLine(t *testing.T) {
	bootstrap := startBroker(t)
	strom(t, bootstrap, "", "topic", "create", "orders")
	long := strings.Repeat("x", 1500)
	for _, c := range []struct{ name, in, want string }{
		{"too large for the client", "one\n" + long + "\n", "line 2 was not written: its record is larger than is allowed"},
		{"too large to be read", "one\n" + long + long + "\n", "line 2: longer than 2048 bytes"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := &world{in: c.in, env: map[string]string{"STROM_BOOTSTRAP": bootstrap}}
			code := cli.New(cli.Programs{}, w.environment()).Run(t.Context(), []string{"produce", "orders", "--max-record-bytes", "1024"})
			if code != 1 || !strings.Contains(w.err.String(), c.want) || !strings.Contains(w.err.String(), "wrote 1 record ") {
				t.Fatalf("exit code %d, errors %q, want %q", code, w.err.String(), c.want)
			}
		})
	}
}
