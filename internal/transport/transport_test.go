package transport

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// dialed is both ends of a connection over a network.
func dialed(t *testing.T, n Network, addr string) (client, server net.Conn) {
	t.Helper()
	l, err := n.Listen(addr)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	client, err = n.Dial(t.Context(), l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	server, err = l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	return client, server
}

func TestNetworksCarryBytes(t *testing.T) {
	for name, n := range map[string]Network{"tcp": TCP(), "pipe": NewPipe()} {
		t.Run(name, func(t *testing.T) {
			client, server := dialed(t, n, "127.0.0.1:0")
			defer server.Close()
			data := make([]byte, 3<<20)
			for i := range data {
				data[i] = byte(i >> 5)
			}
			go func() {
				client.Write(data)
				client.Close()
			}()
			got, err := io.ReadAll(server)
			if err != nil || !bytes.Equal(got, data) {
				t.Fatalf("read %d bytes, %v", len(got), err)
			}
			if client.LocalAddr().String() != server.RemoteAddr().String() {
				t.Fatalf("addresses differ: %v, %v", client.LocalAddr(), server.RemoteAddr())
			}
		})
	}
}

func TestNobodyListens(t *testing.T) {
	for name, n := range map[string]Network{"tcp": TCP(), "pipe": NewPipe()} {
		t.Run(name, func(t *testing.T) {
			l, err := n.Listen("127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			addr := l.Addr().String()
			if _, err := n.Listen(addr); !errors.Is(err, syscall.EADDRINUSE) {
				t.Fatalf("second listener: %v", err)
			}
			l.Close()
			if _, err := l.Accept(); !errors.Is(err, net.ErrClosed) {
				t.Fatalf("accept after close: %v", err)
			}
			if _, err := n.Dial(t.Context(), addr); !errors.Is(err, syscall.ECONNREFUSED) {
				t.Fatalf("dial: %v", err)
			}
		})
	}
}

func TestPipeHoldsBytes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, server := dialed(t, NewPipe(), "a")
		if n, err := client.Write(make([]byte, streamBound)); n != streamBound || err != nil {
			t.Fatalf("wrote %d, %v with nobody reading", n, err)
		}
		client.SetWriteDeadline(time.Now().Add(time.Second))
		if n, err := client.Write([]byte("more")); n != 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatalf("wrote %d, %v into a full pipe", n, err)
		}
		client.SetWriteDeadline(time.Time{})
		done := make(chan error, 1)
		go func() {
			_, err := client.Write([]byte("more"))
			done <- err
		}()
		synctest.Wait()
		if n, err := io.ReadFull(server, make([]byte, streamBound+4)); err != nil {
			t.Fatalf("read %d, %v", n, err)
		}
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		server.Close()
		if _, err := client.Write([]byte("x")); !errors.Is(err, syscall.EPIPE) {
			t.Fatalf("write to a closed peer: %v", err)
		}
		if _, err := client.Read(make([]byte, 1)); err != io.EOF {
			t.Fatalf("read from a closed peer: %v", err)
		}
		client.Close()
		if _, err := client.Read(make([]byte, 1)); !errors.Is(err, net.ErrClosed) {
			t.Fatalf("read from a closed connection: %v", err)
		}
	})
}

func TestPipeDeadlines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, server := dialed(t, NewPipe(), "a")
		defer client.Close()
		defer server.Close()
		start := time.Now()
		client.SetReadDeadline(start.Add(time.Second))
		time.AfterFunc(500*time.Millisecond, func() { client.SetReadDeadline(start.Add(3 * time.Second)) })
		if _, err := client.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(start) != 3*time.Second {
			t.Fatalf("%v after %v", err, time.Since(start))
		}
		client.SetReadDeadline(time.Now().Add(time.Hour))
		time.AfterFunc(time.Second, func() { client.SetReadDeadline(time.Unix(0, 1)) })
		if _, err := client.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(start) != 4*time.Second {
			t.Fatalf("%v after %v", err, time.Since(start))
		}
		client.SetReadDeadline(time.Time{})
		server.Write([]byte("x"))
		if n, err := client.Read(make([]byte, 1)); n != 1 || err != nil {
			t.Fatalf("after the deadline was lifted: %d, %v", n, err)
		}
	})
}

func TestPipeBacklogIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := NewPipe()
		l, err := p.Listen("a")
		if err != nil {
			t.Fatal(err)
		}
		var waiting []net.Conn
		for range backlog {
			conn, err := p.Dial(t.Context(), "a")
			if err != nil {
				t.Fatal(err)
			}
			waiting = append(waiting, conn)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := p.Dial(ctx, "a"); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("dial into a full backlog: %v", err)
		}
		l.Close()
		for _, conn := range waiting {
			if _, err := conn.Read(make([]byte, 1)); err != io.EOF {
				t.Fatalf("a connection nobody accepted: %v", err)
			}
			conn.Close()
		}
	})
}

// TestPipeKeepsOrder writes and reads pieces of random sizes at once.
func TestPipeKeepsOrder(t *testing.T) {
	for seed := range uint64(20) {
		client, server := dialed(t, NewPipe(), "a")
		const total = 2 << 20
		go func() {
			rng := rand.New(rand.NewPCG(seed, 1))
			for sent := 0; sent < total; {
				p := make([]byte, min(total-sent, 1+rng.IntN(80<<10)))
				for i := range p {
					p[i] = byte((sent + i) * 31 >> 4)
				}
				client.Write(p)
				sent += len(p)
			}
			client.Close()
		}()
		rng, p := rand.New(rand.NewPCG(seed, 2)), make([]byte, 100<<10)
		for at := 0; ; {
			n, err := server.Read(p[:1+rng.IntN(len(p)-1)])
			for i := range n {
				if p[i] != byte((at+i)*31>>4) {
					t.Fatalf("seed %d: wrong byte at %d", seed, at+i)
				}
			}
			if at += n; err != nil {
				if err != io.EOF || at != total {
					t.Fatalf("seed %d: %v at %d", seed, err, at)
				}
				break
			}
		}
		server.Close()
	}
}
