package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
	"golang.org/x/sys/unix"
)

// A loop is closed: each worker does one operation after another and waits for its outcome.
type loop struct {
	workers   int
	warm, run time.Duration
	do        func(ctx context.Context, worker int) error
}

// figures that a client reports besides those of its row's metrics.
const clientCores = "client" // its share of a core, over the measured part

// measure runs the loop. The figures are operations a second, percentiles of their times in milliseconds, and how busy
// this process was.
func (l loop) measure(ctx context.Context) (map[string]float64, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var (
		group     sync.WaitGroup
		mu        sync.Mutex
		histogram = hdrhistogram.New(1, maxLatency, 3)
		counting  atomic.Bool
	)
	for worker := range l.workers {
		group.Go(func() {
			for ctx.Err() == nil {
				began, counted := time.Now(), counting.Load()
				if err := l.do(ctx, worker); err != nil {
					if ctx.Err() == nil {
						cancel(err)
					}
					return
				}
				if counted && counting.Load() {
					took := min(max(time.Since(began).Microseconds(), 1), maxLatency)
					mu.Lock()
					_ = histogram.RecordValue(took) // within its bounds
					mu.Unlock()
				}
			}
		})
	}
	defer group.Wait()
	defer cancel(nil)
	if err := pause(ctx, l.warm); err != nil {
		return nil, context.Cause(ctx)
	}
	counting.Store(true)
	began, used := time.Now(), ownTime()
	err := pause(ctx, l.run)
	counting.Store(false)
	took, busy := time.Since(began).Seconds(), (ownTime() - used).Seconds()
	if err != nil {
		return nil, context.Cause(ctx)
	}
	mu.Lock()
	defer mu.Unlock()
	if histogram.TotalCount() == 0 {
		return nil, errors.New("not one operation ended in time")
	}
	values := percentiles(histogram)
	values["rate"], values[clientCores] = float64(histogram.TotalCount())/took, busy/took
	return values, nil
}

// ownTime is the processor time of this process.
func ownTime() time.Duration {
	var usage unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &usage); err != nil {
		return 0
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// tell reports figures to the harness.
func tell(values map[string]float64, err error) error {
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(values)
}

// client runs one of our clients to its end and returns what it told.
func (m measuring) client(verb, topic string, args ...string) (sample, error) {
	c, err := m.self(verb, topic, args...)
	if err != nil {
		return sample{}, err
	}
	result := m.clientOutput() + "." + verb
	file, err := os.Create(result)
	if err != nil {
		return sample{}, err
	}
	defer file.Close()
	c.stdout = file
	m.loaded = true
	client, err := start(c)
	if err != nil {
		return sample{}, err
	}
	began := time.Now()
	before, err := timeOf(m.brokers())
	if err != nil {
		return sample{}, err
	}
	if err := client.wait(m.ctx); err != nil {
		return sample{}, fmt.Errorf("%w: %s", err, tail(c.output))
	}
	after, err := timeOf(m.brokers())
	if err != nil {
		return sample{}, err
	}
	broker := (after - before).Seconds() / time.Since(began).Seconds() // the client's start and end included
	taken, err := readFigures(result)
	if err != nil {
		return sample{}, err
	}
	taken.clientShare = taken.values[clientCores]
	taken.brokerShare = broker
	delete(taken.values, clientCores)
	return taken, nil
}

// timed are the arguments of a loop's warm-up and run.
func (m measuring) timed(args ...string) []string {
	return append([]string{"-warm", m.plan.Warm.String(), "-run", m.plan.Measure.String()}, args...)
}

func percentileMetrics(targets map[string]target, keys ...string) []metric {
	labels := map[string]string{"p50": "p50", "p99": "p99", "p999": "p99.9"}
	var all []metric
	for _, key := range keys {
		all = append(all, metric{key: key, label: labels[key], unit: "ms", targets: targets})
	}
	return all
}
