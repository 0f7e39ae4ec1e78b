package vfs

import (
	"errors"
	"io"
	"net"
	"os"

	"golang.org/x/sys/unix"
)

// sendChunk is how much one sendfile(2) is asked for, so that a write deadline
// is looked at now and then.
const sendChunk = 4 << 20

// sendFile reports handled = false, and has sent nothing, when the file cannot be
// sent this way. The wait for the socket is the runtime's poller, so that write
// deadlines and closing work as for Write.
func sendFile(conn *net.TCPConn, f *os.File, off, n int64) (sent int64, handled bool, err error) {
	socket, err := conn.SyscallConn()
	if err != nil {
		return 0, true, err
	}
	file, err := f.SyscallConn()
	if err != nil {
		return 0, true, err
	}
	var failed error
	send := func(in int) {
		err = socket.Write(func(out uintptr) bool {
			for sent < n {
				at := off + sent
				m, err := unix.Sendfile(int(out), in, &at, int(min(n-sent, sendChunk)))
				switch {
				case m > 0:
					sent += int64(m)
				case errors.Is(err, unix.EINTR):
				case errors.Is(err, unix.EAGAIN):
					return false
				case err != nil:
					failed = os.NewSyscallError("sendfile", err)
					return true
				default:
					failed = io.ErrUnexpectedEOF
					return true
				}
			}
			return true
		})
	}
	if busy := file.Control(func(in uintptr) { send(int(in)) }); busy != nil {
		return sent, true, busy
	}
	if err == nil {
		err = failed
	}
	if sent == 0 && (errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOSYS) || errors.Is(err, unix.EOPNOTSUPP)) {
		return 0, false, nil
	}
	return sent, true, err
}
