package cli

import (
	"bufio"
	"bytes"
	"hash/crc32"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// TestReadToEndOverEmptyBatch reads to the end of a partition whose last batch
// has lost all its records to compaction. The client says nothing about such a
// batch, and the reading must end all the same.
func TestReadToEndOverEmptyBatch(t *testing.T) {
	fake, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, "users"))
	if err != nil {
		t.Fatal(err)
	}
	defer fake.Close()
	const end = 5
	fake.ControlKey(kmsg.Fetch.Int16(), func(req kmsg.Request) (kmsg.Response, error, bool) {
		fake.KeepControl()
		return emptyBatchUpTo(req.(*kmsg.FetchRequest), end)
	})
	o := consume{topic: "users", exitAtEnd: true}
	client, err := kgo.NewClient(append(o.options(), kgo.SeedBrokers(fake.ListenAddrs()...))...)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	var out bytes.Buffer
	r := &reading{client: client, o: o, spans: map[int32]span{0: {0, end}}, out: bufio.NewWriter(&out), format: valueLines, gapWait: time.Millisecond}
	if err := r.run(t.Context()); err != nil || out.Len() > 0 {
		t.Fatalf("output %q, error %v", out.String(), err)
	}
}

// emptyBatchUpTo answers each fetch below end with one batch without records
// that reaches to end.
func emptyBatchUpTo(req *kmsg.FetchRequest, end int64) (kmsg.Response, error, bool) {
	resp := req.ResponseKind().(*kmsg.FetchResponse)
	for _, rt := range req.Topics {
		topic := kmsg.NewFetchResponseTopic()
		topic.Topic, topic.TopicID = rt.Topic, rt.TopicID
		for _, rp := range rt.Partitions {
			partition := kmsg.NewFetchResponseTopicPartition()
			partition.HighWatermark, partition.LastStableOffset = end, end
			if rp.FetchOffset < end {
				partition.RecordBatches = emptyBatch(rp.FetchOffset, end)
			}
			topic.Partitions = append(topic.Partitions, partition)
		}
		resp.Topics = append(resp.Topics, topic)
	}
	return resp, nil, true
}

func emptyBatch(from, end int64) []byte {
	b := kmsg.RecordBatch{
		FirstOffset: from, LastOffsetDelta: int32(end - from - 1), Magic: 2,
		FirstTimestamp: -1, MaxTimestamp: -1, ProducerID: -1, ProducerEpoch: -1, FirstSequence: -1,
	}
	const header, beforeCRC, afterCRC = 61, 12, 21
	b.Length = header - beforeCRC
	b.CRC = int32(crc32.Checksum(b.AppendTo(nil)[afterCRC:], crc32.MakeTable(crc32.Castagnoli)))
	return b.AppendTo(nil)
}
