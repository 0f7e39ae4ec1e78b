package wire

import (
	"bytes"
	"math/rand/v2"
	"reflect"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// TestConsumerProtocol: franz-go's encoders are the witness, as for the other messages.
func TestConsumerProtocol(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	for v := int16(0); v <= ConsumerProtocolNewest; v++ {
		for range 50 {
			s := kmsg.NewConsumerMemberMetadata()
			fill(rng, reflect.ValueOf(&s).Elem(), v)
			s.Version = v
			agree(t, v, s.AppendTo(nil), new(ConsumerProtocolSubscription))
			a := kmsg.NewConsumerMemberAssignment()
			fill(rng, reflect.ValueOf(&a).Elem(), v)
			a.Version = v
			agree(t, v, a.AppendTo(nil), new(ConsumerProtocolAssignment))
		}
	}
}

func agree(t *testing.T, v int16, want []byte, m Message) {
	t.Helper()
	got, err := DecodeConsumerProtocol(want, m)
	if err != nil || got != v {
		t.Fatalf("version %d of %x: %d, %v", v, want, got, err)
	}
	again, err := EncodeConsumerProtocol(v, m)
	if err != nil || !bytes.Equal(again, want) {
		t.Fatalf("version %d: encoded\n%x, kmsg\n%x, %v", v, again, want, err)
	}
}

// TestConsumerProtocolOfTheFuture: what is newer is read as far as it is known.
func TestConsumerProtocolOfTheFuture(t *testing.T) {
	b, err := EncodeConsumerProtocol(3, &ConsumerProtocolAssignment{AssignedPartitions: []ConsumerProtocolTopicPartition{{Topic: "t", Partitions: []int32{4}}}})
	if err != nil {
		t.Fatal(err)
	}
	b[1] = 9
	var a ConsumerProtocolAssignment
	v, err := DecodeConsumerProtocol(append(b, 1, 2, 3), &a)
	if err != nil || v != 9 || a.AssignedPartitions[0].Partitions[0] != 4 {
		t.Errorf("%d, %+v, %v", v, a, err)
	}
}

func FuzzDecodeConsumerProtocol(f *testing.F) {
	f.Add([]byte{0, 3, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff})
	f.Add([]byte{0, 3, 0x7f, 0xff, 0xff, 0xff})
	f.Fuzz(func(t *testing.T, in []byte) {
		for _, m := range []Message{new(ConsumerProtocolSubscription), new(ConsumerProtocolAssignment)} {
			v, err := DecodeConsumerProtocol(in, m)
			if err != nil {
				continue
			}
			again, err := EncodeConsumerProtocol(v, m)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := DecodeConsumerProtocol(again, m); err != nil {
				t.Fatalf("what was encoded does not decode: %v", err)
			}
		}
	})
}
