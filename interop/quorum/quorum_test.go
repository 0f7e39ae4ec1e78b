//go:build interop

package quorum

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stromkafka/strom/internal/batch"
	"github.com/stromkafka/strom/internal/link"
	"github.com/stromkafka/strom/internal/model"
	"github.com/stromkafka/strom/internal/transport"
	"github.com/stromkafka/strom/internal/wire"
	"github.com/stromkafka/strom/interop/internal/peer"
)

var program = flag.String("program", os.Getenv("PROGRAM"), "what runs controller 1: a path; without it cmd/strom is built")

// voter is one controller, a process of its own.
type voter struct {
	id      int
	program string
	apache  bool
	address string
	file    string
	data    string
	output  string
	process *exec.Cmd
	ended   chan error
}

// mixed is a quorum of controller 1, Strom, and 2 and 3, Apache Kafka.
type mixed struct {
	t      *testing.T
	voters [3]*voter
}

const clusterID = "q1Sh-9_ISia_zwGINzRvyQ"

func newMixed(t *testing.T, dynamic bool) *mixed {
	dir := t.TempDir()
	m := &mixed{t: t}
	var static, initial, servers []string
	for i := range m.voters {
		name := "apache-kafka"
		if i == 0 {
			name = *program
		}
		path, err := peer.Resolve("../..", name, dir)
		if err != nil {
			t.Fatal(err)
		}
		v := &voter{id: i + 1, program: path, apache: i > 0, address: freeAddress(t)}
		v.file, v.data = filepath.Join(dir, fmt.Sprintf("%d.properties", v.id)), filepath.Join(dir, fmt.Sprintf("data-%d", v.id))
		v.output = filepath.Join(dir, fmt.Sprintf("%d.txt", v.id))
		m.voters[i] = v
		static = append(static, fmt.Sprintf("%d@%s", v.id, v.address))
		initial = append(initial, fmt.Sprintf("%d@%s:%s", v.id, v.address, model.UUID{0: 0x51, 15: byte(v.id)}))
		servers = append(servers, v.address)
	}
	quorum, format := "controller.quorum.voters="+strings.Join(static, ","), []string(nil)
	if dynamic {
		quorum = "controller.quorum.bootstrap.servers=" + strings.Join(servers, ",")
		format = []string{"--initial-controllers", strings.Join(initial, ",")}
	}
	t.Cleanup(m.killAll)
	for _, v := range m.voters {
		text := fmt.Sprintf("process.roles=controller\nnode.id=%d\nlisteners=CONTROLLER://%s\ncontroller.listener.names=CONTROLLER\n"+
			"listener.security.protocol.map=CONTROLLER:PLAINTEXT\n%s\nlog.dirs=%s\n", v.id, v.address, quorum, v.data)
		if err := os.WriteFile(v.file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		args := append([]string{"storage", "format", "-t", clusterID, "-c", v.file}, format...)
		for _, f := range []string{"share.version=0", "streams.version=0"} {
			args = append(args, "--feature", f)
		}
		if out, err := exec.Command(v.program, args...).CombinedOutput(); err != nil {
			t.Fatalf("format %d: %v\n%s", v.id, err, out)
		}
	}
	for _, v := range m.voters {
		m.start(v)
	}
	return m
}

func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "localhost:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return fmt.Sprintf("localhost:%d", l.Addr().(*net.TCPAddr).Port)
}

func (m *mixed) start(v *voter) {
	m.t.Helper()
	out, err := os.OpenFile(v.output, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		m.t.Fatal(err)
	}
	defer out.Close()
	p := exec.Command(v.program, "start", v.file)
	p.Stdout, p.Stderr = out, out
	p.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := p.Start(); err != nil {
		m.t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- p.Wait() }()
	v.process, v.ended = p, ended
}

// kill is kill -9 of the process and what it has started.
func (v *voter) kill() {
	if v.process == nil {
		return
	}
	_ = syscall.Kill(-v.process.Process.Pid, syscall.SIGKILL)
	<-v.ended
	v.process = nil
}

func (m *mixed) killAll() {
	for _, v := range m.voters {
		v.kill()
	}
}

