package broker_test

import (
	"bufio"
	"context"
	"io"
	"log/slog"
	"strings"
	"testing"

	"github.com/stromkafka/strom/internal/broker"
	"github.com/stromkafka/strom/internal/broker/brokertest"
	"github.com/stromkafka/strom/internal/config"
	"github.com/stromkafka/strom/internal/transport"
	"github.com/stromkafka/strom/internal/vfs"
)

// TestForeignCluster: a node that was formatted for one cluster and pointed to the
// controllers of another says so, with both ids and what to do, and joins nothing.
func TestForeignCluster(t *testing.T) {
	network := transport.NewPipe()
	brokertest.Start(t, brokertest.Options{Nodes: 1, Network: network})
	values, err := config.Load(config.Sources{Set: []string{
		"process.roles=broker", "node.id=2", "cluster.id=AnotherClusterOfItsOwn", "log.dirs=/data", "listeners=PLAINTEXT://127.0.0.2:9092",
		"controller.listener.names=CONTROLLER", "controller.quorum.voters=1@127.0.0.1:9093",
		"listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
	}})
	if err != nil {
		t.Fatal(err)
	}
	log, out := io.Pipe()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		ended <- broker.Run(ctx, broker.Options{Values: values, FS: vfs.NewMem(), Network: network, Log: slog.New(slog.NewTextHandler(out, nil)),
			Ready: func(broker.Ready) { t.Error("it has joined") }})
		out.Close()
	}()
	lines := bufio.NewScanner(log)
	for lines.Scan() && !strings.Contains(lines.Text(), "of another cluster") {
	}
	said := lines.Text()
	for _, want := range []string{"controller=127.0.0.1:9093", " cluster.id=AnotherClusterOfItsOwn", `"its cluster.id"=5L6g3nShT-eMCtK--X86sw`, "controller.quorum.voters", "meta.properties"} {
		if !strings.Contains(said, want) {
			t.Errorf("the log does not say %s: %s", want, said)
		}
	}
	cancel()
	go func() { _, _ = io.Copy(io.Discard, log) }()
	<-ended
}
