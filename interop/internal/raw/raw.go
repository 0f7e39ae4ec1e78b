// Package raw is one connection to a Kafka broker with no client's opinions on it: it sends what it is told, once, and
// reads what comes back. Requests and responses are kmsg's, so that neither side of a comparison is our own codec.
package raw

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/twmb/franz-go/pkg/kbin"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// maxFrame bounds the response that is believed.
const maxFrame = 256 << 20

// apiVersionsKey is the one API whose response header is never flexible.
const apiVersionsKey = 18

// Conn is a connection; not for concurrent use.
type Conn struct {
	conn        net.Conn
	timeout     time.Duration
	correlation int32
}

// Dial connects; every later exchange is bounded by timeout.
func Dial(addr string, timeout time.Duration) (*Conn, error) {
	conn, err := net.DialTimeout("tcp", addr, timeout)
	if err != nil {
		return nil, err
	}
	return &Conn{conn: conn, timeout: timeout}, nil
}

// Close closes the connection.
func (c *Conn) Close() error { return c.conn.Close() }

// Send sends a request at the version it carries and reads nothing.
func (c *Conn) Send(req kmsg.Request) error {
	c.correlation++
	formatter := kmsg.NewRequestFormatter(kmsg.FormatterClientID("golden"))
	return c.write(formatter.AppendRequest(nil, req, c.correlation))
}

// Frame sends the bytes as they are, with the length before them, and returns the next frame from the broker, which
// holds the response header too; io.EOF when the broker closed the connection instead.
func (c *Conn) Frame(payload []byte) ([]byte, error) {
	if err := c.write(append(binary.BigEndian.AppendUint32(nil, uint32(len(payload))), payload...)); err != nil {
		return nil, err
	}
	return c.read()
}

// Bytes sends bytes without a length before them and returns the next frame, as Frame does.
func (c *Conn) Bytes(b []byte) ([]byte, error) {
	if err := c.write(b); err != nil {
		return nil, err
	}
	return c.read()
}

// Do sends a request and returns the body of its response, header removed, and the response decoded from it.
func (c *Conn) Do(req kmsg.Request) ([]byte, kmsg.Response, error) {
	if err := c.Send(req); err != nil {
		return nil, nil, err
	}
	frame, err := c.read()
	if err != nil {
		return nil, nil, err
	}
	body, err := c.header(req, frame)
	if err != nil {
		return nil, nil, err
	}
	resp := req.ResponseKind()
	resp.SetVersion(req.GetVersion())
	if err := resp.ReadFrom(body); err != nil {
		return body, nil, fmt.Errorf("response to %s v%d: %w", kmsg.NameForKey(req.Key()), req.GetVersion(), err)
	}
	return body, resp, nil
}

func (c *Conn) header(req kmsg.Request, frame []byte) ([]byte, error) {
	r := kbin.Reader{Src: frame}
	if id := r.Int32(); id != c.correlation {
		return nil, fmt.Errorf("response to %d where %d was asked", id, c.correlation)
	}
	if req.IsFlexible() && req.Key() != apiVersionsKey {
		if n := r.Uvarint(); n != 0 {
			return nil, fmt.Errorf("%d tags in a response header", n)
		}
	}
	return r.Src, r.Complete()
}

func (c *Conn) write(b []byte) error {
	if err := c.conn.SetDeadline(time.Now().Add(c.timeout)); err != nil {
		return err
	}
	_, err := c.conn.Write(b)
	return err
}

func (c *Conn) read() ([]byte, error) {
	if err := c.conn.SetDeadline(time.Now().Add(c.timeout)); err != nil {
		return nil, err
	}
	var size [4]byte
	if _, err := io.ReadFull(c.conn, size[:]); err != nil {
		return nil, err
	}
	n := binary.BigEndian.Uint32(size[:])
	if n > maxFrame {
		return nil, fmt.Errorf("a response of %d bytes", n)
	}
	frame := make([]byte, n)
	if _, err := io.ReadFull(c.conn, frame); err != nil {
		return nil, errors.Join(io.ErrUnexpectedEOF, err)
	}
	return frame, nil
}
