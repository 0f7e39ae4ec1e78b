package cli

import (
	"bytes"
	"context"
	"io"
	"net"
	"strings"
	"syscall"
	"testing"
	"time"
)

// dialTo connects to a server that runs on the other end of a pipe.
func dialTo(serve func(net.Conn)) func(context.Context, string, string) (net.Conn, error) {
	return func(context.Context, string, string) (net.Conn, error) {
		client, server := net.Pipe()
		go func() {
			defer server.Close()
			serve(server)
		}()
		return client, nil
	}
}

// answer reads something and says what no broker would.
func answer(text string) func(net.Conn) {
	return func(c net.Conn) {
		if _, err := c.Read(make([]byte, 4096)); err == nil {
			_, _ = io.WriteString(c, text)
		}
	}
}

func refuse(err error) func(context.Context, string, string) (net.Conn, error) {
	return func(context.Context, string, string) (net.Conn, error) {
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: err}
	}
}

// TestUnreachable names the fix for each way in which a first connection fails.
func TestUnreachable(t *testing.T) {
	for _, c := range []struct {
		name string
		dial func(context.Context, string, string) (net.Conn, error)
		want string
	}{
		{"nobody listens", refuse(syscall.ECONNREFUSED), "strom start"},
		{"no such host", refuse(&net.DNSError{Name: "nowhere", IsNotFound: true}), "there is no host nowhere"},
		{"no route", refuse(syscall.EHOSTUNREACH), "no route to host"},
		{"tls alert", dialTo(answer("\x15\x03\x03\x00\x02\x02\x16")), "TLS"},
		{"closes", dialTo(answer("")), "TLS"},
		{"web server", dialTo(answer("HTTP/1.1 400 Bad Request\r\n\r\n")), "speaks HTTP"},
		{"ssh", dialTo(answer("SSH-2.0-OpenSSH_9.2\r\n")), "Is it a Kafka broker?"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var out, stderr bytes.Buffer
			env := Environment{Out: &out, Err: &stderr, Getenv: func(string) string { return "" }, Now: time.Now, Dial: c.dial}
			code := New(Programs{}, env).Run(t.Context(), []string{"topic", "list", "-b", "somewhere"})
			if code != exitFailure || out.Len() > 0 {
				t.Fatalf("exit code %d, output %q", code, out.String())
			}
			if got := stderr.String(); !strings.Contains(got, c.want) || !strings.Contains(got, "somewhere") {
				t.Fatalf("got:\n%swant it to name %q and somewhere", got, c.want)
			}
		})
	}
}

func TestDialerTellsWhatChanges(t *testing.T) {
	var stderr bytes.Buffer
	up := map[string]bool{"localhost:9092": true}
	dial := func(ctx context.Context, network, addr string) (net.Conn, error) {
		if up[addr] {
			client, _ := net.Pipe()
			return client, nil
		}
		return refuse(syscall.ECONNREFUSED)(ctx, network, addr)
	}
	c := New(Programs{}, Environment{Err: &stderr, Getenv: func(string) string { return "" }, Dial: dial})
	d := c.dialer([]string{"localhost:9092", "second:9092"})
	told := func(addr, want string) {
		t.Helper()
		stderr.Reset()
		_, err := d.Dial(t.Context(), "tcp", addr)
		if (err == nil) != up[addr] {
			t.Fatal(err)
		}
		if got := stderr.String(); !strings.Contains(got, want) || (want == "") != (got == "") {
			t.Fatalf("dial %s: told %q, want %q", addr, got, want)
		}
	}
	told("localhost:9092", "")
	told("second:9092", "") // connect reports it when it is the only one
	told("kafka:29092", "advertised.listeners")
	told("kafka:29092", "")
	up["kafka:29092"], up["localhost:9092"] = true, false
	told("kafka:29092", "answers again")
	told("kafka:29092", "")
	told("localhost:9092", "lost the connection to localhost:9092 (connection refused)")
	told("localhost:9092", "")
}

func TestSeedsHavePorts(t *testing.T) {
	c := New(Programs{}, Environment{Err: io.Discard})
	c.opts.bootstrap = "a, b:1,, [::1], [::2]:7"
	if got, want := strings.Join(c.seeds(), " "), "a:9092 b:1 [::1]:9092 [::2]:7"; got != want {
		t.Fatalf("got %s, want %s", got, want)
	}
}
