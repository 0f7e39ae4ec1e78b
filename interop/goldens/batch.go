package goldens

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"strings"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// batchSpec is a record batch as a script writes it; what is not said is what a well-behaved producer sends.
type batchSpec struct {
	Base        int64        `json:"base"`
	LeaderEpoch *int32       `json:"leaderEpoch"`
	Magic       *int8        `json:"magic"`
	CRC         string       `json:"crc"` // "bad"
	Codec       string       `json:"codec"`
	Attributes  *int16       `json:"attributes"` // instead of what codec and the flags say
	LogAppend   bool         `json:"logAppendTime"`
	Txn         bool         `json:"transactional"`
	Control     bool         `json:"control"`
	Time        any          `json:"time"` // of the first record; "now" unless said
	MaxTime     any          `json:"maxTime"`
	PID         any          `json:"pid"`
	Epoch       int16        `json:"epoch"`
	Seq         *int32       `json:"seq"`
	LastDelta   *int32       `json:"lastOffsetDelta"`
	Count       *int32       `json:"count"`
	Length      *int32       `json:"length"`
	Cut         int          `json:"cut"`     // bytes to leave off at the end
	Garbage     bool         `json:"garbage"` // records that are no records, with a CRC that fits
	Records     []recordSpec `json:"records"`
}

type recordSpec struct {
	Key     *string     `json:"key"`
	Value   *string     `json:"value"`
	Fill    int         `json:"fill"` // a value of so many bytes
	Time    int64       `json:"timeDelta"`
	Delta   *int32      `json:"offsetDelta"`
	Headers [][]*string `json:"headers"`
}

var codecs = map[string]kgo.CompressionCodec{
	"gzip":   kgo.GzipCompression(),
	"snappy": kgo.SnappyCompression(),
	"lz4":    kgo.Lz4Compression(),
	"zstd":   kgo.ZstdCompression(),
}

var codecNames = []string{"none", "gzip", "snappy", "lz4", "zstd"}

// batch encodes a record batch of magic 2.
func (vars variables) batch(text string) ([]byte, error) {
	var spec batchSpec
	if err := decode(text, &spec); err != nil {
		return nil, err
	}
	b, err := vars.header(&spec)
	if err != nil {
		return nil, err
	}
	records := spec.records()
	if spec.Garbage {
		records = bytes.Repeat([]byte{0x55}, 40)
	}
	b.Records, err = compress(spec.Codec, records)
	if err != nil {
		return nil, err
	}
	out := b.AppendTo(nil)
	length := int32(len(out) - 12)
	if spec.Length != nil {
		length = *spec.Length
	}
	binary.BigEndian.PutUint32(out[8:], uint32(length))
	crc := crc32.Checksum(out[21:], castagnoli)
	if spec.CRC == "bad" {
		crc++
	}
	binary.BigEndian.PutUint32(out[17:], crc)
	return out[:len(out)-spec.Cut], nil
}

func (vars variables) header(spec *batchSpec) (*kmsg.RecordBatch, error) {
	first, err := timeOr(spec.Time, "now")
	if err != nil {
		return nil, err
	}
	latest := first
	for _, r := range spec.Records {
		latest = max(latest, first+r.Time)
	}
	if latest, err = timeOr(spec.MaxTime, json.Number(fmt.Sprint(latest))); err != nil {
		return nil, err
	}
	pid, err := vars.producer(spec.PID)
	if err != nil {
		return nil, err
	}
	b := kmsg.NewRecordBatch()
	b.FirstOffset, b.PartitionLeaderEpoch, b.Magic = spec.Base, or(spec.LeaderEpoch, -1), or(spec.Magic, 2)
	b.Attributes = or(spec.Attributes, spec.attributes())
	b.FirstTimestamp, b.MaxTimestamp = first, latest
	b.ProducerID, b.ProducerEpoch, b.FirstSequence = pid, spec.Epoch, or(spec.Seq, 0)
	if pid < 0 {
		b.ProducerEpoch, b.FirstSequence = -1, or(spec.Seq, -1)
	}
	b.NumRecords = or(spec.Count, int32(len(spec.Records)))
	b.LastOffsetDelta = or(spec.LastDelta, int32(len(spec.Records))-1)
	return &b, nil
}

func (vars variables) producer(source any) (int64, error) {
	switch pid := source.(type) {
	case nil:
		return -1, nil
	case string:
		n, ok := vars[strings.TrimPrefix(pid, "$")].(int64)
		if !ok {
			return 0, fmt.Errorf("%s is no producer id", pid)
		}
		return n, nil
	default:
		return number(pid)
	}
}

func (spec *batchSpec) attributes() int16 {
	var a int16
	for i, name := range codecNames {
		if name == spec.Codec {
			a = int16(i)
		}
	}
	for bit, on := range map[int16]bool{1 << 3: spec.LogAppend, 1 << 4: spec.Txn, 1 << 5: spec.Control} {
		if on {
			a |= bit
		}
	}
	return a
}

func (spec *batchSpec) records() []byte {
	var out []byte
	for i, r := range spec.Records {
		record := kmsg.Record{TimestampDelta64: r.Time, OffsetDelta: or(r.Delta, int32(i)), Key: optional(r.Key), Value: optional(r.Value)}
		if r.Fill > 0 {
			record.Value = bytes.Repeat([]byte{'x'}, r.Fill)
		}
		for _, h := range r.Headers {
			record.Headers = append(record.Headers, kmsg.Header{Key: *h[0], Value: optional(h[1])})
		}
		body := record.AppendTo(nil)
		record.Length = int32(len(body) - 1) // a length of 0 takes one byte
		out = record.AppendTo(out)
	}
	return out
}

func compress(codec string, records []byte) ([]byte, error) {
	with, ok := codecs[codec]
	if !ok {
		return records, nil
	}
	compressor, err := kgo.DefaultCompressor(with)
	if err != nil {
		return nil, err
	}
	out, _ := compressor.Compress(new(bytes.Buffer), records)
	return bytes.Clone(out), nil
}

// messageSpec is a message of the formats before record batches, which no broker of today takes.
type messageSpec struct {
	Magic int8   `json:"magic"`
	Key   string `json:"key"`
	Value string `json:"value"`
}

func message(text string) ([]byte, error) {
	var spec messageSpec
	if err := decode(text, &spec); err != nil {
		return nil, err
	}
	body := []byte{byte(spec.Magic), 0}
	if spec.Magic > 0 {
		body = binary.BigEndian.AppendUint64(body, 1600000000000)
	}
	for _, field := range []string{spec.Key, spec.Value} {
		body = append(binary.BigEndian.AppendUint32(body, uint32(len(field))), field...)
	}
	out := binary.BigEndian.AppendUint64(nil, 0)
	out = binary.BigEndian.AppendUint32(out, uint32(len(body)+4))
	return append(binary.BigEndian.AppendUint32(out, crc32.ChecksumIEEE(body)), body...), nil
}

func decode(text string, into any) error {
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	d.DisallowUnknownFields()
	return d.Decode(into)
}

func timeOr(source any, otherwise any) (int64, error) {
	if source == nil {
		source = otherwise
	}
	return number(source)
}

func or[T any](value *T, otherwise T) T {
	if value != nil {
		return *value
	}
	return otherwise
}

func optional(s *string) []byte {
	if s == nil {
		return nil
	}
	return []byte(*s)
}
