package wire

import (
	"runtime"
	"testing"
)

// No request makes the decoder panic, spin, or allocate more than a small
// multiple of its size; what it accepts encodes and decodes again unchanged.
func FuzzDecodeRequest(f *testing.F) {
	f.Add([]byte{0, 18, 0, 3, 0, 0, 0, 1, 0xff, 0xff, 0, 1, 1, 0xff, 0xff, 0xff, 0xff, 0x0f}) // endless tags
	f.Add([]byte{0, 3, 0, 9, 0, 0, 0, 1, 0xff, 0xff, 0, 0xff, 0xff, 0xff, 0xff, 0x0f})        // endless array
	for _, api := range APIs {
		for v := api.Min; v <= api.Max; v++ {
			r, _ := NewRequest(api.Key)
			frame, err := EncodeRequest(&RequestHeader{APIKey: api.Key, APIVersion: v}, r)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(frame.c.out[4:])
		}
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		h, r, err := DecodeRequest(in)
		runtime.ReadMemStats(&after)
		if got, limit := after.TotalAlloc-before.TotalAlloc, uint64(2*allocationFactor*len(in)+64<<10); got > limit {
			t.Fatalf("%d bytes of input allocated %d", len(in), got)
		}
		if err != nil {
			return
		}
		again, err := Encode(h.APIVersion, r)
		if err != nil {
			return // a string too long for its version cannot be sent again
		}
		second, _ := NewRequest(h.APIKey)
		if err := Decode(again, h.APIVersion, second); err != nil {
			t.Fatalf("what was encoded does not decode: %v", err)
		}
		third, err := Encode(h.APIVersion, second)
		if err != nil || string(third) != string(again) {
			t.Fatalf("encoding is not stable: %x, %x, %v", again, third, err)
		}
	})
}

func FuzzDecodeRecord(f *testing.F) {
	for _, kind := range recordKinds {
		r := kind.new()
		r.Reset()
		for v := int16(0); v <= kind.max; v++ {
			b, err := EncodeRecord(v, r)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(b)
		}
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		r, v, err := DecodeRecord(in)
		if err != nil {
			return
		}
		again, err := EncodeRecord(v, r)
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := DecodeRecord(again); err != nil {
			t.Fatalf("what was encoded does not decode: %v", err)
		}
	})
}

func FuzzDecodeResponse(f *testing.F) {
	for _, api := range APIs {
		r, _ := NewResponse(api.Key)
		frame, err := EncodeResponse(1, api.Max, r)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(api.Key, api.Max, frame.c.out[4:])
	}
	f.Fuzz(func(t *testing.T, key, version int16, in []byte) {
		api, ok := Lookup(key)
		if !ok || version < api.Min || version > api.Max {
			return
		}
		if _, r, err := DecodeResponse(key, version, in); err == nil {
			if _, err := Encode(version, r); err != nil {
				t.Logf("cannot be sent again: %v", err)
			}
		}
	})
}
