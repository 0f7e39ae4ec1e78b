package workload_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"

	"github.com/stromkafka/strom/internal/history"
	"github.com/stromkafka/strom/internal/workload"
	"github.com/stromkafka/strom/stromtest"
)

// The clients write and read on a node that is killed and stopped in between,
// every send has an outcome, and nothing false is found.
func TestOneNode(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := stromtest.Start(t, stromtest.Options{InProcess: true, Config: map[string]string{"group.initial.rebalance.delay.ms": "0",
			"group.consumer.min.session.timeout.ms": "6000", "group.consumer.session.timeout.ms": "6000",
			"group.consumer.min.heartbeat.interval.ms": "1000", "group.consumer.heartbeat.interval.ms": "1000"}})
		topics := map[string]int32{"a": 2, "b": 1, "c": 2}
		admin := kadm.NewClient(b.Client())
		for name, partitions := range topics {
			if _, err := admin.CreateTopic(t.Context(), partitions, 1, nil, name); err != nil {
				t.Fatal(err)
			}
		}
		o := workload.Options{Seeds: []string{b.Bootstrap()}, Dial: b.Dial, Topics: topics, Every: 50 * time.Millisecond, Size: 100,
			Record: workload.NewRecorder(), Patience: 10 * time.Second, Transactions: 2, Copies: workload.Copies{From: "a", To: "c"},
			Groups: []workload.Group{{Name: "classic", Topic: "a", Members: 2}, {Name: "consumer", Topic: "a", Members: 2, Consumer: true}}}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- o.Run(ctx) }()
		for _, end := range []func(){b.Kill, b.Stop} {
			time.Sleep(5 * time.Second)
			begin := o.Record.Now()
			end()
			b.Start()
			o.Record.Add(history.Op{Kind: history.Fault, Fault: "restart", Begin: begin, End: o.Record.Now()})
		}
		time.Sleep(5 * time.Second)
		cancel()
		if err := <-ended; err != nil {
			t.Fatal(err)
		}
		if err := o.ReadAll(t.Context()); err != nil {
			t.Fatal(err)
		}
		r := history.Check(o.Record.History(), history.Minimum{Acknowledged: 1000, Read: 3000, Faults: 2, Committed: 100, Copied: 500, Groups: 2, Given: 2, Saved: 50})
		if r.Verdict() != history.Fine {
			t.Error(r)
		}
		t.Log(r)
	})
}
