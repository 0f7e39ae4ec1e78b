package main

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/stromkafka/strom/internal/history"
)

// outage is how long nobody could write to a partition after its leader had been
// killed: until the first acknowledgement of a record that was sent after that.
type outage struct {
	partition  history.Partition
	lasted     time.Duration
	killed     time.Duration // since the history's start
	controller bool          // the leader was the active controller too
}

// outages tells how long partitions could not be written to after the process of
// their leader was killed, as a client saw it that retries every few milliseconds
// and as one did that works like any other.
func outages(h history.History) string {
	var b strings.Builder
	for _, client := range []string{"once", "idempotent"} {
		var plain, controller []outage
		for _, o := range findOutages(h, client) {
			if o.controller {
				controller = append(controller, o)
			} else {
				plain = append(plain, o)
			}
		}
		b.WriteString(describe(client+", leader killed", plain))
		b.WriteString(describe(client+", leader and active controller killed", controller))
	}
	return b.String()
}

func describe(what string, all []outage) string {
	if len(all) == 0 {
		return ""
	}
	slices.SortFunc(all, func(a, b outage) int { return cmp.Compare(a.lasted, b.lasted) })
	kills := map[time.Duration]bool{}
	for _, o := range all {
		kills[o.killed] = true
	}
	at := func(q float64) time.Duration {
		return all[int(q*float64(len(all)-1)+0.5)].lasted.Round(time.Millisecond)
	}
	return fmt.Sprintf("Unavailable (%s): %d kills, %d partitions, p50 %v, p99 %v, max %v (%s)\n", what, len(kills), len(all), at(0.5), at(0.99), at(1), all[len(all)-1].partition)
}

func findOutages(h history.History, client string) []outage {
	acknowledged := map[history.Partition][]*history.Op{}
	for i := range h {
		if op := &h[i]; op.Kind == history.Send && op.Client == client && op.Outcome == history.OK {
			acknowledged[op.Partition] = append(acknowledged[op.Partition], op)
		}
	}
	var all []outage
	for i := range h {
		fault := &h[i]
		if fault.Kind != history.Fault || fault.Fault != faultKill {
			continue
		}
		for _, p := range fault.Partitions {
			first := time.Duration(-1)
			for _, op := range acknowledged[p] {
				if op.Begin > fault.Begin && (first < 0 || op.End < first) {
					first = op.End
				}
			}
			if first >= 0 {
				all = append(all, outage{p, first - fault.Begin, fault.Begin, fault.Note == noteController})
			}
		}
	}
	return all
}
