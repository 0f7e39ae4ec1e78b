package data

import (
	"encoding/binary"
	"errors"

	"github.com/stromkafka/strom/internal/batch"
	"github.com/stromkafka/strom/internal/compress"
	"github.com/stromkafka/strom/internal/kerr"
	"github.com/stromkafka/strom/internal/wire"
)

// Bytes of a record batch, or of a message of magic 0 or 1, that say how long it is and of which format.
const (
	atLength     = 8
	atMagic      = 16
	minMessage   = 14 // what a message of magic 0 takes after its length
	throughMagic = atMagic + 1
)

// nextBatch cuts the first batch, of any magic, from records; ok is false if there is none that is whole. It fails if the
// records do not even begin like a batch.
func nextBatch(records []byte) (first, rest []byte, ok bool, err error) {
	if len(records) < batch.LengthEnd {
		return nil, nil, false, nil
	}
	n := int32(binary.BigEndian.Uint32(records[atLength:]))
	if n < minMessage {
		return nil, nil, false, kerr.CorruptMessage.With("record size %d is less than the minimum of %d", n, minMessage)
	}
	if len(records) < throughMagic {
		return nil, nil, false, nil
	}
	if magic := int8(records[atMagic]); magic < 0 || magic > batch.Magic2 {
		return nil, nil, false, kerr.CorruptMessage.With("records have the unknown magic %d", magic)
	}
	size := int64(n) + batch.LengthEnd
	if int64(len(records)) < size {
		return nil, nil, false, nil
	}
	return records[:size], records[size:], true, nil
}

// hasTransactional looks at the first batch of each partition. Records that do not begin like a batch refuse the whole
// request, as in Kafka.
func hasTransactional(req *wire.ProduceRequest) (bool, error) {
	for i := range req.TopicData {
		for j := range req.TopicData[i].PartitionData {
			first, _, ok, err := nextBatch(req.TopicData[i].PartitionData[j].Records.Bytes())
			if err != nil {
				return false, err
			}
			if b, _, err := batch.Next(first); ok && err == nil && b.CheckHeader() == nil && b.IsTransactional() {
				return true, nil
			}
		}
	}
	return false, nil
}

// checkRecords is what Kafka asks of a partition's records before it looks for the partition: exactly one batch, of
// magic 2. Bytes after it that are no whole batch are passed over.
func checkRecords(version int16, records []byte) error {
	first, rest, ok, err := nextBatch(records)
	if err != nil {
		return err
	}
	if !ok {
		return kerr.InvalidRecord.With("Produce requests with version %d must have at least one record batch per partition", version)
	}
	if first[atMagic] != batch.Magic2 {
		return kerr.InvalidRecord.With("Produce requests with version %d are only allowed to contain record batches with magic version 2", version)
	}
	b, _, err := batch.Next(first)
	if err != nil {
		return err
	}
	if version < 7 && b.Codec() == compress.Zstd {
		return kerr.UnsupportedCompressionType.With("Produce requests with version %d are not allowed to use ZStandard compression", version)
	}
	_, _, more, err := nextBatch(rest)
	if err != nil {
		return err
	}
	if more {
		return kerr.InvalidRecord.With("Produce requests with version %d are only allowed to contain exactly one record batch per partition", version)
	}
	return nil
}

// silent lists the errors of an append beside which Kafka does not tell where the log begins: they say nothing of the
// log's state.
var silent = map[int16]bool{
	kerr.UnknownTopicOrPartition.Code: true,
	kerr.NotLeaderOrFollower.Code:     true,
	kerr.MessageTooLarge.Code:         true,
	kerr.RecordListTooLarge.Code:      true,
	kerr.CorruptMessage.Code:          true,
	kerr.KafkaStorageError.Code:       true,
	kerr.UnknownTopicID.Code:          true,
}

// message is the text that goes out beside an error: of refused records, of a refused request and of a failed
// verification, as in Kafka, and of nothing else.
func (c *call) message(err error) *string {
	var records *batch.RecordErrors
	var told explained
	if c.refused != nil || errors.As(err, &records) || errors.As(err, &told) {
		return kerr.Message(err)
	}
	return nil
}
