package journal

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"

	"github.com/stromkafka/strom/internal/model"
)

// The layout of docs/formats/journal.md. Integers are big-endian, as in Kafka's
// files.
const (
	headerSize = 512 // a sector, so that it is written whole or not at all
	magic      = "StromJnl"
	version    = 1

	frameHeader = 32
	bodyHeader  = 16 + 4 + 8 + 8 // of an entry, before its bytes
	alignment   = 8
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// formatHeader is the first sector of a slot.
func formatHeader(generation uint64) []byte {
	b := make([]byte, headerSize)
	copy(b, magic)
	binary.BigEndian.PutUint32(b[8:], version)
	binary.BigEndian.PutUint64(b[12:], generation)
	binary.BigEndian.PutUint32(b[20:], crc32.Checksum(b[:20], castagnoli))
	return b
}

// parseHeader is the generation of a slot; ok is false if it has no entries.
func parseHeader(b []byte) (generation uint64, ok bool, err error) {
	if len(b) < headerSize || string(b[:8]) != magic || binary.BigEndian.Uint32(b[20:]) != crc32.Checksum(b[:20], castagnoli) {
		return 0, false, nil
	}
	if v := binary.BigEndian.Uint32(b[8:]); v != version {
		return 0, false, fmt.Errorf("the journal has version %d, and only %d is known", v, version)
	}
	return binary.BigEndian.Uint64(b[12:]), true, nil
}

// A frame is one entry:
//
//	0      4       8            16        24      28     29      32
//	├──────┼───────┼────────────┼─────────┼───────┼──────┼───────┼──────────
//	│ CRC  │ body  │ generation │ group's │ group │ kind │ zeros │ body, then
//	│      │ length│            │ number  │ began │      │       │ zeros to 8
//
// appendFrame leaves the first 28 bytes but the length to stamp.
func appendFrame(buf []byte, e *Entry) []byte {
	at := len(buf)
	var h [frameHeader + bodyHeader]byte
	binary.BigEndian.PutUint32(h[4:], uint32(bodyHeader+len(e.Bytes)))
	h[28] = byte(e.Kind)
	body := h[frameHeader:]
	copy(body, e.Key.Topic[:])
	binary.BigEndian.PutUint32(body[16:], uint32(e.Key.Index))
	binary.BigEndian.PutUint64(body[20:], uint64(e.Base))
	binary.BigEndian.PutUint64(body[28:], uint64(e.Position))
	buf = append(append(buf, h[:]...), e.Bytes...)
	var pad [alignment]byte
	return append(buf, pad[:(alignment-(len(buf)-at)%alignment)%alignment]...)
}

// stamp completes the frames of a group that is written at a position.
func stamp(group []byte, generation, number uint64, began uint32) {
	for len(group) > 0 {
		n := frameHeader + int(binary.BigEndian.Uint32(group[4:]))
		binary.BigEndian.PutUint64(group[8:], generation)
		binary.BigEndian.PutUint64(group[16:], number)
		binary.BigEndian.PutUint32(group[24:], began)
		binary.BigEndian.PutUint32(group, crc32.Checksum(group[4:n], castagnoli))
		group = group[aligned(n):]
	}
}

func aligned(n int) int { return (n + alignment - 1) / alignment * alignment }

// frame is one that was read.
type frame struct {
	Entry
	number uint64
	began  int64
	size   int // aligned
}

var errNoFrame = errors.New("no frame")

// parseFrame reads the frame at the beginning of b. The entry's bytes are b's.
func parseFrame(b []byte, generation uint64) (frame, error) {
	if len(b) < frameHeader+bodyHeader || binary.BigEndian.Uint64(b[8:]) != generation {
		return frame{}, errNoFrame
	}
	length := int64(binary.BigEndian.Uint32(b[4:]))
	if length < bodyHeader || length > bodyHeader+MaxEntry || frameHeader+length > int64(len(b)) {
		return frame{}, errNoFrame
	}
	n := frameHeader + int(length)
	if binary.BigEndian.Uint32(b) != crc32.Checksum(b[4:n], castagnoli) {
		return frame{}, errNoFrame
	}
	body := b[frameHeader:n:n]
	f := frame{number: binary.BigEndian.Uint64(b[16:]), began: int64(binary.BigEndian.Uint32(b[24:])), size: min(aligned(n), len(b))}
	f.Kind = Kind(b[28])
	copy(f.Key.Topic[:], body)
	f.Key.Index = int32(binary.BigEndian.Uint32(body[16:]))
	f.Base = model.Offset(binary.BigEndian.Uint64(body[20:]))
	f.Position = int64(binary.BigEndian.Uint64(body[28:]))
	f.Bytes = body[bodyHeader:]
	if f.Kind < Append || f.Kind > Void || f.Base < 0 || f.Position < 0 || f.Key.Index < 0 {
		return frame{}, errNoFrame
	}
	return f, nil
}

// parseSlot calls visit with the entries of a slot's file in order, and returns
// how many stretches of it are damaged. A group that was not completely written
// ends the slot and is no damage; a frame that is not whole although a later
// group was written is: those are found again behind it.
func parseSlot(b []byte, generation uint64, visit func(Entry) error) (damaged int, err error) {
	number := uint64(0)
	for at := headerSize; at < len(b); {
		f, err := parseFrame(b[at:], generation)
		if err != nil || f.number < number {
			// Frames of a lower number are left of a group that was refused.
			next := resume(b, at, generation, number)
			if next < 0 {
				return damaged, nil
			}
			damaged++
			at = next
			continue
		}
		number = f.number
		if err := visit(f.Entry); err != nil {
			return damaged, err
		}
		at += f.size
	}
	return damaged, nil
}

// resume finds the next frame of a group that began behind at: it was written
// after the sync that covered at. -1 if there is none.
func resume(b []byte, at int, generation, number uint64) int {
	for next := at + alignment; next+frameHeader <= len(b); next += alignment {
		if binary.BigEndian.Uint64(b[next+8:]) != generation {
			continue
		}
		f, err := parseFrame(b[next:], generation)
		if err == nil && f.number > number && f.began > int64(at) {
			return next
		}
	}
	return -1
}
