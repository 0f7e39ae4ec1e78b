package notify

import (
	"testing"
	"testing/synctest"
)

func TestSignalWakesAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s Signal
		woken := 0
		done := make(chan struct{})
		for range 3 {
			ch := s.Wait()
			go func() { <-ch; done <- struct{}{} }()
		}
		s.Notify()
		for range 3 {
			<-done
			woken++
		}
		if woken != 3 {
			t.Errorf("woke %d of 3", woken)
		}
	})
}

func TestWaitBeforeLookMissesNothing(t *testing.T) {
	var s Signal
	ch := s.Wait()
	s.Notify()
	select {
	case <-ch:
	default:
		t.Error("a notification after Wait was missed")
	}
	select {
	case <-s.Wait():
		t.Error("a channel taken after Notify is already closed")
	default:
	}
}
