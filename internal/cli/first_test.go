package cli_test

import (
	"strings"
	"testing"

	"github.com/stromkafka/strom/internal/cli"
	"github.com/stromkafka/strom/stromtest"
)

// The first lines of README, on a broker that has no topic yet.
func TestFirstLines(t *testing.T) {
	b := stromtest.Start(t, stromtest.Options{})
	strom(t, b.Bootstrap(), "hello, strom\n", "produce", "greetings", "-q")
	if got := strom(t, b.Bootstrap(), "", "consume", "greetings", "--from", "beginning", "--exit-at-end"); got != "hello, strom\n" {
		t.Errorf("read %q", got)
	}
}

// A group goes on where it was, and its offsets can be moved.
func TestGroupOnStrom(t *testing.T) {
	b := stromtest.Start(t, stromtest.Options{Config: map[string]string{"group.initial.rebalance.delay.ms": "0"}})
	consume := func(most, want string) {
		t.Helper()
		if got := strom(t, b.Bootstrap(), "", "consume", "greetings", "--group", "g", "-n", most); got != want {
			t.Errorf("read %q, want %q", got, want)
		}
	}
	strom(t, b.Bootstrap(), "one\ntwo\nthree\n", "produce", "greetings", "-q")
	consume("2", "one\ntwo\n")
	consume("1", "three\n")
	strom(t, b.Bootstrap(), "", "group", "reset-offsets", "g", "--to", "1", "--execute")
	consume("2", "two\nthree\n")
	if got := strom(t, b.Bootstrap(), "", "group", "describe", "g"); !strings.Contains(got, "greetings          0          3    3    0  -") {
		t.Errorf("described as:\n%s", got)
	}
	if got := strom(t, b.Bootstrap(), "", "group", "delete", "g"); got != "deleted g\n" {
		t.Errorf("deleted: %q", got)
	}
}

// A partition that the new topic does not have is named.
func TestProduceMakesTheTopicFirst(t *testing.T) {
	b := stromtest.Start(t, stromtest.Options{Config: map[string]string{"num.partitions": "3"}})
	strom(t, b.Bootstrap(), "hello\n", "produce", "greetings", "-p", "2", "-q")
	w := &world{in: "hello\n"}
	if code := w.run(t, b.Bootstrap(), "produce", "others", "-p", "3"); code != 1 || !strings.Contains(w.err.String(), "Its partitions are 0 to 2.") {
		t.Errorf("exit code %d: %s", code, w.err.String())
	}
}

// A cluster that makes no topics by itself says what to do.
func TestProduceToAMissingTopic(t *testing.T) {
	b := stromtest.Start(t, stromtest.Options{Config: map[string]string{"auto.create.topics.enable": "false"}})
	w := &world{in: "hello\n"}
	if code := w.run(t, b.Bootstrap(), "produce", "greetings"); code != 1 || !strings.Contains(w.err.String(), "strom topic create greetings") {
		t.Errorf("exit code %d: %s", code, w.err.String())
	}
}

// run runs a command line and returns its exit code.
func (w *world) run(t *testing.T, bootstrap string, args ...string) int {
	t.Helper()
	w.env = map[string]string{"STROM_BOOTSTRAP": bootstrap}
	return cli.New(cli.Programs{}, w.environment()).Run(t.Context(), args)
}
