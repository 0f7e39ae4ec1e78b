package vfs

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"testing"
)

// everyFS runs a test on a directory of each file system.
func everyFS(t *testing.T, test func(t *testing.T, fsys FS, dir string)) {
	t.Run("os", func(t *testing.T) { test(t, OS(), filepath.ToSlash(t.TempDir())) })
	t.Run("mem", func(t *testing.T) {
		m := NewMem()
		if err := m.MkdirAll("/data", 0o755); err != nil {
			t.Fatal(err)
		}
		test(t, m, "/data")
	})
	t.Run("faulty", func(t *testing.T) {
		m := NewMem()
		if err := m.MkdirAll("/data", 0o755); err != nil {
			t.Fatal(err)
		}
		test(t, NewFaulty(m, nil), "/data")
	})
}

func must[T any](t *testing.T) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func put(t *testing.T, fsys FS, name, data string) {
	t.Helper()
	f := must[File](t)(fsys.OpenFile(name, CreateOrOpen|Truncate, 0o644))
	must[int](t)(f.WriteAt([]byte(data), 0))
	check(t, f.Close())
}

func get(t *testing.T, fsys FS, name string) string {
	t.Helper()
	return string(must[[]byte](t)(ReadFile(fsys, name, 1<<20)))
}

func TestFilesReadWhatWasWritten(t *testing.T) {
	everyFS(t, func(t *testing.T, fsys FS, dir string) {
		name := dir + "/a"
		f := must[File](t)(fsys.OpenFile(name, CreateNew, 0o644))
		must[int](t)(f.WriteAt([]byte("hello"), 3))
		p := make([]byte, 10)
		n, err := f.ReadAt(p, 0)
		if n != 8 || err != io.EOF || string(p[:n]) != "\x00\x00\x00hello" {
			t.Fatalf("read %q, %v", p[:n], err)
		}
		check(t, f.Preallocate(1<<16))
		if size := must[int64](t)(f.Size()); size != 8 {
			t.Fatalf("size %d after Preallocate", size)
		}
		check(t, f.Truncate(4))
		check(t, f.Truncate(6))
		if got := get(t, fsys, name); got != "\x00\x00\x00h\x00\x00" {
			t.Fatalf("after truncating: %q", got)
		}
		check(t, f.Sync())
		check(t, DropCache(f))
		check(t, f.Close())
		if _, err := f.ReadAt(p, 0); !errors.Is(err, os.ErrClosed) {
			t.Fatalf("read of a closed file: %v", err)
		}
		r := must[File](t)(fsys.OpenFile(name, ReadOnly, 0))
		defer r.Close()
		if _, err := r.WriteAt(p, 0); err == nil {
			t.Fatal("wrote to a file open for reading")
		}
	})
}

func TestDirectories(t *testing.T) {
	everyFS(t, func(t *testing.T, fsys FS, dir string) {
		if _, err := fsys.OpenFile(dir+"/none", ReadOnly, 0); !errors.Is(err, fs.ErrNotExist) {
			t.Fatalf("open of nothing: %v", err)
		}
		check(t, fsys.MkdirAll(dir+"/t-0/sub", 0o755))
		put(t, fsys, dir+"/t-0/b", "b")
		put(t, fsys, dir+"/t-0/a", "a")
		if _, err := fsys.OpenFile(dir+"/t-0/a", CreateNew, 0o644); !errors.Is(err, fs.ErrExist) {
			t.Fatalf("create of what is there: %v", err)
		}
		var names []string
		for _, e := range must[[]fs.DirEntry](t)(fsys.ReadDir(dir + "/t-0")) {
			names = append(names, e.Name())
		}
		if got := len(names); got != 3 || names[0] != "a" || names[1] != "b" || names[2] != "sub" {
			t.Fatalf("names %v", names)
		}
		check(t, fsys.Rename(dir+"/t-0/a", dir+"/t-0/b"))
		check(t, fsys.Rename(dir+"/t-0", dir+"/t-1"))
		check(t, fsys.SyncDir(dir))
		if got := get(t, fsys, dir+"/t-1/b"); got != "a" {
			t.Fatalf("renamed file holds %q", got)
		}
		if info := must[fs.FileInfo](t)(fsys.Stat(dir + "/t-1")); !info.IsDir() || info.Name() != "t-1" {
			t.Fatalf("stat %v", info)
		}
		if err := fsys.Remove(dir + "/t-1"); err == nil {
			t.Fatal("removed a directory with files")
		}
		check(t, fsys.RemoveAll(dir+"/t-1"))
		check(t, fsys.RemoveAll(dir+"/t-1"))
		if _, err := fsys.Stat(dir + "/t-1"); !errors.Is(err, fs.ErrNotExist) {
			t.Fatalf("stat of what was removed: %v", err)
		}
	})
}

