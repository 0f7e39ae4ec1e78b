package cli_test

import (
	"testing"

	"github.com/twmb/franz-go/pkg/kfake"
)

// startBroker is the address of a broker without topics that ends with the
// test.
func startBroker(t *testing.T) string {
	t.Helper()
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.DefaultNumPartitions(1))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	return cluster.ListenAddrs()[0]
}
