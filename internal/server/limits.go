package server

import (
	"context"
	"fmt"
	"net/netip"
	"sync"

	"github.com/stromkafka/strom/internal/notify"
)

// connections counts connections against max.connections and
// max.connections.per.ip.
type connections struct {
	max, maxPerIP int

	mu    sync.Mutex
	total int
	perIP map[netip.Addr]int
	fewer notify.Signal
}

// enter counts a connection. Beyond the limit for one address it is an error;
// beyond the limit for all it waits until another ends, as Kafka does, unless the
// listener is internal: nodes are never kept waiting by clients.
func (c *connections) enter(ctx context.Context, addr netip.Addr, internal bool) error {
	for {
		fewer := c.fewer.Wait()
		full, err := c.tryEnter(addr, internal)
		if err != nil || !full {
			return err
		}
		select {
		case <-fewer:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (c *connections) tryEnter(addr netip.Addr, internal bool) (full bool, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.total >= c.max && !internal {
		return true, nil
	}
	if addr.IsValid() {
		if c.perIP[addr] >= c.maxPerIP {
			return false, fmt.Errorf("more than %d connections from %v", c.maxPerIP, addr)
		}
		c.perIP[addr]++
	}
	c.total++
	return false, nil
}

func (c *connections) leave(addr netip.Addr) {
	c.mu.Lock()
	c.total--
	if addr.IsValid() {
		if c.perIP[addr]--; c.perIP[addr] == 0 {
			delete(c.perIP, addr)
		}
	}
	c.mu.Unlock()
	c.fewer.Notify()
}
