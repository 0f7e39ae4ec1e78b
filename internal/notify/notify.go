// Package notify wakes goroutines that wait for a change.
package notify

import "sync"

// Signal tells any number of waiters that something changed. The zero value is
// ready, and a signal nobody waits on holds no memory beyond itself.
//
// A waiter takes the channel before it looks at the state, so that a change
// between the look and the wait is not missed:
//
//	for {
//		changed := signal.Wait()
//		if enough(state) { return }
//		select { case <-changed: case <-ctx.Done(): return }
//	}
type Signal struct {
	mu sync.Mutex
	ch chan struct{}
}

// Wait is the channel that the next Notify closes.
func (s *Signal) Wait() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ch == nil {
		s.ch = make(chan struct{})
	}
	return s.ch
}

// Notify wakes all who took a channel before this call.
func (s *Signal) Notify() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ch != nil {
		close(s.ch)
		s.ch = nil
	}
}
