package main

import (
	"bufio"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

//go:embed unavailable.py
var unavailableScript string

const (
	// produceEvery is the pace for each partition: the resolution of an unavailability.
	produceEvery = 10 * time.Millisecond
	// unavailableTimeout bounds one unavailability.
	unavailableTimeout = 2 * time.Minute
	// steadyFor is how long every partition is written before a node is killed.
	steadyFor = 2 * time.Second
)

// An acknowledgement is one record's, by the machine's clock.
type acknowledgement struct {
	partition int
	produced  time.Time
	at        time.Time
}

// parseAcknowledgement reads a line of unavailable.py. A record that failed is an error: with its default settings the
// client goes on trying for minutes.
func parseAcknowledgement(line string) (acknowledgement, error) {
	fields := strings.Fields(line)
	if len(fields) != 3 || fields[0] == "failed" {
		return acknowledgement{}, fmt.Errorf("the producer says: %s", line)
	}
	var numbers [3]int64
	for i, field := range fields {
		n, err := strconv.ParseInt(field, 10, 64)
		if err != nil {
			return acknowledgement{}, fmt.Errorf("the producer says: %s", line)
		}
		numbers[i] = n
	}
	return acknowledgement{partition: int(numbers[0]), produced: time.UnixMicro(numbers[1]), at: time.UnixMicro(numbers[2])}, nil
}

// An outage is the time after a kill in which not every partition takes records. A partition takes them again when a
// record is acknowledged that was produced after the kill: what the dead leader still acknowledged does not count.
type outage struct {
	began time.Time // just before the kill
	dead  time.Time // when the process was gone
	until map[int]time.Time
}

func (o *outage) add(a acknowledgement) {
	if _, back := o.until[a.partition]; !back && a.produced.After(o.dead) {
		o.until[a.partition] = a.at
	}
}

// over tells whether all partitions are back.
func (o *outage) over(partitions int) bool { return len(o.until) == partitions }

// lasted is until the last partition was back.
func (o *outage) lasted() time.Duration {
	last := o.began
	for _, at := range o.until {
		if at.After(last) {
			last = at
		}
	}
	return last.Sub(o.began)
}

// unavailable kills nodes, one after the other and each started again, under a producer.
func unavailable(pick victim) measurement {
	return func(m measuring) (sample, error) {
		topic, err := m.newTopicOf(m.ctx, clusterPartitions)
		if err != nil {
			return sample{}, err
		}
		acks, stop, err := m.produceSteadily(topic)
		if err != nil {
			return sample{}, err
		}
		defer stop()
		var lasted []float64
		for kill := range m.plan.Kills {
			took, err := m.killOnce(topic, pick, acks)
			if err != nil {
				return sample{}, fmt.Errorf("kill %d: %w", kill+1, err)
			}
			progressf("    kill %d: %v", kill+1, took.Round(time.Millisecond))
			lasted = append(lasted, float64(took.Microseconds())/1e3)
		}
		return sample{values: map[string]float64{"median": median(lasted), "p99": rank(lasted, 0.99), "max": slices.Max(lasted)}}, nil
	}
}

// acks are the lines of the producer, and its end.
type acks struct {
	lines <-chan string
	ended <-chan struct{}
	why   func() error
}

// produceSteadily starts the librdkafka client. The caller stops it.
func (m measuring) produceSteadily(topic string) (acks, func(), error) {
	python, err := filepath.Abs(m.bench.python)
	if err != nil {
		return acks{}, nil, err
	}
	if _, err := os.Stat(python); err != nil {
		return acks{}, nil, fmt.Errorf("no python with confluent-kafka: %w (interop/install makes one; or name it with -python)", err)
	}
	read, write := io.Pipe()
	client, err := start(command{name: "librdkafka", core: m.bench.clientCore, output: m.clientOutput(), stdout: write,
		args: []string{python, "-c", unavailableScript, m.addr, topic, strconv.Itoa(clusterPartitions), fmt.Sprint(produceEvery.Seconds())}})
	if err != nil {
		return acks{}, nil, err
	}
	lines := make(chan string, 1024)
	stopped := make(chan struct{})
	go func() {
		defer close(lines)
		for scanner := bufio.NewScanner(read); scanner.Scan(); {
			select {
			case lines <- scanner.Text():
			case <-stopped:
				return
			}
		}
	}()
	stop := func() {
		close(stopped)
		read.CloseWithError(io.ErrClosedPipe) // lets the client's copying end, before kill waits for it
		client.kill()
	}
	why := func() error { return fmt.Errorf("%s ended: %v: %s", client.name, client.err, tail(client.output)) }
	return acks{lines: lines, ended: client.done, why: why}, stop, nil
}

// preferred has each node lead what it should, as a cluster does some minutes after a node came back. The client then has a
// connection to each: to one that it has no use for since that was killed it would wait out what is left of its reconnect.backoff.max.ms.
func (m measuring) preferred() error {
	client, err := kgo.NewClient(kgo.SeedBrokers(m.seeds()...))
	if err != nil {
		return err
	}
	defer client.Close()
	_, err = kadm.NewClient(client).ElectLeaders(m.ctx, kadm.ElectPreferredReplica, nil)
	return err
}

// killOnce waits until all is well, kills a node, and measures for how long produce is unavailable.
func (m measuring) killOnce(topic string, pick victim, a acks) (time.Duration, error) {
	if err := m.whole(m.ctx); err != nil {
		return 0, err
	}
	if err := m.preferred(); err != nil {
		return 0, err
	}
	n, err := m.choose(m.ctx, topic, pick)
	if err != nil {
		return 0, err
	}
	now := time.Now()
	if _, err := a.outage(m.ctx, now, now, steadyFor); err != nil { // every partition takes records, and for a while
		return 0, err
	}
	began := time.Now()
	n.kill()
	took, err := a.outage(m.ctx, began, time.Now(), 0)
	if err != nil {
		return 0, err
	}
	return took, m.restart(m.ctx, n)
}

// outage reads acknowledgements until every partition is back, and at least for a while.
func (a acks) outage(ctx context.Context, began, dead time.Time, atLeast time.Duration) (time.Duration, error) {
	o := outage{began: began, dead: dead, until: map[int]time.Time{}}
	late := time.NewTimer(unavailableTimeout)
	defer late.Stop()
	enough := time.After(atLeast)
	waiting := atLeast > 0
	for waiting || !o.over(clusterPartitions) {
		select {
		case line, ok := <-a.lines:
			if !ok {
				<-a.ended
				return 0, a.why()
			}
			ack, err := parseAcknowledgement(line)
			if err != nil {
				return 0, err
			}
			o.add(ack)
		case <-enough:
			waiting = false
		case <-ctx.Done():
			return 0, ctx.Err()
		case <-late.C:
			return 0, errors.New("produce is unavailable for " + unavailableTimeout.String() + ": only some partitions are back")
		}
	}
	return o.lasted(), nil
}
