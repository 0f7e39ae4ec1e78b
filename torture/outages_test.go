package main

import (
	"strings"
	"testing"
	"time"

	"github.com/stromkafka/strom/internal/history"
)

func TestOutages(t *testing.T) {
	p, q := history.Partition{Topic: "t"}, history.Partition{Topic: "t", Index: 1}
	send := func(client string, p history.Partition, begin, end time.Duration, outcome history.Outcome) history.Op {
		return history.Op{Kind: history.Send, Client: client, Partition: p, Begin: begin, End: end, Outcome: outcome}
	}
	h := history.History{
		send("once", p, 90, 110, history.OK), // on its way when the leader was killed
		{Kind: history.Fault, Fault: faultKill, Begin: 100, End: 200, Partitions: []history.Partition{p, q}},
		send("once", p, 120, 130, history.Unknown),
		send("once", p, 140, 170, history.OK),
		send("once", p, 180, 190, history.OK),
		send("once", q, 101, 105, history.OK),
		send("idempotent", p, 101, 300, history.OK),
		{Kind: history.Fault, Fault: faultKill, Begin: 1000, End: 1001, Partitions: []history.Partition{p}, Note: noteController},
		send("once", p, 1010, 1090, history.OK),
		{Kind: history.Fault, Fault: faultPause, Begin: 1100, End: 1101, Partitions: []history.Partition{p}},
	}
	var lasted []time.Duration
	for _, o := range findOutages(h, "once") {
		lasted = append(lasted, o.lasted)
	}
	if len(lasted) != 3 || lasted[0] != 70 || lasted[1] != 5 || lasted[2] != 90 {
		t.Errorf("outages %v", lasted)
	}
	text := outages(h)
	for _, want := range []string{"(once, leader killed): 1 kills, 2 partitions", "(once, leader and active controller killed): 1 kills, 1 partitions", "(idempotent, leader killed): 1 kills, 1 partitions"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q lacks %q", text, want)
		}
	}
	if outages(nil) != "" {
		t.Error("outages of nothing")
	}
}

func TestOptionsThatContradict(t *testing.T) {
	for _, args := range [][]string{{"-faults", "fire"}, {"-network", "loopback"}, {"-nodes", "0"}, {"-network", "carrier pigeon", "-faults", "kill"}} {
		if _, err := parseOptions(args); err == nil {
			t.Errorf("%q was taken", args)
		}
	}
	o, err := parseOptions([]string{"-network", "loopback", "-faults", "kill,pause"})
	if err != nil || len(o.faults) != 2 || o.seed == 0 {
		t.Errorf("%+v, %v", o, err)
	}
}
