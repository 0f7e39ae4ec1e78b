package cli

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/magiconair/properties"
)

// TestMain makes this program a node when a local cluster starts it as one.
func TestMain(m *testing.M) {
	if len(os.Args) == 3 && os.Args[1] == "start" {
		os.Exit(fakeNode(os.Args[2]))
	}
	os.Exit(m.Run())
}

// fakeNode is ready at once and ends at SIGTERM. Its properties can ask for
// something else. What happens stands in the file "story" of the cluster.
func fakeNode(file string) int {
	p := properties.MustLoadFile(file, properties.UTF8)
	id, cluster := p.MustGetInt("node.id"), filepath.Dir(filepath.Dir(file))
	tell := func(what string) {
		story, err := os.OpenFile(filepath.Join(cluster, "story"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
		if err == nil {
			fmt.Fprintf(story, "%d %s\n", id, what)
			story.Close()
		}
	}
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM)
	if p.GetInt("fake.fails", 0) == id {
		fmt.Fprintln(os.Stderr, "the disk is on fire")
		return 7
	}
	tell(fmt.Sprint("started ", os.Getpid()))
	fmt.Fprintf(os.Stderr, "level=ERROR msg=\"a small one\"\n")
	fmt.Printf("Strom node %d of cluster x is ready.\n", id)
	<-stop
	tell("stopped")
	return 0
}

// A localRun is `strom cluster local` in this process, its nodes fakes.
type localRun struct {
	t      *testing.T
	out    heard
	err    heard
	cancel context.CancelFunc
	code   chan int
	formed []FormatOptions
}

// heard is output that a test can wait for.
type heard struct {
	mu   sync.Mutex
	text bytes.Buffer
	more chan struct{}
}

func (h *heard) Write(p []byte) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.text.Write(p)
	select {
	case h.more <- struct{}{}:
	default:
	}
	return len(p), nil
}

func (h *heard) String() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.text.String()
}

func startLocalRun(t *testing.T, args ...string) *localRun {
	r := &localRun{t: t, code: make(chan int, 1)}
	r.out.more, r.err.more = make(chan struct{}, 1), make(chan struct{}, 1)
	ctx, cancel := context.WithCancel(t.Context())
	r.cancel = cancel
	format := func(_ context.Context, o FormatOptions, _ io.Writer) error {
		r.formed = append(r.formed, o)
		return nil
	}
	start := func(context.Context, StartOptions) error { return nil }
	c := New(Programs{Start: start, Storage: Storage{Format: format}},
		Environment{Out: &r.out, Err: &r.err, Getenv: func(string) string { return "" }, Now: time.Now})
	go func() { r.code <- c.Run(ctx, append([]string{"cluster", "local"}, args...)) }()
	return r
}

// wait returns when h holds a text.
func (r *localRun) wait(h *heard, text string) {
	r.t.Helper()
	for !strings.Contains(h.String(), text) {
		select {
		case <-h.more:
		case code := <-r.code:
			r.t.Fatalf("it ended with %d, without %q:\n%s%s", code, text, &r.out, &r.err)
		case <-time.After(time.Minute):
			r.t.Fatalf("no %q:\n%s%s", text, &r.out, &r.err)
		}
	}
}

// end is the exit code.
func (r *localRun) end(want int) {
	r.t.Helper()
	select {
	case code := <-r.code:
		if code != want {
			r.t.Fatalf("exit code %d, want %d:\n%s%s", code, want, &r.out, &r.err)
		}
	case <-time.After(time.Minute):
		r.t.Fatalf("it does not end:\n%s%s", &r.out, &r.err)
	}
}

func (r *localRun) says(h *heard, wanted ...string) {
	r.t.Helper()
	for _, want := range wanted {
		if !strings.Contains(h.String(), want) {
			r.t.Errorf("no %q in:\n%s", want, h)
		}
	}
}

func firstPort(t *testing.T, n int) int {
	t.Helper()
	for port := 20000 + os.Getpid()%20000; port < 60000; port += n {
		l := &local{nodes: make([]localNode, n)}
		if l.choosePorts(port) == nil {
			return port
		}
	}
	t.Fatal("no ports in a row are free")
	return 0
}

