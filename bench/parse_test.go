package main

import (
	"math"
	"slices"
	"testing"
	"time"
)

func TestProgressOfProducerPerformance(t *testing.T) {
	for _, test := range []struct {
		name, line string
		want       window
		ok, fails  bool
	}{
		{"a window", "250000 records sent, 125000.0 records/sec (11.92 MB/sec), 1.0 ms avg latency, 25.0 ms max latency.", window{250000, 2}, true, false},
		{"the total", "5000 records sent, 4321.521175 records/sec (4.22 MB/sec), 2.40 ms avg latency, 321.00 ms max latency, 1 ms 50th, 6 ms 95th, 15 ms 99th, 31 ms 99.9th.", window{}, false, false},
		{"the steady total", "5000 steady state records sent, 4321.521175 records/sec (4.22 MB/sec), 2.40 ms avg latency, 321.00 ms max latency, 1 ms 50th, 6 ms 95th, 15 ms 99th, 31 ms 99.9th.", window{}, false, false},
		{"talk", "Reading payloads from: /tmp/payload", window{}, false, false},
		{"an interval without records", "0 records sent, 0.0 records/sec (0.00 MB/sec), 0.0 ms avg latency, 0.0 ms max latency.", window{}, false, false},
		{"a record that failed", "org.apache.kafka.common.errors.TimeoutException: Expiring 3 record(s)", window{}, false, true},
	} {
		got, ok, err := parseProgress(test.line)
		if got != test.want || ok != test.ok || (err != nil) != test.fails {
			t.Errorf("%s: %+v, %v, %v", test.name, got, ok, err)
		}
	}
}

func TestCPUTimeOfAProcess(t *testing.T) {
	// A command may hold what the format is made of.
	const text = "42 (a) b (c d) S 1 42 42 0 -1 4194560 900 0 3 0 150 50 7 3 20 0 9 0 5000 1 1 18446744073709551615"
	got, err := parseStat(text)
	if want := 2100 * time.Millisecond; err != nil || got != want {
		t.Errorf("%v, %v; want %v", got, err, want)
	}
	for _, bad := range []string{"", "42 (a) S 1 2", "42 (a) S 1 42 42 0 -1 4194560 900 0 3 0 x 50 7 3 20"} {
		if _, err := parseStat(bad); err == nil {
			t.Errorf("%q passed", bad)
		}
	}
}

func TestProcessorTimeOfTheMachine(t *testing.T) {
	got, err := parseMachine("cpu  100 10 50 9000 800 5 15 20 7 0\ncpu0 1 1 1 1\n")
	if want := 2 * time.Second; err != nil || got != want {
		t.Errorf("%v, %v; want %v", got, err, want)
	}
	for _, bad := range []string{"", "cpu 1 2", "intr 1 2 3 4 5 6 7 8 9"} {
		if _, err := parseMachine(bad); err == nil {
			t.Errorf("%q passed", bad)
		}
	}
}

func TestMemoryOfAProcess(t *testing.T) {
	got, err := parseStatus("Name:\tjava\nVmPeak:\t  900 kB\nVmHWM:\t    2048 kB\nVmRSS:\t    1024 kB\n")
	if want := (memory{now: 1 << 20, peak: 2 << 20}); err != nil || got != want {
		t.Errorf("%+v, %v; want %+v", got, err, want)
	}
	if _, err := parseStatus("Name:\tzombie\n"); err == nil {
		t.Error("a status without memory passed")
	}
}

func TestMedian(t *testing.T) {
	for _, test := range []struct {
		values []float64
		want   float64
	}{{[]float64{3}, 3}, {[]float64{3, 1}, 2}, {[]float64{9, 1, 5}, 5}, {[]float64{4, 1, 3, 2}, 2.5}} {
		before := slices.Clone(test.values)
		if got := median(test.values); got != test.want {
			t.Errorf("median of %v: %v, want %v", test.values, got, test.want)
		}
		if !slices.Equal(before, test.values) {
			t.Errorf("the order of %v was lost", before)
		}
	}
}

func TestVerdict(t *testing.T) {
	for _, test := range []struct {
		name   string
		target target
		ours   float64
		times  float64
		want   string
	}{
		{"none", target{}, 1, 2, noTarget},
		{"a ratio", target{Times: 3}, 1, 3, reached},
		{"a ratio missed", target{Times: 3}, 1, 2.99, notReached},
		{"nothing measurable on our side", target{Times: 3}, 0, math.Inf(1), reached},
		{"nothing measurable on either", target{Times: 3}, 0, math.NaN(), notReached},
		{"a limit", target{AtMost: 0.5}, 0.5, 1, reached},
		{"a limit missed", target{AtMost: 0.5}, 0.6, 9, notReached},
	} {
		if got := test.target.verdict(test.ours, test.times); got != test.want {
			t.Errorf("%s: %s, want %s", test.name, got, test.want)
		}
	}
}

func TestClassPathLeavesOutTests(t *testing.T) {
	got := classPath([]string{"/l/kafka-server-4.3.1.jar", "/l/kafka-server-4.3.1-test.jar", "/l/mockito-core-5.jar", "/l/scala-library.jar"})
	if want := "/l/kafka-server-4.3.1.jar:/l/scala-library.jar"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}
