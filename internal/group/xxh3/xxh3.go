// Package xxh3 is XXH3's 64 bit hash with the default secret and no seed, which
// consumer groups use to notice that their topics have changed (KIP-1101). It is
// pure.
//
// https://github.com/Cyan4973/xxHash/blob/dev/doc/xxhash_spec.md
package xxh3

import (
	"encoding/binary"
	"math/bits"
)

const (
	prime32x1 = 0x9E3779B1
	prime32x2 = 0x85EBCA77
	prime32x3 = 0xC2B2AE3D
	prime64x1 = 0x9E3779B185EBCA87
	prime64x2 = 0xC2B2AE3D27D4EB4F
	prime64x3 = 0x165667B19E3779F9
	prime64x4 = 0x85EBCA77C2B2AE63
	prime64x5 = 0x27D4EB2F165667C5
	primeMX1  = 0x165667919E3779F9
	primeMX2  = 0x9FB21C651E98DF25
)

const (
	stripe          = 64 // bytes that are taken in at once
	stripesPerBlock = (len(secret) - stripe) / 8
	block           = stripe * stripesPerBlock
)

const secret = "\xb8\xfe\x6c\x39\x23\xa4\x4b\xbe\x7c\x01\x81\x2c\xf7\x21\xad\x1c\xde\xd4\x6d\xe9\x83\x90\x97\xdb" +
	"\x72\x40\xa4\xa4\xb7\xb3\x67\x1f\xcb\x79\xe6\x4e\xcc\xc0\xe5\x78\x82\x5a\xd0\x7d\xcc\xff\x72\x21" +
	"\xb8\x08\x46\x74\xf7\x43\x24\x8e\xe0\x35\x90\xe6\x81\x3a\x26\x4c\x3c\x28\x52\xbb\x91\xc3\x00\xcb" +
	"\x88\xd0\x65\x8b\x1b\x53\x2e\xa3\x71\x64\x48\x97\xa2\x0d\xf9\x4e\x38\x19\xef\x46\xa9\xde\xac\xd8\xa8" +
	"\xfa\x76\x3f\xe3\x9c\x34\x3f\xf9\xdc\xbb\xc7\xc7\x0b\x4f\x1d\x8a\x51\xe0\x4b\xcd\xb4\x59\x31\xc8" +
	"\x9f\x7e\xc9\xd9\x78\x73\x64\xea\xc5\xac\x83\x34\xd3\xeb\xc3\xc5\x81\xa0\xff\xfa\x13\x63\xeb\x17" +
	"\x0d\xdd\x51\xb7\xf0\xda\x49\xd3\x16\x55\x26\x29\xd4\x68\x9e\x2b\x16\xbe\x58\x7d\x47\xa1\xfc\x8f" +
	"\xf8\xb8\xd1\x7a\xd0\x31\xce\x45\xcb\x3a\x8f\x95\x16\x04\x28\xaf\xd7\xfb\xca\xbb\x4b\x40\x7e"

var key = []byte(secret)

// Sum is the hash of b.
func Sum(b []byte) uint64 {
	switch n := len(b); {
	case n == 0:
		return avalanche64(le64(key[56:]) ^ le64(key[64:]))
	case n <= 3:
		combined := uint32(b[0])<<16 | uint32(b[n>>1])<<24 | uint32(b[n-1]) | uint32(n)<<8
		return avalanche64(uint64(combined ^ le32(key) ^ le32(key[4:])))
	case n <= 8:
		return upTo8(b)
	case n <= 16:
		lo := le64(b) ^ le64(key[24:]) ^ le64(key[32:])
		hi := le64(b[n-8:]) ^ le64(key[40:]) ^ le64(key[48:])
		return avalanche(uint64(n) + bits.ReverseBytes64(lo) + hi + fold(lo, hi))
	case n <= 128:
		return upTo128(b)
	case n <= 240:
		return upTo240(b)
	}
	return long(b)
}

func upTo8(b []byte) uint64 {
	n := len(b)
	h := uint64(le32(b[n-4:])) + uint64(le32(b))<<32
	h ^= le64(key[8:]) ^ le64(key[16:])
	h ^= bits.RotateLeft64(h, 49) ^ bits.RotateLeft64(h, 24)
	h *= primeMX2
	h ^= h>>35 + uint64(n)
	h *= primeMX2
	return h ^ h>>28
}

func upTo128(b []byte) uint64 {
	n := len(b)
	acc := uint64(n) * prime64x1
	for i := (n - 1) / 32; i >= 0; i-- {
		acc += mix(b[16*i:], key[32*i:])
		acc += mix(b[n-16*(i+1):], key[32*i+16:])
	}
	return avalanche(acc)
}

func upTo240(b []byte) uint64 {
	n := len(b)
	acc := uint64(n) * prime64x1
	for i := range 8 {
		acc += mix(b[16*i:], key[16*i:])
	}
	acc = avalanche(acc)
	for i := 8; i < n/16; i++ {
		acc += mix(b[16*i:], key[16*(i-8)+3:])
	}
	acc += mix(b[n-16:], key[136-17:])
	return avalanche(acc)
}

func long(b []byte) uint64 {
	acc := [8]uint64{prime32x3, prime64x1, prime64x2, prime64x3, prime64x4, prime32x2, prime64x5, prime32x1}
	blocks := (len(b) - 1) / block
	for i := range blocks {
		for s := range stripesPerBlock {
			accumulate(&acc, b[block*i+stripe*s:], key[8*s:])
		}
		scramble(&acc, key[len(key)-stripe:])
	}
	for s := range (len(b) - 1 - block*blocks) / stripe {
		accumulate(&acc, b[block*blocks+stripe*s:], key[8*s:])
	}
	accumulate(&acc, b[len(b)-stripe:], key[len(key)-stripe-7:])

	h := uint64(len(b)) * prime64x1
	for i := range 4 {
		h += fold(acc[2*i]^le64(key[11+16*i:]), acc[2*i+1]^le64(key[11+16*i+8:]))
	}
	return avalanche(h)
}

func accumulate(acc *[8]uint64, b, key []byte) {
	for i := range acc {
		v := le64(b[8*i:])
		k := v ^ le64(key[8*i:])
		acc[i^1] += v
		acc[i] += k & 0xffffffff * (k >> 32)
	}
}

func scramble(acc *[8]uint64, key []byte) {
	for i := range acc {
		acc[i] = (acc[i] ^ acc[i]>>47 ^ le64(key[8*i:])) * prime32x1
	}
}

func mix(b, key []byte) uint64 {
	return fold(le64(b)^le64(key), le64(b[8:])^le64(key[8:]))
}

func fold(a, b uint64) uint64 {
	hi, lo := bits.Mul64(a, b)
	return hi ^ lo
}

func avalanche(h uint64) uint64 {
	h ^= h >> 37
	h *= primeMX1
	return h ^ h>>32
}

func avalanche64(h uint64) uint64 {
	h ^= h >> 33
	h *= prime64x2
	h ^= h >> 29
	h *= prime64x3
	return h ^ h>>32
}

func le32(b []byte) uint32 { return binary.LittleEndian.Uint32(b) }
func le64(b []byte) uint64 { return binary.LittleEndian.Uint64(b) }
