// Command torture runs a cluster of real processes, breaks it again and again
// while clients write and read, and judges what the clients saw.
//
//	go run ./torture -program bin/strom -time 60s -faults kill,pause,partition,full,restart -seed 7
//
// Partitions have three replicas and min.insync.replicas=2. Each node lives in a
// network namespace of its own, behind a bridge in the harness's namespace, which
// reaches nothing outside; everything is gone when the harness ends. Where
// namespaces are not permitted the nodes share the loopback, without partitions
// of the network.
//
// At the end all faults are healed, every partition is read from its start to its
// end, the nodes are stopped, their copies are compared byte for byte, and the
// history goes through package history. The exit status is 0 for OK, 1 for
// BROKEN, 2 for INCONCLUSIVE: too little was done to say anything.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/stromkafka/strom/internal/history"
)

// options are what the command line asks for.
type options struct {
	program  string
	nodes    int
	isolated bool
	time     time.Duration
	faults   []string
	seed     uint64
	calm     bool
	network  string
	dir      string
	keep     bool
	set      settings
	disk     int // MiB of each node, when disks are filled
	every    time.Duration
	judge    string
}

// settings are properties of every node, repeatable on the command line.
type settings []string

func (s *settings) String() string     { return strings.Join(*s, ",") }
func (s *settings) Set(v string) error { *s = append(*s, v); return nil }

// insideEnv marks the process that runs in namespaces of its own.
const insideEnv = "STROM_TORTURE_INSIDE"

// Exit statuses.
const (
	statusBroken       = 1
	statusInconclusive = 2
	statusUsage        = 64
)

func main() {
	o, err := parseOptions(os.Args[1:])
	if errors.Is(err, flag.ErrHelp) {
		return
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "torture:", err)
		os.Exit(statusUsage)
	}
	if o.judge != "" {
		os.Exit(judgeFile(o.judge))
	}
	if o.network != networkLoopback && os.Getenv(insideEnv) == "" {
		status, err := runInside(o)
		if err == nil {
			os.Exit(status)
		}
		if o.network == networkNamespaces {
			fmt.Fprintln(os.Stderr, "torture: no namespaces:", err)
			os.Exit(statusUsage)
		}
		fmt.Fprintln(os.Stderr, "torture: namespaces are not permitted, nodes share the loopback:", err)
		o.network = networkLoopback
	}
	os.Exit(torture(o))
}

func parseOptions(args []string) (*options, error) {
	o := &options{}
	flags := flag.NewFlagSet("torture", flag.ContinueOnError)
	flags.StringVar(&o.program, "program", "bin/strom", "the `program` to torture; apache-kafka is Apache Kafka itself")
	flags.IntVar(&o.nodes, "nodes", 3, "how many brokers")
	flags.BoolVar(&o.isolated, "isolated", false, "controllers in three processes of their own")
	flags.DurationVar(&o.time, "time", time.Minute, "how long faults happen")
	faults := flags.String("faults", strings.Join(allFaults, ","), "which faults")
	flags.Uint64Var(&o.seed, "seed", 0, "of the schedule; 0 draws one and prints it")
	flags.BoolVar(&o.calm, "calm", false, "each fault waits until the cluster is whole again; for measuring")
	flags.StringVar(&o.network, "network", networkAuto, "namespaces, loopback or auto")
	flags.StringVar(&o.dir, "dir", "", "where the nodes' directories go (default: a temporary one)")
	flags.BoolVar(&o.keep, "keep", false, "keep the nodes' directories and the history even if nothing was found")
	flags.Var(&o.set, "set", "a `name=value` for every node's properties (repeatable)")
	flags.IntVar(&o.disk, "disk", 256, "`MiB` of each node's file system, when full is among the faults")
	flags.DurationVar(&o.every, "every", 50*time.Millisecond, "the time between two records of one producer to one partition")
	flags.StringVar(&o.judge, "judge", "", "only judge the history in this `file`")
	if err := flags.Parse(args); err != nil {
		return nil, err
	}
	for _, f := range strings.Split(*faults, ",") {
		if f != "" {
			o.faults = append(o.faults, f)
		}
	}
	if o.seed == 0 {
		o.seed = rand.Uint64() >> 40
	}
	return o, o.check()
}

