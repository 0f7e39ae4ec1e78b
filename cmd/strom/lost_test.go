package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// A broker that is killed is fenced long before its session times out, by a
// controller in another process; one that stops cleanly is fenced by then.
func TestKilledBrokerIsFenced(t *testing.T) {
	first := buildProgram(t)
	second := &program{t: t, binary: first.binary, address: freeAddress(t), dir: t.TempDir()}
	quorum := freeAddress(t)
	first.startNode(1, "broker,controller", quorum)
	defer first.kill()
	second.startNode(2, "broker", quorum)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	client, err := kgo.NewClient(kgo.SeedBrokers(first.address))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	awaitBrokers(t, ctx, client, 2)
	killed := time.Now()
	second.kill()
	awaitBrokers(t, ctx, client, 1)
	took := time.Since(killed)
	t.Logf("fenced %v after kill -9", took)
	if took > 2*time.Second { // about 60 ms; the session would take 9 s
		t.Errorf("fenced only %v after kill -9", took)
	}
	second.startNode(2, "broker", quorum)
	awaitBrokers(t, ctx, client, 2)
	stopped := time.Now()
	if err := second.command.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if err := second.command.Wait(); err != nil {
		t.Errorf("a clean stop: %v", err)
	}
	awaitBrokers(t, ctx, client, 1)
	t.Logf("gone %v after a clean stop", time.Since(stopped))
}

// startNode runs a node of a cluster whose one controller is node 1.
func (p *program) startNode(id int, roles, quorum string) {
	p.t.Helper()
	listeners := "PLAINTEXT://" + p.address
	if id == 1 {
		listeners += ",CONTROLLER://" + quorum
	}
	file := filepath.Join(p.dir, "server.properties")
	properties := fmt.Sprintf("node.id=%d\nprocess.roles=%s\ncluster.id=4L6g3nShT-eMCtK--X86sw\ncontroller.quorum.voters=1@%s\nlisteners=%s\n"+
		"controller.listener.names=CONTROLLER\nlog.dirs=%s\n", id, roles, quorum, listeners, filepath.Join(p.dir, "data"))
	if err := os.WriteFile(file, []byte(properties), 0o644); err != nil {
		p.t.Fatal(err)
	}
	p.run(exec.Command(p.binary, "start", file))
}

// awaitBrokers waits until the first node names so many live brokers.
func awaitBrokers(t *testing.T, ctx context.Context, client *kgo.Client, want int) {
	t.Helper()
	request := kmsg.NewPtrMetadataRequest()
	request.Topics = []kmsg.MetadataRequestTopic{}
	for {
		response, err := request.RequestWith(ctx, client.SeedBrokers()[0])
		if err == nil && len(response.Brokers) == want {
			return
		}
		select {
		case <-ctx.Done():
			t.Fatalf("%v while the cluster was to have %d brokers", err, want)
		case <-time.After(5 * time.Millisecond):
		}
	}
}
