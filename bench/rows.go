package main

import (
	"context"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// A row is one thing that is measured, with the figures that come out of it.
type row struct {
	name    string
	label   string
	once    bool // the flush policy has no part in it: only the default policy is measured
	metrics []metric
	measure measurement
}

// A metric is one figure of a row.
type metric struct {
	key     string
	label   string
	unit    string
	better  direction
	flow    bool // bounded by the client when the client's core is full
	targets map[string]target
}

// measuring is what a measurement works with.
type measuring struct {
	*session
	ctx  context.Context
	plan plan
}

// A measurement takes one row's sample of a running broker.
type measurement func(m measuring) (sample, error)

// A sample is one measurement of one row: its figures by the metric's key, and for a row under load how full both cores were
// and how much of the machine's time went to others (in cores).
type sample struct {
	values      map[string]float64
	brokerShare float64
	clientShare float64
	otherShare  float64
}

// both gives a target to each policy.
func both(t target) map[string]target { return map[string]target{policyFsync: t, policyOS: t} }

// The targets, times better than Apache Kafka.
var (
	noWorse     = target{Times: 1, Meaning: "no worse"}
	atLeastFast = target{Times: 1, Meaning: "at least as fast as Kafka, which does not sync"}
	thirdOfCPU  = both(target{Times: 3, Meaning: "at most a third"})
)

func throughput(targets map[string]target) []metric {
	return []metric{
		{key: "throughput", label: "throughput", unit: "MB/s", better: higher, flow: true, targets: targets},
		{key: "cpu", label: "broker CPU", unit: "CPU-s/GB", better: lower, targets: thirdOfCPU},
	}
}

// acksOne has no throughput target under fsync: Strom syncs there and Kafka does not, and the goal names acks=all.
var acksOne = map[string]target{policyOS: noWorse}

var acksAll = map[string]target{policyOS: noWorse, policyFsync: atLeastFast}

// rows in the order in which a session takes them: what is idle before what is under load, peak memory at the end.
var rows = []row{
	{name: "start", label: "start: exec to first acknowledged produce, empty directory", once: true, measure: measureStart,
		metrics: []metric{{key: "time", label: "time", unit: "ms", targets: both(target{Times: 40, Meaning: "40x faster"})}}},
	{name: "idle", label: "idle, one topic", once: true, measure: measureIdle, metrics: []metric{
		{key: "memory", label: "memory (RSS)", unit: "MB", targets: both(target{Times: 10, Meaning: "a tenth"})},
		{key: "cpu", label: "CPU", unit: "% of a core", targets: both(target{AtMost: 0.5, Meaning: "at most 0.5 %"})}}},
	{name: "produce.100B.acks1", label: "produce 100 B, acks=1", metrics: throughput(acksOne), measure: produce(100, "1")},
	{name: "produce.100B.acksall", label: "produce 100 B, acks=all", metrics: throughput(acksAll), measure: produce(100, "all")},
	{name: "produce.1KB.acks1", label: "produce 1 KB, acks=1", metrics: throughput(acksOne), measure: produce(1024, "1")},
	{name: "produce.1KB.acksall", label: "produce 1 KB, acks=all", metrics: throughput(acksAll), measure: produce(1024, "all")},
	{name: "consume.100B", label: "consume 100 B", once: true, metrics: throughput(both(noWorse)), measure: consume(100)},
	{name: "consume.1KB", label: "consume 1 KB", once: true, metrics: throughput(both(noWorse)), measure: consume(1024)},
	{name: "latency", label: "end to end at a fixed rate, 100 B, acks=all", measure: measureLatency, metrics: percentileMetrics(acksAll, "p50", "p99", "p999")},
	{name: "memory.load", label: "after load", measure: measurePeak,
		metrics: []metric{{key: "memory", label: "peak memory (RSS)", unit: "MB"}}},
}

// rows are those of a plan's suite.
func (p plan) rows() []row {
	return p.suite().rows
}

func (p plan) selectRows(only *regexp.Regexp) []row {
	var selected []row
	for _, r := range p.rows() {
		if only == nil || only.MatchString(r.name) {
			selected = append(selected, r)
		}
	}
	return selected
}

func (p plan) rowNames() string {
	var names []string
	for _, r := range p.rows() {
		names = append(names, r.name)
	}
	return strings.Join(names, " ")
}

func measureStart(m measuring) (sample, error) {
	return sample{values: map[string]float64{"time": milliseconds(m.ready)}}, nil
}

func measureIdle(m measuring) (sample, error) {
	if err := pause(m.ctx, m.plan.Settle); err != nil {
		return sample{}, err
	}
	from, err := cpuTime(m.nodes[0].pid())
	if err != nil {
		return sample{}, err
	}
	began := time.Now()
	if err := pause(m.ctx, m.plan.Idle); err != nil {
		return sample{}, err
	}
	to, err := cpuTime(m.nodes[0].pid())
	if err != nil {
		return sample{}, err
	}
	share := (to - from).Seconds() / time.Since(began).Seconds()
	held, err := memoryOf(m.nodes[0].pid())
	if err != nil {
		return sample{}, err
	}
	return sample{values: map[string]float64{"memory": float64(held.now) / 1e6, "cpu": 100 * share}}, nil
}

// measurePeak is the most memory that the broker held since its start, over all rows under load of this session. Without
// any it makes one.
func measurePeak(m measuring) (sample, error) {
	if !m.loaded {
		if _, err := m.produceFor(1024, "1", m.plan.Warm, m.plan.Measure); err != nil {
			return sample{}, err
		}
	}
	held, err := memoryOf(m.nodes[0].pid())
	if err != nil {
		return sample{}, err
	}
	return sample{values: map[string]float64{"memory": float64(held.peak) / 1e6}}, nil
}

// settle writes out what earlier rows left in the page cache, so that no row pays for another's writes.
func settle() { unix.Sync() }

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// heat is load that nobody measures, before a session's first row under load: the JVM compiles while it runs.
func (m measuring) heat() error {
	if m.loaded {
		return nil
	}
	_, err := m.produceFor(100, "all", m.plan.Heat, reportEvery)
	return err
}

// underLoad tells whether a row needs a broker that is warm.
func (r row) underLoad() bool {
	return !slices.Contains([]string{"start", "idle", "memory.load"}, r.name) && !strings.HasPrefix(r.name, "unavailable")
}

func progressf(format string, args ...any) { fmt.Fprintf(os.Stderr, format+"\n", args...) }
