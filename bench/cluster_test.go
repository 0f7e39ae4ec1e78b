package main

import (
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

func TestAcknowledgements(t *testing.T) {
	got, err := parseAcknowledgement("3 1700000000000001 1700000000250001")
	if err != nil || got.partition != 3 || got.at.Sub(got.produced) != 250*time.Millisecond || got.produced.UnixMicro() != 1700000000000001 {
		t.Errorf("%+v, %v", got, err)
	}
	for _, bad := range []string{"", "1 2", "1 2 x", "failed 3 KafkaError{code=_MSG_TIMED_OUT}", "failed 3 timeout", "Traceback (most recent call last):"} {
		if got, err := parseAcknowledgement(bad); err == nil {
			t.Errorf("%q passed: %+v", bad, got)
		}
	}
}

func TestOutageLastsUntilTheLastPartitionIsBack(t *testing.T) {
	kill := time.UnixMicro(1700000000000000)
	after := func(ms int) time.Time { return kill.Add(time.Duration(ms) * time.Millisecond) }
	o := outage{began: kill, dead: after(20), until: map[int]time.Time{}}
	for _, a := range []acknowledgement{
		{0, after(-5), after(30)},   // produced before the kill: the dead leader may have acknowledged it
		{1, after(10), after(40)},   // and while it died
		{1, after(25), after(45)},   // partition 1 had another leader
		{1, after(35), after(9000)}, // it is back already
	} {
		o.add(a)
	}
	if o.over(2) || len(o.until) != 1 {
		t.Fatalf("back: %v", o.until)
	}
	o.add(acknowledgement{0, after(400), after(900)})
	if !o.over(2) || o.lasted() != 900*time.Millisecond {
		t.Errorf("%v, %v", o.until, o.lasted())
	}
}

func TestVictims(t *testing.T) {
	for _, test := range []struct {
		pick       victim
		controller int32
		leaders    []int32
		want       int32 // 0: refused
	}{
		{aLeader, 1, []int32{1, 2, 3}, 2},
		{aLeader, 2, []int32{2, -1, 3}, 3},
		{aLeader, 1, []int32{1, 1}, 0},
		{theController, 3, []int32{1, 2, 3}, 3},
		{theController, 3, []int32{1, 2}, 0},
		{theController, -1, []int32{1, 2}, 0},
	} {
		got, err := test.pick(test.controller, test.leaders)
		if got != test.want || (err == nil) != (test.want > 0) {
			t.Errorf("controller %d, leaders %v: %d, %v; want %d", test.controller, test.leaders, got, err, test.want)
		}
	}
}

func TestClusterProperties(t *testing.T) {
	all, err := members(t.TempDir(), []string{"localhost:1", "localhost:2", "localhost:3"}, "log.flush.policy=os")
	if err != nil {
		t.Fatal(err)
	}
	controllers := []string{all[0].controller, all[1].controller, all[2].controller}
	text := clusterProperties(all[1], controllers)
	for _, want := range []string{"node.id=2\n", "listeners=PLAINTEXT://localhost:2,CONTROLLER://" + controllers[1] + "\n",
		"controller.quorum.bootstrap.servers=" + strings.Join(controllers, ",") + "\n", "\ndefault.replication.factor=3\n", "\nmin.insync.replicas=2\n",
		"offsets.topic.replication.factor=3\n", "transaction.state.log.min.isr=2\n", "log.dirs=" + all[1].dir} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	voters := strings.Split(initialControllers(all), ",")
	if len(voters) != 3 || voters[2] != "3@"+controllers[2]+":WwAAAAAAAAAAAAAAAAAAAw" || voters[0] == voters[1] {
		t.Errorf("%q", voters)
	}
}

func TestIncomplete(t *testing.T) {
	brokers := kadm.BrokerDetails{kgo.BrokerMetadata{NodeID: 1}, kgo.BrokerMetadata{NodeID: 2}}
	topic := func(leader int32, inSync ...int32) kadm.TopicDetails {
		p := kadm.PartitionDetail{Topic: "t", Leader: leader, Replicas: []int32{1, 2}, ISR: inSync}
		return kadm.TopicDetails{"t": {Topic: "t", Partitions: kadm.PartitionDetails{0: p}}}
	}
	for _, test := range []struct {
		m    kadm.Metadata
		n    int
		want string
	}{
		{kadm.Metadata{Brokers: brokers, Topics: topic(1, 1, 2)}, 2, ""},
		{kadm.Metadata{Brokers: brokers, Topics: topic(1, 1, 2)}, 3, "2 of 3 brokers"},
		{kadm.Metadata{Brokers: brokers, Topics: topic(1, 1)}, 2, "1 of 2 replicas"},
		{kadm.Metadata{Brokers: brokers, Topics: topic(-1, 1, 2)}, 2, "leader -1"},
	} {
		if got := incomplete(test.m, test.n); got != test.want && (test.want == "" || !strings.Contains(got, test.want)) {
			t.Errorf("%q, want %q", got, test.want)
		}
	}
}

func TestLegendOfACluster(t *testing.T) {
	r := newResults(planOf(shortPlan, suites[0]))
	one := legend(&r)
	cluster, _ := suiteNamed("cluster")
	r.Plan = planOf(shortPlan, cluster)
	three := legend(&r)
	for _, want := range []string{"Three nodes", "min.insync.replicas 2", "512 MB each"} {
		if strings.Contains(one, want) || !strings.Contains(three, want) {
			t.Errorf("%q: in one node's legend, or not in three nodes':\n%s\n%s", want, one, three)
		}
	}
	if page := markdown(&r); !strings.Contains(page, "make bench-cluster") {
		t.Errorf("%s", page)
	}
}
