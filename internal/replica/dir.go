package replica

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"path"
	"sync"
	"sync/atomic"
	"syscall"

	"github.com/stromkafka/strom/internal/commitlog"
	"github.com/stromkafka/strom/internal/journal"
	"github.com/stromkafka/strom/internal/model"
	"github.com/stromkafka/strom/internal/vfs"
)

// Files of a log directory besides its partitions. All but the last are Kafka's.
const (
	recoveryPointFile = "recovery-point-offset-checkpoint"
	logStartFile      = "log-start-offset-checkpoint"
	highWatermarkFile = "replication-offset-checkpoint"
	cleanerFile       = "cleaner-offset-checkpoint"
	cleanFile         = ".kafka_cleanshutdown"
	// syncedFile is there while all that this broker has acknowledged is on disk,
	// and names the epoch under which it last registered, in the form of cleanFile.
	// It goes before a record is acknowledged that is not on disk (a partition
	// under policy os), when a sync fails elsewhere, and with a clean stop, whose
	// own mark says the same. A directory with neither may have lost records in
	// a crash: those of Apache Kafka, for one, which does not sync.
	syncedFile = "strom-synced"
)

// Dir is one log directory.
type Dir struct {
	path     string
	id       model.DirectoryID
	fs       vfs.FS
	flushers *flushers
	journal  *journal.Journal
	onFail   func(*Dir, error)
	logger   *slog.Logger
	moved    atomic.Bool // high watermarks, since they were last written down
	waiters  sync.Pool   // of *waiter, to be used again
	noting   sync.Mutex  // held while syncedFile is written or removed
	cleaning sync.Mutex  // held while cleanerFile is written

	mu       sync.Mutex
	err      error                                       // why it is offline
	unsynced bool                                        // records may be acknowledged that are not on disk
	previous model.BrokerEpoch                           // of the last life, if it lost nothing it acknowledged; else -1
	clean    bool                                        // it was stopped cleanly before this start
	count    int                                         // partitions in it
	cordoned bool                                        // it gets no new replicas
	saved    map[string]map[model.Partition]model.Offset // what the checkpoint files say
}

// Path is where the directory is.
func (d *Dir) Path() string { return d.path }

// ID is directory.id in its meta.properties.
func (d *Dir) ID() model.DirectoryID { return d.id }

// Err is why the directory is offline, nil while it is not.
func (d *Dir) Err() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.err
}

// Cordoned reports whether the directory gets no new replicas (KIP-1066).
func (d *Dir) Cordoned() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.cordoned
}

func (d *Dir) cordon(yes bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.cordoned = yes
}

// fail takes the directory offline. Only the first failure counts.
func (d *Dir) fail(err error) {
	d.mu.Lock()
	first := d.err == nil
	if first {
		d.err = err
	}
	d.mu.Unlock()
	if first {
		d.onFail(d, err)
	}
}

// isDisk tells an error of the disk, which is the directory's trouble, from a
// contradiction in what a file says, which is one partition's.
func isDisk(err error) bool {
	var errno syscall.Errno
	return errors.As(err, &errno)
}

// distrust takes the mark of a synced directory away durably: from now on its
// records may be acknowledged without being on disk. In an offline directory that
// cannot be done, nor need it: the others are told too.
func (d *Dir) distrust() error {
	d.noting.Lock() // partitions of one new topic come here at once
	defer d.noting.Unlock()
	d.mu.Lock()
	known := d.unsynced || d.err != nil
	d.mu.Unlock()
	if known {
		return nil
	}
	if err := d.removeFile(syncedFile); err != nil {
		return fmt.Errorf("note that %s holds unsynced records: %w", d.path, err)
	}
	d.mu.Lock()
	d.unsynced = true
	d.mu.Unlock()
	return nil
}

// vouch marks the directory as synced in the life of the broker that epoch names.
// Without the mark, as on a full disk, a crash counts as unclean.
func (d *Dir) vouch(epoch model.BrokerEpoch) error {
	d.noting.Lock()
	defer d.noting.Unlock()
	d.mu.Lock()
	not := d.unsynced || d.err != nil
	d.mu.Unlock()
	if not {
		return nil
	}
	return d.writeEpoch(syncedFile, epoch)
}

// writeEpoch and readEpoch are for the files that name a broker epoch. readEpoch
// is -1 for a file that does not: older Kafka leaves cleanFile empty.
func (d *Dir) writeEpoch(file string, epoch model.BrokerEpoch) error {
	return vfs.WriteFileAtomic(d.fs, d.file(file), fmt.Appendf(nil, `{"version":0,"brokerEpoch":%d}`, epoch))
}

func (d *Dir) readEpoch(file string) (epoch model.BrokerEpoch, there bool, err error) {
	text, err := vfs.ReadFile(d.fs, d.file(file), maxEpochFile)
	if errors.Is(err, fs.ErrNotExist) {
		return -1, false, nil
	}
	if err != nil {
		return -1, false, err
	}
	var content struct {
		BrokerEpoch *model.BrokerEpoch `json:"brokerEpoch"`
	}
	if json.Unmarshal(text, &content) != nil || content.BrokerEpoch == nil {
		return -1, true, nil
	}
	return *content.BrokerEpoch, true, nil
}

// maxEpochFile bounds a file that names an epoch.
const maxEpochFile = 4096

// make creates the directory if it is not there.
func (d *Dir) make() error {
	if there, err := d.exists(""); err != nil || there {
		return err
	}
	if err := d.fs.MkdirAll(d.path, 0o755); err != nil {
		return err
	}
	return d.fs.SyncDir(path.Dir(d.path))
}

func (d *Dir) file(name string) string { return path.Join(d.path, name) }

func (d *Dir) exists(name string) (bool, error) {
	_, err := d.fs.Stat(d.file(name))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

// removeFile removes a file durably, if it is there.
func (d *Dir) removeFile(name string) error {
	if there, err := d.exists(name); err != nil || !there {
		return err
	}
	if err := d.fs.Remove(d.file(name)); err != nil {
		return err
	}
	return d.fs.SyncDir(d.path)
}

func (d *Dir) counted(by int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.count += by
}

func (d *Dir) partitions() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.count
}

// save writes a checkpoint if it differs from the one last written.
func (d *Dir) save(file string, offsets map[model.Partition]model.Offset) error {
	d.mu.Lock()
	same := maps.Equal(d.saved[file], offsets)
	d.mu.Unlock()
	if same {
		return nil
	}
	if err := commitlog.WriteOffsets(d.fs, d.file(file), offsets); err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.saved[file] = offsets
	return nil
}

// failUnlessFull takes the directory offline for an error, unless it is that the
// disk is full: then what failed is done another time.
func (d *Dir) failUnlessFull(err error) {
	if vfs.IsNoSpace(err) {
		d.logger.Error("log directory is full; it is tried again", "dir", d.path, "err", err)
		return
	}
	d.fail(err)
}

// forget takes partitions out of the checkpoint files. They are about to be
// created, and what the files say of them is about deleted ones of the same
// name: recovery would trust records that were never checked.
func (d *Dir) forget(names []model.Partition) error {
	for _, file := range []string{recoveryPointFile, logStartFile, highWatermarkFile} {
		d.mu.Lock()
		left := maps.Clone(d.saved[file])
		d.mu.Unlock()
		for _, name := range names {
			delete(left, name)
		}
		if err := d.save(file, left); err != nil {
			return err
		}
	}
	return d.changeCleaned(func(all map[model.Partition]model.Offset) {
		for _, name := range names {
			delete(all, name)
		}
	})
}
