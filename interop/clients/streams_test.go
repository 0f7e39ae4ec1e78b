//go:build interop

package clients

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

const (
	streamWords  = 10
	streamLines  = 3000
	streamPieces = 3 // partitions of the topic that is read
)

// TestStreams counts words with Kafka Streams, exactly once (exactly_once_v2), and kills it twice in the middle: every word
// is counted 1, 2, 3 ... to its end, and no count is written twice or left out.
func TestStreams(t *testing.T) {
	node := start(t, nil)
	create(t, node.Addr, "lines", streamPieces)
	create(t, node.Addr, "counts", 1)
	writeLines(t, node.Addr)
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	client, err := kgo.NewClient(kgo.SeedBrokers(node.Addr), kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{"counts": {0: kgo.NewOffset().AtStart()}}))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	state := t.TempDir()
	app := startStreams(t, node.Addr, state)
	counted, all := map[string]int{}, 0
	kills := []int{streamLines / 3, streamLines * 2 / 3}
	for all < streamLines {
		fetches := client.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			t.Fatalf("after %d of %d: %v\n%s", all, streamLines, err, app.output(t))
		}
		fetches.EachRecord(func(r *kgo.Record) {
			count, err := strconv.Atoi(string(r.Value))
			if err != nil || count != counted[string(r.Key)]+1 {
				t.Fatalf("%s is counted %s after %d", r.Key, r.Value, counted[string(r.Key)])
			}
			counted[string(r.Key)] = count
			all++
		})
		if len(kills) > 0 && all >= kills[0] {
			kills = kills[1:]
			app.kill(t)
			app = startStreams(t, node.Addr, state)
		}
	}
	for word := range streamWords {
		if n := counted[fmt.Sprintf("w%d", word)]; n != streamLines/streamWords {
			t.Errorf("w%d is counted %d times", word, n)
		}
	}
	app.kill(t)
}

// writeLines writes each word equally often.
func writeLines(t *testing.T, server string) {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(server), kgo.DefaultProduceTopic("lines"), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	var lines []*kgo.Record
	for i := range streamLines {
		lines = append(lines, &kgo.Record{Partition: int32(i % streamPieces), Value: fmt.Appendf(nil, "w%d", i%streamWords)})
	}
	if err := client.ProduceSync(t.Context(), lines...).FirstErr(); err != nil {
		t.Fatal(err)
	}
}

// streams is a running word count.
type streams struct {
	command *exec.Cmd
	log     string
}

func startStreams(t *testing.T, server, state string) *streams {
	t.Helper()
	s := &streams{log: filepath.Join(state, "output")}
	out, err := os.OpenFile(s.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	s.command = exec.Command("java", "-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp", "target/streams-classes:target/streams/*",
		"WordCount", server, state, "lines", "counts")
	s.command.Stdout, s.command.Stderr = out, out
	s.command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := s.command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.command.Process.Kill() }) // if a test fails; else it has ended
	return s
}

// kill is kill -9.
func (s *streams) kill(t *testing.T) {
	t.Helper()
	if err := s.command.Process.Kill(); err != nil {
		t.Fatalf("the application had ended: %v\n%s", err, s.output(t))
	}
	_ = s.command.Wait() // "signal: killed"
}

func (s *streams) output(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(s.log)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
