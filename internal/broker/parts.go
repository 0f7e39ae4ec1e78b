package broker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
)

// parts are the long-lived things of a node. They start in order and stop in
// the reverse order, each only after all that were started later have ended:
// the listeners before the partitions, the partitions before the metadata log.
type parts struct {
	log     *slog.Logger
	running []*part

	alive context.Context // ends, with the reason as its cause, when a part ends by itself
	fail  context.CancelCauseFunc
}

type part struct {
	name   string
	cancel context.CancelFunc
	done   chan struct{}
	err    error
}

// newParts has no parts yet; ctx is when the node is to stop.
func newParts(ctx context.Context, log *slog.Logger) *parts {
	p := &parts{log: log}
	p.alive, p.fail = context.WithCancelCause(ctx)
	return p
}

// start runs a part until it is stopped. A part that ends before that has
// failed, with an error or without. The result is closed when it has ended.
func (p *parts) start(ctx context.Context, name string, run func(ctx context.Context) error) (done <-chan struct{}) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	one := &part{name: name, cancel: cancel, done: make(chan struct{})}
	p.running = append(p.running, one)
	go func() {
		defer close(one.done)
		one.err = run(ctx)
		if errors.Is(one.err, context.Canceled) && ctx.Err() != nil {
			one.err = nil
		}
		if ctx.Err() != nil {
			return
		}
		err := fmt.Errorf("%s ended", name)
		if one.err != nil {
			err = fmt.Errorf("%s: %w", name, one.err)
		}
		p.fail(err)
	}()
	return one.done
}

// stop ends the parts that are still running, the last started first, and
// returns what went wrong while they stopped.
func (p *parts) stop() error {
	p.fail(nil) // frees the context; what failed before stays its cause
	var all []error
	for i := len(p.running) - 1; i >= 0; i-- {
		one := p.running[i]
		one.cancel()
		<-one.done
		if one.err != nil {
			all = append(all, fmt.Errorf("stopping %s: %w", one.name, one.err))
		}
		p.log.Debug("stopped", "part", one.name)
	}
	p.running = nil
	return errors.Join(all...)
}
