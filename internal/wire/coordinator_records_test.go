package wire

import (
	"bytes"
	"testing"
)

// TestNumbers: coordinator records have a big-endian short in front.
func TestNumbers(t *testing.T) {
	b, err := AppendNumbered(nil, OffsetCommitRecord, 0, &OffsetCommitKey{Group: "g", Topic: "t", Partition: 3})
	if err != nil {
		t.Fatal(err)
	}
	if want := []byte{0, 1, 0, 1, 'g', 0, 1, 't', 0, 0, 0, 3}; !bytes.Equal(b, want) {
		t.Fatalf("key is %x, want %x", b, want)
	}
	number, rest, err := CutNumber(b)
	if number != OffsetCommitRecord || len(rest) != len(b)-2 || err != nil {
		t.Fatalf("cut into %d and %x, %v", number, rest, err)
	}
	for _, short := range [][]byte{nil, {0}} {
		if _, _, err := CutNumber(short); err == nil {
			t.Errorf("a number was cut from %x", short)
		}
	}
}

// FuzzDecodeGroupRecord: what is accepted encodes and decodes again unchanged.
func FuzzDecodeGroupRecord(f *testing.F) {
	for number, kind := range GroupRecords {
		for v := int16(0); v <= kind.Newest; v++ {
			k, value := kind.Key(), kind.Value()
			k.Reset()
			value.Reset()
			kb, err := AppendNumbered(nil, number, 0, k)
			if err != nil {
				f.Fatal(err)
			}
			vb, err := AppendNumbered(nil, v, v, value)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(kb, vb)
		}
	}
	f.Fuzz(func(t *testing.T, key, value []byte) {
		number, key, err := CutNumber(key)
		kind, ok := GroupRecords[number]
		if err != nil || !ok {
			return
		}
		again(t, 0, key, kind.Key)
		version, value, err := CutNumber(value)
		if err == nil && version >= 0 && version <= kind.Newest {
			again(t, version, value, kind.Value)
		}
	})
}

func again(t *testing.T, version int16, b []byte, fresh func() Message) {
	m := fresh()
	if Decode(b, version, m) != nil {
		return
	}
	first, err := Encode(version, m)
	if err != nil {
		return // a string too long for its version cannot be written again
	}
	second := fresh()
	if err := Decode(first, version, second); err != nil {
		t.Fatalf("what was encoded does not decode: %v", err)
	}
	if b, err := Encode(version, second); err != nil || !bytes.Equal(b, first) {
		t.Fatalf("encoding is not stable: %x, %x, %v", first, b, err)
	}
}

// TestMemberOfTheNewProtocol: Apache Kafka takes a record without the tag for that of a
// classic member, so that its absence must be told.
func TestMemberOfTheNewProtocol(t *testing.T) {
	m := &ConsumerGroupMemberMetadataValue{ClientID: "c", ClientHost: "h", RebalanceTimeoutMS: 1}
	b, err := Encode(0, m)
	if err != nil {
		t.Fatal(err)
	}
	if want := []byte{0, 0, 2, 'c', 2, 'h', 1, 0, 0, 0, 0, 1, 0, 1, 0, 1, 0}; !bytes.Equal(b, want) {
		t.Errorf("encoded %x, want %x", b, want)
	}
	var got ConsumerGroupMemberMetadataValue
	if err := Decode(b, 0, &got); err != nil || got.ClassicMemberMetadata != nil {
		t.Errorf("%+v, %v", got, err)
	}
	if err := Decode(append(b[:len(b)-4], 0), 0, &got); err != nil || got.ClassicMemberMetadata == nil {
		t.Errorf("%+v, %v", got, err)
	}
}
