// Strom is Apache Kafka's platform as one program; this is its command line.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/stromkafka/strom/internal/cli"
)

// version is the release, set by the linker.
var version string

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// Without this, writing to a closed pipe would end the program with a signal;
	// so the commands see the error and end as if all had been read.
	signal.Ignore(syscall.SIGPIPE)
	// A second signal ends a program that is slow to stop.
	context.AfterFunc(ctx, stop)
	os.Exit(cli.New(cli.Programs{Version: version, Start: start, Storage: storageCommands()}, cli.OS()).Run(ctx, os.Args[1:]))
}
