package loggers

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"

	"github.com/stromkafka/strom/internal/kerr"
)

func levelsOf(s *Set) string {
	var all []string
	for _, l := range s.Levels() {
		all = append(all, l.Logger+"="+l.Level)
	}
	return strings.Join(all, " ")
}

// TestLevels: a logger follows the root until it has a level of its own, whatever
// the handler below would let through.
func TestLevels(t *testing.T) {
	var out bytes.Buffer
	s := New(7, slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelWarn})))
	server, quorum := s.Logger("server").With("a", 1), s.Logger("quorum").WithGroup("g")
	writes := func(log *slog.Logger, level slog.Level, want bool) {
		t.Helper()
		out.Reset()
		log.Log(t.Context(), level, "line")
		if (out.Len() > 0) != want {
			t.Errorf("at %v: wrote %q", level, out.String())
		}
	}
	alter := func(c Change) {
		t.Helper()
		if err := s.Alter("7", []Change{c}, false); err != nil {
			t.Fatal(err)
		}
	}
	writes(server, slog.LevelInfo, false)
	writes(server, slog.LevelWarn, true)
	alter(Change{"server", set, "TRACE"})
	writes(server, slog.LevelDebug-4, true)
	if !strings.Contains(out.String(), "logger=server a=1") {
		t.Errorf("the line does not say whose it is: %s", out.String())
	}
	writes(quorum, slog.LevelInfo, false)
	alter(Change{Root, set, "INFO"})
	writes(quorum, slog.LevelInfo, true)
	alter(Change{"server", set, "FATAL"})
	writes(server, slog.LevelError, false)
	if got := levelsOf(s); got != "quorum=INFO root=INFO server=FATAL" {
		t.Error(got)
	}
	alter(Change{"server", follow, ""})
	writes(server, slog.LevelInfo, true)
}

// TestRefused has the errors of Apache Kafka's RuntimeLoggerManager; a request
// with one of them changes nothing.
func TestRefused(t *testing.T) {
	s := New(7, slog.New(slog.DiscardHandler))
	s.Logger("server")
	before := levelsOf(s)
	for _, c := range []struct {
		change Change
		want   *kerr.Error
		text   string
	}{
		{Change{"gone", set, "INFO"}, kerr.InvalidConfig, "Logger gone does not exist!"},
		{Change{"server", set, "info"}, kerr.InvalidConfig, "Cannot set the log level of server to info as it is not a supported log level. Valid log levels are DEBUG, ERROR, FATAL, INFO, TRACE, WARN"},
		{Change{Root, follow, ""}, kerr.InvalidRequest, "Removing the log level of the root logger is not allowed"},
		{Change{"server", 2, "INFO"}, kerr.InvalidRequest, "APPEND operation is not allowed for the BROKER_LOGGER resource"},
		{Change{"server", 3, "INFO"}, kerr.InvalidRequest, "SUBTRACT operation is not allowed for the BROKER_LOGGER resource"},
		{Change{"server", 9, "INFO"}, kerr.InvalidRequest, "Unknown operation type 9 is not allowed for the BROKER_LOGGER resource"},
	} {
		err := s.Alter("7", []Change{{"server", set, "TRACE"}, c.change}, false)
		if !errors.Is(err, c.want) || *kerr.Message(err) != c.text {
			t.Errorf("%+v: %v", c.change, err)
		}
	}
	if err := s.Alter("7", []Change{{"server", set, "TRACE"}}, true); err != nil {
		t.Error(err)
	}
	for node, want := range map[string]string{"x": "Node id must be an integer, but it is: x", "8": "Unexpected node id. Expected 7, but received 8"} {
		if err := s.Alter(node, []Change{{"server", set, "TRACE"}}, false); !errors.Is(err, kerr.InvalidRequest) || *kerr.Message(err) != want {
			t.Errorf("node %s: %v", node, err)
		}
	}
	if after := levelsOf(s); after != before {
		t.Errorf("%s became %s", before, after)
	}
}
