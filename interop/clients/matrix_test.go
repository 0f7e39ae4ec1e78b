//go:build interop

package clients

import (
	"context"
	"fmt"
	"testing"
	"time"
)

var everyCodec = []string{"none", "gzip", "snappy", "lz4", "zstd"}

// plainWrites are what a client that is idempotent with every codec writes without.
const plainWrites = "plain"

// kafkaClient writes to and reads from partition 0 of topics.
type kafkaClient interface {
	name() string
	codecs() []string   // and plainWrites, for one that is idempotent else
	records() []*record // what it can write
	// produce returns the offsets the client was told, or nil when it does not say.
	produce(ctx context.Context, server, topic, codec string, records []*record) ([]int64, error)
	// consume reads topics from the beginning to their ends, one after another.
	consume(ctx context.Context, server string, topics []string) ([]*record, error)
	// equal says how a record read differs from the one written, as far as the client can tell.
	equal(wrote, read *record) string
}

func everyClient() []kafkaClient {
	classic, both := []string{"classic"}, []string{"classic", "consumer"}
	all := []kafkaClient{
		franz{},
		javaClient{},
		kcat{},
		&script{title: "kafka-python-debian", command: []string{debianPython, "python/kafka_python.py"}, protocols: classic},
		&script{title: "kafka-python", command: []string{*python, "python/kafka_python.py"}, protocols: classic, idempotent: true, transacts: true},
		&script{title: "confluent-kafka", command: []string{*python, "python/confluent.py"}, nullHeaders: true, protocols: both, idempotent: true, transacts: true},
	}
	if !*everything {
		return all
	}
	for _, release := range []string{"2.1.1", "2.8.2", "3.9.1"} {
		protocols := classic
		if release == "3.9.1" {
			protocols = both
		}
		all = append(all, &script{title: "java-" + release, nullHeaders: true, protocols: protocols, idempotent: true, transacts: true,
			command: javaCommand("target/java-" + release + "/*")})
	}
	return append(all,
		&script{title: "sarama", command: []string{"target/go-clients", "sarama"}, protocols: classic, idempotent: true, transacts: true, waits: true},
		&script{title: "kafka-go", command: []string{"target/go-clients", "segmentio"}, noOffsets: true, blind: true, protocols: classic},
		&script{title: "kafkajs", command: []string{"node", "js/kafkajs.js"}, protocols: classic, idempotent: true, transacts: true, waits: true},
	)
}

// javaCommand is the command line of Java's clients over the jars of a release.
func javaCommand(jars string) []string {
	return []string{"java", "-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Dlog4j2.configurationFile=../kafka/log4j2.yaml", "-cp", javaClasses + ":" + jars, "Client"}
}

// TestMatrix lets every client write with every compression, and every client read all of it.
func TestMatrix(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	t.Cleanup(cancel) // when the readers have read
	var topics []string
	wrote := map[string][]*record{}
	for _, c := range everyClient() {
		for _, codec := range c.codecs() {
			topic := fmt.Sprintf("matrix-%s-%s", c.name(), codec)
			t.Run("write/"+c.name()+"/"+codec, func(t *testing.T) {
				create(t, shared.Addr, topic, 1)
				records := c.records()
				offsets, err := c.produce(ctx, shared.Addr, topic, codec, records)
				if err != nil {
					t.Fatal(err)
				}
				for i, offset := range offsets {
					if offset != int64(i) {
						t.Fatalf("record %d was given offset %d", i, offset)
					}
				}
				topics, wrote[topic] = append(topics, topic), records
			})
		}
	}
	for _, c := range everyClient() {
		t.Run("read/"+c.name(), func(t *testing.T) {
			t.Parallel()
			all, err := c.consume(ctx, shared.Addr, topics)
			if err != nil {
				t.Fatal(err)
			}
			read := map[string][]*record{}
			for _, r := range all {
				read[r.Topic] = append(read[r.Topic], r)
			}
			for _, topic := range topics {
				t.Run(topic, func(t *testing.T) {
					if why := differs(timed(wrote[topic], read[topic]), read[topic], c.equal); why != "" {
						t.Error(why)
					}
				})
			}
		})
	}
}

// timed gives records that were written without a time the one they were read with, which must be now.
func timed(wrote, read []*record) []*record {
	var all []*record
	for i, r := range wrote {
		if r.Time == 0 && i < len(read) && time.Since(time.UnixMilli(read[i].Time)).Abs() < time.Hour {
			copied := *r
			copied.Time = read[i].Time
			r = &copied
		}
		all = append(all, r)
	}
	return all
}
