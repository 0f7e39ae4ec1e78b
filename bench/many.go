package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// failoverEvery is how often the surviving nodes are asked for a decision: the resolution of the failover time.
const failoverEvery = 10 * time.Millisecond

var manyReplicas = row{name: "partitions.10000", label: "10,000 partitions, 3 copies", once: true, measure: measureManyReplicas, metrics: []metric{
	{key: "create", label: "created in", unit: "ms", targets: both(target{AtMost: 10_000, Meaning: "within 10 s"})},
	{key: "restart", label: "clean stop, then exec to all copies in sync", unit: "ms", targets: both(target{AtMost: 5000, Meaning: "within 5 s"})},
	{key: "failover", label: "kill -9 of the active controller to the next one's first decision", unit: "ms", targets: both(target{AtMost: 1000, Meaning: "within 1 s"})},
	{key: "cpu", label: "CPU of the three brokers for the creation", unit: "CPU-s", targets: sooner},
	{key: "memory", label: "memory (RSS) of the largest after that", unit: "MB"},
}}

// measureManyReplicas creates the partitions, restarts a node that does not lead the quorum, and kills the one that
// does.
func measureManyReplicas(m measuring) (sample, error) {
	ctx, cancel := context.WithTimeout(m.ctx, manyTimeout)
	defer cancel()
	values := map[string]float64{}
	from, err := m.cpuTimes()
	if err != nil {
		return sample{}, err
	}
	began := time.Now()
	for range manyTopics {
		if _, err := m.newTopicOf(ctx, manyPartitions); err != nil {
			return sample{}, err
		}
	}
	values["create"] = milliseconds(time.Since(began))
	if err := m.whole(ctx); err != nil {
		return sample{}, err
	}
	to, err := m.cpuTimes()
	if err != nil {
		return sample{}, err
	}
	values["cpu"] = (to - from).Seconds()
	for _, n := range m.nodes {
		held, err := memoryOf(n.pid())
		if err != nil {
			return sample{}, err
		}
		values["memory"] = max(values["memory"], float64(held.now)/1e6)
	}
	progressf("    created: %.0f ms, %.1f CPU-s", values["create"], values["cpu"])
	if values["restart"], err = m.restartStandby(ctx); err != nil {
		return sample{}, err
	}
	progressf("    restarted: %.0f ms", values["restart"])
	values["failover"], err = m.failController(ctx)
	return sample{values: values}, err
}

// cpuTimes is the processor time of all nodes.
func (s *session) cpuTimes() (sum time.Duration, err error) {
	for _, n := range s.nodes {
		one, failed := cpuTime(n.pid())
		sum, err = sum+one, errors.Join(err, failed)
	}
	return sum, err
}

// quorumLeader is the node that leads the quorum, by its id.
func (s *session) quorumLeader(ctx context.Context) (int32, error) {
	client, err := kgo.NewClient(kgo.SeedBrokers(s.seeds()...))
	if err != nil {
		return -1, err
	}
	defer client.Close()
	id, err := quorumLeader(ctx, client)
	if err == nil && (id < 1 || int(id) > len(s.nodes)) {
		err = fmt.Errorf("node %d leads the quorum, and is none of ours", id)
	}
	return id, err
}

// restartStandby stops a node cleanly, and starts it again.
func (s *session) restartStandby(ctx context.Context) (float64, error) {
	leader, err := s.quorumLeader(ctx)
	if err != nil {
		return 0, err
	}
	n := s.nodes[int(leader)%len(s.nodes)]
	if err := n.stop(); err != nil {
		return 0, err
	}
	settle()
	began := time.Now()
	err = s.restart(ctx, n)
	return milliseconds(time.Since(began)), err
}

// failController kills the active controller, and asks for a topic until there is one.
func (s *session) failController(ctx context.Context) (float64, error) {
	leader, err := s.quorumLeader(ctx)
	if err != nil {
		return 0, err
	}
	var left []string
	for i, n := range s.nodes {
		if int32(i+1) != leader {
			left = append(left, n.addr)
		}
	}
	client, err := kgo.NewClient(kgo.SeedBrokers(left...), kgo.MetadataMinAge(failoverEvery), kgo.RetryBackoffFn(func(int) time.Duration { return failoverEvery }))
	if err != nil {
		return 0, err
	}
	defer client.Close()
	admin := kadm.NewClient(client)
	if _, err := admin.BrokerMetadata(ctx); err != nil { // connected before the clock runs
		return 0, err
	}
	began := time.Now()
	s.nodes[leader-1].kill()
	for try := 0; ; try++ {
		_, err := admin.CreateTopic(ctx, 1, 1, nil, fmt.Sprintf("after-%d", try))
		if err == nil {
			return milliseconds(time.Since(began)), nil
		}
		if failed := pause(ctx, failoverEvery); failed != nil {
			return 0, errors.Join(failed, err)
		}
	}
}