func TestLocalCluster(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "c")
	port := firstPort(t, 3)
	r := startLocalRun(t, "--data", dir, "--port", fmt.Sprint(port), "--set", "num.partitions=5")
	r.wait(&r.out, "Ctrl-C")
	r.says(&r.out, "A cluster of 3 nodes is ready.", fmt.Sprintf("localhost:%d,localhost:%d,localhost:%d\n", port, port+1, port+2), dir+"  (kept)")
	r.says(&r.err, `node 2: level=ERROR msg="a small one"`)
	r.cancel()
	r.end(exitOK)
	r.says(&r.err, "stopping 3 nodes", "keeps the data")

	// Every node was formatted with the same three voters.
	if len(r.formed) != 3 {
		t.Fatalf("%d formatted", len(r.formed))
	}
	voters := strings.Split(r.formed[0].InitialControllers, ",")
	for i, v := range voters {
		if want := fmt.Sprintf("%d@localhost:%d:", i+1, port+3+i); !strings.HasPrefix(v, want) || len(v) != len(want)+22 {
			t.Errorf("voter %s, want %s and a directory", v, want)
		}
	}
	for _, f := range r.formed {
		if f.InitialControllers != r.formed[0].InitialControllers || f.ClusterID != r.formed[0].ClusterID || len(voters) != 3 {
			t.Errorf("%+v beside %+v", f, r.formed[0])
		}
	}
	got, err := os.ReadFile(filepath.Join(dir, "node-2", propertiesFile))
	want := fmt.Sprintf(`# Node 2 of a cluster made by %s.
process.roles=broker,controller
node.id=2
controller.quorum.bootstrap.servers=localhost:%d,localhost:%d,localhost:%d
listeners=PLAINTEXT://localhost:%d,CONTROLLER://localhost:%d
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
log.dirs=%s
default.replication.factor=3
min.insync.replicas=2
offsets.topic.replication.factor=3
transaction.state.log.replication.factor=3
transaction.state.log.min.isr=2
share.coordinator.state.topic.replication.factor=3
share.coordinator.state.topic.min.isr=2
group.initial.rebalance.delay.ms=0
num.partitions=5
`, "`strom cluster local`", port+3, port+4, port+5, port+1, port+4, filepath.Join(dir, "node-2", "data"))
	if err != nil || string(got) != want {
		t.Errorf("%v, properties\n%swant\n%s", err, got, want)
	}
	// The third goes before the last two, which are needed to let it go.
	story, err := os.ReadFile(filepath.Join(dir, "story"))
	stops := strings.Index(string(story), "3 stopped")
	if err != nil || stops < 0 || stops > strings.Index(string(story), "1 stopped") || stops > strings.Index(string(story), "2 stopped") {
		t.Errorf("%v, it went\n%s", err, story)
	}

	// The next run is the same cluster, and takes --set.
	r = startLocalRun(t, "--data", dir, "--set", "num.partitions=7")
	r.wait(&r.out, "Ctrl-C")
	r.says(&r.out, "A cluster of 3 nodes", fmt.Sprintf("localhost:%d,", port))
	r.cancel()
	r.end(exitOK)
	if len(r.formed) != 0 {
		t.Errorf("formatted again: %+v", r.formed)
	}
	got, err = os.ReadFile(filepath.Join(dir, "node-3", propertiesFile))
	if err != nil || !strings.Contains(string(got), "\nnum.partitions=7\n") || strings.Contains(string(got), "num.partitions=5") {
		t.Errorf("%v,\n%s", err, got)
	}

	for _, refused := range []struct{ args, want string }{
		{"--nodes 2", "has 3 nodes, not 2"},
		{fmt.Sprintf("--port %d", port+1), "Leave --port out"},
	} {
		r = startLocalRun(t, append([]string{"--data", dir}, strings.Fields(refused.args)...)...)
		r.end(exitFailure)
		r.says(&r.err, refused.want)
	}
}

func TestLocalClusterIsTemporary(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	r := startLocalRun(t, "--nodes", "1", "--port", fmt.Sprint(firstPort(t, 1)))
	r.wait(&r.out, "Ctrl-C")
	r.says(&r.out, "A cluster of 1 node is ready.", "removed at the end")
	made, err := filepath.Glob(filepath.Join(os.Getenv("TMPDIR"), "strom-local-*", "node-1", propertiesFile))
	if err != nil || len(made) != 1 {
		t.Fatalf("%v, %v", made, err)
	}
	r.cancel()
	r.end(exitOK)
	r.says(&r.err, "removed "+os.Getenv("TMPDIR"))
	if left, err := os.ReadDir(os.Getenv("TMPDIR")); err != nil || len(left) > 0 {
		t.Errorf("%v is left, %v", left, err)
	}
	r = startLocalRun(t, "--nodes", "1", "--keep", "--port", fmt.Sprint(firstPort(t, 1)))
	r.wait(&r.out, "(kept)")
	r.cancel()
	r.end(exitOK)
	if left, err := os.ReadDir(os.Getenv("TMPDIR")); err != nil || len(left) != 1 {
		t.Errorf("%v is left, %v", left, err)
	}
}

