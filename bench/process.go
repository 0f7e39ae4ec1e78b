package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// stopTimeout bounds a clean stop of a broker.
const stopTimeout = 30 * time.Second

// A process is a program on one core, leader of a process group of its own. It dies with us, whatever ends us.
type process struct {
	told    bool // to stop
	name    string
	cmd     *exec.Cmd
	output  string // file that holds what it printed to standard error
	started time.Time
	done    chan struct{} // closed when it ended, with err set
	err     error
}

// command says what to run.
type command struct {
	name   string
	args   []string // program first
	env    []string // added to ours
	core   int
	output string    // file for standard error, and for standard output unless stdout is set
	stdout io.Writer // must take everything: the process waits for it
}

// start runs a command. The caller ends it with kill or stop.
func start(c command) (*process, error) {
	output, err := os.OpenFile(c.output, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, err
	}
	defer output.Close() // the child has its own copy
	p := &process{name: c.name, output: c.output, done: make(chan struct{})}
	p.cmd = exec.Command(c.args[0], c.args[1:]...)
	p.cmd.Env = append(os.Environ(), c.env...)
	p.cmd.Stdout, p.cmd.Stderr = output, output
	if c.stdout != nil {
		p.cmd.Stdout = c.stdout
	}
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if err := p.startOn(c.core); err != nil {
		return nil, fmt.Errorf("%s: %w", c.name, err)
	}
	go func() {
		p.err = p.cmd.Wait()
		close(p.done)
	}()
	return p, nil
}

// startOn starts the command on a core: a child inherits the affinity of the thread that forks it, so this thread takes
// it for that long. That leaves nothing between the clock's start and exec, as taskset would.
func (p *process) startOn(core int) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var before unix.CPUSet
	if err := unix.SchedGetaffinity(0, &before); err != nil {
		return fmt.Errorf("sched_getaffinity: %w", err)
	}
	if err := setCore(0, core); err != nil {
		return err
	}
	p.started = time.Now()
	err := p.cmd.Start()
	if restored := unix.SchedSetaffinity(0, &before); restored != nil {
		err = errors.Join(err, fmt.Errorf("sched_setaffinity: %w", restored))
	}
	return err
}

func setCore(thread, core int) error {
	var set unix.CPUSet
	set.Set(core)
	if err := unix.SchedSetaffinity(thread, &set); err != nil {
		return fmt.Errorf("this machine does not let us run on core %d (two cores are needed; see -broker-core and -client-core): %w", core, err)
	}
	return nil
}

// pinSelf keeps the harness off the broker's core: each thread that exists, and by inheritance those to come.
func pinSelf(core int) error {
	threads, err := os.ReadDir("/proc/self/task")
	if err != nil {
		return err
	}
	for _, thread := range threads {
		id, err := strconv.Atoi(thread.Name())
		if err != nil {
			return err
		}
		if err := setCore(id, core); err != nil {
			return err
		}
	}
	return nil
}

func (p *process) pid() int { return p.cmd.Process.Pid }

// wait returns when the process ended by itself; when ctx ends first the process is killed.
func (p *process) wait(ctx context.Context) error {
	select {
	case <-p.done:
		if p.err != nil {
			return fmt.Errorf("%s: %w: %s", p.name, p.err, tail(p.output))
		}
		return nil
	case <-ctx.Done():
		p.kill()
		return ctx.Err()
	}
}

// terminate asks the process to stop, and stop waits for it.
func (p *process) terminate() error {
	select {
	case <-p.done:
		return nil // which stop reports
	default:
		p.told = true
		return p.cmd.Process.Signal(syscall.SIGTERM)
	}
}

// stop ends the process with SIGTERM, and with SIGKILL when that is not heard.
func (p *process) stop() error {
	select {
	case <-p.done:
		if p.told && p.err == nil {
			return nil
		}
		return fmt.Errorf("%s had ended by itself: %v: %s", p.name, p.err, tail(p.output))
	default:
	}
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return fmt.Errorf("%s: %w", p.name, err)
	}
	select {
	case <-p.done:
		p.kill() // what it may have started
		return nil
	case <-time.After(stopTimeout):
		p.kill()
		return fmt.Errorf("%s did not stop in %v: %s", p.name, stopTimeout, tail(p.output))
	}
}

// kill ends the whole process group and waits for its leader. A group that is gone already is what it is for.
func (p *process) kill() {
	if err := syscall.Kill(-p.pid(), syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
		fmt.Fprintf(os.Stderr, "bench: cannot end %s: %v\n", p.name, err)
	}
	<-p.done
}

// tail is the end of what a process printed.
func tail(file string) string {
	text, err := os.ReadFile(file)
	if err != nil {
		return err.Error()
	}
	if len(text) > 2000 {
		text = text[len(text)-2000:]
	}
	return string(text)
}
