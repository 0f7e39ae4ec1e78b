package commitlog

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"path"

	"github.com/stromkafka/strom/internal/journal"
	"github.com/stromkafka/strom/internal/model"
	"github.com/stromkafka/strom/internal/vfs"
)

// Replayer puts what a journal says into the files of the logs of one directory,
// before they are opened. It knows positions in files only: whether the batches
// there are whole, the log's recovery finds out.
type Replayer struct {
	fs     vfs.FS
	dirs   map[journal.Key]string
	logger *slog.Logger
	open   map[string]*replayed
	order  []string        // of open
	stale  map[string]bool // directories whose entries changed
}

// replayed is a segment's file while entries are applied to it.
type replayed struct {
	file vfs.File
	size int64
}

// replayFiles is how many files are open at once.
const replayFiles = 64

// NewReplayer finds the logs among the names of partitions in a directory: those
// whose partition.metadata says to which topic they belong.
func NewReplayer(fsys vfs.FS, dir string, names []model.Partition, logger *slog.Logger) (*Replayer, error) {
	r := &Replayer{fs: fsys, dirs: map[journal.Key]string{}, logger: logger, open: map[string]*replayed{}, stale: map[string]bool{}}
	for _, name := range names {
		at := path.Join(dir, name.String())
		data, err := vfs.ReadFile(fsys, path.Join(at, metadataFile), 4096)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if id, err := parseMetadata(data); err == nil {
			r.dirs[journal.Key{Topic: id, Index: name.Index}] = at
		}
	}
	return r, nil
}

// Apply does what an entry says. Entries of logs that are not there, because they
// were deleted, do nothing.
func (r *Replayer) Apply(e journal.Entry) error {
	dir, ok := r.dirs[e.Key]
	if !ok {
		return nil
	}
	name := path.Join(dir, fileName(e.Base, logSuffix))
	switch e.Kind {
	case journal.Append:
		return r.write(dir, name, e)
	case journal.Cut:
		if err := r.removeSegments(dir, func(base model.Offset) bool { return base > e.Base }); err != nil {
			return err
		}
		return r.cut(name, e.Position)
	case journal.Restart:
		if err := r.removeSegments(dir, func(base model.Offset) bool { return base != e.Base }); err != nil {
			return err
		}
		if err := r.cut(name, 0); err != nil {
			return err
		}
		_, err := r.file(dir, name, vfs.CreateOrOpen)
		return err
	}
	return nil
}

// write puts bytes into a segment. One that is not there has lost its name with the
// power, if the log has an earlier one, whose name was durable before; otherwise it
// was removed since by retention, together with all before it.
func (r *Replayer) write(dir, name string, e journal.Entry) error {
	f, err := r.file(dir, name, vfs.ReadWrite)
	if errors.Is(err, fs.ErrNotExist) {
		bases, err := r.segments(dir)
		if err != nil {
			return err
		}
		if len(bases) > 0 && bases[0] > e.Base {
			return nil
		}
		if f, err = r.file(dir, name, vfs.CreateOrOpen); err != nil {
			return err
		}
	} else if err != nil {
		return err
	}
	if e.Position > f.size {
		r.logger.Error("the journal goes on behind the end of a segment", "segment", name, "end", f.size, "position", e.Position)
	}
	if _, err := f.file.WriteAt(e.Bytes, e.Position); err != nil {
		return err
	}
	f.size = max(f.size, e.Position+int64(len(e.Bytes)))
	return nil
}

// cut shortens a segment to a size, if it is there and longer.
func (r *Replayer) cut(name string, size int64) error {
	f, err := r.file(path.Dir(name), name, vfs.ReadWrite)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil || f.size <= size {
		return err
	}
	if err := f.file.Truncate(size); err != nil {
		return err
	}
	f.size = size
	return nil
}

// file opens a segment's file and keeps it open. What memory shows of it is what
// the disk has, see vfs.DropCache.
func (r *Replayer) file(dir, name string, flag int) (*replayed, error) {
	if f, ok := r.open[name]; ok {
		return f, nil
	}
	if len(r.order) >= replayFiles {
		if err := r.close(r.order[0]); err != nil {
			return nil, err
		}
	}
	file, err := r.fs.OpenFile(name, flag, 0o644)
	if err != nil {
		return nil, err
	}
	var size int64
	if err = vfs.DropCache(file); err == nil {
		size, err = file.Size()
	}
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	if flag == vfs.CreateOrOpen {
		r.stale[dir] = true
	}
	f := &replayed{file, size}
	r.open[name] = f
	r.order = append(r.order, name)
	return f, nil
}

// close makes a file durable.
func (r *Replayer) close(name string) error {
	f, ok := r.open[name]
	if !ok {
		return nil
	}
	delete(r.open, name)
	for i, other := range r.order {
		if other == name {
			r.order = append(r.order[:i], r.order[i+1:]...)
			break
		}
	}
	return errors.Join(f.file.Sync(), f.file.Close())
}

func (r *Replayer) segments(dir string) ([]model.Offset, error) {
	entries, err := r.fs.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var bases []model.Offset
	for _, e := range entries {
		if base, ok := parseName(e.Name(), logSuffix); ok {
			bases = append(bases, base)
		}
	}
	return bases, nil
}

func (r *Replayer) removeSegments(dir string, gone func(model.Offset) bool) error {
	bases, err := r.segments(dir)
	if err != nil {
		return err
	}
	for _, base := range bases {
		if !gone(base) {
			continue
		}
		if err := r.close(path.Join(dir, fileName(base, logSuffix))); err != nil {
			return err
		}
		// With its indexes: a segment that begins there again must not find them.
		for _, suffix := range []string{logSuffix, indexSuffix, timeSuffix, txnSuffix} {
			if err := r.fs.Remove(path.Join(dir, fileName(base, suffix))); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return err
			}
		}
		r.stale[dir] = true
	}
	return nil
}

// Finish makes all that was applied durable.
func (r *Replayer) Finish() error {
	var errs []error
	for len(r.order) > 0 {
		errs = append(errs, r.close(r.order[0]))
	}
	for dir := range r.stale {
		errs = append(errs, r.fs.SyncDir(dir))
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("replay the journal: %w", err)
	}
	return nil
}