func TestLocalNodeThatEndsIsTold(t *testing.T) {
	dir := t.TempDir()
	r := startLocalRun(t, "--data", dir, "--port", fmt.Sprint(firstPort(t, 3)))
	r.wait(&r.out, "Ctrl-C")
	kill := func(node int) {
		story, err := os.ReadFile(filepath.Join(dir, "story"))
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(story)) {
			var id, pid int
			if n, _ := fmt.Sscanf(line, "%d started %d", &id, &pid); n == 2 && id == node {
				if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	kill(2)
	r.wait(&r.err, "node 2 ended (signal: killed)")
	r.says(&r.err, "| level=ERROR", "start "+filepath.Join(dir, "node-2", propertiesFile))
	kill(1)
	r.wait(&r.err, "node 1 ended")
	kill(3)
	r.end(exitFailure)
	r.says(&r.err, "every node has ended")

	r = startLocalRun(t, "--data", dir) // as before
	r.wait(&r.out, "Ctrl-C")
	r.cancel()
	r.end(exitOK)
	r.says(&r.err, "stopping 3 nodes")
}

func TestLocalClusterThatCannotStart(t *testing.T) {
	dir := t.TempDir()
	port := firstPort(t, 2)
	r := startLocalRun(t, "--data", dir, "--nodes", "2", "--port", fmt.Sprint(port), "--set", "fake.fails=2")
	r.end(exitFailure)
	r.says(&r.err, "node 2 ended before it was ready (exit status 7)", "| the disk is on fire", "Its whole log is "+filepath.Join(dir, "node-2.log"))

	// A port that somebody has.
	taken, err := net.Listen("tcp", fmt.Sprintf("localhost:%d", port+1))
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	r = startLocalRun(t, "--data", dir)
	r.end(exitFailure)
	r.says(&r.err, fmt.Sprintf("port %d, for node 2, is in use", port+1), "--port PORT")

	// A directory that holds something else.
	other := t.TempDir()
	if err := os.Mkdir(filepath.Join(other, "node-2"), 0o755); err != nil {
		t.Fatal(err)
	}
	r = startLocalRun(t, "--data", other)
	r.end(exitFailure)
	r.says(&r.err, "node-2 is there already", "Name another directory")
}

func TestLocalNodesHaveTheirOwnPlace(t *testing.T) {
	got := withoutLocal([]string{"HOME=/", "STROM_NODE_ID=7", "STROM_LOG_DIRS=/data", "STROM_NUM_PARTITIONS=3", "STROM_LOG_LEVEL=info"})
	if want := "HOME=/ STROM_NUM_PARTITIONS=3 STROM_LOG_LEVEL=info"; strings.Join(got, " ") != want {
		t.Errorf("%q, want %s", got, want)
	}
}

func TestSetProperty(t *testing.T) {
	for _, test := range []struct {
		text string
		set  Property
		want string
	}{
		{"", Property{"a", "1"}, "a=1\n"},
		{"a=1\nb=2\n", Property{"a", "3"}, "a=3\nb=2\n"},
		{"ab=1\n a =2\na=3\n", Property{"a", "4"}, "ab=1\na=4\n"},
		{"a=1\n", Property{"b", ` \x`}, "a=1\nb=\\ \\\\x\n"},
	} {
		if got := setProperty(test.text, test.set); got != test.want {
			t.Errorf("%q with %v: %q, want %q", test.text, test.set, got, test.want)
		}
	}
}

func TestLogWatch(t *testing.T) {
	ready := make(chan struct{})
	var notes []string
	w := &logWatch{node: 4, file: "node-4.log", ready: ready, note: func(line string) { notes = append(notes, line) }}
	write := func(text string) {
		if n, err := io.WriteString(w, text); n != len(text) || err != nil {
			t.Fatal(n, err)
		}
	}
	write("level=INFO msg=x\nStrom node 3 of cluster c is ready.\nStrom no")
	select {
	case <-ready:
		t.Fatal("another node's line made it ready")
	default:
	}
	write("de 4 of cluster c is ready.\n")
	<-ready
	write(strings.Repeat("x", 3*maxLine))
	write(strings.Repeat("y", 3*maxLine) + "level=ERROR too far out\n")
	for i := range maxShown + 3 {
		write(fmt.Sprintf("level=ERROR msg=%d\x1b[2J\n", i))
	}
	if len(notes) != maxShown+1 || notes[0] != `node 4: level=ERROR msg=0\x1b[2J` || notes[maxShown] != "node 4: more errors are in node-4.log" {
		t.Errorf("%q", notes)
	}
}
