package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"
)

const (
	// localReadyTimeout bounds the start of all nodes.
	localReadyTimeout = 60 * time.Second
	// localStopTimeout bounds a clean stop; after it a node is killed.
	localStopTimeout = 30 * time.Second
	// maxShown is how many lines of a node's log are repeated to the person.
	maxShown = 5
	maxLine  = 500
	// logTail is how much of a log's end tells why a node ended.
	logTail = 8 << 10
)

// localNodes are the processes of a local cluster.
type localNodes struct {
	cli     *CLI
	program string
	nodes   []*localProcess
	ended   chan *localProcess // each of them once
}

// A localProcess is one node. What it prints goes to its log.
type localProcess struct {
	localNode
	ready chan struct{} // closed when it says so
	done  chan struct{} // closed when it has ended, with err set
	err   error
	told  bool // its end has been reported; only the goroutine that runs the cluster reads it

	mu      sync.Mutex
	process *os.Process // nil before it runs
}

// startLocal starts every node.
func (c *CLI) startLocal(program string, l *local) *localNodes {
	all := &localNodes{cli: c, program: program, ended: make(chan *localProcess, len(l.nodes))}
	for _, n := range l.nodes {
		p := &localProcess{localNode: n, ready: make(chan struct{}), done: make(chan struct{})}
		all.nodes = append(all.nodes, p)
		started := make(chan struct{})
		go func() {
			p.err = p.run(c, program, started)
			close(p.done)
			all.ended <- p
		}()
		<-started
	}
	return all
}

// run is a node's life. The goroutine keeps its thread: a child is told of its
// parent's death when the thread ends that started it (prctl(2),
// PR_SET_PDEATHSIG), so that thread has to live as long as the child.
func (p *localProcess) run(c *CLI, program string, started chan<- struct{}) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	log, err := os.OpenFile(p.log(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		close(started)
		return err
	}
	defer log.Close()
	cmd := exec.Command(program, "start", p.properties())
	watch := &logWatch{node: p.id, file: p.log(), ready: p.ready, note: func(line string) { c.note("%s", line) }}
	cmd.Stdout = io.MultiWriter(log, watch)
	cmd.Stderr = cmd.Stdout // the same, so one pipe and one writer
	cmd.Env = withoutLocal(os.Environ())
	cmd.SysProcAttr = childAttributes()
	err = cmd.Start()
	if err == nil {
		p.mu.Lock()
		p.process = cmd.Process
		p.mu.Unlock()
	}
	close(started)
	if err != nil {
		return err
	}
	return cmd.Wait()
}

func (p *localProcess) signal(s os.Signal) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.process != nil {
		_ = p.process.Signal(s) // it may have ended, which done tells
	}
}

func (p *localProcess) alive() bool {
	select {
	case <-p.done:
		return false
	default:
		return true
	}
}

// why is what a node's end is called.
func (p *localProcess) why() string {
	var exit *exec.ExitError
	switch {
	case p.err == nil:
		return "stopped"
	case errors.As(p.err, &exit):
		return exit.Error()
	}
	return p.err.Error()
}

// untilReady waits until every node serves. A node that ends before that is an
// error; a ctx that ends is none.
func (l *localNodes) untilReady(ctx context.Context) error {
	late := time.NewTimer(localReadyTimeout)
	defer late.Stop()
	for _, p := range l.nodes {
		select {
		case <-p.ready:
		case <-ctx.Done():
			return nil
		case ended := <-l.ended:
			ended.told = true
			return fail(ended.err, "node %d ended before it was ready (%s)%s", ended.id, ended.why(), lastWords(ended.log())).
				withFix("Its whole log is %s.", ended.log())
		case <-late.C:
			return fail(nil, "node %d is not ready after %s%s", p.id, localReadyTimeout, lastWords(p.log())).
				withFix("Its whole log is %s.", p.log())
		}
	}
	return nil
}

// untilEnd waits for ctx, telling of each node that ends before; when none is
// left that is an error.
func (l *localNodes) untilEnd(ctx context.Context) error {
	for l.running() > 0 {
		select {
		case <-ctx.Done():
			return nil
		case p := <-l.ended:
			p.told = true
			l.cli.note("node %d ended (%s)%s\n  It is not started again by itself. In another terminal: %s start %s", p.id, p.why(),
				lastWords(p.log()), shellWord(l.program), shellWord(p.properties()))
		}
	}
	return fail(nil, "every node has ended").withFix("`strom cluster local` starts them again when it is given --data.")
}

