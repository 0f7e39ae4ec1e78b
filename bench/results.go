package main

import (
	"fmt"
	"math"
	"os"
	"runtime"
	"slices"
	"strings"
	"time"
)

// results are all samples, by row and system.
type results struct {
	Machine  machine   `json:"machine"`
	Began    time.Time `json:"began"`
	Seconds  float64   `json:"seconds"`
	Plan     plan      `json:"plan"`
	Lines    []line    `json:"lines"`
	Failures []failed  `json:"failures,omitempty"`

	samples map[string]map[string][]sample // row, system
}

// failed is a row that could not be measured.
type failed struct {
	Row    string `json:"row"`
	System string `json:"system"`
	Error  string `json:"error"`
}

// machine is what the figures were measured on.
type machine struct {
	CPU    string `json:"cpu"`
	Cores  int    `json:"cores"`
	Kernel string `json:"kernel"`
	Load   string `json:"load"` // the load averages before the first row: others on this machine disturb
	Go     string `json:"go"`
}

func newResults(p plan) results {
	return results{Machine: thisMachine(), Began: time.Now().UTC().Truncate(time.Second), Plan: p, samples: map[string]map[string][]sample{}}
}

func (r *results) add(row, system string, s sample) {
	if r.samples[row] == nil {
		r.samples[row] = map[string][]sample{}
	}
	r.samples[row][system] = append(r.samples[row][system], s)
}

func (r *results) fail(row, system string, err error) {
	r.Failures = append(r.Failures, failed{row, system, err.Error()})
}

// A line is one figure of one row under one of Strom's policies, beside Kafka's.
type line struct {
	Row         string   `json:"row"`
	Metric      string   `json:"metric"`
	Label       string   `json:"label"`
	Unit        string   `json:"unit"`
	Policy      string   `json:"policy"`
	Strom       *spread  `json:"strom,omitempty"`
	Kafka       *spread  `json:"kafka,omitempty"`
	TimesBetter *float64 `json:"times_better,omitempty"` // absent when it is not a number
	Target      target   `json:"target"`
	Verdict     string   `json:"verdict"`
	StromCores  shares   `json:"strom_cores"`
	KafkaCores  shares   `json:"kafka_cores"`
}

// shares are how full the two cores were, medians, from 0 to 1; zero for a row without load.
type shares struct {
	Broker float64 `json:"broker"`
	Client float64 `json:"client"`
	Others float64 `json:"others"` // processes that are neither, and the kernel's own work
}

// compare makes the lines of the table from the samples.
func (r *results) compare(rows []row) []line {
	var lines []line
	for _, row := range rows {
		for _, policy := range []string{policyFsync, policyOS} {
			if row.once && policy == policyOS {
				continue
			}
			for _, m := range row.metrics {
				lines = append(lines, compareOne(row, m, policy, r.samples[row.name][policy], r.samples[row.name][kafkaName]))
			}
		}
	}
	return lines
}

func compareOne(r row, m metric, policy string, ours, theirs []sample) line {
	l := line{Row: r.name, Metric: m.key, Label: r.label + ": " + m.label, Unit: m.unit, Policy: policy, Target: m.targets[policy], Verdict: notMeasured,
		Strom: spreadOfMetric(ours, m.key), Kafka: spreadOfMetric(theirs, m.key), StromCores: sharesOf(ours), KafkaCores: sharesOf(theirs)}
	if r.once {
		l.Policy = "any"
	}
	if l.Strom == nil || l.Kafka == nil {
		return l
	}
	times := timesBetter(m.better, l.Strom.Median, l.Kafka.Median)
	if !math.IsInf(times, 0) && !math.IsNaN(times) {
		l.TimesBetter = &times
	}
	l.Verdict = l.Target.verdict(l.Strom.Median, times)
	if m.flow && l.hidden() {
		l.Verdict = clientBound
	}
	return l
}

// hidden tells whether a client's full core hides which broker is faster. It does not when only Kafka's client was full
// and Strom is still slower: Kafka could only have been faster yet.
func (l line) hidden() bool {
	if l.StromCores.Client >= saturated {
		return true
	}
	return l.KafkaCores.Client >= saturated && l.Verdict != notReached
}

func spreadOfMetric(samples []sample, key string) *spread {
	if len(samples) == 0 {
		return nil
	}
	var values []float64
	for _, s := range samples {
		values = append(values, s.values[key])
	}
	all := spreadOf(values)
	return &all
}

func sharesOf(samples []sample) shares {
	if len(samples) == 0 {
		return shares{}
	}
	var broker, client, others []float64
	for _, s := range samples {
		broker, client, others = append(broker, s.brokerShare), append(client, s.clientShare), append(others, s.otherShare)
	}
	return shares{median(broker), median(client), median(others)}
}

// text is a sample in one line, for who watches.
func (s sample) text(r row) string {
	var parts []string
	for _, m := range r.metrics {
		parts = append(parts, fmt.Sprintf("%s %s %s", m.label, figure(s.values[m.key]), m.unit))
	}
	if s.clientShare > 0 {
		parts = append(parts, fmt.Sprintf("cores: broker %.0f %%, client %.0f %%, others %.0f %%", 100*s.brokerShare, 100*s.clientShare, 100*s.otherShare))
	}
	return strings.Join(parts, ", ")
}

func thisMachine() machine {
	m := machine{Cores: runtime.NumCPU(), Go: runtime.Version()}
	m.CPU = factOf("/proc/cpuinfo", "model name")
	if online := factOf("/proc/cpuinfo", "processor"); online != "" {
		m.Cores = countOf("/proc/cpuinfo", "processor")
	}
	m.Kernel = firstWords("/proc/sys/kernel/osrelease", 1)
	m.Load = firstWords("/proc/loadavg", 3)
	return m
}

// factOf is the value of the first line "name : value" of a file, empty when there is none: these describe, nothing rests on them.
func factOf(file, name string) string {
	text, err := os.ReadFile(file)
	if err != nil {
		return ""
	}
	for l := range strings.Lines(string(text)) {
		if key, value, ok := strings.Cut(l, ":"); ok && strings.TrimSpace(key) == name {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

func countOf(file, name string) int {
	text, err := os.ReadFile(file)
	if err != nil {
		return 0
	}
	return len(slices.DeleteFunc(strings.Split(string(text), "\n"), func(l string) bool { return !strings.HasPrefix(l, name+"\t") }))
}

func firstWords(file string, n int) string {
	text, err := os.ReadFile(file)
	if err != nil {
		return ""
	}
	words := strings.Fields(string(text))
	return strings.Join(words[:min(n, len(words))], " ")
}
