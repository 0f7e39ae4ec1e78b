//go:build interop

package clients

import (
	"encoding/binary"
	"hash/crc32"
	"testing"
	"time"

	"github.com/stromkafka/strom/interop/internal/raw"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// oneRecord is a record batch with one record.
func oneRecord(value string) []byte {
	record := kmsg.Record{Value: []byte(value)}
	record.Length = int32(len(record.AppendTo(nil)) - 1)
	now := time.Now().UnixMilli()
	batch := kmsg.NewRecordBatch()
	batch.PartitionLeaderEpoch, batch.Magic = -1, 2
	batch.FirstTimestamp, batch.MaxTimestamp = now, now
	batch.ProducerID, batch.ProducerEpoch, batch.FirstSequence = -1, -1, -1
	batch.NumRecords, batch.Records = 1, record.AppendTo(nil)
	return sealed(batch.AppendTo(nil))
}

// sealed gives a batch its length and its checksum.
func sealed(batch []byte) []byte {
	binary.BigEndian.PutUint32(batch[8:], uint32(len(batch)-12))
	binary.BigEndian.PutUint32(batch[17:], crc32.Checksum(batch[21:], crc32.MakeTable(crc32.Castagnoli)))
	return batch
}

// TestDependentBlocks: lz4 whose blocks may depend on each other is refused, since Java's consumers would be stuck at it.
func TestDependentBlocks(t *testing.T) {
	create(t, shared.Addr, "dependent", 1)
	conn, err := raw.Dial(shared.Addr, 30*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	for flags, want := range map[byte]int16{0x60: 0, 0x40: kerr.UnknownServerError.Code} {
		batch := oneRecord("compressed")
		checksum := map[byte]byte{0x60: 0x82, 0x40: 0xc0}[flags]
		records := batch[61:]
		frame := append([]byte{0x04, 0x22, 0x4d, 0x18, flags, 0x40, checksum}, byte(len(records)), 0, 0, 0x80) // stored as it is
		frame = append(append(frame, records...), 0, 0, 0, 0)
		batch[22] = 3 // lz4
		if code := produceOnce(t, conn, "dependent", sealed(append(batch[:61:61], frame...))); code != want {
			t.Errorf("flags %x: error %d, want %d", flags, code, want)
		}
	}
}
