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
