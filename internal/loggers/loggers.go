// Package loggers is the loggers of a node, one for each part of it, and their
// levels, which can be changed while the node runs (KIP-412). A change lasts until
// the node ends.
package loggers

import (
	"cmp"
	"context"
	"log/slog"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"

	"github.com/stromkafka/strom/internal/kerr"
	"github.com/stromkafka/strom/internal/model"
)

// Root is the name of what all loggers without a level of their own follow.
const Root = "root"

// levels are the names of Kafka's levels, the lowest first.
var levels = []struct {
	name  string
	level slog.Level
}{
	{"TRACE", slog.LevelDebug - 4}, {"DEBUG", slog.LevelDebug}, {"INFO", slog.LevelInfo},
	{"WARN", slog.LevelWarn}, {"ERROR", slog.LevelError}, {"FATAL", slog.LevelError + 4},
}

// Set is the loggers of a node.
type Set struct {
	node model.NodeID
	out  slog.Handler
	root slog.LevelVar

	mu    sync.Mutex
	named map[string]*level
}

// level is that of one logger, nil as long as it follows the root.
type level struct{ own atomic.Pointer[slog.Level] }

// New has no logger but the root, which writes what log writes.
func New(node model.NodeID, log *slog.Logger) *Set {
	s := &Set{node: node, out: log.Handler(), named: map[string]*level{}}
	s.root.Set(levels[len(levels)-1].level)
	for _, l := range slices.Backward(levels) {
		if s.out.Enabled(context.Background(), l.level) {
			s.root.Set(l.level)
		}
	}
	return s
}

// Logger is the logger of that name. Its lines carry the name.
func (s *Set) Logger(name string) *slog.Logger {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.named[name] == nil {
		s.named[name] = &level{}
	}
	return slog.New(&handler{out: s.out, root: &s.root, level: s.named[name]}).With("logger", name)
}

// handler writes what is at the level of its logger or above.
type handler struct {
	out   slog.Handler
	root  *slog.LevelVar
	level *level
}

// Enabled implements slog.Handler.
func (h *handler) Enabled(_ context.Context, l slog.Level) bool {
	if own := h.level.own.Load(); own != nil {
		return l >= *own
	}
	return l >= h.root.Level()
}

// Handle implements slog.Handler.
func (h *handler) Handle(ctx context.Context, r slog.Record) error { return h.out.Handle(ctx, r) }

// WithAttrs implements slog.Handler.
func (h *handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &handler{h.out.WithAttrs(attrs), h.root, h.level}
}

// WithGroup implements slog.Handler.
func (h *handler) WithGroup(name string) slog.Handler {
	return &handler{h.out.WithGroup(name), h.root, h.level}
}

// Level is a logger and the level it writes at.
type Level struct{ Logger, Level string }

// Levels lists every logger in name order.
func (s *Set) Levels() []Level {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := []Level{{Root, levelName(s.root.Level())}}
	for name, l := range s.named {
		at := s.root.Level()
		if own := l.own.Load(); own != nil {
			at = *own
		}
		all = append(all, Level{name, levelName(at)})
	}
	slices.SortFunc(all, func(a, b Level) int { return cmp.Compare(a.Logger, b.Logger) })
	return all
}

func levelName(at slog.Level) string {
	for _, l := range levels {
		if at <= l.level {
			return l.name
		}
	}
	return levels[len(levels)-1].name
}

// Change is one operation on one logger: 0 sets its level, 1 lets it follow the
// root. The other operations of IncrementalAlterConfigs are not for loggers.
type Change struct {
	Logger string
	Op     int8
	Level  string
}

const (
	set    int8 = 0
	follow int8 = 1
)

// Alter changes levels of the node whose id node is: all that are named, or none.
// The error is the client's. validateOnly changes nothing.
func (s *Set) Alter(node string, changes []Change, validateOnly bool) error {
	switch id, err := strconv.ParseInt(node, 10, 32); {
	case err != nil:
		return kerr.InvalidRequest.With("Node id must be an integer, but it is: %s", node)
	case model.NodeID(id) != s.node:
		return kerr.InvalidRequest.With("Unexpected node id. Expected %d, but received %d", s.node, id)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range changes {
		if err := s.check(c); err != nil {
			return err
		}
	}
	if validateOnly {
		return nil
	}
	for _, c := range changes {
		switch l := s.named[c.Logger]; {
		case c.Op == follow:
			l.own.Store(nil)
		case c.Logger == Root:
			s.root.Set(*parse(c.Level))
		default:
			l.own.Store(parse(c.Level))
		}
	}
	return nil
}

func (s *Set) check(c Change) error {
	switch c.Op {
	case set, follow:
	case 2:
		return kerr.InvalidRequest.With("APPEND operation is not allowed for the BROKER_LOGGER resource")
	case 3:
		return kerr.InvalidRequest.With("SUBTRACT operation is not allowed for the BROKER_LOGGER resource")
	default:
		return kerr.InvalidRequest.With("Unknown operation type %d is not allowed for the BROKER_LOGGER resource", c.Op)
	}
	switch {
	case c.Logger != Root && s.named[c.Logger] == nil:
		return kerr.InvalidConfig.With("Logger %s does not exist!", c.Logger)
	case c.Op == set && parse(c.Level) == nil:
		return kerr.InvalidConfig.With("Cannot set the log level of %s to %s as it is not a supported log level. "+
			"Valid log levels are DEBUG, ERROR, FATAL, INFO, TRACE, WARN", c.Logger, c.Level)
	case c.Op == follow && c.Logger == Root:
		return kerr.InvalidRequest.With("Removing the log level of the root logger is not allowed")
	}
	return nil
}

// parse is the level of a name, nil if there is none.
func parse(name string) *slog.Level {
	for _, l := range levels {
		if l.name == name {
			return &l.level
		}
	}
	return nil
}
