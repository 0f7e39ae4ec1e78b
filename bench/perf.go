package main

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// ProducerPerformance is Apache Kafka's own producer benchmark. It runs with the JVM settings of its start script.
// Values come from a file (--payload-file) instead of its generator, which spends more of the client's core on random
// letters than the producer does on sending them.

// progress is the line that ProducerPerformance prints each reporting interval, and once more at its end with percentiles.
var progress = regexp.MustCompile(`^(\d+)( steady state)? records sent, (\d+\.\d+) records/sec \(\d+\.\d+ MB/sec\), \d+\.\d+ ms avg latency, \d+\.\d+ ms max latency(, \d+ ms 50th.*)?\.$`)

// failure is how it reports a record that was not sent: a stack trace on standard error, and this on standard output.
var failure = regexp.MustCompile(`Exception: `)

// parseProgress reads one line. ok is false for a line that is no window: a total counts records that the windows hold
// already. Records that failed are an error, for the tool goes on without counting them.
func parseProgress(line string) (w window, ok bool, err error) {
	if failure.MatchString(line) {
		return window{}, false, fmt.Errorf("the producer says: %s", line)
	}
	m := progress.FindStringSubmatch(strings.TrimSpace(line))
	if m == nil || m[4] != "" {
		return window{}, false, nil
	}
	records, err := strconv.ParseInt(m[1], 10, 64)
	if err != nil {
		return window{}, false, err
	}
	rate, err := strconv.ParseFloat(m[3], 64)
	if err != nil || rate == 0 {
		return window{}, false, err
	}
	return window{records: records, seconds: float64(records) / rate}, true, nil
}

// producer is the command that produces records of a size to a topic, as fast as it can.
func (s *session) producer(topic string, size int, acks string, records int64) (command, error) {
	payload := filepath.Join(s.bench.dir, fmt.Sprintf("payload-%d", size))
	if err := writePayloads(payload, size); err != nil {
		return command{}, err
	}
	args := []string{"java", "-Xmx512M"}
	args = append(args, jvmPerformance...)
	args = append(args, "-Duser.language=en", "-Dlog4j2.configurationFile="+s.bench.logging("ERROR"), "-cp", s.bench.lib,
		"org.apache.kafka.tools.ProducerPerformance", "--bootstrap-server", s.addr, "--topic", topic,
		"--num-records", strconv.FormatInt(records, 10), "--payload-file", payload, "--throughput", "-1",
		"--reporting-interval", strconv.FormatInt(reportEvery.Milliseconds(), 10),
		"--command-property", "acks="+acks)
	return command{name: "ProducerPerformance", args: args, core: s.bench.clientCore, output: s.clientOutput()}, nil
}

// produce measures ProducerPerformance on a new topic.
func produce(size int, acks string) measurement {
	return func(m measuring) (sample, error) {
		f, err := m.produceFor(size, acks, m.plan.Warm, m.plan.Measure)
		if err != nil {
			return sample{}, err
		}
		return f.sample(size), nil
	}
}

func (m measuring) produceFor(size int, acks string, warm, measure time.Duration) (flow, error) {
	topic, err := m.newTopic(m.ctx)
	if err != nil {
		return flow{}, err
	}
	const endless = 1 << 40 // it is ended when the row is measured
	c, err := m.producer(topic, size, acks, endless)
	if err != nil {
		return flow{}, err
	}
	m.loaded = true
	return measureStream(m.ctx, m.session, stream{command: c, parse: parseProgress, warm: warm, measure: measure})
}

// writePayloads writes values of exactly one size, of letters that no codec could make small, a line each.
func writePayloads(file string, size int) error {
	if _, err := os.Stat(file); err == nil {
		return nil
	}
	random := rand.New(rand.NewPCG(1, uint64(size)))
	var text strings.Builder
	for range 1000 {
		for range size {
			text.WriteByte(byte('A' + random.IntN(26)))
		}
		text.WriteByte('\n')
	}
	return os.WriteFile(file, []byte(text.String()), 0o644)
}
