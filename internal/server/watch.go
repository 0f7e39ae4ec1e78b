package server

import (
	"errors"
	"os"
	"sync"
	"time"
)

// watchAfter is how long a request may wait before somebody looks whether its
// client is still there. Most requests are answered sooner and pay for no look.
const watchAfter = 20 * time.Millisecond

// watch notices that the client has gone while its request waits. It reads at
// most one byte ahead, so a client that has sent its next request is no longer
// watched.
type watch struct {
	in   *reader
	gone func(error)

	mu     sync.Mutex
	timer  *time.Timer
	armed  bool
	looked chan struct{} // closed when the look is over; nil when there is none
}

// begin must be followed by end; between them the reader is the watch's.
func (w *watch) begin() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.armed = true
	if w.timer == nil {
		w.timer = time.AfterFunc(watchAfter, w.look)
	} else {
		w.timer.Reset(watchAfter)
	}
}

func (w *watch) look() {
	w.mu.Lock()
	if !w.armed || w.looked != nil || w.in.aheads > 0 {
		w.mu.Unlock()
		return
	}
	looked := make(chan struct{})
	w.looked = looked
	w.mu.Unlock()
	defer close(looked)
	for {
		n, err := w.in.conn.Read(w.in.ahead[:1])
		if n > 0 {
			w.in.aheads = n
			w.in.touch()
			return
		}
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			w.gone(err)
			return
		}
		// The deadline is for idle connections, and this one is not. It passes
		// also when end or the server's stop interrupts.
		if !w.goOn() {
			return
		}
	}
}

// goOn lets the look wait on, unless it is over. It decides and moves the deadline
// in one, so that an interrupt by end always comes after.
func (w *watch) goOn() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.armed || w.in.isStopping() {
		return false
	}
	w.in.touch()
	w.in.rearm()
	return true
}

// end returns when nobody reads any more.
func (w *watch) end() {
	w.mu.Lock()
	w.armed = false
	w.timer.Stop()
	looked := w.looked
	w.looked = nil
	w.mu.Unlock()
	if looked == nil {
		return
	}
	w.in.interrupt()
	<-looked
	w.in.touch()
	w.in.rearm()
}
