package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// clientVerb, as the first argument, makes this program one of the clients: a process of its own, so that its processor
// time can be told from the harness's.
const clientVerb = "client"

// clientOptions are what a client is told by the harness.
type clientOptions struct {
	addr, topic string
	warm, run   time.Duration
	rate        int
	clients     int
	workers     int
}

// clientVerbs are our clients by the word that runs them.
var clientVerbs = map[string]func(ctx context.Context, o clientOptions) error{
	"consume": consumeClient, "latency": latencyClient,
	"small": smallClient, "keyed": keyedClient,
	"group-classic": classicGroup, "group-consumer": consumerGroup,
	"commits": commitsClient, "transactions": transactionsClient, "transaction-latency": transactionLatencyClient,
}

func runClient(args []string) error {
	if len(args) == 0 {
		return errors.New("which client?")
	}
	var o clientOptions
	flags := flag.NewFlagSet("bench client", flag.ContinueOnError)
	flags.StringVar(&o.addr, "addr", "", "the brokers")
	flags.StringVar(&o.topic, "topic", "", "the topic, of one partition")
	flags.DurationVar(&o.warm, "warm", 0, "not counted")
	flags.DurationVar(&o.run, "run", 0, "counted")
	flags.IntVar(&o.rate, "rate", 0, "records a second")
	flags.IntVar(&o.clients, "clients", 1, "connections")
	flags.IntVar(&o.workers, "workers", 1, "operations at once")
	if err := flags.Parse(args[1:]); err != nil {
		return err
	}
	client, ok := clientVerbs[args[0]]
	if !ok {
		return fmt.Errorf("no client %q", args[0])
	}
	return client(context.Background(), o)
}

// self is the command that runs one of our clients.
func (s *session) self(verb, topic string, args ...string) (command, error) {
	program, err := os.Executable()
	if err != nil {
		return command{}, err
	}
	args = append([]string{program, clientVerb, verb, "-addr", s.addr, "-topic", topic}, args...)
	return command{name: "kgo " + verb, args: args, core: s.bench.clientCore, output: s.clientOutput()}, nil
}

// report is a window on the wire between client and harness.
type report struct {
	Records int64   `json:"records"`
	Seconds float64 `json:"seconds"`
}

func parseReport(line string) (window, bool, error) {
	var r report
	if err := json.Unmarshal([]byte(line), &r); err != nil {
		return window{}, false, fmt.Errorf("a client's report: %w", err)
	}
	return window{records: r.Records, seconds: r.Seconds}, true, nil
}

// consumeClient reads the partition from its start to its end, again and again, until it is ended. Going back drops what
// was fetched ahead, the same for every broker.
func consumeClient(ctx context.Context, o clientOptions) error {
	client, err := kgo.NewClient(kgo.SeedBrokers(strings.Split(o.addr, ",")...), kgo.ClientID("bench"),
		kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{o.topic: {0: kgo.NewOffset().AtStart()}}))
	if err != nil {
		return err
	}
	defer client.Close()
	out := json.NewEncoder(os.Stdout)
	var records int64
	last := time.Now()
	for {
		fetches := client.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			return err
		}
		again := false
		fetches.EachPartition(func(p kgo.FetchTopicPartition) {
			records += int64(len(p.Records))
			if n := len(p.Records); n > 0 && p.Records[n-1].Offset+1 >= p.HighWatermark {
				again = true
			}
		})
		if again {
			client.SetOffsets(map[string]map[int32]kgo.EpochOffset{o.topic: {0: {Epoch: -1, Offset: 0}}})
		}
		if now := time.Now(); now.Sub(last) >= reportEvery {
			if err := out.Encode(report{records, now.Sub(last).Seconds()}); err != nil {
				return err
			}
			records, last = 0, now
		}
	}
}

// consume measures reading a partition that holds records of a size. ProducerPerformance has filled it, so the batches
// are those that row after row of a producer at full speed would leave.
func consume(size int) measurement {
	return func(m measuring) (sample, error) {
		topic, err := m.newTopic(m.ctx)
		if err != nil {
			return sample{}, err
		}
		if err := m.fill(topic, size); err != nil {
			return sample{}, fmt.Errorf("fill: %w", err)
		}
		settle()
		c, err := m.self("consume", topic)
		if err != nil {
			return sample{}, err
		}
		f, err := measureStream(m.ctx, m.session, stream{command: c, parse: parseReport, warm: m.plan.Warm, measure: m.plan.Measure})
		if err != nil {
			return sample{}, err
		}
		return f.sample(size), nil
	}
}

func (m measuring) fill(topic string, size int) error {
	c, err := m.producer(topic, size, "1", int64(m.plan.Fill/size))
	if err != nil {
		return err
	}
	m.loaded = true
	filler, err := start(c)
	if err != nil {
		return err
	}
	return filler.wait(m.ctx)
}

// measureLatency runs the open-loop client. Its core is nearly idle at that rate.
func measureLatency(m measuring) (sample, error) {
	topic, err := m.newTopicOf(m.ctx, 1) // one, so that every record is seen in its order
	if err != nil {
		return sample{}, err
	}
	return m.client("latency", topic, "-warm", (m.plan.Warm + time.Second).String(), "-run", m.plan.Latency.String(), "-rate", fmt.Sprint(m.plan.Rate))
}

func readFigures(name string) (sample, error) {
	file, err := os.Open(name)
	if err != nil {
		return sample{}, err
	}
	defer file.Close()
	values := map[string]float64{}
	if err := json.NewDecoder(bufio.NewReader(file)).Decode(&values); err != nil {
		return sample{}, fmt.Errorf("a client's figures: %w", err)
	}
	return sample{values: values}, nil
}
