package controller

import (
	"testing"

	"github.com/stromkafka/strom/internal/model"
	"github.com/stromkafka/strom/internal/wire"
)

// FuzzRequests: whatever another node or a client sends, the Machine answers it,
// and what it writes replays.
func FuzzRequests(f *testing.F) {
	for _, key := range controllerKeys {
		r, _ := wire.NewRequest(key)
		api, _ := wire.Lookup(key)
		if b, err := wire.Encode(api.Max, r); err == nil {
			f.Add(key, api.Max, b)
		}
	}
	create := &wire.CreateTopicsRequest{Topics: []wire.CreateTopicsRequestTopic{{Name: "new", NumPartitions: 2, ReplicationFactor: 2}}}
	if b, err := wire.Encode(7, create); err == nil {
		f.Add(create.Key(), int16(7), b)
	}
	f.Fuzz(func(t *testing.T, key, version int16, body []byte) {
		api, ok := wire.Lookup(key)
		if !ok || version < api.Min || version > api.Max {
			return
		}
		r, _ := wire.NewRequest(key)
		if wire.Decode(body, version, r) != nil {
			return
		}
		h := newHarness(1, nil)
		results := []Result{h.Claim(h.image, h.now, h.next, nil)}
		step := func(r Result) {
			if err := h.commit(r); err != nil {
				t.Fatal(err)
			}
		}
		step(results[0])
		for id := 1; id <= 2; id++ {
			step(h.request(registerRequest(id, 1, -1, ""), 4))
			step(h.request(h.beat(id, false, false), 2))
		}
		step(h.request(&wire.CreateTopicsRequest{Topics: []wire.CreateTopicsRequestTopic{{Name: "t", NumPartitions: 2, ReplicationFactor: 2}}}, 7))
		result := h.request(r, version)
		if result.Err == nil && result.Response.Key() != key {
			t.Fatalf("key %d is answered with %T", key, result.Response)
		}
		step(result)
		step(h.Lost(h.now, h.next, 1, model.BrokerEpoch(h.beat(1, false, false).BrokerEpoch)))
	})
}

var controllerKeys = []int16{19, 20, 56, 62, 63, 64, 67, 70, 73}

func BenchmarkFence(b *testing.B) {
	for b.Loop() {
		b.StopTimer()
		h := newHarness(1, nil)
		result := h.Claim(h.image, h.now, h.next, nil)
		for id := 1; id <= 2; id++ {
			if err := h.commit(result); err != nil {
				b.Fatal(err)
			}
			if err := h.commit(h.request(registerRequest(id, 1, -1, ""), 4)); err != nil {
				b.Fatal(err)
			}
			result = h.request(h.beat(id, false, false), 2)
		}
		if err := h.commit(result); err != nil {
			b.Fatal(err)
		}
		if err := h.commit(h.request(&wire.CreateTopicsRequest{Topics: []wire.CreateTopicsRequestTopic{{Name: "t", NumPartitions: 9999, ReplicationFactor: 2}}}, 7)); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
		if r := h.Lost(h.now, h.next, 1, h.image.Broker(1).Epoch); len(r.Records) != 10000 {
			b.Fatalf("%d records", len(r.Records))
		}
	}
}
