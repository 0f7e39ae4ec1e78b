//go:build interop

package clients

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

const (
	groupsTool       = "org.apache.kafka.tools.GroupsCommand"
	consumersTool    = "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand"
	deleteTool       = "org.apache.kafka.tools.DeleteRecordsCommand"
	transactionsTool = "org.apache.kafka.tools.TransactionsCommand"
	metricsTool      = "org.apache.kafka.tools.ClientMetricsCommand"
	copierTool       = "org.apache.kafka.tools.TransactionalMessageCopier"
)

// alone runs one of Kafka's programs in a JVM of its own: it ends the JVM itself.
func alone(t *testing.T, class string, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	kafka, err := filepath.Abs(filepath.Join(root, "interop/kafka/apache-kafka"))
	if err != nil {
		t.Fatal(err)
	}
	out, err := execute(ctx, "", append([]string{kafka, class}, args...)...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// TestGroupTools reads in a group with the console consumer and the verifiable one, and then describes, resets and deletes
// it with kafka-consumer-groups and lists it with kafka-groups.
func TestGroupTools(t *testing.T) {
	server := []string{"--bootstrap-server", shared.Addr}
	groups := func(args ...string) string { return tool(t, consumersTool, "", append(server, args...)...) }
	create(t, shared.Addr, "grouped", 1)
	matches(t, alone(t, "org.apache.kafka.tools.VerifiableProducer", "--bootstrap-server", shared.Addr, "--topic", "grouped", "--max-messages", "50"),
		`"sent":50,"acked":50`)
	got := tool(t, consumerTool, "", append(server, "--topic", "grouped", "--group", "readers", "--from-beginning", "--max-messages", "20", "--timeout-ms", "30000")...)
	if n := strings.Count(got, "\n"); n != 20 {
		t.Errorf("%d lines were read", n)
	}
	matches(t, groups("--describe", "--group", "readers"), `readers +grouped +0 +20 +50 +30 `)
	matches(t, groups("--describe", "--group", "readers", "--state"), `readers .*Empty +0`)
	matches(t, groups("--list"), `^readers$`)
	matches(t, tool(t, groupsTool, "", append(server, "--list")...), `^readers +Classic +consumer`)
	matches(t, groups("--reset-offsets", "--group", "readers", "--topic", "grouped", "--to-offset", "45", "--execute"), `readers +grouped +0 +45`)
	matches(t, alone(t, "org.apache.kafka.tools.VerifiableConsumer", "--bootstrap-server", shared.Addr, "--topic", "grouped", "--group-id", "readers", "--max-messages", "5"),
		`"name":"partitions_assigned"`, `"name":"records_consumed","count":5`, `"name":"offsets_committed".*"offset":50`)
	matches(t, groups("--delete-offsets", "--group", "readers", "--topic", "grouped"), `grouped +0 +Successful`)
	matches(t, groups("--delete", "--group", "readers"), `Deletion of requested consumer groups \('readers'\) was successful`)
	if left := groups("--list"); strings.Contains(left, "readers") {
		t.Errorf("still listed: %s", left)
	}
}

// TestDeleteRecordsTool cuts the beginning of a log off with kafka-delete-records.
func TestDeleteRecordsTool(t *testing.T) {
	create(t, shared.Addr, "cut", 1)
	if _, err := (franz{}).produce(t.Context(), shared.Addr, "cut", "none", samples(true)); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "offsets.json")
	if err := os.WriteFile(file, []byte(`{"version":1,"partitions":[{"topic":"cut","partition":0,"offset":7}]}`), 0o644); err != nil {
		t.Fatal(err)
	}
	contains(t, tool(t, deleteTool, "", "--bootstrap-server", shared.Addr, "--offset-json-file", file), "partition: cut-0\tlow_watermark: 7")
	contains(t, tool(t, offsetsTool, "", "--bootstrap-server", shared.Addr, "--topic", "cut", "--time", "earliest"), "cut:0:7")
}

// TestTransactionTools copies a topic with the message copier, which commits its offsets in its transactions, and looks at
// transactions and their producers with kafka-transactions.
func TestTransactionTools(t *testing.T) {
	transactions := func(args ...string) string {
		return tool(t, transactionsTool, "", append([]string{"--bootstrap-server", shared.Addr}, args...)...)
	}
	create(t, shared.Addr, "copy-from", 1)
	create(t, shared.Addr, "copy-to", 1)
	records := kcat{}.records()[:100] // text, which is what the copier copies
	if _, err := (franz{}).produce(t.Context(), shared.Addr, "copy-from", "none", records); err != nil {
		t.Fatal(err)
	}
	out := alone(t, copierTool, "--broker-list", shared.Addr, "--input-topic", "copy-from", "--input-partition", "0", "--output-topic", "copy-to",
		"--consumer-group", "copiers", "--transaction-size", "20", "--transactional-id", "copier", "--max-messages", fmt.Sprint(len(records)), "--enable-random-aborts")
	contains(t, out, fmt.Sprintf(`"consumed":%d`, len(records)))
	read, err := (franz{}).consume(t.Context(), shared.Addr, []string{"copy-to"})
	if err != nil {
		t.Fatal(err)
	}
	if len(read) != len(records) {
		t.Fatalf("%d records were copied, of %d", len(read), len(records))
	}
	for i := range read {
		if string(plain(read[i].Value)) != string(plain(records[i].Value)) {
			t.Fatalf("record %d was copied as another", i)
		}
	}
	matches(t, transactions("list"), `^copier\s+\d+\s+\d+\s+CompleteCommit`)
	matches(t, transactions("describe", "--transactional-id", "copier"), `^\d+\s+copier\s+\d+\s+\d+\s+CompleteCommit`)
	matches(t, transactions("describe-producers", "--topic", "copy-to", "--partition", "0"), `^\d+\s+\d+\s+\d+\s+-?\d+\s+\d+\s+None`)
	matches(t, transactions("find-hanging", "--broker-id", "1"), `^Topic\s+Partition`)
}

// TestConfigTools sets what groups, client metrics and loggers have with kafka-configs and kafka-client-metrics.
func TestConfigTools(t *testing.T) {
	configs := func(args ...string) string {
		return tool(t, configsTool, "", append([]string{"--bootstrap-server", shared.Addr}, args...)...)
	}
	configs("--alter", "--entity-type", "groups", "--entity-name", "tuned", "--add-config", "consumer.heartbeat.interval.ms=6000")
	contains(t, configs("--describe", "--entity-type", "groups", "--entity-name", "tuned"), "consumer.heartbeat.interval.ms=6000 sensitive=false")
	logger := "root"
	before := configs("--describe", "--entity-type", "broker-loggers", "--entity-name", "1")
	contains(t, before, logger+"=")
	configs("--alter", "--entity-type", "broker-loggers", "--entity-name", "1", "--add-config", logger+"=ERROR")
	contains(t, configs("--describe", "--entity-type", "broker-loggers", "--entity-name", "1"), logger+"=ERROR")
	metrics := func(args ...string) string {
		return tool(t, metricsTool, "", append([]string{"--bootstrap-server", shared.Addr}, args...)...)
	}
	contains(t, metrics("--alter", "--name", "measured", "--metrics", "org.apache.kafka.producer.", "--interval", "1000", "--match", "client_id=tool"), "Altered client metrics config for measured.")
	contains(t, metrics("--list"), "measured")
	contains(t, metrics("--describe", "--name", "measured"), "interval.ms=1000", "metrics=org.apache.kafka.producer.", "match=client_id=tool")
	contains(t, metrics("--delete", "--name", "measured"), "Deleted client metrics config for measured.")
}

// TestTelemetry lets Java's producer push its metrics through a node to a collector (KIP-714). Apache Kafka has no
// collector of its own.
func TestTelemetry(t *testing.T) {
	if reference() {
		contains(t, tool(t, versionsTool, "", "--bootstrap-server", shared.Addr), "PushTelemetry(72): UNSUPPORTED")
		return
	}
	delivered := make(chan []byte, 100)
	collector := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		delivered <- body
	}))
	defer collector.Close()
	node := start(t, map[string]string{"client.telemetry.otlp.endpoint": collector.URL + "/v1/metrics"})
	tool(t, metricsTool, "", "--bootstrap-server", node.Addr, "--alter", "--name", "all", "--metrics", "org.apache.kafka.producer.", "--interval", "100")
	create(t, node.Addr, "measured", 1)
	// It must live for long enough to learn what it is to measure: 30 records, 10 a second.
	tool(t, "org.apache.kafka.tools.VerifiableProducer", "", "--bootstrap-server", node.Addr, "--topic", "measured", "--max-messages", "30", "--throughput", "10")
	select {
	case body := <-delivered:
		contains(t, string(body), "org.apache.kafka.producer.", "client_software_name", "apache-kafka-java", "client_instance_id")
	case <-time.After(30 * time.Second):
		t.Error("no metrics came")
	}
}
