// Command bench measures Strom against Apache Kafka 4.3.1, side by side, and prints ratios.
//
// Both brokers run in turn on the same disk, each alone, pinned to one core; the clients run on another. A session is
// one broker on an empty directory taken through every row; sessions alternate between the systems (Kafka, Strom with
// log.flush.policy=fsync, Strom with =os, Kafka, …) and a row's figure is the median over the sessions, with the spread.
// Apache Kafka comes from Maven Central with the JVM settings and the log levels of its own start scripts.
//
// The clients are foreign to both: producing is Apache Kafka's ProducerPerformance; consuming and latency are franz-go's
// kgo, reading the partition directly. (Kafka's EndToEndLatency commits offsets at its end, so it needs a coordinator;
// it also waits for each record before it sends the next, which hides stalls. Ours sends at a fixed rate and counts from
// the moment a record was due.)
//
// With -suite cluster three brokers of each system form a cluster, all on the brokers' core: replication factor 3, acks=all,
// min.insync.replicas 2. Its rows are throughput, latency, and for how long produce is unavailable after kill -9, as an
// unmodified librdkafka client sees it. -suite storage is small batches over many partitions (beside Kafka as it ships and beside
// Kafka that syncs each record), compaction, and 10,000 partitions. -suite coordinators is groups of up to 1,000 members by both
// protocols, offset commits and transactions.
//
// Run it from the module's root: go run ./bench, with -short for a quick look and -only for single rows.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"syscall"
	"time"
)

// options are what the command line asks for.
type options struct {
	plan       plan
	strom      string
	python     string
	kafkaLib   string
	dir        string
	only       *regexp.Regexp
	of         *regexp.Regexp // the systems; nil for all
	profile    *regexp.Regexp
	profileDir string
	json       string
	markdown   string
	brokerCore int
	clientCore int
}

func main() {
	if len(os.Args) > 1 && os.Args[1] == clientVerb {
		exit(runClient(os.Args[2:]))
	}
	o, err := parseOptions(os.Args[1:])
	if errors.Is(err, flag.ErrHelp) {
		return
	}
	if err != nil {
		os.Exit(2) // the flag package has said why
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err = run(ctx, o)
	stop()
	exit(err)
}

func exit(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

func parseOptions(args []string) (options, error) {
	o := options{}
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	short := flags.Bool("short", false, "a quick run: one session of each system, short rows")
	name := flags.String("suite", suites[0].name, "which rows: "+suiteNames())
	flags.StringVar(&o.python, "python", "interop/clients/target/python/bin/python", "a `python` with confluent-kafka, for the rows of unavailability (interop/install makes it)")
	runs := flags.Int("runs", 0, "sessions of each system (default 3, with -short 1)")
	only := flags.String("only", "", "only the rows whose name matches the `regexp` (as produce.100B.acks1, latency)")
	kills := flags.Int("kills", 0, "how often a row of unavailability kills in each session (default 5, with -short 2)")
	of := flags.String("systems", "", "only the systems whose name matches the `regexp`: kafka, fsync, os (for more of one row than a comparison needs)")
	profile := flags.String("profile", "", "afterwards run the rows that match the `regexp` once more for a CPU profile of Strom (it gets STROM_CPUPROFILE)")
	flags.StringVar(&o.profileDir, "profile-dir", "profiles", "where the profiles go")
	flags.StringVar(&o.strom, "strom", "bin/strom", "the `program` to measure; apache-kafka puts Apache Kafka on this side too")
	flags.StringVar(&o.kafkaLib, "kafka-lib", os.Getenv("KAFKA_LIB"), "directory of Apache Kafka's jars (default: install into interop/kafka/target/lib)")
	flags.StringVar(&o.dir, "dir", os.Getenv("BENCH_DIR"), "where the brokers' data goes, removed afterwards (default $BENCH_DIR, else the current directory)")
	flags.StringVar(&o.json, "json", "", "write the results as JSON to `file`")
	flags.StringVar(&o.markdown, "markdown", "", "write the results as markdown to `file`")
	flags.IntVar(&o.brokerCore, "broker-core", 0, "the core for the broker")
	flags.IntVar(&o.clientCore, "client-core", 1, "the core for the clients")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	o.plan = fullPlan
	if *short {
		o.plan = shortPlan
	}
	chosen, ok := suiteNamed(*name)
	if !ok {
		err := fmt.Errorf("no suite %q; the suites are %s", *name, suiteNames())
		fmt.Fprintln(os.Stderr, err)
		return o, err
	}
	o.plan = planOf(o.plan, chosen)
	if *runs > 0 {
		o.plan.Runs = *runs
	}
	if *kills > 0 {
		o.plan.Kills = *kills
	}
	for _, r := range []struct {
		text string
		into **regexp.Regexp
	}{{*only, &o.only}, {*of, &o.of}, {*profile, &o.profile}} {
		if r.text == "" {
			continue
		}
		compiled, err := regexp.Compile(r.text)
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return o, err
		}
		*r.into = compiled
	}
	return o, nil
}

// run is the whole benchmark.
func run(ctx context.Context, o options) error {
	selected := o.plan.selectRows(o.only)
	if len(selected) == 0 {
		return errors.New("-only matches no row; the rows are " + o.plan.rowNames())
	}
	lib, err := kafkaLibrary(ctx, o.kafkaLib)
	if err != nil {
		return err
	}
	if err := pinSelf(o.clientCore); err != nil {
		return err
	}
	dir, err := workDir(o.dir)
	if err != nil {
		return err
	}
	b := &bench{options: o, dir: dir, lib: lib, rows: selected, began: time.Now()}
	err = b.run(ctx)
	return errors.Join(err, os.RemoveAll(dir))
}

// workDir makes the directory that holds everything the brokers write, and asks for room first: a full disk would be
// measured as a slow one.
func workDir(parent string) (string, error) {
	if parent == "" {
		parent = "."
	}
	parent, err := filepath.Abs(parent)
	if err != nil {
		return "", err
	}
	var fs syscall.Statfs_t
	if err := syscall.Statfs(parent, &fs); err != nil {
		return "", fmt.Errorf("%s: %w", parent, err)
	}
	const need = 10 << 30
	if free := fs.Bavail * uint64(fs.Bsize); free < need {
		return "", fmt.Errorf("%s has %d GiB free, %d are needed: name another disk with -dir or BENCH_DIR", parent, free>>30, need>>30)
	}
	return os.MkdirTemp(parent, "bench-data-")
}
