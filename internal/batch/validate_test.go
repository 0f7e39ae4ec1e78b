package batch

import (
	"bytes"
	"errors"
	"math"
	"testing"

	"github.com/stromkafka/strom/internal/compress"
	"github.com/stromkafka/strom/internal/kerr"
	"github.com/stromkafka/strom/internal/model"
)

// What a leader must say to each batch, after Kafka's LogValidator.
func TestRules(t *testing.T) {
	base := Rules{Partition: model.Partition{Topic: "orders", Index: 3}, Client: true, Now: 1_000_000,
		BeforeMax: math.MaxInt64, AfterMax: 3_600_000, MaxDecompressed: 1 << 20}
	keyed := Record{Timestamp: 1_000_000, Key: []byte("k"), Value: []byte("v")}
	edit := func(b Batch, f func(Batch)) Batch { f(b); b.setCRC(); return b }
	cases := []struct {
		name  string
		rules func(*Rules)
		batch func(codec compress.Codec) Batch
		want  *kerr.Error
		bad   []int32 // indexes of refused records
	}{
		{name: "plain", batch: func(c compress.Codec) Batch { return build(t, Options{Codec: c}, keyed, keyed) }},
		{name: "no timestamp", batch: func(c compress.Codec) Batch { return build(t, Options{Codec: c}, Record{Timestamp: -1}) }},
		{name: "key required", rules: func(r *Rules) { r.KeyRequired = true },
			batch: func(c compress.Codec) Batch { return build(t, Options{Codec: c}, keyed, Record{Timestamp: 1}, keyed) },
			want:  kerr.InvalidRecord, bad: []int32{1}},
		{name: "from the future", batch: func(c compress.Codec) Batch {
			return build(t, Options{Codec: c}, keyed, Record{Timestamp: 1_000_000 + 3_600_001})
		}, want: kerr.InvalidTimestamp, bad: []int32{1}},
		{name: "just not from the future", batch: func(c compress.Codec) Batch {
			return build(t, Options{Codec: c}, Record{Timestamp: 1_000_000 + 3_600_000})
		}},
		{name: "too old and keyless", rules: func(r *Rules) { r.BeforeMax = 10; r.KeyRequired = true },
			batch: func(c compress.Codec) Batch {
				return build(t, Options{Codec: c}, Record{Timestamp: 1}, Record{Timestamp: 1, Key: []byte("k")})
			},
			want: kerr.InvalidTimestamp, bad: []int32{0, 1}},
		{name: "control", batch: func(c compress.Codec) Batch { return build(t, Options{Codec: c, Control: true}, keyed) }, want: kerr.InvalidRecord},
		{name: "empty", batch: func(c compress.Codec) Batch { return build(t, Options{Codec: c}) }, want: kerr.InvalidRecord},
		{name: "no sequence", batch: func(c compress.Codec) Batch {
			return build(t, Options{Codec: c, Producer: &Producer{ID: 1, BaseSequence: -1}}, keyed)
		}, want: kerr.InvalidRecord},
		{name: "count too small", batch: func(c compress.Codec) Batch {
			return edit(build(t, Options{Codec: c}, keyed, keyed), func(b Batch) { b[60] = 1; b[26] = 0 })
		}, want: kerr.InvalidRecord},
		{name: "count too large", batch: func(c compress.Codec) Batch {
			return edit(build(t, Options{Codec: c}, keyed, keyed), func(b Batch) { b[60] = 3; b[26] = 2 })
		}, want: kerr.InvalidRecord},
		{name: "count and delta differ", batch: func(c compress.Codec) Batch {
			return edit(build(t, Options{Codec: c}, keyed, keyed), func(b Batch) { b[26] = 9 })
		}, want: kerr.InvalidRecord},
		{name: "LogAppendTime by the producer", rules: func(r *Rules) { r.Timestamps = LogAppendTime },
			batch: func(c compress.Codec) Batch {
				return build(t, Options{Codec: c, TimestampType: LogAppendTime, AppendTime: 5}, keyed)
			}, want: kerr.InvalidTimestamp, bad: []int32{0}},
		{name: "LogAppendTime by the producer for CreateTime", batch: func(c compress.Codec) Batch {
			return build(t, Options{Codec: c, TimestampType: LogAppendTime, AppendTime: 5}, keyed)
		}},
	}
	for _, c := range cases {
		for _, codec := range codecs {
			t.Run(c.name, func(t *testing.T) {
				rules := base
				if c.rules != nil {
					c.rules(&rules)
				}
				b := c.batch(codec)
				out, err := rules.Apply(b)
				if c.want == nil {
					if err != nil || out.Check() != nil || &out[0] != &b[0] || out.TimestampType() != rules.Timestamps {
						t.Fatalf("Apply: %v", err)
					}
					return
				}
				if !errors.Is(err, c.want) {
					t.Fatalf("Apply: %v, want %v", err, c.want)
				}
				var refused *RecordErrors
				if errors.As(err, &refused) != (c.bad != nil) || refused != nil && len(refused.Records) != len(c.bad) {
					t.Fatalf("refused %+v, want records %v", refused, c.bad)
				}
				for i, index := range c.bad {
					if refused.Records[i].BatchIndex != index || refused.Records[i].Message == "" {
						t.Errorf("refused %+v, want record %d", refused.Records[i], index)
					}
				}
			})
		}
	}
}

