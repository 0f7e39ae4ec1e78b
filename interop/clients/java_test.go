//go:build interop

package clients

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"
)

// jvm is one Java process that runs Kafka's tools, and Java's producer and consumer, one after another.
type jvm struct {
	mu  sync.Mutex
	in  io.WriteCloser
	out *bufio.Reader
	cmd *exec.Cmd
}

// result is what a tool printed and the status it ended with.
type result struct {
	Status int    `json:"status"`
	Out    string `json:"out"`
	Err    string `json:"err"`
}

// java is started by the first test that needs it.
var java = sync.OnceValues(startJava)

func startJava() (*jvm, error) {
	command := exec.Command("java", "-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Dlog4j2.configurationFile=../kafka/log4j2.yaml",
		"-cp", javaClasses+":"+javaLib, "Tools")
	command.Stderr = os.Stderr
	command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	in, err := command.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := command.StdoutPipe()
	if err != nil {
		return nil, err
	}
	return &jvm{in: in, out: bufio.NewReaderSize(out, 1<<20), cmd: command}, command.Start()
}

// toolTimeout bounds a tool; the JVM does not outlive one that hangs.
const toolTimeout = 90 * time.Second

// run runs the main method of a class with in as its standard input.
func (j *jvm) run(class, in string, args ...string) (*result, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	line, err := json.Marshal(map[string]any{"class": class, "args": args, "in": in})
	if err != nil {
		return nil, err
	}
	if _, err := j.in.Write(append(line, '\n')); err != nil {
		return nil, err
	}
	hung := time.AfterFunc(toolTimeout, func() { j.cmd.Process.Kill() })
	answer, err := j.out.ReadBytes('\n')
	if !hung.Stop() {
		return nil, fmt.Errorf("%s %q did not end in %v", class, args, toolTimeout)
	}
	if err != nil {
		return nil, err
	}
	r := new(result)
	return r, json.Unmarshal(answer, r)
}

// tool runs a tool that must succeed and returns what it printed.
func tool(t *testing.T, class, in string, args ...string) string {
	t.Helper()
	j, err := java()
	if err != nil {
		t.Fatal(err)
	}
	r, err := j.run(class, in, args...)
	if err != nil {
		t.Fatal(err)
	}
	if r.Status != 0 {
		t.Fatalf("%s %q ended with %d\n%s%s", class, args, r.Status, r.Out, r.Err)
	}
	return r.Out
}

// javaClient is Java's clients of the newest release.
type javaClient struct{}

func (javaClient) name() string { return "java" }

func (javaClient) codecs() []string { return append(slices.Clone(everyCodec), plainWrites) }

func (javaClient) records() []*record { return samples(true) }

func (javaClient) equal(wrote, read *record) string { return exactly(wrote, read) }

func (javaClient) produce(_ context.Context, server, topic, codec string, records []*record) ([]int64, error) {
	out, err := client(lines(records), "produce", server, topic, codec)
	if err != nil {
		return nil, err
	}
	return numbers(out)
}

func (javaClient) consume(_ context.Context, server string, topics []string) ([]*record, error) {
	out, err := client("", append([]string{"consume", server}, topics...)...)
	if err != nil {
		return nil, err
	}
	return parse(out)
}

func (javaClient) groupProtocols() []string { return []string{"classic", "consumer"} }

func (javaClient) group(_ context.Context, server, group, protocol, topic string, count int) ([]*record, error) {
	out, err := client("", "group", server, group, protocol, strconv.Itoa(count), topic)
	if err != nil {
		return nil, err
	}
	return parse(out)
}

func (javaClient) transactional() bool { return true }

func (javaClient) transact(_ context.Context, server, id, topic string, records []*record) error {
	_, err := client(lines(records), "transact", server, id, topic)
	return err
}

func (javaClient) copy(_ context.Context, server, id, group string, count int, from, to string) error {
	_, err := client("", "copy", server, id, group, strconv.Itoa(count), from, to)
	return err
}

func client(in string, args ...string) (string, error) {
	j, err := java()
	if err != nil {
		return "", err
	}
	r, err := j.run("Client", in, args...)
	if err != nil {
		return "", err
	}
	if r.Status != 0 {
		return "", fmt.Errorf("java client ended with %d: %s", r.Status, r.Err)
	}
	return r.Out, nil
}
