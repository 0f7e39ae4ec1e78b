//go:build interop

package clients

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stromkafka/strom/interop/internal/peer"
	"github.com/twmb/franz-go/pkg/kgo"
)

const connectLines = 5000

// TestConnect takes a file through Kafka Connect into a topic, exactly once (exactly.once.source.support), with the worker
// killed in the middle, and from there into another file.
func TestConnect(t *testing.T) {
	node := start(t, nil)
	create(t, node.Addr, "pipeline", 1)
	dir := t.TempDir()
	source, sink := filepath.Join(dir, "source"), filepath.Join(dir, "sink")
	var text strings.Builder
	for i := range connectLines {
		fmt.Fprintf(&text, "line %d\n", i)
	}
	// The connector keeps the end of a file to itself until more of it comes.
	if err := os.WriteFile(source, []byte(text.String()+strings.Repeat("and more of it\n", 1000)), 0o644); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()
	w := startWorker(t, ctx, node.Addr, dir)
	w.connector(t, ctx, "source", fmt.Sprintf(`{"connector.class": "org.apache.kafka.connect.file.FileStreamSourceConnector", "tasks.max": "1",
		"file": %q, "topic": "pipeline", "batch.size": "20", "transaction.boundary": "poll"}`, source))
	w = w.killedAt(t, ctx, node.Addr, connectLines/3, func() *worker { return startWorker(t, ctx, node.Addr, dir) })
	w.connector(t, ctx, "sink", fmt.Sprintf(`{"connector.class": "org.apache.kafka.connect.file.FileStreamSinkConnector", "tasks.max": "1",
		"file": %q, "topics": "pipeline"}`, sink))
	for ticks := time.NewTicker(100 * time.Millisecond); ; <-ticks.C {
		got, err := os.ReadFile(sink)
		if err == nil && len(got) >= text.Len() {
			if !strings.HasPrefix(string(got), text.String()) {
				t.Error("what arrived is not what was sent")
			}
			break
		}
		if ctx.Err() != nil {
			t.Fatalf("%d bytes of %d arrived, %v\n%.4000s", len(got), text.Len(), err, w.output(t))
		}
	}
	w.kill(t)
}

// worker is a running Connect worker.
type worker struct {
	streams
	rest string
}

func startWorker(t *testing.T, ctx context.Context, server, dir string) *worker {
	t.Helper()
	ports, err := peer.FreePorts(1)
	if err != nil {
		t.Fatal(err)
	}
	w := &worker{streams: streams{log: filepath.Join(dir, "output")}, rest: fmt.Sprintf("http://localhost:%d", ports[0])}
	file := filepath.Join(dir, "worker.properties")
	converter := "org.apache.kafka.connect.storage.StringConverter"
	properties := strings.Join([]string{"bootstrap.servers=" + server, "group.id=workers", "listeners=" + w.rest, "key.converter=" + converter, "value.converter=" + converter,
		"config.storage.topic=configs", "offset.storage.topic=offsets", "status.storage.topic=statuses", "config.storage.replication.factor=1",
		"offset.storage.replication.factor=1", "status.storage.replication.factor=1", "offset.storage.partitions=1", "status.storage.partitions=1",
		"exactly.once.source.support=enabled", "session.timeout.ms=6000", "heartbeat.interval.ms=1000", "scheduled.rebalance.max.delay.ms=0",
		"consumer.auto.offset.reset=earliest", "plugin.discovery=service_load"}, "\n")
	if err := os.WriteFile(file, []byte(properties), 0o644); err != nil {
		t.Fatal(err)
	}
	out, err := os.OpenFile(w.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	w.command = exec.Command("java", "-Xmx384m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp", "target/streams/*",
		"org.apache.kafka.connect.cli.ConnectDistributed", file)
	w.command.Stdout, w.command.Stderr = out, out
	w.command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := w.command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.command.Process.Kill() }) // if a test fails; else it has ended
	return w
}

// connector makes a connector, as soon as the worker answers.
func (w *worker) connector(t *testing.T, ctx context.Context, name, config string) {
	t.Helper()
	why := ""
	for ticks := time.NewTicker(100 * time.Millisecond); ; <-ticks.C {
		r, err := http.NewRequestWithContext(ctx, http.MethodPut, w.rest+"/connectors/"+name+"/config", strings.NewReader(config))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", "application/json")
		answer, err := http.DefaultClient.Do(r)
		if err == nil {
			var body bytes.Buffer
			_, err = body.ReadFrom(answer.Body)
			answer.Body.Close()
			if answer.StatusCode/100 == 2 && err == nil {
				return
			}
			why = answer.Status + " " + body.String()
		}
		if ctx.Err() != nil {
			t.Fatalf("the worker does not take the connector: %v %s\n%.4000s", err, why, w.output(t))
		}
	}
}

// killedAt reads the topic until all is there, and replaces the worker when that many records are.
func (w *worker) killedAt(t *testing.T, ctx context.Context, server string, at int, again func() *worker) *worker {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(server), kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{"pipeline": {0: kgo.NewOffset().AtStart()}}))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	killed := false
	for read := 0; read < connectLines; {
		fetches := client.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			t.Fatalf("after %d of %d: %v\n%.4000s", read, connectLines, err, w.output(t))
		}
		fetches.EachRecord(func(r *kgo.Record) {
			if want := fmt.Sprintf("line %d", read); read < connectLines && string(r.Value) != want {
				t.Fatalf("%q where %q is next", r.Value, want)
			}
			read++
		})
		if read >= at && !killed {
			killed = true
			w.kill(t)
			w = again()
		}
	}
	if !killed {
		t.Error("all was there before the worker was killed")
	}
	return w
}
