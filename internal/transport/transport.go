// Package transport is how a node listens and dials: over TCP, or in memory for
// what runs in one process.
package transport

import (
	"context"
	"net"
	"time"
)

// Network makes and takes connections. An address is host:port for TCP and any
// string for a Pipe.
type Network interface {
	Listen(addr string) (net.Listener, error)
	Dial(ctx context.Context, addr string) (net.Conn, error)
}

// TCP is the operating system's TCP. Connections send what is written without
// delay and probe idle peers.
func TCP() Network { return tcp{} }

type tcp struct{}

// keepAlive finds peers that vanished without a word.
var keepAlive = net.KeepAliveConfig{Enable: true, Idle: time.Minute, Interval: 15 * time.Second, Count: 4}

func (tcp) Listen(addr string) (net.Listener, error) {
	config := net.ListenConfig{KeepAliveConfig: keepAlive}
	return config.Listen(context.Background(), "tcp", addr)
}

func (tcp) Dial(ctx context.Context, addr string) (net.Conn, error) {
	dialer := net.Dialer{KeepAliveConfig: keepAlive}
	return dialer.DialContext(ctx, "tcp", addr)
}
