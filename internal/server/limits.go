package server

import (
	"context"
	"fmt"
	"math"
	"net/netip"
	"sync"

	"github.com/stromkafka/strom/internal/notify"
)

// Limits bound how many connections there are. The zero Limits bound nothing.
type Limits struct {
	Connections int                // max.connections
	PerIP       int                // max.connections.per.ip
	ByIP        map[netip.Addr]int // max.connections.per.ip.overrides; may be 0
	ByListener  map[string]int     // listener.name.NAME.max.connections
}

// of is the limit for one address.
func (l *Limits) of(addr netip.Addr) int {
	if n, ok := l.ByIP[addr]; ok {
		return n
	}
	return unlimited(l.PerIP)
}

func unlimited(n int) int {
	if n == 0 {
		return math.MaxInt
	}
	return n
}

// connections counts connections against Limits, which may change.
type connections struct {
	mu         sync.Mutex
	limits     Limits
	total      int
	perIP      map[netip.Addr]int
	byListener map[string]int
	fewer      notify.Signal // or a limit has changed
}

func newConnections(limits Limits) *connections {
	return &connections{limits: limits, perIP: map[netip.Addr]int{}, byListener: map[string]int{}}
}

// change sets other limits. Connections that are beyond them stay.
func (c *connections) change(limits Limits) {
	c.mu.Lock()
	c.limits = limits
	c.mu.Unlock()
	c.fewer.Notify()
}

// enter counts a connection. Beyond the limit for one address it is an error;
// beyond the limit for all, or for its listener, it waits until another ends, as
// Kafka does, unless the listener is internal: nodes are never kept waiting by
// clients.
func (c *connections) enter(ctx context.Context, addr netip.Addr, l *Listener) error {
	for {
		fewer := c.fewer.Wait()
		full, err := c.tryEnter(addr, l)
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

func (c *connections) tryEnter(addr netip.Addr, l *Listener) (full bool, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !l.Internal && (c.total >= unlimited(c.limits.Connections) || c.byListener[l.Name] >= unlimited(c.limits.ByListener[l.Name])) {
		return true, nil
	}
	if addr.IsValid() {
		if limit := c.limits.of(addr); c.perIP[addr] >= limit {
			return false, fmt.Errorf("more than %d connections from %v", limit, addr)
		}
		c.perIP[addr]++
	}
	c.total++
	c.byListener[l.Name]++
	return false, nil
}

func (c *connections) leave(addr netip.Addr, l *Listener) {
	c.mu.Lock()
	c.total--
	c.byListener[l.Name]--
	if addr.IsValid() {
		if c.perIP[addr]--; c.perIP[addr] == 0 {
			delete(c.perIP, addr)
		}
	}
	c.mu.Unlock()
	c.fewer.Notify()
}
