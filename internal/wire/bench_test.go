package wire

import (
	"io"
	"testing"

	"github.com/stromkafka/strom/internal/model"
)

// produceFrame is a Produce request of one partition and 1 KiB of records.
func produceFrame(tb testing.TB, version int16) []byte {
	r := &ProduceRequest{Acks: -1, TimeoutMS: 30000, TopicData: []ProduceRequestTopicData{{
		Name: "orders", TopicID: model.UUID{1},
		PartitionData: []ProduceRequestPartitionData{{Index: 3, Records: BytesRecords(make([]byte, 1024))}},
	}}}
	client := "producer-1"
	f, err := EncodeRequest(&RequestHeader{APIKey: KeyProduce, APIVersion: version, CorrelationID: 7, ClientID: &client}, r)
	if err != nil {
		tb.Fatal(err)
	}
	return f.c.out[4:]
}

func BenchmarkDecodeProduce(b *testing.B) {
	frame := produceFrame(b, 13)
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := DecodeRequest(frame); err != nil {
			b.Fatal(err)
		}
	}
}

func fetchResponse(topics, partitions int, records Records) *FetchResponse {
	r := &FetchResponse{SessionID: 1}
	for range topics {
		t := FetchResponseResponse{TopicID: model.UUID{1}}
		for i := range partitions {
			var p FetchResponsePartition
			p.Reset()
			p.PartitionIndex, p.HighWatermark, p.Records = int32(i), 1000, records
			t.Partitions = append(t.Partitions, p)
		}
		r.Responses = append(r.Responses, t)
	}
	return r
}

func benchmarkEncodeFetch(b *testing.B, r *FetchResponse) {
	b.ReportAllocs()
	for b.Loop() {
		f, err := EncodeResponse(7, 17, r)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := f.WriteTo(io.Discard); err != nil {
			b.Fatal(err)
		}
		f.Release()
	}
}

func BenchmarkEncodeFetch1x1(b *testing.B) {
	benchmarkEncodeFetch(b, fetchResponse(1, 1, BytesRecords(make([]byte, 64<<10))))
}

func BenchmarkEncodeFetch10x100Empty(b *testing.B) {
	benchmarkEncodeFetch(b, fetchResponse(10, 100, BytesRecords(nil)))
}