func TestRulesSetMaxTimestamp(t *testing.T) {
	for _, codec := range codecs {
		b := build(t, Options{Codec: codec}, Record{Timestamp: 50}, Record{Timestamp: 70}, Record{Timestamp: 60})
		b.SetMaxTimestamp(CreateTime, 99999)
		rules := Rules{Client: true, Now: 100, BeforeMax: 1000, AfterMax: 1000, MaxDecompressed: 1 << 20}
		out, err := rules.Apply(b)
		if err != nil || out.MaxTimestamp() != 70 || out.Check() != nil {
			t.Errorf("%v: max timestamp %d, want 70 (%v)", codec, out.MaxTimestamp(), err)
		}
		rules.Timestamps = LogAppendTime
		out, err = rules.Apply(b)
		if err != nil || out.MaxTimestamp() != 100 || out.TimestampType() != LogAppendTime || out.Check() != nil {
			t.Errorf("%v: LogAppendTime %d, want 100 (%v)", codec, out.MaxTimestamp(), err)
		}
	}
}

func TestRulesRecompress(t *testing.T) {
	for _, from := range codecs {
		for _, to := range codecs {
			opts := Options{Codec: from, Transactional: true, Producer: &Producer{ID: 4, Epoch: 2, BaseSequence: 10}}
			rules := Rules{Client: true, Now: 1000, BeforeMax: math.MaxInt64, AfterMax: math.MaxInt64, Recompress: true, Codec: to, MaxDecompressed: 1 << 20}
			out, err := rules.Apply(build(t, opts, sample...))
			if err != nil || out.Check() != nil {
				t.Fatalf("%v to %v: %v", from, to, err)
			}
			if out.Codec() != to || out.ProducerID() != 4 || out.BaseSequence() != 10 || !out.IsTransactional() || out.MaxTimestamp() != 1<<40 {
				t.Errorf("%v to %v lost something of the header", from, to)
			}
			recs := collect(t, out)
			for i, r := range recs {
				if r.Timestamp != sample[i].Timestamp || !bytes.Equal(r.Value, sample[i].Value) || len(r.Headers) != len(sample[i].Headers) {
					t.Errorf("%v to %v: record %d is %+v", from, to, i, r)
				}
			}
		}
	}
}

// Old clients count offsets wrongly inside a batch; the leader counts again.
func TestRulesRepairOffsets(t *testing.T) {
	for _, codec := range codecs {
		bl := New(Options{Codec: codec})
		bl.AddAt(0, 1, nil, []byte("a"))
		bl.AddAt(7, 2, nil, []byte("b"))
		b, err := bl.Build()
		if err != nil {
			t.Fatal(err)
		}
		b[26] = 1 // the header is right, the second record's delta is not
		b.setCRC()
		rules := Rules{Client: true, Now: 10, BeforeMax: 100, AfterMax: 100, MaxDecompressed: 1 << 20}
		out, err := rules.Apply(b)
		if err != nil {
			t.Fatal(err)
		}
		recs := collect(t, out)
		if len(recs) != 2 || recs[1].Offset != 1 || out.LastOffset() != 1 || out.Check() != nil {
			t.Errorf("%v: repaired to %+v", codec, recs)
		}
	}
}
