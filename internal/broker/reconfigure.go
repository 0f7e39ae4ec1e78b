package broker

import (
	"context"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/stromkafka/strom/internal/config"
	"github.com/stromkafka/strom/internal/metadata"
	"github.com/stromkafka/strom/internal/server"
)

// reconfigure carries out what a new image says about this node beyond its
// topics: the limits of connections. What topics inherit takes effect with their
// own configs, see topicConfig.
func (n *node) reconfigure(c *metadata.Change) {
	if !slices.ContainsFunc(c.Configs, n.concerns) {
		return
	}
	values, err := n.dynamicValues(c.To)
	if err != nil {
		n.log.Error("some of the dynamic configuration is not valid and not in force", "error", err)
	}
	for _, s := range []*server.Server{n.clients, n.controllers} {
		if s != nil {
			s.Limit(n.limits(values))
		}
	}
}

// limits are those of connections. A host that is overridden and has no address
// is left out and told.
func (n *node) limits(v *config.Values) server.Limits {
	limits := server.Limits{Connections: v.Int("max.connections"), PerIP: v.Int("max.connections.per.ip"),
		ByIP: map[netip.Addr]int{}, ByListener: map[string]int{}}
	for host, count := range v.HostCounts() {
		for _, addr := range n.addresses(host) {
			limits.ByIP[addr] = count
		}
	}
	for _, l := range n.config.Listeners {
		if name := "listener.name." + strings.ToLower(l.Name) + ".max.connections"; v.IsSet(name) {
			limits.ByListener[l.Name] = v.Int(name)
		}
	}
	return limits
}

// lookupPatience bounds the look-up of a host name.
const lookupPatience = 2 * time.Second

func (n *node) addresses(host string) []netip.Addr {
	if addr, err := netip.ParseAddr(host); err == nil {
		return []netip.Addr{addr.Unmap()}
	}
	ctx, cancel := context.WithTimeout(context.Background(), lookupPatience)
	defer cancel()
	all, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	if err != nil {
		n.log.Error("max.connections.per.ip.overrides names a host without an address", "host", host, "error", err)
	}
	for i := range all {
		all[i] = all[i].Unmap()
	}
	return all
}
