package commitlog

import (
	"encoding/binary"
	"hash/crc32"
	"slices"

	"github.com/stromkafka/strom/internal/batch"
	"github.com/stromkafka/strom/internal/model"
)

// A producer snapshot <offset>.snapshot is the producer state before that
// offset, as Apache Kafka writes it (ProducerSnapshot.json, version 1):
//
//	version int16 | CRC-32C uint32 of what follows | count int32 | entries
//
//	entry: producer id int64 | epoch int16 | last sequence int32 | last offset int64 |
//	       offset delta int32 | timestamp int64 | coordinator epoch int32 | first
//	       offset of the open transaction int64
//
// -1 stands for none. Only the newest batch of each producer is kept.
const (
	snapshotVersion = 1
	snapshotHead    = 2 + 4 + 4
	snapshotEntry   = 8 + 2 + 4 + 8 + 4 + 8 + 4 + 8
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func (p *producers) format() []byte {
	ids := make([]model.ProducerID, 0, len(p.byID))
	for id := range p.byID {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	out := make([]byte, 6, snapshotHead+len(ids)*snapshotEntry)
	out = binary.BigEndian.AppendUint32(out, uint32(len(ids)))
	for _, id := range ids {
		out = p.byID[id].appendTo(out, id)
	}
	binary.BigEndian.PutUint16(out, snapshotVersion)
	binary.BigEndian.PutUint32(out[2:], crc32.Checksum(out[6:], castagnoli))
	return out
}

func (p producer) appendTo(out []byte, id model.ProducerID) []byte {
	w := written{lastSequence: batch.NoSequence, lastOffset: -1}
	if p.count > 0 {
		w = p.batches[p.count-1]
	}
	out = binary.BigEndian.AppendUint64(out, uint64(id))
	out = binary.BigEndian.AppendUint16(out, uint16(p.epoch))
	out = binary.BigEndian.AppendUint32(out, uint32(w.lastSequence))
	out = binary.BigEndian.AppendUint64(out, uint64(w.lastOffset))
	out = binary.BigEndian.AppendUint32(out, uint32(w.delta))
	out = binary.BigEndian.AppendUint64(out, uint64(p.timestamp))
	out = binary.BigEndian.AppendUint32(out, uint32(p.coordinatorEpoch))
	return binary.BigEndian.AppendUint64(out, uint64(p.txnStart))
}

func parseSnapshot(data []byte, end model.Offset) (*producers, error) {
	if len(data) < snapshotHead || binary.BigEndian.Uint16(data) != snapshotVersion {
		return nil, corruptf("producer snapshot is not of version %d", snapshotVersion)
	}
	if crc32.Checksum(data[6:], castagnoli) != binary.BigEndian.Uint32(data[2:]) {
		return nil, corruptf("producer snapshot has a wrong checksum")
	}
	count := int64(binary.BigEndian.Uint32(data[6:]))
	data = data[snapshotHead:]
	if int64(len(data)) != count*snapshotEntry {
		return nil, corruptf("producer snapshot of %d bytes says it has %d entries", len(data), count)
	}
	p := &producers{end: end, byID: make(map[model.ProducerID]producer, count)}
	for ; len(data) > 0; data = data[snapshotEntry:] {
		id, s := parseProducer(data)
		p.byID[id] = s
		if s.txnStart >= 0 {
			p.open(transaction{id: id, first: s.txnStart, last: -1})
		}
	}
	return p, nil
}

func parseProducer(b []byte) (model.ProducerID, producer) {
	s := producer{
		epoch:            int16(binary.BigEndian.Uint16(b[8:])),
		timestamp:        int64(binary.BigEndian.Uint64(b[26:])),
		coordinatorEpoch: int32(binary.BigEndian.Uint32(b[34:])),
		txnStart:         max(model.Offset(binary.BigEndian.Uint64(b[38:])), -1),
	}
	w := written{
		lastSequence: int32(binary.BigEndian.Uint32(b[10:])),
		lastOffset:   model.Offset(binary.BigEndian.Uint64(b[14:])),
		delta:        int32(binary.BigEndian.Uint32(b[22:])),
		timestamp:    s.timestamp,
	}
	if w.lastOffset >= 0 {
		s.batches[0], s.count = w, 1
	}
	return model.ProducerID(binary.BigEndian.Uint64(b)), s
}

// abortedTxn is an entry of a transaction index, 34 bytes:
//
//	version int16 0 | producer id | first offset | last offset | last stable offset, int64 each
//
// The last is what the log's last stable offset became with the marker, so that
// a reader knows when it has seen all that matter to it.
type abortedTxn struct {
	producer            model.ProducerID
	first, last, stable model.Offset
}

func (a abortedTxn) format() []byte {
	out := make([]byte, 2, txnWidth)
	out = binary.BigEndian.AppendUint64(out, uint64(a.producer))
	out = binary.BigEndian.AppendUint64(out, uint64(a.first))
	out = binary.BigEndian.AppendUint64(out, uint64(a.last))
	return binary.BigEndian.AppendUint64(out, uint64(a.stable))
}

func parseAborted(b []byte) (abortedTxn, error) {
	if v := binary.BigEndian.Uint16(b); v != 0 {
		return abortedTxn{}, corruptf("aborted transaction of version %d", v)
	}
	return abortedTxn{
		producer: model.ProducerID(binary.BigEndian.Uint64(b[2:])),
		first:    model.Offset(binary.BigEndian.Uint64(b[10:])),
		last:     model.Offset(binary.BigEndian.Uint64(b[18:])),
		stable:   model.Offset(binary.BigEndian.Uint64(b[26:])),
	}, nil
}
