//go:build interop

package clients

import (
	"fmt"
	"testing"
)

const (
	producerPerformance = "org.apache.kafka.tools.ProducerPerformance"
	consumerPerformance = "org.apache.kafka.tools.ConsumerPerformance"
)

// TestPerformanceTools writes with kafka-producer-perf-test, plainly and in transactions, and reads all of it with
// kafka-consumer-perf-test, whose last column but five is the number of records.
func TestPerformanceTools(t *testing.T) {
	const records = 2000
	create(t, shared.Addr, "measured", groupPartitions)
	write := func(more ...string) {
		t.Helper()
		args := []string{"--bootstrap-server", shared.Addr, "--topic", "measured", "--num-records", fmt.Sprint(records), "--record-size", "100", "--throughput", "-1"}
		matches(t, tool(t, producerPerformance, "", append(args, more...)...), fmt.Sprintf(`^%d records sent, .*99\.9th\.`, records))
	}
	write("--command-property", "acks=all", "compression.type=zstd")
	write("--transactional-id", "measured", "--transaction-duration-ms", "100")
	matches(t, tool(t, transactionsTool, "", "--bootstrap-server", shared.Addr, "list"), `^measured\s+\d+\s+\d+\s+CompleteCommit`)
	read := tool(t, consumerPerformance, "", "--bootstrap-server", shared.Addr, "--topic", "measured", "--group", "measured", "--num-records", fmt.Sprint(2*records),
		"--timeout", "30000")
	matches(t, read, fmt.Sprintf(`^\S+ \S+, \S+ \S+, \S+, \S+, %d, `, 2*records))
}
