package group

import (
	"bytes"
	"testing"

	"github.com/stromkafka/strom/internal/machine"
	"github.com/stromkafka/strom/internal/model"
	"github.com/stromkafka/strom/internal/wire"
)

// FuzzFold: whatever is in the topic, the machine takes it in or says that it
// cannot, and serves. Who wrote the records may have been anybody.
func FuzzFold(f *testing.F) {
	for number, kind := range wire.GroupRecords {
		for v := int16(0); v <= kind.Newest; v++ {
			key, value := kind.Key(), kind.Value()
			key.Reset()
			value.Reset()
			k, err := wire.AppendNumbered(nil, number, 0, key)
			if err != nil {
				f.Fatal(err)
			}
			b, err := wire.AppendNumbered(nil, v, v, value)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(k, b, int64(-1), true)
			f.Add(k, []byte{}, int64(7), false)
		}
	}
	static := "i"
	members := []wire.GroupMetadataValueMember{{MemberID: "a", GroupInstanceID: &static}, {MemberID: "a"}, {MemberID: "b", GroupInstanceID: &static}}
	twice := (&classic{id: "g"}).recordOf(&wire.GroupMetadataValue{ProtocolType: "consumer", Protocol: &static, Members: members})
	f.Add(twice.Key, twice.Value, int64(-1), true)
	f.Fuzz(func(t *testing.T, key, value []byte, producer int64, committed bool) {
		if len(value) == 0 {
			value = nil
		}
		s := newShell()
		from := machine.Origin{Offset: 3, Producer: machine.Producer{ID: model.ProducerID(producer)}}
		if producer < 0 {
			from.Producer = noProducer
		}
		if s.m.Fold(from, machine.Record{Key: key, Value: value}) != nil {
			return
		}
		s.m.FoldMarker(from.Producer, committed)
		s.start()
		s.ask("list", Request{Version: 5, Body: &wire.ListGroupsRequest{}})
		s.pass(s.config.Retention)
	})
}

// FuzzSubscribedTopics: what is read of a subscription is what is written there.
func FuzzSubscribedTopics(f *testing.F) {
	f.Add(subscription())
	f.Add(subscription("topic", "", "another"))
	f.Add([]byte{0, 1, 0x7f, 0xff, 0xff, 0xff})
	f.Fuzz(func(t *testing.T, b []byte) {
		topics, ok := subscribedTopics(b)
		if !ok {
			return
		}
		again := subscription(topics...)
		if prefix := again[2 : len(again)-4]; !bytes.HasPrefix(b[2:], prefix) {
			t.Fatalf("%q was read from %x", topics, b)
		}
	})
}