func (o *options) check() error {
	for _, f := range o.faults {
		if !slices.Contains(allFaults, f) {
			return fmt.Errorf("no fault %q: there are %s", f, strings.Join(allFaults, ", "))
		}
	}
	switch {
	case o.network == networkLoopback && slices.Contains(o.faults, faultPartition):
		return errors.New("a partition needs -network namespaces")
	case !slices.Contains([]string{networkAuto, networkNamespaces, networkLoopback}, o.network):
		return fmt.Errorf("no network %q", o.network)
	case o.nodes < 1 || o.nodes > maxNodes:
		return fmt.Errorf("%d nodes: 1 to %d are possible", o.nodes, maxNodes)
	}
	return nil
}

// runInside runs this program again in a network and a mount namespace of its
// own, and returns its exit status.
func runInside(o *options) (int, error) {
	self, err := os.Executable()
	if err != nil {
		return 0, err
	}
	args := append(slices.Clone(os.Args[1:]), "-seed", fmt.Sprint(o.seed)) // the last one wins
	command := exec.Command(self, args...)
	command.Env = append(os.Environ(), insideEnv+"=1")
	command.Stdin, command.Stdout, command.Stderr = os.Stdin, os.Stdout, os.Stderr
	command.SysProcAttr = inNamespaces()
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM) // for the child, which ends by itself
	if err := command.Start(); err != nil {
		return 0, err
	}
	go func() {
		for s := range signals {
			_ = command.Process.Signal(s) // it may have ended
		}
	}()
	var exit *exec.ExitError
	if err := command.Wait(); err != nil && !errors.As(err, &exit) {
		return 0, err
	}
	return command.ProcessState.ExitCode(), nil
}

func judgeFile(name string) int {
	file, err := os.Open(name)
	if err != nil {
		fmt.Fprintln(os.Stderr, "torture:", err)
		return statusUsage
	}
	defer file.Close()
	h, err := history.Parse(file)
	if err != nil {
		fmt.Fprintf(os.Stderr, "torture: %s: %v\n", name, err)
		return statusUsage
	}
	report := history.Check(h, minimum(0))
	fmt.Print(report, outages(h))
	return status(report)
}

func status(r *history.Report) int {
	switch r.Verdict() {
	case history.Fine:
		return 0
	case history.Broken:
		return statusBroken
	}
	return statusInconclusive
}

// minimum is how much a run of a length has to have done.
func minimum(length time.Duration) history.Minimum {
	seconds := int(length / time.Second)
	return history.Minimum{Acknowledged: max(100, 50*seconds), Read: max(200, 100*seconds), Faults: max(1, seconds/15),
		Committed: max(20, seconds/2), Copied: max(50, 3*seconds),
		Groups: len(groups), Given: max(4, seconds/20), Saved: max(20, seconds)}
}

func torture(o *options) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	dir := o.dir
	if dir == "" {
		var err error
		if dir, err = os.MkdirTemp("", "torture-"); err != nil {
			fmt.Fprintln(os.Stderr, "torture:", err)
			return statusUsage
		}
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		fmt.Fprintln(os.Stderr, "torture:", err)
		return statusUsage
	}
	r := &run{options: o, dir: dir, began: time.Now()}
	report, err := r.do(ctx)
	if err != nil {
		fmt.Fprintln(os.Stderr, "torture:", err)
		fmt.Fprintf(os.Stderr, "torture: INCONCLUSIVE: the run did not come to its end (seed %d, files in %s)\n", o.seed, dir)
		return statusInconclusive
	}
	fmt.Print(report, outages(r.record.History()))
	keep := report.Verdict() != history.Fine || o.keep
	if err := r.unmount(keep); err != nil {
		fmt.Fprintln(os.Stderr, "torture:", err)
	}
	if !keep {
		if err := os.RemoveAll(dir); err != nil {
			fmt.Fprintln(os.Stderr, "torture:", err)
		}
		return 0
	}
	fmt.Printf("seed %d; the history is %s, the nodes' files are beside it\n", o.seed, r.historyFile())
	return status(report)
}
