package simtest

import (
	"context"
	"errors"
	"io"
	"net"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// echo answers with what it is sent, until its host's life is over.
func echo(t *testing.T, h *Host, addr string) {
	t.Helper()
	l, err := h.Listen(addr)
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() { _, _ = io.Copy(conn, conn); conn.Close() }() // until one of the ends is closed
		}
	}()
}

// say sends a word and returns how long the answer took.
func say(conn net.Conn, patience time.Duration) (time.Duration, error) {
	begin := time.Now()
	if err := conn.SetDeadline(begin.Add(patience)); err != nil {
		return 0, err
	}
	if _, err := conn.Write([]byte("word")); err != nil {
		return time.Since(begin), err
	}
	_, err := io.ReadFull(conn, make([]byte, 4))
	return time.Since(begin), err
}

func timeout(err error) bool {
	var n net.Error
	return errors.As(err, &n) && n.Timeout()
}

func TestLinks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := NewNetwork()
		a, b := n.Host("a"), n.Host("b")
		echo(t, b, "b:1")
		conn, err := a.Dial(t.Context(), "b:1")
		if err != nil {
			t.Fatal(err)
		}
		if took, err := say(conn, time.Second); err != nil || took != 2*usualDelay {
			t.Errorf("%v, %v", took, err)
		}
		n.Delay("a", "b", time.Second)
		if took, err := say(conn, time.Minute); err != nil || took != time.Second+2*usualDelay {
			t.Errorf("a slow link: %v, %v", took, err)
		}
		n.Heal()
		// One way is enough to hear nothing, and nothing is lost.
		n.Cut("b", "a", true)
		if _, err := say(conn, time.Second); !timeout(err) {
			t.Errorf("over a cut link: %v", err)
		}
		n.Cut("b", "a", false)
		if took, err := say(conn, time.Second); err != nil || took > time.Millisecond {
			t.Errorf("mended: %v, %v", took, err)
		}
		n.Refuse("a", "b", true)
		if _, err := a.Dial(t.Context(), "b:1"); !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("refused: %v", err)
		}
		n.Heal()
		n.Cut("a", "b", true)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		begin := time.Now()
		if _, err := a.Dial(ctx, "b:1"); err == nil || time.Since(begin) < time.Second {
			t.Errorf("dialled over a cut link: %v after %v", err, time.Since(begin))
		}
		n.Heal()
		a.End()
		b.End()
		time.Sleep(time.Second) // the last words are carried
	})
}

// A process that dies resets its connections; a host without power says nothing
// until it is back.
func TestLives(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := NewNetwork()
		a := n.Host("a")
		open := func() (*Host, net.Conn) {
			b := n.Host("b")
			echo(t, b, "b:1")
			conn, err := a.Dial(t.Context(), "b:1")
			if err != nil {
				t.Fatal(err)
			}
			return b, conn
		}
		b, conn := open()
		b.End()
		if took, err := say(conn, time.Minute); err == nil || timeout(err) || took > time.Second {
			t.Errorf("to a process that died: %v after %v", err, took)
		}
		if _, err := a.Dial(t.Context(), "b:1"); !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("dialled one: %v", err)
		}
		b, conn = open()
		n.Power("b", false)
		b.End()
		if _, err := say(conn, time.Minute); !timeout(err) {
			t.Errorf("to a host without power: %v", err)
		}
		n.Power("b", true)
		if _, err := say(conn, time.Minute); err == nil || timeout(err) {
			t.Errorf("to one that is back: %v", err)
		}
		b, conn = open()
		if _, err := say(conn, time.Second); err != nil {
			t.Error(err)
		}
		a.End()
		if _, err := a.Dial(t.Context(), "b:1"); !errors.Is(err, errOver) {
			t.Errorf("dialled after the end: %v", err)
		}
		if _, err := say(conn, time.Second); err == nil {
			t.Error("spoke after the end")
		}
		b.End()
		time.Sleep(time.Second) // the last words are carried
	})
}
