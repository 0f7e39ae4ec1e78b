package main

import (
	"strings"
	"testing"
)

func sampleOf(key string, value, client float64) sample {
	return sample{values: map[string]float64{key: value}, brokerShare: 0.5, clientShare: client}
}

func TestCompare(t *testing.T) {
	more := metric{key: "throughput", better: higher, flow: true, targets: acksOne}
	less := metric{key: "cpu", better: lower, targets: thirdOfCPU}
	for _, test := range []struct {
		name         string
		metric       metric
		policy       string
		ours, theirs []sample
		times        float64
		verdict      string
	}{
		{"faster", more, policyOS, []sample{sampleOf("throughput", 200, 0.5)}, []sample{sampleOf("throughput", 100, 0.5)}, 2, reached},
		{"slower", more, policyOS, []sample{sampleOf("throughput", 50, 0.5)}, []sample{sampleOf("throughput", 100, 0.5)}, 0.5, notReached},
		{"slower where nothing is promised", more, policyFsync, []sample{sampleOf("throughput", 50, 0.5)}, []sample{sampleOf("throughput", 100, 0.5)}, 0.5, noTarget},
		{"a full client", more, policyOS, []sample{sampleOf("throughput", 200, 0.96)}, []sample{sampleOf("throughput", 100, 0.5)}, 2, clientBound},
		{"a full client that hid how much faster Kafka is", more, policyOS, []sample{sampleOf("throughput", 50, 0.4)}, []sample{sampleOf("throughput", 100, 0.99)}, 0.5, notReached},
		{"a full client on Strom's side", more, policyOS, []sample{sampleOf("throughput", 50, 0.96)}, []sample{sampleOf("throughput", 100, 0.5)}, 0.5, clientBound},
		{"a full client does not spoil CPU per GB", less, policyOS, []sample{sampleOf("cpu", 1, 0.96)}, []sample{sampleOf("cpu", 4, 1)}, 4, reached},
		{"the median counts", less, policyOS, []sample{sampleOf("cpu", 1, 0), sampleOf("cpu", 9, 0), sampleOf("cpu", 2, 0)}, []sample{sampleOf("cpu", 4, 0)}, 2, notReached},
		{"one side failed", less, policyOS, nil, []sample{sampleOf("cpu", 4, 1)}, 0, notMeasured},
	} {
		l := compareOne(row{name: "r", label: "r"}, test.metric, test.policy, test.ours, test.theirs)
		if l.Verdict != test.verdict {
			t.Errorf("%s: %s, want %s", test.name, l.Verdict, test.verdict)
		}
		if test.times != 0 && (l.TimesBetter == nil || *l.TimesBetter != test.times) {
			t.Errorf("%s: %v times better, want %v", test.name, l.TimesBetter, test.times)
		}
	}
}

func TestTableIsAligned(t *testing.T) {
	r := newResults(shortPlan)
	r.add("idle", policyFsync, sample{values: map[string]float64{"memory": 20, "cpu": 0}})
	r.add("idle", kafkaName, sample{values: map[string]float64{"memory": 400, "cpu": 3.5}})
	r.add("idle", kafkaName, sample{values: map[string]float64{"memory": 410, "cpu": 3.6}})
	r.Lines = r.compare([]row{rows[1]})
	var text strings.Builder
	printTable(&text, cells(r.Lines))
	lines := strings.Split(strings.TrimSpace(text.String()), "\n")
	if len(lines) != 3 {
		t.Fatalf("%d lines:\n%s", len(lines), &text)
	}
	at := strings.Index(lines[0], "Kafka")
	for i, want := range []string{"Kafka", "405 (400-410)", "3.55 (3.50-3.60)"} {
		if !strings.HasPrefix(lines[i][at:], want) {
			t.Errorf("no %q at column %d:\n%s", want, at, &text)
		}
	}
	for i, want := range []string{"20.2x", "not measurable"} {
		if !strings.Contains(lines[i+1], want) || !strings.Contains(lines[i+1], reached) {
			t.Errorf("no %q, %q:\n%s", want, reached, lines[i+1])
		}
	}
	if page := markdown(&r); strings.Count(page, "|---") != len(columns) {
		t.Errorf("the markdown's header does not have %d columns:\n%s", len(columns), page)
	}
}
