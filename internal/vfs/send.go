package vfs

import (
	"io"
	"net"
	"sync"
)

// copyBuffers are for sending without sendfile.
var copyBuffers = sync.Pool{New: func() any { return new([64 << 10]byte) }}

// SendRange writes the n bytes of f from off to w and returns how many. A file
// that ends before is io.ErrUnexpectedEOF. From a file of the operating system
// to a TCP connection the bytes do not pass through the program (sendfile(2) at
// an explicit offset, so that many may send one file); otherwise they are copied
// with one pooled buffer.
func SendRange(w io.Writer, f File, off, n int64) (int64, error) {
	if conn, ok := w.(*net.TCPConn); ok {
		if file, ok := f.(osFile); ok {
			sent, handled, err := sendFile(conn, file.File, off, n)
			if handled || err != nil {
				return sent, err
			}
		}
	}
	return copyRange(w, f, off, n)
}

func copyRange(w io.Writer, f File, off, n int64) (int64, error) {
	buffer := copyBuffers.Get().(*[64 << 10]byte)
	defer copyBuffers.Put(buffer)
	var sent int64
	for sent < n {
		chunk := buffer[:min(n-sent, int64(len(buffer)))]
		got, err := f.ReadAt(chunk, off+sent)
		if got < len(chunk) {
			if err == nil || err == io.EOF {
				err = io.ErrUnexpectedEOF
			}
			return sent, err
		}
		wrote, err := w.Write(chunk)
		sent += int64(wrote)
		if err != nil {
			return sent, err
		}
	}
	return sent, nil
}