// mustLive fails the test when a process has ended by itself.
func (m *mixed) mustLive() {
	m.t.Helper()
	for _, v := range m.voters {
		if v.process == nil {
			continue
		}
		select {
		case err := <-v.ended:
			out, _ := os.ReadFile(v.output)
			v.process = nil
			m.t.Fatalf("controller %d ended by itself: %v\n%s", v.id, err, out[max(0, len(out)-4000):])
		default:
		}
	}
}

// describe is what a controller says of the quorum; not ok when it does not lead.
func (v *voter) describe(ctx context.Context) (p wire.DescribeQuorumResponsePartition, ok bool) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	l, err := link.Dial(ctx, link.Options{Network: transport.TCP(), Address: v.address, ClientID: "test"})
	if err != nil {
		return p, false
	}
	defer l.Close()
	q := &wire.DescribeQuorumRequest{Topics: []wire.DescribeQuorumRequestTopic{{TopicName: model.MetadataTopic, Partitions: make([]wire.DescribeQuorumRequestPartition, 1)}}}
	r, err := l.Do(ctx, q)
	if err != nil {
		return p, false
	}
	answer := r.(*wire.DescribeQuorumResponse)
	if answer.ErrorCode != 0 || len(answer.Topics) != 1 {
		return p, false
	}
	p = answer.Topics[0].Partitions[0]
	return p, p.ErrorCode == 0 && p.LeaderID == int32(v.id) && p.HighWatermark > 0
}

// await waits until somebody leads and the quorum is as wanted.
func (m *mixed) await(what string, wanted func(wire.DescribeQuorumResponsePartition) bool) (*voter, wire.DescribeQuorumResponsePartition) {
	m.t.Helper()
	for begin := time.Now(); time.Since(begin) < 90*time.Second; time.Sleep(20 * time.Millisecond) {
		m.mustLive()
		for _, v := range m.voters {
			if v.process == nil {
				continue
			}
			if p, ok := v.describe(m.t.Context()); ok && wanted(p) {
				return v, p
			}
		}
	}
	m.t.Fatalf("waited 90 s for: %s", what)
	return nil, wire.DescribeQuorumResponsePartition{}
}

// caughtUp: every voter has what is committed.
func caughtUp(above int64) func(wire.DescribeQuorumResponsePartition) bool {
	return func(p wire.DescribeQuorumResponsePartition) bool {
		for _, v := range p.CurrentVoters {
			if v.LogEndOffset < p.HighWatermark {
				return false
			}
		}
		return len(p.CurrentVoters) == 3 && p.HighWatermark > above
	}
}

func TestStaticVoters(t *testing.T)  { failovers(t, newMixed(t, false)) }
func TestDynamicVoters(t *testing.T) { failovers(t, newMixed(t, true)) }

// failovers kills each controller in turn, and whoever leads in between, so that
// both kinds of program lead, follow and come back; then compares the logs.
func failovers(t *testing.T, m *mixed) {
	led := map[bool]int{}
	leader, p := m.await("a first leader with all voters behind it", caughtUp(0))
	kill := func(v *voter) {
		old := leader
		led[old.apache]++
		begin := time.Now()
		v.kill()
		leader, p = m.await(fmt.Sprintf("a leader after %d was killed", v.id), func(now wire.DescribeQuorumResponsePartition) bool {
			return now.HighWatermark > p.HighWatermark+1
		})
		t.Logf("killed %d; %d led before, %d leads now (epoch %d), progress after %v", v.id, old.id, leader.id, p.LeaderEpoch, time.Since(begin).Round(time.Millisecond))
		m.start(v)
		leader, p = m.await(fmt.Sprintf("%d caught up again", v.id), caughtUp(p.HighWatermark))
	}
	for _, v := range m.voters {
		kill(v)
		kill(leader)
	}
	// A leader that stops in good order names the voters that should stand next: so
	// Strom comes to lead, whose patience ends last otherwise, and is killed at it.
	for tries := 0; led[false] == 0 && tries < 6; tries++ {
		if !leader.apache {
			kill(leader)
			continue
		}
		old := leader
		m.end(old)
		leader, p = m.await(fmt.Sprintf("a leader after %d was stopped", old.id), func(now wire.DescribeQuorumResponsePartition) bool {
			return now.HighWatermark > p.HighWatermark+1
		})
		t.Logf("stopped %d; %d leads now (epoch %d)", old.id, leader.id, p.LeaderEpoch)
		m.start(old)
		leader, p = m.await(fmt.Sprintf("%d caught up again", old.id), caughtUp(p.HighWatermark))
	}
	if led[false] == 0 || led[true] == 0 {
		t.Errorf("leaders killed: %d of Strom, %d of Apache Kafka", led[false], led[true])
	}
	committed := p.HighWatermark
	m.mustLive()
	m.stop()
	m.compare(committed)
}

