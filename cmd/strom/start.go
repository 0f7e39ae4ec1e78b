package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"runtime/pprof"
	"strings"

	"github.com/stromkafka/strom/internal/broker"
	"github.com/stromkafka/strom/internal/cli"
	"github.com/stromkafka/strom/internal/config"
)

// start runs a node until ctx is done.
func start(ctx context.Context, o cli.StartOptions) error {
	values, err := load(o.File, o.Set)
	if err != nil {
		return err
	}
	overlapSyncs()
	stop, err := profile(os.Getenv("STROM_CPUPROFILE"))
	if err != nil {
		return err
	}
	err = broker.Run(ctx, broker.Options{
		Values: values,
		Log:    slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: logLevel(os.Getenv("STROM_LOG_LEVEL"))})),
		Ready:  func(r broker.Ready) { announce(os.Stdout, r, values.Alone()) },
	})
	return errors.Join(err, stop())
}

// overlapSyncs lets requests be handled during a sync on a machine of one core too.
// A goroutine in a system call keeps its processor for some time, and fdatasync is
// mostly shorter than that: with one processor all else would wait, and each record
// need a sync of its own. Two share the core as threads do.
func overlapSyncs() {
	if _, set := os.LookupEnv("GOMAXPROCS"); !set && runtime.GOMAXPROCS(0) == 1 {
		runtime.GOMAXPROCS(2)
	}
}

// load is the configuration of FILE, STROM_* and --set.
func load(file string, set []cli.Property) (*config.Values, error) {
	s := config.Sources{FileName: file, Env: os.Environ()}
	if file != "" {
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, fmt.Errorf("properties file: %w", err)
		}
		s.FileText = text
		if s.FileText == nil {
			s.FileText = []byte{}
		}
	}
	for _, p := range set {
		s.Set = append(s.Set, p.Name+"="+p.Value)
	}
	return config.Load(s)
}

// announce says where the node listens, where its data is and what to try.
func announce(w io.Writer, r broker.Ready, alone bool) {
	var dirs []string
	for _, d := range r.Dirs {
		if abs, err := filepath.Abs(d); err == nil {
			d = abs
		}
		dirs = append(dirs, d)
	}
	fmt.Fprintf(w, "Strom node %d of cluster %s is ready.\n", r.NodeID, r.ClusterID)
	for _, l := range r.Listeners {
		fmt.Fprintf(w, "  listening on  %s\n", l.Address())
	}
	for _, l := range r.Controllers {
		fmt.Fprintf(w, "  controller    %s\n", l.Address())
	}
	fmt.Fprintf(w, "  data in       %s\n", strings.Join(dirs, ", "))
	if alone && len(r.Listeners) > 0 {
		at := ""
		if addr := r.Listeners[0].Address(); addr != "localhost:9092" {
			at = " -b " + addr
		}
		fmt.Fprintf(w, "  try           echo hello | %s produce greetings%s\n", os.Args[0], at)
	}
}

func logLevel(name string) slog.Level {
	var level slog.Level
	if name == "" || level.UnmarshalText([]byte(name)) != nil {
		return slog.LevelWarn
	}
	return level
}

// profile writes a CPU profile to a file until the result is called.
func profile(file string) (stop func() error, err error) {
	if file == "" {
		return func() error { return nil }, nil
	}
	f, err := os.Create(file)
	if err != nil {
		return nil, fmt.Errorf("STROM_CPUPROFILE: %w", err)
	}
	if err := pprof.StartCPUProfile(f); err != nil {
		return nil, fmt.Errorf("STROM_CPUPROFILE: %w", err)
	}
	return func() error {
		pprof.StopCPUProfile()
		return f.Close()
	}, nil
}
