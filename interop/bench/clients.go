package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"
)

const (
	performanceTool = "org.apache.kafka.tools.ProducerPerformance"
	latencyTool     = "org.apache.kafka.tools.EndToEndLatency"
)

// pinned runs a command on the clients' core and returns what it printed, how long it took and its share of the core.
func pinned(ctx context.Context, words ...string) (string, float64, error) {
	command := exec.CommandContext(ctx, "taskset", append([]string{"-c", clientCore}, words...)...)
	began := time.Now()
	out, err := command.CombinedOutput()
	took := time.Since(began)
	if err != nil {
		return string(out), 0, fmt.Errorf("%s: %w: %s", strings.Join(words, " "), err, out)
	}
	used := command.ProcessState.UserTime() + command.ProcessState.SystemTime()
	return string(out), used.Seconds() / took.Seconds(), nil
}

// java is a command that runs one of Kafka's tools as its scripts do.
func java(root, class string, args ...string) []string {
	words := []string{"java", "-Xmx512m", "-XX:+UseG1GC", "-Dlog4j2.configurationFile=" + filepath.Join(root, "interop/kafka/log4j2.yaml"),
		"-cp", filepath.Join(root, "interop/kafka/target/lib/*"), class}
	return append(words, args...)
}

var performance = regexp.MustCompile(`records sent, ([0-9.]+) records/sec \(([0-9.]+) MB/sec\)`)

// producerPerformance sends a row's records as fast as it goes. The rate is that after warming up.
func producerPerformance(ctx context.Context, root, addr, topic string, row produceRow, warmup int) (load, error) {
	out, core, err := pinned(ctx, java(root, performanceTool, "--bootstrap-server", addr, "--topic", topic, "--num-records", strconv.Itoa(row.records+warmup),
		"--record-size", strconv.Itoa(row.size), "--throughput", "-1", "--warmup-records", strconv.Itoa(warmup),
		"--command-property", "acks="+row.acks)...)
	if err != nil {
		return load{}, err
	}
	found := performance.FindAllStringSubmatch(out, -1)
	if len(found) == 0 {
		return load{}, fmt.Errorf("no figures in %s", out)
	}
	last := found[len(found)-1]
	records, err1 := strconv.ParseFloat(last[1], 64)
	if err1 != nil {
		return load{}, err1
	}
	return load{RecordsPerSecond: records, MBPerSecond: records * float64(row.size) / 1e6, ClientCore: core}, nil
}

var percentiles = regexp.MustCompile(`50th = (\d+), 99th = (\d+), 99\.9th = (\d+)`)

// endToEndLatency sends one record after another and waits for each to come back. The tool prints its figures and then
// commits offsets; where a broker has no coordinator yet that fails, and the figures stand.
func endToEndLatency(ctx context.Context, root, addr string, records int) (map[string]float64, error) {
	config, err := os.CreateTemp("", "bench")
	if err != nil {
		return nil, err
	}
	defer os.Remove(config.Name())
	if _, err := config.WriteString("request.timeout.ms=5000\ndefault.api.timeout.ms=5000\n"); err != nil {
		return nil, err
	}
	if err := config.Close(); err != nil {
		return nil, err
	}
	out, _, err := pinned(ctx, java(root, latencyTool, "--bootstrap-server", addr, "--topic", "round-trips", "--num-records", strconv.Itoa(records),
		"--producer-acks", "all", "--record-size", "100", "--command-config", config.Name())...)
	found := percentiles.FindStringSubmatch(out)
	if found == nil {
		return nil, fmt.Errorf("no figures: %w: %s", err, out)
	}
	result := map[string]float64{}
	for i, name := range []string{"p50", "p99", "p99.9"} {
		if result[name], err = strconv.ParseFloat(found[i+1], 64); err != nil {
			return nil, err
		}
	}
	return result, nil
}

// consumeAll reads a topic's partition from the beginning with franz-go, without a group.
func consumeAll(ctx context.Context, addr, topic string, records int) (load, error) {
	var l load
	return l, own(ctx, &l, "consume", addr, topic, strconv.Itoa(records))
}

// fixedRate sends records at a steady rate and reads them in the same process: the time from when each was due to when
// it was read, so that a broker that falls behind cannot hide it.
func fixedRate(ctx context.Context, addr, topic string, rate, seconds int) (map[string]float64, error) {
	result := map[string]float64{}
	return result, own(ctx, &result, "latency", addr, topic, strconv.Itoa(rate), strconv.Itoa(seconds))
}

// own runs a client of this program in a process of its own, on the clients' core.
func own(ctx context.Context, into any, args ...string) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	out, core, err := pinned(ctx, append([]string{self, clientVerb}, args...)...)
	if err != nil {
		return err
	}
	if err := json.Unmarshal([]byte(out), into); err != nil {
		return fmt.Errorf("%s: %w", out, err)
	}
	if l, ok := into.(*load); ok {
		l.ClientCore = core
	}
	return nil
}
