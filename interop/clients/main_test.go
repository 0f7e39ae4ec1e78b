//go:build interop

package clients

import (
	"context"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"testing"

	"github.com/stromkafka/strom/interop/internal/peer"
)

var (
	program    = flag.String("program", os.Getenv("PROGRAM"), "broker to run: apache-kafka, or a path; without it cmd/strom is built")
	everything = flag.Bool("all", false, "with the clients that people still run or run less")
	python     = flag.String("python", "../clients/target/python/bin/python", "Python with the clients from PyPI")
)

const (
	root         = "../.."
	debianPython = "/usr/bin/python3"
	javaLib      = "../kafka/target/lib/*"
	javaClasses  = "target/java-classes"
)

// shared is the node that most tests use; each has topics of its own.
var (
	shared *peer.Node
	broker string // the program's path
)

// reference tells that Apache Kafka itself is under test, whose flaws are reported instead of failed.
func reference() bool { return peer.IsReference(broker) }

func TestMain(m *testing.M) {
	flag.Parse()
	code, err := with(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func with(m *testing.M) (code int, err error) {
	dir, err := os.MkdirTemp("", "interop")
	if err != nil {
		return 1, err
	}
	defer os.RemoveAll(dir)
	if broker, err = peer.Resolve(root, *program, dir); err != nil {
		return 1, err
	}
	data := filepath.Join(dir, "node")
	if err := os.Mkdir(data, 0o755); err != nil {
		return 1, err
	}
	if shared, err = peer.Start(context.Background(), options(data, nil)); err != nil {
		return 1, err
	}
	code = m.Run()
	return code, shared.Stop()
}

// options run a node that keeps the samples, whose times are years ago, does not wait for more members of a group,
// and hears from those of the newer protocol often.
func options(dir string, set map[string]string) peer.Options {
	set = maps.Clone(set)
	if set == nil {
		set = map[string]string{}
	}
	set["log.retention.ms"] = "-1"
	set["group.initial.rebalance.delay.ms"] = "0"
	set["group.consumer.min.heartbeat.interval.ms"] = "100"
	set["group.consumer.heartbeat.interval.ms"] = "300"
	return peer.Options{Program: []string{broker}, Dir: dir, Set: set}
}

// start runs a node of the test's own.
func start(t *testing.T, set map[string]string) *peer.Node {
	t.Helper()
	return run(t, options(t.TempDir(), set))
}

func run(t *testing.T, options peer.Options) *peer.Node {
	t.Helper()
	node, err := peer.Start(t.Context(), options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := node.Stop(); err != nil {
			t.Error(err)
		}
	})
	return node
}
