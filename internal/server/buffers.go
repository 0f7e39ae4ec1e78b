package server

import "sync"

// readBuffer is what a connection reads into while it is active. Frames that fit
// are handled where they were read.
const readBuffer = 64 << 10

// bufferClasses are the sizes of pooled memory. Larger frames are rare enough for
// the garbage collector.
var bufferClasses = [...]int{1 << 10, 4 << 10, 16 << 10, readBuffer, 256 << 10, 1 << 20, 4 << 20}

var bufferPools [len(bufferClasses)]sync.Pool

// sizeFor is the size of the buffer that takeBuffer(n) returns.
func sizeFor(n int) int {
	for _, size := range bufferClasses {
		if n <= size {
			return size
		}
	}
	return n
}

// takeBuffer is a buffer of at least n bytes. Its content is arbitrary.
func takeBuffer(n int) []byte {
	for i, size := range bufferClasses {
		if n <= size {
			if b, ok := bufferPools[i].Get().(*[]byte); ok {
				return *b
			}
			return make([]byte, size)
		}
	}
	return make([]byte, n)
}

// giveBuffer takes back what takeBuffer returned, at its full length.
func giveBuffer(b []byte) {
	for i, size := range bufferClasses {
		if len(b) == size {
			bufferPools[i].Put(&b)
			return
		}
	}
}
