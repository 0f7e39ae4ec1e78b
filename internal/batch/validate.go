package batch

import (
	"errors"
	"sync"

	"github.com/stromkafka/strom/internal/compress"
	"github.com/stromkafka/strom/internal/kerr"
	"github.com/stromkafka/strom/internal/model"
)

// Rules are what a leader asks of a batch before it appends it, as Apache
// Kafka's LogValidator does for produce requests from version 3 on.
type Rules struct {
	// Partition is named in messages to the producer.
	Partition model.Partition
	// Client says that the batch is a producer's and not a coordinator's own.
	Client bool
	// KeyRequired says that the topic is compacted.
	KeyRequired bool
	// Timestamps is message.timestamp.type.
	Timestamps TimestampType
	// Now is the time of the append in milliseconds; BeforeMax and AfterMax are
	// how far a record's timestamp may lie from it under CreateTime.
	Now                 int64
	BeforeMax, AfterMax int64
	// Recompress says that the topic has a compression type of its own: Codec
	// at Level. Without it the producer's stays.
	Recompress bool
	Codec      compress.Codec
	Level      int
	// MaxDecompressed bounds the memory of looking into a compressed batch.
	MaxDecompressed int
}

// RecordError names one record that was refused: BatchIndex counts from 0.
type RecordError struct {
	BatchIndex int32
	Message    string
}

// RecordErrors is the refusal of a batch because of some of its records; it is
// Err, and a produce response tells the records too.
type RecordErrors struct {
	Err     *kerr.Error
	Records []RecordError
}

func (e *RecordErrors) Error() string { return e.Err.Error() }
func (e *RecordErrors) Unwrap() error { return e.Err }

// maxRecordErrors bounds what one refused batch costs in messages.
const maxRecordErrors = 1000

// scratch holds buffers that compressed batches are looked into; nothing that
// Apply returns aliases one.
var scratch = sync.Pool{New: func() any { return new([]byte) }}

// maxScratch is the largest buffer that is kept for the next batch.
const maxScratch = 4 << 20

// large is held while a batch is looked into that decompresses to more than
// maxScratch: one at a time, so that many small requests that become large do not
// take memory for all at once. Its buffer serves the next one, until the second
// garbage collection after.
var (
	large        sync.Mutex
	largeScratch = sync.Pool{New: func() any { return new([]byte) }}
)

// Apply looks at every record of b, which must have passed Check, and returns
// the batch to append: b itself with its timestamp fields set, or a new one if
// it had to be compressed otherwise or its offsets counted anew. Base offset and
// leader epoch are the caller's to set. It allocates nothing for a batch that
// stays as it is.
func (r *Rules) Apply(b Batch) (Batch, error) {
	if err := r.checkHeader(b); err != nil {
		return nil, err
	}
	codec := b.Codec()
	if codec > compress.Zstd {
		return nil, kerr.UnknownServerError.With("unknown compression codec %d", codec)
	}
	target := codec
	plainControl := b.IsControl() && codec == compress.None // stays as it is
	if r.Recompress && !plainControl {
		target = r.Codec
	}
	if codec == compress.None {
		return r.applyTo(b, b.Payload(), target)
	}
	buf := scratch.Get().(*[]byte)
	defer putScratch(buf)
	payload, err := b.decompress((*buf)[:0], min(r.MaxDecompressed, maxScratch))
	if errors.Is(err, compress.ErrTooLarge) && r.MaxDecompressed > maxScratch {
		return r.applyLarge(b, target)
	}
	if err != nil {
		return nil, undecodable(err)
	}
	*buf = payload
	return r.applyTo(b, payload, target)
}

// applyLarge looks into a batch that decompresses to more than maxScratch.
func (r *Rules) applyLarge(b Batch, target compress.Codec) (Batch, error) {
	large.Lock()
	defer large.Unlock()
	buf := largeScratch.Get().(*[]byte)
	defer largeScratch.Put(buf)
	payload, err := b.decompress((*buf)[:0], r.MaxDecompressed)
	*buf = payload // grown, even if it was not large enough
	if err != nil {
		return nil, undecodable(err)
	}
	return r.applyTo(b, payload, target)
}

func putScratch(buf *[]byte) {
	if cap(*buf) <= maxScratch {
		scratch.Put(buf)
	}
}

func (r *Rules) applyTo(b Batch, payload []byte, target compress.Codec) (Batch, error) {
	maxTime, counted, err := r.scan(b, payload)
	if err != nil {
		return nil, err
	}
	if target != b.Codec() || !counted {
		return r.rebuild(b, payload, target)
	}
	if r.Timestamps == LogAppendTime {
		maxTime = r.Now
	}
	b.SetMaxTimestamp(r.Timestamps, maxTime)
	return b, nil
}

