package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// A broker that is killed is fenced by a controller in another process although its
// session is far from over; one that stops cleanly is fenced by then.
func TestKilledBrokerIsFenced(t *testing.T) {
	first := buildProgram(t)
	second := &program{t: t, binary: first.binary, address: freeAddress(t), dir: t.TempDir()}
	quorum := freeAddress(t)
	const patient = "broker.session.timeout.ms=600000"
	first.startNode(1, "broker,controller", quorum, patient)
	defer first.kill()
	second.startNode(2, "broker", quorum, patient)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	client, err := kgo.NewClient(kgo.SeedBrokers(first.address))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	awaitBrokers(t, ctx, client, 2)
	killed := time.Now()
	second.kill()
	awaitBrokers(t, ctx, client, 1)
	t.Logf("fenced %v after kill -9", time.Since(killed))
	second.startNode(2, "broker", quorum, patient)
	awaitBrokers(t, ctx, client, 2)
	stopped := time.Now()
	if err := second.command.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if err := second.command.Wait(); err != nil {
		t.Errorf("a clean stop: %v", err)
	}
	awaitBrokers(t, ctx, client, 1)
	t.Logf("gone %v after a clean stop", time.Since(stopped))
}

// A broker that stands still for a second is not thrown out: it keeps its session,
// its place in every in-sync set and what it leads. The time is the metadata log's,
// in which an idle controller writes a record every half second.
func TestPausedBrokerStays(t *testing.T) {
	first := buildProgram(t)
	second := &program{t: t, binary: first.binary, address: freeAddress(t), dir: t.TempDir()}
	quorum := freeAddress(t)
	first.startNode(1, "broker,controller", quorum)
	defer first.kill()
	second.startNode(2, "broker", quorum)
	defer second.kill()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	client, err := kgo.NewClient(kgo.SeedBrokers(first.address), kgo.DefaultProduceTopic("t"), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	awaitBrokers(t, ctx, client, 2)
	create := kmsg.NewPtrCreateTopicsRequest()
	topic := kmsg.NewCreateTopicsRequestTopic()
	topic.Topic, topic.NumPartitions, topic.ReplicationFactor = "t", 4, 2
	create.Topics = append(create.Topics, topic)
	if _, err := create.RequestWith(ctx, client); err != nil {
		t.Fatal(err)
	}
	produceEach(t, ctx, client, 4)
	before := partitionsOf(t, ctx, client, "t")
	for round := range 3 {
		if err := second.command.Process.Signal(syscall.SIGSTOP); err != nil {
			t.Fatal(err)
		}
		for from := metadataEnd(t, ctx, client); metadataEnd(t, ctx, client) < from+3; {
		}
		if err := second.command.Process.Signal(syscall.SIGCONT); err != nil {
			t.Fatal(err)
		}
		produceEach(t, ctx, client, 4)
		if after := partitionsOf(t, ctx, client, "t"); after != before {
			t.Errorf("round %d: the partitions were\n%s\nand are\n%s", round, before, after)
		}
	}
}

// produceEach produces a record to each partition, acknowledged by all in sync.
func produceEach(t *testing.T, ctx context.Context, client *kgo.Client, partitions int32) {
	t.Helper()
	for i := range partitions {
		if err := client.ProduceSync(ctx, &kgo.Record{Partition: i, Value: []byte("x")}).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
}

// partitionsOf are who leads a topic's partitions, in which epochs, and who is in
// sync, as the first node knows it.
func partitionsOf(t *testing.T, ctx context.Context, client *kgo.Client, topic string) string {
	t.Helper()
	request := kmsg.NewPtrMetadataRequest()
	one := kmsg.NewMetadataRequestTopic()
	one.Topic = &topic
	request.Topics = append(request.Topics, one)
	response, err := request.RequestWith(ctx, client.SeedBrokers()[0])
	if err != nil {
		t.Fatal(err)
	}
	var all strings.Builder
	for _, p := range response.Topics[0].Partitions {
		fmt.Fprintf(&all, "%d: leader %d epoch %d in sync %v\n", p.Partition, p.Leader, p.LeaderEpoch, p.ISR)
	}
	return all.String()
}

// metadataEnd is how far the metadata log is committed.
func metadataEnd(t *testing.T, ctx context.Context, client *kgo.Client) int64 {
	t.Helper()
	request := kmsg.NewPtrDescribeQuorumRequest()
	topic := kmsg.NewDescribeQuorumRequestTopic()
	topic.Topic = "__cluster_metadata"
	topic.Partitions = append(topic.Partitions, kmsg.NewDescribeQuorumRequestTopicPartition())
	request.Topics = append(request.Topics, topic)
	response, err := request.RequestWith(ctx, client.SeedBrokers()[0])
	if err != nil {
		t.Fatal(err)
	}
	return response.Topics[0].Partitions[0].HighWatermark
}

// startNode runs a node of a cluster whose one controller is node 1.
func (p *program) startNode(id int, roles, quorum string, more ...string) {
	p.t.Helper()
	listeners := "PLAINTEXT://" + p.address
	if id == 1 {
		listeners += ",CONTROLLER://" + quorum
	}
	file := filepath.Join(p.dir, "server.properties")
	properties := fmt.Sprintf("node.id=%d\nprocess.roles=%s\ncluster.id=4L6g3nShT-eMCtK--X86sw\ncontroller.quorum.voters=1@%s\nlisteners=%s\n"+
		"controller.listener.names=CONTROLLER\nlog.dirs=%s\n%s\n", id, roles, quorum, listeners, filepath.Join(p.dir, "data"), strings.Join(more, "\n"))
	if err := os.WriteFile(file, []byte(properties), 0o644); err != nil {
		p.t.Fatal(err)
	}
	p.run(exec.Command(p.binary, "start", file))
}

// awaitBrokers waits until the first node names so many live brokers.
func awaitBrokers(t *testing.T, ctx context.Context, client *kgo.Client, want int) {
	t.Helper()
	request := kmsg.NewPtrMetadataRequest()
	request.Topics = []kmsg.MetadataRequestTopic{}
	for {
		response, err := request.RequestWith(ctx, client.SeedBrokers()[0])
		if err == nil && len(response.Brokers) == want {
			return
		}
		select {
		case <-ctx.Done():
			t.Fatalf("%v while the cluster was to have %d brokers", err, want)
		case <-time.After(5 * time.Millisecond):
		}
	}
}
