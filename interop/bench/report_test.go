package main

import (
	"strings"
	"testing"
)

// TestReport checks the marks: a target reached, one missed, and a figure that the client set.
func TestReport(t *testing.T) {
	name := produceRows(short)[1].name
	figures := func(start, mb, core float64) []*round {
		return []*round{{StartMS: start, Loads: map[string]load{name: {MBPerSecond: mb, ClientCore: core}}}}
	}
	table := report(short, map[string][]*round{
		kafkaName: figures(4000, 30, 0.5), stromOS: figures(40, 60, 0.97), stromFsync: figures(400, 45, 0.5),
	})
	for _, line := range []string{
		"| start, exec to first produce | ms | 4000 | 40 | 100x* | 400 | 10x! |",
		"| 100 B, acks=all | MB/s | 30 | 60 (c) | 2x | 45 | 1.5x* |",
	} {
		if !strings.Contains(table, line) {
			t.Errorf("no line %s in\n%s", line, table)
		}
	}
}
