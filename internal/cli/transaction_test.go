package cli_test

import (
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"
)

// TestConsumeCommitted leaves out what was aborted and what is open, and does
// not wait for either.
func TestConsumeCommitted(t *testing.T) {
	bootstrap := startBroker(t)
	strom(t, bootstrap, "", "topic", "create", "orders")
	producer, err := kgo.NewClient(kgo.SeedBrokers(bootstrap), kgo.TransactionalID("shop"), kgo.DefaultProduceTopic("orders"))
	if err != nil {
		t.Fatal(err)
	}
	defer producer.Close()
	write := func(value string) {
		t.Helper()
		if err := producer.BeginTransaction(); err != nil {
			t.Fatal(err)
		}
		if err := producer.ProduceSync(t.Context(), kgo.StringRecord(value)).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	end := func(how kgo.TransactionEndTry) {
		t.Helper()
		if err := producer.EndTransaction(t.Context(), how); err != nil {
			t.Fatal(err)
		}
	}
	expect := func(want string, args ...string) {
		t.Helper()
		if got := strom(t, bootstrap, "", append([]string{"consume", "orders", "-e"}, args...)...); got != want {
			t.Fatalf("consume %v: %q, want %q", args, got, want)
		}
	}
	write("kept")
	end(kgo.TryCommit)
	write("aborted")
	end(kgo.TryAbort)
	expect("kept\n", "--committed")
	expect("kept\naborted\n")

	write("open")
	expect("kept\n", "--committed")
	expect("kept\naborted\nopen\n")
	end(kgo.TryCommit)
	expect("kept\nopen\n", "--committed")
}
