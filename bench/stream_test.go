package main

import (
	"bufio"
	"strings"
	"testing"
	"time"
)

// reports are windows of half a second as the consuming client writes them.
func reports(n int) *bufio.Scanner {
	return bufio.NewScanner(strings.NewReader(strings.Repeat(`{"records":100,"seconds":0.5}`+"\n", n)))
}

func TestStreamCountsWhatItTimed(t *testing.T) {
	clock := time.Unix(1000, 0)
	usages := 0
	now := func() (usage, error) {
		usages++
		clock = clock.Add(2 * time.Second)
		return usage{at: clock, broker: time.Duration(usages) * time.Second, client: time.Duration(2*usages) * time.Second}, nil
	}
	st := stream{parse: parseReport, warm: time.Second, measure: 2 * time.Second}
	got, err := st.collect(reports(10), now)
	want := flow{records: 400, seconds: 2, wall: 2 * time.Second, broker: time.Second, client: 2 * time.Second}
	if err != nil || got != want {
		t.Errorf("%+v, %v; want %+v", got, err, want)
	}
	s := got.sample(1e6) // 400 records of 1 MB in 2 s, for one second of the broker's core
	if s.values["throughput"] != 200 || s.values["cpu"] != 2.5 || s.brokerShare != 0.5 || s.clientShare != 1 {
		t.Errorf("%+v", s)
	}
}

func TestStreamThatEndsEarlyIsAnError(t *testing.T) {
	now := func() (usage, error) { return usage{at: time.Unix(1, 0)}, nil }
	st := stream{parse: parseReport, warm: time.Second, measure: 2 * time.Second}
	if got, err := st.collect(reports(5), now); err == nil {
		t.Errorf("%+v", got)
	}
}

func TestStreamPassesOnWhatTheClientSays(t *testing.T) {
	st := stream{parse: parseProgress, warm: time.Second, measure: time.Second}
	if _, err := st.collect(bufio.NewScanner(strings.NewReader("x.TimeoutException: late\n")), nil); err == nil {
		t.Error("a failed record passed")
	}
}