// checkHeader is what the header alone tells.
func (r *Rules) checkHeader(b Batch) error {
	if !r.Client {
		return nil
	}
	count, fromOffsets := int64(b.RecordCount()), int64(b.LastOffsetDelta())+1
	switch {
	case fromOffsets <= 0:
		return kerr.InvalidRecord.With("Batch has an invalid offset range: [%d, %d] in topic partition %v", b.BaseOffset(), b.LastOffset(), r.Partition)
	case count <= 0:
		return kerr.InvalidRecord.With("Invalid reported count for record batch: %d in topic partition %v", count, r.Partition)
	case fromOffsets != count:
		return kerr.InvalidRecord.With("Inconsistent batch offset range [%d, %d] and count of records %d in topic partition %v", b.BaseOffset(), b.LastOffset(), count, r.Partition)
	case b.IsControl():
		return kerr.InvalidRecord.With("Clients are not allowed to write control records in topic partition %v", r.Partition)
	case b.HasProducer() && b.BaseSequence() < 0:
		return kerr.InvalidRecord.With("Invalid sequence number %d in record batch with producerId %d in topic partition %v", b.BaseSequence(), b.ProducerID(), r.Partition)
	}
	return nil
}

// scan looks at each record. counted reports whether the offsets are the ones
// that the batch's header implies. Apache Kafka repairs other offsets in
// compressed batches only and stores uncompressed ones as they are, where they
// break consumers; here both are repaired.
func (r *Rules) scan(b Batch, payload []byte) (maxTime int64, counted bool, err error) {
	var refused *RecordErrors
	maxTime, counted = NoTimestamp, true
	s := newScanner(b, payload)
	for i := int32(0); s.next(); i++ {
		if e := r.checkRecord(b, &s); e != nil {
			refused = refused.add(i, e)
			continue
		}
		maxTime = max(maxTime, s.timestamp)
		counted = counted && s.offsetDelta == i
	}
	if s.err != nil {
		return 0, false, s.err
	}
	if refused != nil {
		return 0, false, refused.summed()
	}
	return maxTime, counted, nil
}

func (r *Rules) checkRecord(b Batch, s *scanner) *kerr.Error {
	if r.KeyRequired && s.key == nil {
		return kerr.InvalidRecord.With("Compacted topic cannot accept message without key in topic partition %v", r.Partition)
	}
	if r.Timestamps == CreateTime && s.timestamp != NoTimestamp {
		// The subtraction may overflow, for Kafka as well.
		diff := r.Now - s.timestamp
		if diff > r.BeforeMax || -diff > r.AfterMax {
			return kerr.InvalidTimestamp.With("Timestamp %d of message with offset %d is out of range. The timestamp should be within [%d, %d]",
				s.timestamp, s.offset(), r.Now-r.BeforeMax, r.Now+r.AfterMax)
		}
		return nil
	}
	if b.TimestampType() == LogAppendTime {
		return kerr.InvalidTimestamp.With("Invalid timestamp type in message at offset %d. Producer should not set timestamp type to LogAppendTime.", s.offset())
	}
	return nil
}

func (e *RecordErrors) add(index int32, err *kerr.Error) *RecordErrors {
	if e == nil {
		e = &RecordErrors{Err: err}
	}
	if err.Code == kerr.InvalidTimestamp.Code {
		e.Err = err
	}
	if len(e.Records) < maxRecordErrors {
		e.Records = append(e.Records, RecordError{BatchIndex: index, Message: err.Message})
	}
	return e
}

// summed is the refusal with the message for the whole batch. One bad timestamp
// makes it INVALID_TIMESTAMP, whatever else is wrong.
func (e *RecordErrors) summed() *RecordErrors {
	if e.Err.Code == kerr.InvalidTimestamp.Code {
		e.Err = kerr.InvalidTimestamp.With("One or more records have been rejected due to invalid timestamp")
		return e
	}
	e.Err = kerr.InvalidRecord.With("One or more records have been rejected due to %d record errors in total, and only showing the first three errors at most: %v",
		len(e.Records), e.Records[:min(3, len(e.Records))])
	return e
}

// rebuild writes the records anew, with offsets that count from 0.
func (r *Rules) rebuild(b Batch, payload []byte, target compress.Codec) (Batch, error) {
	level := 0
	if r.Recompress {
		level = r.Level
	}
	opts := Options{
		BaseOffset:    b.BaseOffset(),
		LeaderEpoch:   b.LeaderEpoch(),
		Codec:         target,
		Level:         level,
		TimestampType: r.Timestamps,
		AppendTime:    r.Now,
		Transactional: b.IsTransactional(),
		Control:       b.IsControl(),
	}
	if b.HasProducer() {
		opts.Producer = &Producer{ID: b.ProducerID(), Epoch: b.ProducerEpoch(), BaseSequence: b.BaseSequence()}
	}
	out := New(opts)
	s := newScanner(b, payload)
	for s.next() {
		rec, err := s.record()
		if err != nil {
			return nil, err
		}
		out.Add(rec.Timestamp, rec.Key, rec.Value, rec.Headers...)
	}
	if s.err != nil {
		return nil, s.err
	}
	return out.Build()
}
