package main

import (
	"fmt"
	"math"
	"runtime"
	"slices"
	"strings"
	"time"
)

// row is a line of the table: one figure of every system, and what is to be reached beside Apache Kafka.
type row struct {
	name    string
	unit    string
	figure  func(*round) float64
	more    bool               // more is better
	targets map[string]float64 // by system: the ratio, better over worse, to reach
	client  func(*round) bool  // the client set the pace
}

// rows lists the table. Targets are ratios to Apache Kafka, turned so that more is better.
func rows(p plan) []row {
	parity := map[string]float64{stromOS: 1}
	all := []row{
		{name: "start, exec to first produce", unit: "ms", figure: func(r *round) float64 { return r.StartMS }, targets: map[string]float64{stromOS: 40, stromFsync: 40}},
		{name: "memory idle", unit: "MB", figure: func(r *round) float64 { return float64(r.IdleBytes) / 1e6 }, targets: map[string]float64{stromOS: 10, stromFsync: 10}},
		{name: "memory, the most under load", unit: "MB", figure: func(r *round) float64 { return float64(r.LoadBytes) / 1e6 }},
		{name: "CPU idle", unit: "% of a core", figure: func(r *round) float64 { return r.IdleCPU * 100 }},
	}
	loads := []string{}
	for _, produce := range produceRows(p) {
		loads = append(loads, produce.name)
	}
	for _, name := range append(loads, consumeRow) {
		all = append(all, throughput(name, parity), row{name: name + ", broker CPU", unit: "s/GB", figure: func(r *round) float64 { return r.Loads[name].BrokerCPUPerGB },
			targets: map[string]float64{stromOS: 3, stromFsync: 3}})
	}
	for _, p50 := range []string{"p50", "p99", "p99.9"} {
		all = append(all, row{name: fmt.Sprintf("end to end at %d/s, acks=all, %s", p.LatencyRate, p50), unit: "ms", figure: func(r *round) float64 { return r.Latency[p50] }, targets: parity})
	}
	for _, p50 := range []string{"p50", "p99", "p99.9"} {
		all = append(all, row{name: "EndToEndLatency, acks=all, " + p50, unit: "ms", figure: func(r *round) float64 { return r.RoundTrips[p50] }, targets: parity})
	}
	return all
}

func throughput(name string, parity map[string]float64) row {
	targets := parity
	if strings.HasSuffix(name, "acks=all") {
		targets = map[string]float64{stromOS: 1, stromFsync: 1}
	}
	return row{name: name, unit: "MB/s", more: true, figure: func(r *round) float64 { return r.Loads[name].MBPerSecond }, targets: targets,
		client: func(r *round) bool { return r.Loads[name].saturated() }}
}

// median over the rounds of a system.
func median(rounds []*round, figure func(*round) float64) float64 {
	var all []float64
	for _, r := range rounds {
		all = append(all, figure(r))
	}
	slices.Sort(all)
	if len(all) == 0 {
		return math.NaN()
	}
	return (all[len(all)/2] + all[(len(all)-1)/2]) / 2
}

// report is the table as Markdown.
func report(p plan, results map[string][]*round) string {
	var b strings.Builder
	fmt.Fprintf(&b, "# Benchmarks\n\nMeasured on %s, %d processors, broker on one and clients on another, %d round(s), interleaved, median.\n\n",
		time.Now().Format(time.DateOnly), runtime.NumCPU(), p.Rounds)
	b.WriteString("- kafka: Apache Kafka 4.3.1 with its own JVM settings and 1 GB heap; it never syncs, so acks=all is in the page cache\n")
	b.WriteString("- strom-os: log.flush.policy=os, the same promise as Kafka's\n")
	b.WriteString("- strom-fsync: log.flush.policy=fsync, the default; acks=all is answered, and a record visible, once it is on disk\n\n")
	b.WriteString("Ratios say how much better than Apache Kafka. A ratio with * has a target that was reached, with ! one that was not; (c) marks a\nfigure whose client used 95 % of its core or more, which says nothing about the broker.\n\n")
	b.WriteString("| | unit | kafka | strom-os | ratio | strom-fsync | ratio |\n|---|---|--:|--:|--:|--:|--:|\n")
	for _, r := range rows(p) {
		kafka := median(results[kafkaName], r.figure)
		fmt.Fprintf(&b, "| %s | %s | %s", r.name, r.unit, r.cell(kafka, results[kafkaName]))
		for _, name := range []string{stromOS, stromFsync} {
			ours := median(results[name], r.figure)
			fmt.Fprintf(&b, " | %s | %s", r.cell(ours, results[name]), r.ratio(name, kafka, ours, results))
		}
		b.WriteString(" |\n")
	}
	return b.String()
}

func (r row) cell(figure float64, rounds []*round) string {
	if math.IsNaN(figure) {
		return ""
	}
	text := fmt.Sprintf("%.3g", figure)
	if figure >= 100 {
		text = fmt.Sprintf("%.0f", figure)
	}
	if r.paced(rounds) {
		text += " (c)"
	}
	return text
}

// paced tells that the client set the pace in most rounds.
func (r row) paced(rounds []*round) bool {
	n := 0
	for _, one := range rounds {
		if r.client != nil && r.client(one) {
			n++
		}
	}
	return 2*n > len(rounds)
}

func (r row) ratio(system string, kafka, ours float64, results map[string][]*round) string {
	ratio := kafka / ours
	if r.more {
		ratio = ours / kafka
	}
	if math.IsNaN(ratio) || math.IsInf(ratio, 0) {
		return ""
	}
	text := fmt.Sprintf("%.2gx", ratio)
	if ratio >= 10 {
		text = fmt.Sprintf("%.0fx", ratio)
	}
	target, ok := r.targets[system]
	switch {
	case !ok || r.paced(results[system]):
		return text
	case ratio >= target:
		return text + "*"
	}
	return text + "!"
}
