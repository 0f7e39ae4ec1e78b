package commitlog

import (
	"container/list"
	"errors"
	"io/fs"
	"sync"

	"github.com/stromkafka/strom/internal/vfs"
)

// Files opens the logs' files and bounds how many stay open: a file that nobody
// is using and that has no unsynced writes is closed when it is the least
// recently used beyond the limit. A file with unsynced writes stays open,
// because the kernel may report a failed write-back only to somebody who had it
// open at the time.
type Files struct {
	fs    vfs.FS
	limit int

	mu   sync.Mutex
	open int
	idle list.List // *handle, most recently used first
}

// NewFiles is shared by all logs of a broker; limit is how many files may be open.
func NewFiles(fs vfs.FS, limit int) *Files { return &Files{fs: fs, limit: limit} }

// Open is how many files are open now.
func (c *Files) Open() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.open
}

// crowded reports whether so many files are open that those with unsynced writes
// should be synced.
func (c *Files) crowded() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.open > c.limit
}

// handle is one file that is open only while it needs to be.
type handle struct {
	cache *Files

	mu      sync.Mutex
	name    string
	flag    int      // to open it with
	file    vfs.File // nil while closed
	refs    int
	writes  int64 // counts writes; the file is dirty while it differs from synced
	synced  int64
	removed bool
	element *list.Element // in cache.idle; guarded by cache.mu
}

var errRemoved = errors.New("the file has been removed")

func (c *Files) handle(name string, flag int) *handle {
	return &handle{cache: c, name: name, flag: flag}
}

// create makes the file anew, empty. A file that was not there holds nothing that
// a write-back could lose, so it is not dirty: thousands of empty partitions would
// keep theirs open, and be synced one by one. Its name is the directory's to sync.
func (c *Files) create(name string) (*handle, error) {
	f, err := c.fs.OpenFile(name, vfs.CreateNew, 0o644)
	there := errors.Is(err, fs.ErrExist)
	if there {
		f, err = c.fs.OpenFile(name, vfs.ReadWrite, 0)
	}
	if err != nil {
		return nil, err
	}
	h := c.handle(name, vfs.ReadWrite)
	h.file, h.refs = f, 1
	c.opened()
	defer h.release()
	if !there {
		return h, nil
	}
	size, err := f.Size()
	if err == nil && size > 0 {
		h.writes = 1
		err = f.Truncate(0)
	}
	if err != nil {
		return nil, errors.Join(err, h.close())
	}
	return h, nil
}

// acquire opens the file if need be and keeps it open until release.
func (h *handle) acquire() (vfs.File, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.removed {
		return nil, errRemoved
	}
	if h.file == nil {
		f, err := h.cache.fs.OpenFile(h.name, h.flag, 0o644)
		if err != nil {
			return nil, err
		}
		h.file = f
		h.cache.opened()
	}
	if h.refs == 0 {
		h.cache.use(h)
	}
	h.refs++
	return h.file, nil
}

func (h *handle) release() {
	h.mu.Lock()
	h.refs--
	idle := h.refs == 0 && h.writes == h.synced && h.file != nil
	h.mu.Unlock()
	if idle {
		h.cache.idled(h)
	}
}

func (c *Files) opened() {
	c.mu.Lock()
	c.open++
	c.mu.Unlock()
}

func (c *Files) use(h *handle) {
	c.mu.Lock()
	if h.element != nil {
		c.idle.Remove(h.element)
		h.element = nil
	}
	c.mu.Unlock()
}

// idled puts h among the files that may be closed and closes those beyond the limit.
func (c *Files) idled(h *handle) {
	c.mu.Lock()
	if h.element == nil {
		h.element = c.idle.PushFront(h)
	}
	var victims []*handle
	for over := c.open - c.limit; over > 0 && c.idle.Len() > 0; over-- {
		v := c.idle.Remove(c.idle.Back()).(*handle)
		v.element = nil
		victims = append(victims, v)
	}
	c.mu.Unlock()
	for _, v := range victims {
		v.closeIdle()
	}
}

// closeIdle closes the file unless somebody has begun to use it.
func (h *handle) closeIdle() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.refs > 0 || h.writes != h.synced {
		return
	}
	// Nothing was written since the last sync, so a failing close loses nothing.
	_ = h.closeFile()
}

func (h *handle) closeFile() error {
	if h.file == nil {
		return nil
	}
	h.cache.use(h)
	err := h.file.Close()
	h.file = nil
	h.cache.mu.Lock()
	h.cache.open--
	h.cache.mu.Unlock()
	return err
}

// writeAt writes all of b or returns an error.
func (h *handle) writeAt(b []byte, off int64) error {
	f, err := h.acquire()
	if err != nil {
		return err
	}
	defer h.release()
	h.dirtied()
	defer h.dirtied()
	_, err = f.WriteAt(b, off)
	return err
}

func (h *handle) truncate(size int64) error {
	f, err := h.acquire()
	if err != nil {
		return err
	}
	defer h.release()
	h.dirtied()
	defer h.dirtied()
	return f.Truncate(size)
}

// dirtied is called before a change, so that the file is not taken for clean
// during it, and after it: a sync that began in between may have missed it.
func (h *handle) dirtied() {
	h.mu.Lock()
	h.writes++
	h.mu.Unlock()
}

// sync makes all writes so far durable; it does nothing if they are.
func (h *handle) sync() error {
	h.mu.Lock()
	upTo := h.writes
	clean := upTo == h.synced
	h.mu.Unlock()
	if clean {
		return nil
	}
	f, err := h.acquire()
	if err != nil {
		return err
	}
	defer h.release()
	if err := f.Sync(); err != nil {
		return err
	}
	h.mu.Lock()
	h.synced = max(h.synced, upTo)
	h.mu.Unlock()
	return nil
}

// preallocate reserves room on disk for a file of a size; what it holds and how
// long it is stay the same.
func (h *handle) preallocate(size int64) error {
	f, err := h.acquire()
	if err != nil {
		return err
	}
	defer h.release()
	return f.Preallocate(size)
}

func (h *handle) size() (int64, error) {
	f, err := h.acquire()
	if err != nil {
		return 0, err
	}
	defer h.release()
	return f.Size()
}

// rename moves the file; whoever has it open keeps it.
func (h *handle) rename(name string) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	// A transaction index exists only once there was something to write into it.
	if err := h.cache.fs.Rename(h.name, name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	h.name = name
	return nil
}

// inUse reports whether somebody holds the file open.
func (h *handle) inUse() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.refs > 0
}

// remove closes and deletes the file; one that is gone already is no error.
func (h *handle) remove() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.removed = true
	// What could not be written is deleted anyhow.
	_ = h.closeFile()
	if err := h.cache.fs.Remove(h.name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// close closes the file for good.
func (h *handle) close() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.removed = true
	return h.closeFile()
}
