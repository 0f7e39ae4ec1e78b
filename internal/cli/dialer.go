package cli

import (
	"context"
	"net"
	"slices"
	"sync"
)

// A dialer tells the person about brokers that cannot be reached, once for each
// until it can be again: the client tries on without a word, and an advertised
// address that does not work from here is the commonest thing to be wrong.
type dialer struct {
	dial  func(ctx context.Context, network, addr string) (net.Conn, error)
	note  func(format string, args ...any)
	seeds []string // the first connection to these is reported by connect

	mu      sync.Mutex
	brokers map[string]reach
}

type reach int

const (
	untried reach = iota
	reached
	noted // unreachable, and the person knows
)

func (c *CLI) dialer(seeds []string) *dialer {
	return &dialer{dial: c.env.Dial, note: c.note, seeds: seeds, brokers: map[string]reach{}}
}

// Dial is what kgo.Dialer takes.
func (d *dialer) Dial(ctx context.Context, network, addr string) (net.Conn, error) {
	conn, err := d.dial(ctx, network, addr)
	if err != nil && ctx.Err() != nil {
		return nil, err // given up, which says nothing about the broker
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	before := d.brokers[addr]
	switch {
	case err == nil && before == noted:
		d.note("%s answers again", addr)
	case err != nil && before == reached:
		d.note("lost the connection to %s (%s); trying again", addr, reason(err))
	case err != nil && before == untried && !slices.Contains(d.seeds, addr):
		d.note("a broker says it is at %s, which cannot be reached (%s).\n  If it is running, its advertised.listeners must name an address that works from here.", addr, reason(err))
	case err != nil:
		return nil, err
	}
	if d.brokers[addr] = reached; err != nil {
		d.brokers[addr] = noted
	}
	return conn, err
}