func TestLockExcludes(t *testing.T) {
	everyFS(t, func(t *testing.T, fsys FS, dir string) {
		lock := must[io.Closer](t)(fsys.Lock(dir + "/.lock"))
		if _, err := fsys.Lock(dir + "/.lock"); !errors.Is(err, ErrLocked) {
			t.Fatalf("second lock: %v", err)
		}
		check(t, lock.Close())
		check(t, must[io.Closer](t)(fsys.Lock(dir+"/.lock")).Close())
	})
}

func TestWriteFileAtomicReplaces(t *testing.T) {
	everyFS(t, func(t *testing.T, fsys FS, dir string) {
		check(t, WriteFileAtomic(fsys, dir+"/f", []byte("a long first")))
		check(t, WriteFileAtomic(fsys, dir+"/f", []byte("second")))
		if got := get(t, fsys, dir+"/f"); got != "second" {
			t.Fatalf("read %q", got)
		}
		if got := len(must[[]fs.DirEntry](t)(fsys.ReadDir(dir))); got != 1 {
			t.Fatalf("%d files left", got)
		}
		if _, err := ReadFile(fsys, dir+"/f", 3); err == nil {
			t.Fatal("read more than the limit")
		}
	})
}

// sendOverTCP is what the other end receives from SendRange.
func sendOverTCP(t testing.TB, f File, off, n int64) ([]byte, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	failed := make(chan error, 1)
	go func() {
		conn, err := l.Accept()
		if err != nil {
			failed <- err
			return
		}
		defer conn.Close()
		sent, err := SendRange(conn, f, off, n)
		if err == nil && sent != n {
			err = errors.New("sent less without an error")
		}
		failed <- err
	}()
	conn, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	got, err := io.ReadAll(conn)
	if err != nil {
		t.Fatal(err)
	}
	return got, <-failed
}

func TestSendRange(t *testing.T) {
	everyFS(t, func(t *testing.T, fsys FS, dir string) {
		data := make([]byte, 9<<20)
		for i := range data {
			data[i] = byte(i * 7 >> 3)
		}
		f := must[File](t)(fsys.OpenFile(dir+"/a", CreateNew, 0o644))
		defer f.Close()
		must[int](t)(f.WriteAt(data, 0))
		got, err := sendOverTCP(t, f, 11, int64(len(data)-20))
		if err != nil || !bytes.Equal(got, data[11:len(data)-9]) {
			t.Fatalf("over TCP: %d bytes, %v", len(got), err)
		}
		got, err = sendOverTCP(t, f, int64(len(data)-4), 5)
		if err != io.ErrUnexpectedEOF || len(got) > 4 {
			t.Fatalf("past the end, over TCP: %d bytes, %v", len(got), err)
		}
		var buffer bytes.Buffer
		n, err := SendRange(&buffer, f, 5, 1<<20)
		if n != 1<<20 || err != nil || !bytes.Equal(buffer.Bytes(), data[5:5+1<<20]) {
			t.Fatalf("into memory: %d bytes, %v", n, err)
		}
		if _, err := SendRange(&buffer, f, int64(len(data)), 1); err != io.ErrUnexpectedEOF {
			t.Fatalf("past the end: %v", err)
		}
	})
}
