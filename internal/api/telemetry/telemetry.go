// Package telemetry has the handlers of client telemetry (KIP-714), a file each.
// They are served where this node has a place to send what clients measure to.
package telemetry

import (
	"context"
	"net"
	"sync"

	"github.com/stromkafka/strom/internal/metadata"
	"github.com/stromkafka/strom/internal/server"
	"github.com/stromkafka/strom/internal/telemetry"
)

// Receiver takes what a client has pushed.
type Receiver interface {
	// Receive takes metrics as OpenTelemetry's MetricsData. It does not wait, and
	// does not keep them.
	Receive(from Sender, metrics []byte) error
}

// Sender is who pushed metrics, as attributes that its metrics are given.
type Sender map[string]string

// Clients are the clients that telemetry is known of, shared by both handlers.
type Clients struct {
	image func() *metadata.Image

	mu        sync.Mutex
	instances *telemetry.Instances
}

// NewClients knows no client yet. image is the newest that this node acts on.
func NewClients(cfg telemetry.Config, image func() *metadata.Image) *Clients {
	return &Clients{image: image, instances: telemetry.New(cfg)}
}

// do runs f on the instances, which follow the newest image. f reports whether
// the request's connection was introduced by it: then its end is told.
func (c *Clients) do(ctx context.Context, r *server.Request, f func(*telemetry.Instances) (introduced bool)) {
	img := c.image()
	c.mu.Lock()
	c.instances.Follow(img)
	introduced := f(c.instances)
	c.mu.Unlock()
	if introduced {
		context.AfterFunc(ctx, func() {
			c.mu.Lock()
			defer c.mu.Unlock()
			c.instances.Disconnected(r.ConnectionID)
		})
	}
}

func client(r *server.Request) telemetry.Client {
	c := telemetry.Client{ID: r.Header.ClientID, SoftwareName: r.Software.Name, SoftwareVersion: r.Software.Version, Connection: r.ConnectionID}
	c.Address, c.Port = r.ClientHost, r.ClientPort
	if host, port, err := net.SplitHostPort(r.ClientHost); err == nil {
		c.Address, c.Port = host, port
	}
	return c
}
