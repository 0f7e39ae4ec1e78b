// Command bench measures Strom beside Apache Kafka on the same disk with the same clients: each broker alone in turn, pinned
// to one core, the clients on the other, over several interleaved rounds, of which the median counts.
//
//	bench [-rounds N] [-short] [-json FILE] [-markdown FILE] [-dir DIR] [-strom FILE] [-systems LIST]
//
// The clients are Kafka's own ProducerPerformance and EndToEndLatency, and franz-go where Kafka's need consumer groups.
// A throughput whose client used 95 % of its core or more tells about the client; it counts only for CPU per GB.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"log"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
)

// Cores that broker and clients are pinned to.
const (
	brokerCore = "0"
	clientCore = "1"
)

// plan is how much is measured.
type plan struct {
	Rounds         int
	IdleSeconds    int
	Records100     int
	Records1000    int
	Warmup         int
	LatencyRate    int // records a second
	LatencySeconds int
	RoundTrips     int
}

var (
	whole = plan{Rounds: 3, IdleSeconds: 10, Records100: 3_000_000, Records1000: 700_000, Warmup: 100_000, LatencyRate: 1000, LatencySeconds: 15, RoundTrips: 3000}
	short = plan{Rounds: 1, IdleSeconds: 3, Records100: 300_000, Records1000: 70_000, Warmup: 10_000, LatencyRate: 500, LatencySeconds: 3, RoundTrips: 300}
)

func main() {
	log.SetFlags(0)
	if len(os.Args) > 1 && os.Args[1] == clientVerb {
		if err := client(os.Args[2:]); err != nil {
			log.Fatal(err)
		}
		return
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := bench(ctx); err != nil {
		log.Fatal(err)
	}
}

func bench(ctx context.Context) error {
	root := flag.String("root", ".", "the repository")
	isShort := flag.Bool("short", false, "a run of two minutes, to see that everything works")
	rounds := flag.Int("rounds", 0, "rounds instead of 3, or 1 with -short")
	jsonFile := flag.String("json", "", "write every measurement to this file")
	markdown := flag.String("markdown", "", "write the table to this file")
	dir := flag.String("dir", "", "directory on the disk to measure, instead of the one for temporary files")
	strom := flag.String("strom", "bin/strom", "the program to measure")
	names := flag.String("systems", "kafka,strom-os,strom-fsync", "what to measure")
	flag.Parse()
	p := whole
	if *isShort {
		p = short
	}
	if *rounds > 0 {
		p.Rounds = *rounds
	}
	install := exec.CommandContext(ctx, filepath.Join(*root, "interop/kafka/install"))
	if out, err := install.CombinedOutput(); err != nil {
		return fmt.Errorf("install: %w: %s", err, out)
	}
	all, err := systems(*root, *strom, strings.Split(*names, ","))
	if err != nil {
		return err
	}
	results, err := measureAll(ctx, p, all, *root, *dir)
	if err != nil {
		return err
	}
	table := report(p, results)
	fmt.Print(table)
	if *markdown != "" {
		if err := os.WriteFile(*markdown, []byte(table), 0o644); err != nil {
			return err
		}
	}
	if *jsonFile == "" {
		return nil
	}
	out, err := json.MarshalIndent(map[string]any{"plan": p, "results": results}, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(*jsonFile, append(out, '\n'), 0o644)
}

// measureAll runs the rounds, the systems one after another in each.
func measureAll(ctx context.Context, p plan, all []system, root, dir string) (map[string][]*round, error) {
	results := map[string][]*round{}
	for n := range p.Rounds {
		for _, s := range all {
			log.Printf("round %d of %d: %s", n+1, p.Rounds, s.name)
			r, err := measure(ctx, p, s, root, dir)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", s.name, err)
			}
			results[s.name] = append(results[s.name], r)
		}
	}
	return results, nil
}
