package main

import (
	"math"
	"slices"
)

// spread is what several runs of the same thing said.
type spread struct {
	Median  float64   `json:"median"`
	Min     float64   `json:"min"`
	Max     float64   `json:"max"`
	Samples []float64 `json:"samples"`
}

// spreadOf is the spread of at least one value, which stay in the order they were measured in.
func spreadOf(values []float64) spread {
	return spread{Median: median(values), Min: slices.Min(values), Max: slices.Max(values), Samples: values}
}

// median is the middle value, or the mean of the two in the middle.
func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	middle := len(sorted) / 2
	if len(sorted)%2 == 1 {
		return sorted[middle]
	}
	return (sorted[middle-1] + sorted[middle]) / 2
}

// rank is the smallest value that so large a part of all is not above.
func rank(values []float64, part float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[max(0, int(math.Ceil(part*float64(len(sorted))))-1)]
}

// direction tells which way a metric is better.
type direction bool

const (
	lower  direction = false
	higher direction = true
)

// timesBetter is how many times better ours is than theirs: above 1 is better whichever way the metric goes. Infinite
// when ours costs nothing measurable, NaN when neither does.
func timesBetter(better direction, ours, theirs float64) float64 {
	if better == higher {
		return ours / theirs
	}
	return theirs / ours
}

// A target is what is to be reached: a ratio (at least Times better than Kafka), a limit on the value itself, or, when both
// are zero, nothing.
type target struct {
	Times   float64 `json:"times,omitempty"`
	AtMost  float64 `json:"at_most,omitempty"`
	Meaning string  `json:"meaning,omitempty"` // the target in words
}

// The verdicts on a target.
const (
	reached     = "reached"
	notReached  = "NOT REACHED"
	noTarget    = "-"
	clientBound = "client-bound" // a client's core was full: the figure says nothing about the brokers
	notMeasured = "failed"
)

// verdict judges a figure of ours against the target.
func (t target) verdict(ours, times float64) string {
	var ok bool
	switch {
	case t.AtMost != 0:
		ok = ours <= t.AtMost
	case t.Times != 0:
		ok = !math.IsNaN(times) && times >= t.Times
	default:
		return noTarget
	}
	if ok {
		return reached
	}
	return notReached
}
