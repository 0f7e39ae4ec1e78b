//go:build interop

package clients

import (
	"context"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stromkafka/strom/interop/internal/peer"
	"github.com/twmb/franz-go/pkg/kgo"
)

// TestStrom: the command line of Strom speaks to any Kafka about topics, groups and transactions.
func TestStrom(t *testing.T) {
	t.Parallel()
	program := broker
	if reference() {
		built, err := peer.Resolve(root, "", t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		program = built
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	run := func(in, line string, patterns ...string) {
		t.Helper()
		out, err := execute(ctx, in, append([]string{program, "-b", shared.Addr}, strings.Fields(line)...)...)
		if err != nil {
			t.Fatal(err)
		}
		matches(t, out, patterns...)
	}
	run("", "topic create strom", `^created strom with \d+ partitions? on 1 replica$`)
	run("one\ntwo\n", "produce strom -p 0 -q")
	run("", "consume strom --group stromers -n 2", `\Aone\ntwo\n\z`)
	run("", "group list", `^stromers +classic +1  Empty$`)
	run("", "group describe stromers", `^stromers  classic, empty, 0 members, lag 0, coordinator 1$`, `^strom +0 +2 +2 +0  -$`)
	run("", "group reset-offsets stromers --to beginning --execute", `^strom +0 +2 +0$`)
	run("", "group delete stromers", `^deleted stromers$`)

	writer, err := kgo.NewClient(kgo.SeedBrokers(shared.Addr), kgo.TransactionalID("stromer"), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		t.Fatal(err)
	}
	defer writer.Close()
	if err := writer.BeginTransaction(); err != nil {
		t.Fatal(err)
	}
	if err := writer.ProduceSync(ctx, &kgo.Record{Topic: "strom", Value: []byte("open")}).FirstErr(); err != nil {
		t.Fatal(err)
	}
	run("", "transaction list", `^stromer +\S+s +\d+ +1  Ongoing$`)
	run("", "transaction describe stromer", `^stromer  ongoing, open for .*, coordinator 1$`, `^strom +0 +2 +\S+ ago$`)
	run("", "transaction find-hanging --topic strom --longer-than 0s -o json", `\A\[\]\n\z`)
	run("", "transaction abort stromer", `^aborted stromer$`)
	run("", "consume strom --committed -e -p 0", `\Aone\ntwo\n\z`)
	run("", "topic delete strom", `^deleted strom$`)
}

// matches wants a regular expression to match somewhere.
func matches(t *testing.T, text string, patterns ...string) {
	t.Helper()
	for _, p := range patterns {
		if !regexp.MustCompile("(?m)" + p).MatchString(text) {
			t.Errorf("%s is not in:\n%s", p, text)
		}
	}
}
