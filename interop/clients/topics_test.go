//go:build interop

package clients

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stromkafka/strom/interop/internal/raw"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// create makes a topic and waits until its leaders serve.
func create(t *testing.T, server, topic string, partitions int32) {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(server))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	admin := kadm.NewClient(client)
	if _, err := admin.CreateTopic(t.Context(), partitions, 1, nil, topic); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(30 * time.Second); ; {
		offsets, err := admin.ListEndOffsets(t.Context(), topic)
		if err == nil {
			err = offsets.Error()
		}
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
}

// freshTopics are how many; a tenth of them without -all.
const freshTopics = 1000

func fewer(n int) int {
	if *everything {
		return n
	}
	return n / 10
}

// TestFreshTopics produces to a topic the moment that Metadata names its leader, once and without a second try: a leader
// that is named serves. Apache Kafka refuses some; with it the count is logged.
func TestFreshTopics(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"created", "auto-created"} {
		t.Run(kind, func(t *testing.T) {
			node := start(t, nil)
			conn, err := raw.Dial(node.Addr, 30*time.Second)
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			refused := map[string]int{}
			for i := range fewer(freshTopics) {
				topic := fmt.Sprintf("fresh-%d", i)
				if kind == "created" {
					createRaw(t, conn, topic)
				}
				awaitLeader(t, conn, topic)
				if code := produceOnce(t, conn, topic, oneRecord("first")); code != 0 {
					refused[kerr.ErrorForCode(code).Error()]++
				}
			}
			report(t, refused)
		})
	}
}

// report fails when anything was refused, unless this is Apache Kafka.
func report(t *testing.T, refused map[string]int) {
	t.Helper()
	switch {
	case len(refused) == 0:
	case reference():
		t.Logf("Apache Kafka refused: %v", refused)
	default:
		t.Errorf("refused: %v", refused)
	}
}

func createRaw(t *testing.T, conn *raw.Conn, topic string) {
	t.Helper()
	req := kmsg.NewPtrCreateTopicsRequest()
	req.SetVersion(7)
	req.TimeoutMillis = 10000
	one := kmsg.NewCreateTopicsRequestTopic()
	one.Topic, one.NumPartitions, one.ReplicationFactor = topic, 1, 1
	req.Topics = append(req.Topics, one)
	_, resp, err := conn.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	if err := kerr.ErrorForCode(resp.(*kmsg.CreateTopicsResponse).Topics[0].ErrorCode); err != nil {
		t.Fatal(err)
	}
}

// awaitLeader asks for metadata, with leave to create the topic, until it names a leader.
func awaitLeader(t *testing.T, conn *raw.Conn, topic string) {
	t.Helper()
	req := kmsg.NewPtrMetadataRequest()
	req.SetVersion(9)
	req.AllowAutoTopicCreation = true
	one := kmsg.NewMetadataRequestTopic()
	one.Topic = &topic
	req.Topics = append(req.Topics, one)
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); {
		_, resp, err := conn.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		got := resp.(*kmsg.MetadataResponse).Topics[0]
		if got.ErrorCode == 0 && len(got.Partitions) > 0 && got.Partitions[0].Leader >= 0 {
			return
		}
	}
	t.Fatalf("%s has no leader", topic)
}

func produceOnce(t *testing.T, conn *raw.Conn, topic string, batch []byte) int16 {
	t.Helper()
	req := kmsg.NewPtrProduceRequest()
	req.SetVersion(9)
	req.Acks, req.TimeoutMillis = 1, 10000
	one := kmsg.NewProduceRequestTopic()
	one.Topic = topic
	partition := kmsg.NewProduceRequestTopicPartition()
	partition.Records = batch
	one.Partitions = append(one.Partitions, partition)
	req.Topics = append(req.Topics, one)
	_, resp, err := conn.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	return resp.(*kmsg.ProduceResponse).Topics[0].Partitions[0].ErrorCode
}

// pythonTopics is fewer: Debian's kafka-python waits 100 ms between two looks at the metadata.
const pythonTopics = 100

// TestFreshTopicsPython is the same with Debian's kafka-python, which tries once.
func TestFreshTopicsPython(t *testing.T) {
	t.Parallel()
	node := start(t, nil)
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	out, err := execute(ctx, "", debianPython, "python/kafka_python.py", "fresh", node.Addr, "fresh", fmt.Sprint(fewer(pythonTopics)))
	if err != nil {
		t.Fatal(err)
	}
	answers := strings.Fields(out)
	if len(answers) != fewer(pythonTopics) {
		t.Fatalf("%d answers", len(answers))
	}
	refused := map[string]int{}
	for _, answer := range slices.DeleteFunc(answers, func(a string) bool { return a == "0" }) {
		refused[answer]++
	}
	report(t, refused)
}
