package compress

import (
	"bytes"
	"encoding/binary"
	"errors"

	"github.com/klauspost/compress/snappy"
)

// The framing of xerial's snappy-java:
//
//	0x82 'S' 'N' 'A' 'P' 'P' 'Y' 0x00 | version int32 = 1 | compatible int32 = 1
//	{ length int32 | snappy block }...
//
// all big-endian. Streams that were written one after the other repeat the header.
var xerialHeader = []byte("\x82SNAPPY\x00\x00\x00\x00\x01\x00\x00\x00\x01")

const (
	xerialMagic = 8
	xerialBlock = 32 << 10
	// snappyRatio is more than snappy can expand: a copy of 64 bytes takes 3.
	snappyRatio = 32
)

var errSnappy = errors.New("block length does not fit")

func appendSnappy(dst, src []byte) []byte {
	dst = append(dst, xerialHeader...)
	for len(src) > 0 {
		block := src[:min(len(src), xerialBlock)]
		src = src[len(block):]
		at := len(dst)
		dst = room(dst, 4+snappy.MaxEncodedLen(len(block)))
		encoded := snappy.Encode(dst[at+4:cap(dst)], block)
		binary.BigEndian.PutUint32(dst[at:at+4], uint32(len(encoded)))
		dst = dst[:at+4+len(encoded)]
	}
	return dst
}

func unsnappy(dst, src []byte, maxOut int) ([]byte, error) {
	if !bytes.HasPrefix(src, xerialHeader[:xerialMagic]) {
		return unsnappyBlock(dst, src, maxOut)
	}
	end := len(dst) + maxOut
	for len(src) > 0 {
		if bytes.HasPrefix(src, xerialHeader[:xerialMagic]) {
			if len(src) < len(xerialHeader) {
				return dst, corrupt(Snappy, errSnappy)
			}
			src = src[len(xerialHeader):]
			continue
		}
		if len(src) < 4 {
			return dst, corrupt(Snappy, errSnappy)
		}
		n := int64(binary.BigEndian.Uint32(src))
		if src = src[4:]; n > int64(len(src)) {
			return dst, corrupt(Snappy, errSnappy)
		}
		var err error
		if dst, err = unsnappyBlock(dst, src[:n], end-len(dst)); err != nil {
			return dst, err
		}
		src = src[n:]
	}
	return dst, nil
}

func unsnappyBlock(dst, src []byte, maxOut int) ([]byte, error) {
	n, err := snappy.DecodedLen(src)
	if err != nil {
		return dst, corrupt(Snappy, err)
	}
	if n > snappyRatio*len(src) {
		return dst, corrupt(Snappy, errSnappy)
	}
	if n > maxOut {
		return dst, ErrTooLarge
	}
	if cap(dst)-len(dst) < n {
		dst = room(dst, min(maxOut, max(n, cap(dst))))
	}
	at := len(dst)
	if _, err := snappy.Decode(dst[at:at+n:at+n], src); err != nil {
		return dst, corrupt(Snappy, err)
	}
	return dst[:at+n], nil
}
