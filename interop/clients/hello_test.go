//go:build interop

package clients

import (
	"bufio"
	"context"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// TestHello runs the two programs that people begin with, as they are, on a fresh broker at localhost:9092: the message
// of the first arrives although nobody has made its topic, and the second, which was there before, prints it.
func TestHello(t *testing.T) {
	newest, err := filepath.Abs(*python)
	if err != nil {
		t.Fatal(err)
	}
	for name, interpreter := range map[string]string{"debian": debianPython, "pypi": newest} {
		t.Run(name+"/producer", func(t *testing.T) { helloProducer(t, interpreter) })
		t.Run(name+"/consumer", func(t *testing.T) { helloConsumer(t, interpreter) })
	}
}

// startAt runs a node where the programs look for it.
func startAt(t *testing.T, addr string) {
	t.Helper()
	listener, err := net.Listen("tcp", addr)
	if err != nil {
		t.Fatalf("the programs need %s: %v", addr, err)
	}
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	o := options(t.TempDir(), nil)
	o.Addr = addr
	run(t, o)
}

func helloProducer(t *testing.T, interpreter string) {
	startAt(t, "localhost:9092")
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if _, err := execute(ctx, "", interpreter, "python/hello_producer.py"); err != nil {
		t.Fatal(err)
	}
	got, err := (franz{}).consume(ctx, "localhost:9092", []string{"my-topic"})
	if err != nil {
		t.Fatal(err)
	}
	if len(got) == 1 && string(plain(got[0].Value)) == "Hello, Kafka!" {
		return
	}
	report(t, map[string]int{"the first message": 1})
}

// helloConsumer starts the consumer, which reads what comes after it has found the end of the topic. When that is cannot
// be seen from outside, so the producer runs until a message is printed.
func helloConsumer(t *testing.T, interpreter string) {
	startAt(t, "localhost:9092")
	create(t, "localhost:9092", "my-topic", 1)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	consumer := exec.CommandContext(ctx, interpreter, "python/hello_consumer.py")
	consumer.Env = append(os.Environ(), "PYTHONUNBUFFERED=1")
	consumer.Stderr = os.Stderr
	out, err := consumer.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := consumer.Start(); err != nil {
		t.Fatal(err)
	}
	printed := make(chan string, 100)
	go func() {
		defer close(printed)
		for lines := bufio.NewScanner(out); lines.Scan(); {
			printed <- lines.Text()
		}
	}()
	defer func() {
		cancel()
		for range printed {
		}
		if err := consumer.Wait(); err == nil {
			t.Error("the consumer ended by itself")
		}
	}()
	for {
		if _, err := execute(ctx, "", interpreter, "python/hello_producer.py"); err != nil {
			t.Fatal(err)
		}
		select {
		case line := <-printed:
			if line != "b'Hello, Kafka!'" {
				t.Errorf("printed %q", line)
			}
			return
		case <-time.After(500 * time.Millisecond):
		case <-ctx.Done():
			t.Fatal("nothing was printed")
		}
	}
}
