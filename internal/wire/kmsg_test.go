package wire

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"reflect"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// The encoders of franz-go's kmsg are a witness that shares nothing with this
// package: for every message and version, what kmsg writes is decoded here and
// must encode to the same bytes.

func TestRequestsAgainstKmsg(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for _, api := range APIs {
		for v := api.Min; v <= api.Max; v++ {
			witness := kmsg.RequestForKey(api.Key)
			if v > witness.MaxVersion() {
				if api.UnstableFrom == 0 || v < api.UnstableFrom {
					t.Errorf("kmsg has no %s version %d", api.Name, v)
				}
				continue
			}
			for range 50 {
				witness := kmsg.RequestForKey(api.Key)
				witness.SetVersion(v)
				fill(rng, reflect.ValueOf(witness).Elem(), v)
				witness.SetVersion(v)
				want := witness.AppendTo(nil)
				got, _ := NewRequest(api.Key)
				compare(t, fmt.Sprintf("%s request v%d", api.Name, v), want, v, got)
			}
		}
	}
}

func TestResponsesAgainstKmsg(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	for _, api := range APIs {
		for v := api.Min; v <= api.Max; v++ {
			if v > kmsg.RequestForKey(api.Key).MaxVersion() {
				continue
			}
			for range 50 {
				witness := kmsg.RequestForKey(api.Key).ResponseKind()
				fill(rng, reflect.ValueOf(witness).Elem(), v)
				witness.SetVersion(v)
				want := witness.AppendTo(nil)
				got, _ := NewResponse(api.Key)
				compare(t, fmt.Sprintf("%s response v%d", api.Name, v), want, v, got)
			}
		}
	}
}

func compare(t *testing.T, what string, want []byte, v int16, m Message) {
	t.Helper()
	if err := Decode(want, v, m); err != nil {
		t.Fatalf("%s: decoding %x: %v", what, want, err)
	}
	got, err := Encode(v, m)
	if err != nil {
		t.Fatalf("%s: encoding: %v", what, err)
	}
	if !bytes.Equal(got, want) {
		t.Fatalf("%s: encoded\n%x, kmsg\n%x\n%+v", what, got, want, m)
	}
}

// kmsg writes these tagged fields at versions that do not have them yet, where
// they are unknown tags. They are filled only from the version that brings them.
var taggedSince = map[string]int16{
	"FetchRequest.ReplicaState":                             15,
	"FetchRequestTopicPartition.ReplicaDirectoryID":         17,
	"FetchRequestTopicPartition.HighWatermark":              18,
	"ProduceResponse.Brokers":                               10,
	"ProduceResponseTopicPartition.CurrentLeader":           10,
	"FetchResponse.Brokers":                                 16,
	"FetchSnapshotRequestTopicPartition.ReplicaDirectoryID": 1,
	"VoteResponse.NodeEndpoints":                            1,
	"FetchSnapshotResponse.NodeEndpoints":                   1,
	"BrokerHeartbeatRequest.OfflineLogDirs":                 1,
	"BrokerHeartbeatRequest.CordonedLogDirs":                2,
	"BrokerRegistrationRequest.LogDirs":                     2,
	"BeginQuorumEpochResponse.NodeEndpoints":                1,
	"EndQuorumEpochResponse.NodeEndpoints":                  1,
}

// fill sets random values, among them nulls, empties and the usual defaults.
func fill(rng *rand.Rand, v reflect.Value, version int16) {
	switch v.Kind() {
	case reflect.Struct:
		if d, ok := v.Addr().Interface().(interface{ Default() }); ok {
			d.Default()
		}
		for i := range v.NumField() {
			f, name := v.Field(i), v.Type().Field(i).Name
			if !f.CanSet() || name == "UnknownTags" || name == "Version" || version < taggedSince[v.Type().Name()+"."+name] {
				continue
			}
			fill(rng, f, version)
		}
	case reflect.Pointer:
		if rng.IntN(3) == 0 {
			v.SetZero()
			return
		}
		v.Set(reflect.New(v.Type().Elem()))
		fill(rng, v.Elem(), version)
	case reflect.Slice:
		if v.Type().Elem().Kind() == reflect.Uint8 && rng.IntN(20) == 0 {
			v.SetBytes(make([]byte, rng.IntN(3000)))
			return
		}
		n := rng.IntN(4) - 1
		if n < 0 {
			v.SetZero()
			return
		}
		v.Set(reflect.MakeSlice(v.Type(), n, n))
		for i := range n {
			fill(rng, v.Index(i), version)
		}
	case reflect.Array:
		if rng.IntN(3) == 0 {
			v.SetZero()
			return
		}
		for i := range v.Len() {
			v.Index(i).SetUint(uint64(rng.IntN(256)))
		}
	case reflect.String:
		const letters = "abcdefghijklmnopqrstuvwxyzäö"
		v.SetString(letters[:rng.IntN(3)*rng.IntN(9)])
	case reflect.Bool:
		v.SetBool(rng.IntN(2) == 0)
	case reflect.Float64:
		v.SetFloat(rng.Float64())
	case reflect.Uint8, reflect.Uint16, reflect.Uint32:
		v.SetUint(uint64(rng.IntN(200)))
	case reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		switch rng.IntN(4) {
		case 0:
			v.SetInt(-1)
		case 1:
			v.SetInt(0)
		default:
			v.SetInt(rng.Int64() >> (64 - v.Type().Bits()))
		}
	default:
		panic("cannot fill " + v.Type().String())
	}
}
