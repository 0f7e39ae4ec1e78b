package commitlog

import (
	"crypto/sha256"
	"encoding/binary"
	"math/bits"

	"github.com/stromkafka/strom/internal/model"
)

// offsetMap knows the newest offset of each key, within a bound of memory: a
// table of 128 bits of each key's SHA-256, which nobody can make collide, and its
// offset, with linear probing. It grows in steps of four, so that a small log
// costs little; the bound covers the old table beside the new one.
type offsetMap struct {
	slots  []slot
	used   int
	most   int     // slots
	load   float64 // how full a table may be
	latest model.Offset
}

// slot is one key; free while next is 0.
type slot struct {
	hi, lo uint64
	next   int64 // offset + 1
}

const (
	slotSize   = 24
	firstSlots = 1 << 10
)

// newOffsetMap takes up to memory bytes.
func newOffsetMap(memory int64, load float64) *offsetMap {
	m := &offsetMap{most: int(max(memory/slotSize*4/5, 1)), load: min(max(load, 0.01), 0.95), latest: -1}
	m.slots = make([]slot, min(firstSlots, m.most))
	return m
}

// put notes the offset of a key, which must be larger than all before; false if
// there is no room.
func (m *offsetMap) put(key []byte, offset model.Offset) bool {
	hi, lo := hash(key)
	s := m.find(hi, lo)
	if s.next == 0 {
		if float64(m.used+1) > float64(len(m.slots))*m.load {
			if !m.grow() {
				return false
			}
			s = m.find(hi, lo)
		}
		m.used++
		s.hi, s.lo = hi, lo
	}
	s.next = int64(offset) + 1
	return true
}

// get is the newest offset of a key; -1 if there is none.
func (m *offsetMap) get(key []byte) model.Offset {
	return model.Offset(m.find(hash(key)).next - 1)
}

func hash(key []byte) (hi, lo uint64) {
	h := sha256.Sum256(key)
	return binary.BigEndian.Uint64(h[:]), binary.BigEndian.Uint64(h[8:])
}

// find is the key's slot, or the free one where it belongs; the table is never
// quite full.
func (m *offsetMap) find(hi, lo uint64) *slot {
	at, _ := bits.Mul64(hi, uint64(len(m.slots)))
	for {
		s := &m.slots[at]
		if s.next == 0 || s.hi == hi && s.lo == lo {
			return s
		}
		if at++; at == uint64(len(m.slots)) {
			at = 0
		}
	}
}

func (m *offsetMap) grow() bool {
	if len(m.slots) == m.most {
		return false
	}
	old := m.slots
	n := len(old) * 4
	if n > m.most/4 {
		n = m.most
	}
	m.slots = make([]slot, n)
	for i := range old {
		if old[i].next != 0 {
			*m.find(old[i].hi, old[i].lo) = old[i]
		}
	}
	return true
}