// stop ends all in good order.
func (m *mixed) stop() {
	m.t.Helper()
	for _, v := range m.voters {
		_ = syscall.Kill(-v.process.Process.Pid, syscall.SIGTERM)
	}
	for _, v := range m.voters {
		m.awaitEnd(v)
	}
}

func (m *mixed) end(v *voter) {
	m.t.Helper()
	_ = syscall.Kill(-v.process.Process.Pid, syscall.SIGTERM)
	m.awaitEnd(v)
}

// awaitEnd waits for a process that was told to stop; Apache Kafka's exit status
// is then 143.
func (m *mixed) awaitEnd(v *voter) {
	m.t.Helper()
	if err := <-v.ended; err != nil && (!v.apache || v.process.ProcessState.ExitCode() != 143) {
		m.t.Errorf("controller %d: %v", v.id, err)
	}
	v.process = nil
}

// compare holds the logs against each other: equal bytes up to what was committed,
// and one leader an epoch over all LeaderChange records of all logs.
func (m *mixed) compare(committed int64) {
	m.t.Helper()
	leaders := map[model.Epoch]int32{}
	var logs [3][]byte
	for i, v := range m.voters {
		logs[i] = m.read(v, committed, leaders)
		if !bytes.Equal(logs[i], logs[0]) {
			m.t.Errorf("the logs of controllers 1 and %d differ below %d", v.id, committed)
		}
	}
	m.t.Logf("%d bytes, %d committed records, are the same in all logs; %d epochs, one leader each", len(logs[0]), committed, len(leaders))
}

// read is a log's bytes up to what is committed.
func (m *mixed) read(v *voter, committed int64, leaders map[model.Epoch]int32) (below []byte) {
	m.t.Helper()
	files, err := filepath.Glob(filepath.Join(v.data, "__cluster_metadata-0", "*.log"))
	if err != nil || len(files) == 0 {
		m.t.Fatalf("controller %d: no log: %v", v.id, err)
	}
	for _, file := range files { // in the order of their names, which is that of offsets
		rest, err := os.ReadFile(file)
		if err != nil {
			m.t.Fatal(err)
		}
		for len(rest) > 0 {
			b, after, err := batch.Next(rest)
			if err != nil {
				m.t.Fatalf("controller %d: %v", v.id, err)
			}
			if int64(b.BaseOffset()) < committed {
				below = append(below, b...)
			}
			m.noteLeader(v, b, leaders)
			rest = after
		}
	}
	return below
}

func (m *mixed) noteLeader(v *voter, b batch.Batch, leaders map[model.Epoch]int32) {
	m.t.Helper()
	if !b.IsControl() {
		return
	}
	for r, err := range b.Records(1 << 20) {
		if err != nil {
			m.t.Fatal(err)
		}
		if len(r.Key) < 4 || r.Key[3] != 2 {
			continue
		}
		change := new(wire.LeaderChangeMessage)
		if err := wire.Decode(r.Value, 0, change); err != nil {
			m.t.Fatal(err)
		}
		if was, ok := leaders[b.LeaderEpoch()]; ok && was != change.LeaderID {
			m.t.Errorf("controller %d: epoch %d has leaders %d and %d", v.id, b.LeaderEpoch(), was, change.LeaderID)
		}
		leaders[b.LeaderEpoch()] = change.LeaderID
	}
}
