package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"time"
)

// saturated is the share of its core from which a client is called the bottleneck.
const saturated = 0.95

// reportEvery is how often a client under load says how far it is.
const reportEvery = 500 * time.Millisecond

// A window is what a client moved between two of its reports.
type window struct {
	records int64
	seconds float64
}

// A flow is a client's work over the measured part of a row, with the processor time that it cost on both sides.
type flow struct {
	records int64
	seconds float64 // by the client's clock, which throughput is taken from
	wall    time.Duration
	broker  time.Duration
	client  time.Duration
	machine time.Duration // everybody's, ours included
}

// stream is a client that runs until it is ended and reports windows, a line each.
type stream struct {
	command command
	parse   func(line string) (w window, ok bool, err error)
	warm    time.Duration
	measure time.Duration
}

// measureStream lets the client warm up and then adds up its windows. The processor times are taken when the lines that
// bound the measured part arrive, so they belong to the same records.
func measureStream(ctx context.Context, s *session, st stream) (flow, error) {
	read, write := io.Pipe()
	st.command.stdout = write
	client, err := start(st.command)
	if err != nil {
		return flow{}, err
	}
	defer client.kill()
	ended := context.AfterFunc(ctx, func() { read.CloseWithError(ctx.Err()) })
	defer ended()
	defer read.CloseWithError(io.ErrClosedPipe) // lets the client's copying end, before kill waits for it
	go func() {
		<-client.done
		write.CloseWithError(io.EOF)
	}()
	f, err := st.collect(bufio.NewScanner(read), func() (usage, error) { return usageOf(s.brokers(), client) })
	if err != nil {
		return flow{}, fmt.Errorf("%s: %w: %s", st.command.name, errors.Join(err, ctx.Err()), tail(st.command.output))
	}
	return f, nil
}

// collect reads windows: those before the warm-up ends are dropped.
func (st stream) collect(lines *bufio.Scanner, now func() (usage, error)) (flow, error) {
	var f flow
	var from usage
	var warmed float64
	for lines.Scan() {
		w, ok, err := st.parse(lines.Text())
		if err != nil {
			return f, err
		}
		if !ok {
			continue
		}
		if from.at.IsZero() {
			if warmed += w.seconds; warmed < st.warm.Seconds() {
				continue
			}
			if from, err = now(); err != nil {
				return f, err
			}
			continue
		}
		f.records += w.records
		f.seconds += w.seconds
		if f.seconds < st.measure.Seconds() {
			continue
		}
		to, err := now()
		if err != nil {
			return f, err
		}
		f.wall, f.broker, f.client, f.machine = to.at.Sub(from.at), to.broker-from.broker, to.client-from.client, to.machine-from.machine
		return f, nil
	}
	return f, errors.Join(errors.New("the client ended before the row was measured"), lines.Err())
}

// usage is the processor time spent so far on both sides, and on the machine as a whole.
type usage struct {
	at                      time.Time
	broker, client, machine time.Duration
}

// timeOf is the processor time of all brokers.
func timeOf(brokers []*process) (time.Duration, error) {
	var all time.Duration
	for _, b := range brokers {
		t, err := cpuTime(b.pid())
		if err != nil {
			return 0, fmt.Errorf("%s: %w: %s", b.name, err, tail(b.output))
		}
		all += t
	}
	return all, nil
}

func usageOf(brokers []*process, client *process) (usage, error) {
	b, err := timeOf(brokers)
	if err != nil {
		return usage{}, err
	}
	c, err := cpuTime(client.pid())
	if err != nil {
		return usage{}, fmt.Errorf("%s: %w", client.name, err)
	}
	m, err := machineTime()
	return usage{at: time.Now(), broker: b, client: c, machine: m}, err
}

// sample turns a flow of records of one size into a row's figures.
func (f flow) sample(recordSize int) sample {
	gigabytes := float64(f.records) * float64(recordSize) / 1e9
	return sample{
		values: map[string]float64{
			"throughput": gigabytes * 1e3 / f.seconds,
			"cpu":        f.broker.Seconds() / gigabytes,
		},
		brokerShare: f.broker.Seconds() / f.wall.Seconds(),
		clientShare: f.client.Seconds() / f.wall.Seconds(),
		otherShare:  max(0, (f.machine-f.broker-f.client).Seconds()/f.wall.Seconds()),
	}
}

// clientOutput is the file for what a client prints that is no window.
func (s *session) clientOutput() string { return filepath.Join(s.dir, "client.output") }
