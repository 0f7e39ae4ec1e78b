package main

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// clientVerb makes this program a client: client consume ADDR TOPIC RECORDS, client latency ADDR TOPIC RATE SECONDS.
const clientVerb = "client"

func client(args []string) error {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	var numbers []int
	for _, arg := range args[3:] {
		n, err := strconv.Atoi(arg)
		if err != nil {
			return err
		}
		numbers = append(numbers, n)
	}
	var result any
	var err error
	switch args[0] {
	case "consume":
		result, err = clientConsume(ctx, args[1], args[2], numbers[0])
	case "latency":
		result, err = clientLatency(ctx, args[1], args[2], numbers[0], numbers[1])
	default:
		err = fmt.Errorf("no client is called %q", args[0])
	}
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(result)
}

func clientConsume(ctx context.Context, addr, topic string, records int) (*load, error) {
	began := time.Now()
	client, err := kgo.NewClient(kgo.SeedBrokers(addr), kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: {0: kgo.NewOffset().AtStart()}}),
		kgo.FetchMaxPartitionBytes(10<<20))
	if err != nil {
		return nil, err
	}
	defer client.Close()
	var bytes int
	for n := 0; n < records; {
		fetches := client.PollFetches(ctx)
		if err := errors.Join(fetches.Err(), ctx.Err()); err != nil {
			return nil, err
		}
		fetches.EachRecord(func(r *kgo.Record) {
			n++
			bytes += len(r.Value)
		})
	}
	seconds := time.Since(began).Seconds()
	return &load{RecordsPerSecond: float64(records) / seconds, MBPerSecond: float64(bytes) / 1e6 / seconds}, nil
}

// clientLatency sends RATE records of 100 bytes a second, acks=all, each alone in its batch, the time it was due in it.
func clientLatency(ctx context.Context, addr, topic string, rate, seconds int) (map[string]float64, error) {
	if err := makeTopic(ctx, addr, topic); err != nil {
		return nil, err
	}
	producer, err := kgo.NewClient(kgo.SeedBrokers(addr), kgo.DefaultProduceTopic(topic), kgo.ProducerLinger(0))
	if err != nil {
		return nil, err
	}
	defer producer.Close()
	consumer, err := kgo.NewClient(kgo.SeedBrokers(addr), kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: {0: kgo.NewOffset().AtStart()}}))
	if err != nil {
		return nil, err
	}
	defer consumer.Close()
	warm := rate // the first second does not count
	took := make([]time.Duration, 0, rate*seconds)
	began := time.Now()
	var wait sync.WaitGroup
	var readErr error
	wait.Go(func() { took, readErr = readAll(ctx, consumer, began, rate*seconds+warm, took) })
	sendErr := sendAll(ctx, producer, began, rate, rate*seconds+warm)
	wait.Wait()
	if err := errors.Join(sendErr, readErr); err != nil {
		return nil, err
	}
	took = took[warm:]
	slices.Sort(took)
	at := func(share float64) float64 {
		return float64(took[int(share*float64(len(took)-1))].Microseconds()) / 1000
	}
	return map[string]float64{"p50": at(0.5), "p99": at(0.99), "p99.9": at(0.999)}, nil
}

// makeTopic makes a topic and waits until it can be read.
func makeTopic(ctx context.Context, addr, topic string) error {
	client, err := kgo.NewClient(kgo.SeedBrokers(addr))
	if err != nil {
		return err
	}
	defer client.Close()
	admin := kadm.NewClient(client)
	if _, err := admin.CreateTopic(ctx, 1, 1, nil, topic); err != nil {
		return err
	}
	for {
		offsets, err := admin.ListEndOffsets(ctx, topic)
		if err == nil && offsets.Error() == nil {
			return nil
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
}

func sendAll(ctx context.Context, producer *kgo.Client, began time.Time, rate, count int) error {
	var mu sync.Mutex
	var failed error
	for i := range count {
		due := time.Duration(i) * time.Second / time.Duration(rate)
		if early := due - time.Since(began); early > 0 {
			time.Sleep(early)
		}
		value := make([]byte, 100)
		binary.BigEndian.PutUint64(value, uint64(due))
		producer.Produce(ctx, &kgo.Record{Value: value}, func(_ *kgo.Record, err error) {
			if err != nil {
				mu.Lock()
				failed = err
				mu.Unlock()
			}
		})
	}
	err := producer.Flush(ctx)
	mu.Lock()
	defer mu.Unlock()
	return errors.Join(err, failed)
}

func readAll(ctx context.Context, consumer *kgo.Client, began time.Time, count int, took []time.Duration) ([]time.Duration, error) {
	for len(took) < count {
		fetches := consumer.PollFetches(ctx)
		now := time.Since(began)
		if err := errors.Join(fetches.Err(), ctx.Err()); err != nil {
			return nil, err
		}
		fetches.EachRecord(func(r *kgo.Record) {
			took = append(took, now-time.Duration(binary.BigEndian.Uint64(r.Value)))
		})
	}
	return took, nil
}
