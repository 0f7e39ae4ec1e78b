package stromtest_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"go.uber.org/goleak"

	"github.com/stromkafka/strom/stromtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// produce writes records and waits for each to be acknowledged.
func produce(t *testing.T, c *kgo.Client, topic string, values ...string) {
	t.Helper()
	for _, v := range values {
		if err := c.ProduceSync(t.Context(), &kgo.Record{Topic: topic, Value: []byte(v)}).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
}

// consume reads n values of a topic's only partition.
func consume(t *testing.T, b *stromtest.Broker, topic string, n int) []string {
	t.Helper()
	c := b.Client(kgo.ConsumeTopics(topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	defer c.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	var got []string
	for len(got) < n {
		fetches := c.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			t.Fatalf("after %d records: %v", len(got), err)
		}
		fetches.EachRecord(func(r *kgo.Record) { got = append(got, string(r.Value)) })
	}
	return got
}

// lives starts a broker in all the ways there are and ends it in all the ways.
func lives(t *testing.T, o stromtest.Options) {
	o.Config = map[string]string{"auto.create.topics.enable": "true"}
	b := stromtest.Start(t, o)
	address := b.Bootstrap()
	c := b.Client(kgo.AllowAutoTopicCreation())
	ends := []func(){b.Restart, func() { b.Kill(); b.Start() }}
	if o.Dir == "" {
		ends = append(ends, func() { b.PowerLoss(1); b.Start() })
	}
	for i, again := range ends {
		produce(t, c, "t", fmt.Sprint(i))
		again()
	}
	if b.Bootstrap() != address {
		t.Errorf("the address was %s and is %s", address, b.Bootstrap())
	}
	for i, v := range consume(t, b, "t", len(ends)) {
		if v != fmt.Sprint(i) {
			t.Errorf("record %d is %q", i, v)
		}
	}
}

func TestInMemory(t *testing.T) { lives(t, stromtest.Options{}) }

func TestOnDisk(t *testing.T) { lives(t, stromtest.Options{Dir: t.TempDir()}) }

func TestInABubble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { lives(t, stromtest.Options{InProcess: true}) })
}

// TestGreeting is what ExampleStart shows.
func TestGreeting(t *testing.T) {
	if r := greet(t); r.Topic != "greetings" || r.Partition != 0 || r.Offset != 0 {
		t.Errorf("written to %s-%d at %d, not to greetings-0 at 0", r.Topic, r.Partition, r.Offset)
	}
}

func greet(t *testing.T) *kgo.Record {
	b := stromtest.Start(t, stromtest.Options{})
	client := b.Client(kgo.AllowAutoTopicCreation())
	r, err := client.ProduceSync(t.Context(), &kgo.Record{Topic: "greetings", Value: []byte("hello")}).First()
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// All that a test of a program that uses Kafka needs.
func ExampleStart() {
	var t *testing.T // the test's own

	b := stromtest.Start(t, stromtest.Options{})
	client := b.Client(kgo.AllowAutoTopicCreation())
	if err := client.ProduceSync(t.Context(), &kgo.Record{Topic: "greetings", Value: []byte("hello")}).FirstErr(); err != nil {
		t.Fatal(err)
	}
}
