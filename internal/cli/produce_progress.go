package cli

import (
	"fmt"
	"sync"
	"time"
)

const progressInterval = 500 * time.Millisecond

// showProgress rewrites one line at standard error until the function it
// returns is called. Only for a terminal, and not while a person is typing.
func (c *CLI) showProgress(s *sending, quiet bool) (stop func()) {
	if quiet || !c.env.ErrTerminal || c.env.InTerminal {
		return func() {}
	}
	c.progressing.Store(true)
	done := make(chan struct{})
	var shown sync.WaitGroup
	shown.Go(func() {
		tick := time.NewTicker(progressInterval)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				fmt.Fprintf(c.env.Err, clearLine+"%s", c.errStyle().dim(s.progress(c.env.Now())))
			case <-done:
				fmt.Fprint(c.env.Err, clearLine)
				return
			}
		}
	})
	return func() {
		close(done)
		shown.Wait()
		c.progressing.Store(false)
	}
}

func (s *sending) progress(now time.Time) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	seconds := now.Sub(s.started).Seconds()
	if seconds <= 0 {
		seconds = 1
	}
	return fmt.Sprintf("%s, %s, %s records/s", count(s.records, "record"), bytesText(s.bytes), grouped(int64(float64(s.records)/seconds)))
}

func secondsText(s float64) string {
	return time.Duration(s * float64(time.Second)).Round(time.Millisecond).String()
}
