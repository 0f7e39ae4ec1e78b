package data

import (
	"encoding/binary"
	"errors"
	"slices"
	"testing"

	"github.com/stromkafka/strom/internal/kerr"
	"github.com/stromkafka/strom/internal/wire"
)

// begun is the first bytes of a batch or message of a length and a magic, and zeros after them.
func begun(length int32, magic byte, size int) []byte {
	b := make([]byte, size)
	binary.BigEndian.PutUint32(b[atLength:], uint32(length))
	b[atMagic] = magic
	return b
}

// What Kafka says before it looks for the partition: ByteBufferLogInputStream and ProduceRequest.validateRecords.
func TestCheckRecords(t *testing.T) {
	whole := begun(49, 2, 61)
	for name, c := range map[string]struct {
		records []byte
		want    *kerr.Error
	}{
		"none":                    {nil, kerr.InvalidRecord},
		"one":                     {whole, nil},
		"cut":                     {whole[:60], kerr.InvalidRecord},
		"too short a length":      {begun(13, 2, 61), kerr.CorruptMessage},
		"negative length":         {begun(-1, 2, 61), kerr.CorruptMessage},
		"unknown magic":           {begun(49, 3, 61), kerr.CorruptMessage},
		"negative magic":          {begun(49, 0xff, 61), kerr.CorruptMessage},
		"an old message":          {begun(14, 1, 26), kerr.InvalidRecord},
		"shorter than its header": {begun(14, 2, 26), kerr.CorruptMessage},
		"two":                     {slices.Concat(whole, whole), kerr.InvalidRecord},
		"one and a part":          {slices.Concat(whole, whole[:40]), nil},
		"one and rubbish":         {slices.Concat(whole, begun(3, 2, 20)), kerr.CorruptMessage},
	} {
		err := checkRecords(9, c.records)
		if (c.want == nil) != (err == nil) || c.want != nil && !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
}

func FuzzCheckRecords(f *testing.F) {
	f.Add(begun(49, 2, 61))
	f.Add(begun(14, 0, 26))
	f.Fuzz(func(t *testing.T, records []byte) {
		first, rest, ok, err := nextBatch(records)
		if ok && (err != nil || len(first)+len(rest) != len(records)) {
			t.Fatalf("%d and %d bytes of %d: %v", len(first), len(rest), len(records), err)
		}
		_ = checkRecords(3, records)
	})
}

// Of a partition named twice the last records count; topics without partitions are left out.
func TestEachOnce(t *testing.T) {
	partition := func(index int32, records string) wire.ProduceRequestPartitionData {
		return wire.ProduceRequestPartitionData{Index: index, Records: wire.BytesRecords([]byte(records))}
	}
	topics := []wire.ProduceRequestTopicData{
		{Name: "a", PartitionData: []wire.ProduceRequestPartitionData{partition(0, "old"), partition(1, "one")}},
		{Name: "none"},
		{Name: "b", PartitionData: []wire.ProduceRequestPartitionData{partition(0, "b")}},
		{Name: "a", PartitionData: []wire.ProduceRequestPartitionData{partition(0, "new")}},
	}
	var got []string
	for _, topic := range eachOnce(topics) {
		for _, p := range topic.PartitionData {
			got = append(got, topic.Name+string('0'+p.Index)+string(p.Records.Bytes()))
		}
	}
	if want := []string{"a1one", "a0new", "b0b"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	if plain := topics[:1]; &eachOnce(plain)[0] != &plain[0] {
		t.Error("a request that names each partition once is copied")
	}
}