func (l *localNodes) running() int {
	n := 0
	for _, p := range l.nodes {
		if p.alive() {
			n++
		}
	}
	return n
}

// stop ends every node, cleanly if it can. A broker leaves by the controllers'
// leave, so while more nodes run than a majority of the voters they go one after
// the other, from the last on; the rest go together, each broker leaving while
// its fellows' controllers still make up that majority. The last ones find nobody
// to ask, and stop after a few seconds all the same.
func (l *localNodes) stop() error {
	var left []*localProcess
	for _, p := range l.nodes {
		if p.alive() {
			left = append(left, p)
		}
	}
	var errs []error
	for majority := len(l.nodes)/2 + 1; len(left) > majority; left = left[:len(left)-1] {
		last := left[len(left)-1]
		last.signal(syscall.SIGTERM)
		errs = append(errs, l.end(last))
	}
	for _, p := range left {
		p.signal(syscall.SIGTERM)
	}
	return errors.Join(append(errs, l.endAll(left))...)
}

func (l *localNodes) endAll(all []*localProcess) error {
	var errs []error
	for _, p := range all {
		errs = append(errs, l.end(p))
	}
	return errors.Join(errs...)
}

// end sees to it that a node stops, which was asked to. It is not asked twice: a
// second SIGTERM ends it at once.
func (l *localNodes) end(p *localProcess) error {
	late := time.NewTimer(localStopTimeout)
	defer late.Stop()
	select {
	case <-p.done:
		if p.err == nil || p.told {
			return nil
		}
		p.told = true
		return fail(p.err, "node %d did not stop cleanly (%s)%s", p.id, p.why(), lastWords(p.log())).withFix("Its whole log is %s.", p.log())
	case <-late.C:
		p.signal(syscall.SIGKILL)
		<-p.done
		p.told = true
		return fail(nil, "node %d did not stop within %s and was killed%s", p.id, localStopTimeout, lastWords(p.log())).withFix("Its whole log is %s.", p.log())
	}
}

// lastWords are the last lines of a log that say why, indented below what is told
// of its node; not those that announce it.
func lastWords(name string) string {
	file, err := os.Open(name)
	if err != nil {
		return ""
	}
	defer file.Close()
	if size, err := file.Seek(0, io.SeekEnd); err == nil {
		_, _ = file.Seek(max(0, size-logTail), io.SeekStart) // a tail that cannot be found is the whole
	}
	text, err := io.ReadAll(io.LimitReader(file, logTail))
	if err != nil {
		return ""
	}
	var lines []string
	for line := range strings.Lines(string(text)) {
		announced := strings.HasPrefix(line, "Strom node ") || strings.HasPrefix(line, "  ")
		if line = strings.TrimSpace(line); line != "" && !announced {
			lines = append(lines, "\n  | "+printable([]byte(line[:min(len(line), maxLine)])))
		}
	}
	return strings.Join(lines[max(0, len(lines)-maxShown):], "")
}

// A logWatch reads a node's output as it is written: it notices that the node is
// ready, and repeats the first errors for the person, who does not see the log.
type logWatch struct {
	node  int
	file  string
	ready chan<- struct{}
	note  func(line string)

	partial []byte
	isReady bool
	shown   int
}

func (w *logWatch) Write(p []byte) (int, error) {
	for rest := p; len(rest) > 0; {
		end := bytes.IndexByte(rest, '\n')
		if end < 0 {
			w.partial = append(w.partial, rest[:min(len(rest), maxLine-min(maxLine, len(w.partial)))]...)
			break
		}
		line := append(w.partial, rest[:end]...)
		w.line(line[:min(len(line), maxLine)])
		w.partial, rest = w.partial[:0], rest[end+1:]
	}
	return len(p), nil
}

func (w *logWatch) line(line []byte) {
	switch {
	case !w.isReady && bytes.HasPrefix(line, fmt.Appendf(nil, "Strom node %d ", w.node)) && bytes.HasSuffix(line, []byte(" is ready.")):
		w.isReady = true
		close(w.ready)
	case w.shown <= maxShown && (bytes.Contains(line, []byte("level=ERROR")) || bytes.HasPrefix(line, []byte("panic: "))):
		w.shown++
		if w.shown > maxShown {
			w.note(fmt.Sprintf("node %d: more errors are in %s", w.node, w.file))
			return
		}
		w.note(fmt.Sprintf("node %d: %s", w.node, printable(line)))
	}
}
