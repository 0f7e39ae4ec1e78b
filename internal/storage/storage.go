// Package storage is about a node's directories before anything runs in them:
// formatting them, telling which cluster and node they belong to
// (meta.properties), and holding them against a second process (.lock). Files and
// the texts of the commands are those of Apache Kafka 4.3, see
// docs/formats/directories.md.
package storage

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/stromkafka/strom/internal/config"
	"github.com/stromkafka/strom/internal/model"
	"github.com/stromkafka/strom/internal/vfs"
)

// metadataTopicDir is the partition directory of the metadata log.
const metadataTopicDir = model.MetadataTopic + "-0"

// LogDir is one formatted log directory that this process holds.
type LogDir struct {
	Path string
	ID   model.DirectoryID
}

// Directories are a node's directories, locked until Close.
type Directories struct {
	ClusterID string
	Metadata  LogDir   // where the metadata log is
	Logs      []LogDir // where partitions are, in the order of log.dirs
	// Offline are log directories that could not be read at the start.
	Offline []string
	locks   []io.Closer
}

// Close gives the directories free.
func (d *Directories) Close() error {
	var all []error
	for _, l := range d.locks {
		all = append(all, l.Close())
	}
	d.locks = nil
	return errors.Join(all...)
}

// OpenOptions are what Open needs.
type OpenOptions struct {
	FS     vfs.FS
	Values *config.Values
	Now    time.Time
	Random io.Reader // of new ids
	Log    *slog.Logger
}

// Open locks the node's directories, formats them if the node may do so by
// itself (see mayFormat), checks that they belong to this node and to one
// cluster, and gives an id to those that have none.
//
// A log directory that cannot be read is set aside, unless it is the metadata
// directory or none is left.
func Open(o OpenOptions) (*Directories, error) {
	n := o.Values.Node()
	d := &Directories{}
	if err := d.open(o, n); err != nil {
		return nil, errors.Join(err, d.Close())
	}
	return d, nil
}

func (d *Directories) open(o OpenOptions, n *config.Node) error {
	dirs, err := d.lock(o, n)
	if err != nil {
		return err
	}
	metas, err := loadMetas(o.FS, dirs)
	if err != nil {
		return err
	}
	if len(metas) < len(dirs) {
		if metas, err = formatAtStart(o, dirs, metas); err != nil {
			return err
		}
	}
	if d.ClusterID, err = checkMetas(metas, n.ClusterID, n.ID); err != nil {
		return err
	}
	if err := fillIDs(o, metas); err != nil {
		return err
	}
	return d.fill(o.FS, n, dirs, metas)
}

// lock takes .lock in every directory, making the directories that are not
// there, and returns those that can be used.
func (d *Directories) lock(o OpenOptions, n *config.Node) ([]string, error) {
	var dirs []string
	for _, dir := range n.Dirs() {
		err := o.FS.MkdirAll(dir, 0o755)
		var lock io.Closer
		if err == nil {
			lock, err = o.FS.Lock(path.Join(dir, ".lock"))
		}
		switch {
		case err == nil:
			d.locks = append(d.locks, lock)
			dirs = append(dirs, dir)
		case errors.Is(err, vfs.ErrLocked):
			return nil, fmt.Errorf("log directory %s is in use by another process: %w", dir, err)
		case dir == n.MetadataDir:
			return nil, fmt.Errorf("metadata directory %s: %w", dir, err)
		default:
			o.Log.Error("log directory is offline", "dir", dir, "error", err)
			d.Offline = append(d.Offline, dir)
		}
	}
	return dirs, nil
}

func loadMetas(fsys vfs.FS, dirs []string) (map[string]Meta, error) {
	metas := map[string]Meta{}
	for _, dir := range dirs {
		m, err := ReadMeta(fsys, dir)
		if err == nil {
			metas[dir] = m
		} else if !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
	}
	return metas, nil
}

// fillIDs writes a directory.id where there is none, as Kafka before 3.7 left it.
func fillIDs(o OpenOptions, metas map[string]Meta) error {
	for _, dir := range sortedKeys(metas) {
		m := metas[dir]
		if !model.UUID(m.DirectoryID).IsZero() {
			continue
		}
		id, err := newUUID(o.Random)
		if err != nil {
			return err
		}
		m.DirectoryID = model.DirectoryID(id)
		if err := WriteMeta(o.FS, dir, m); err != nil {
			return err
		}
		metas[dir] = m
	}
	return nil
}

func (d *Directories) fill(fsys vfs.FS, n *config.Node, dirs []string, metas map[string]Meta) error {
	for _, dir := range dirs {
		if dir == n.MetadataDir {
			d.Metadata = LogDir{dir, metas[dir].DirectoryID}
		} else if _, err := fsys.Stat(path.Join(dir, metadataTopicDir)); err == nil {
			return fmt.Errorf("the metadata log is in %s, but this node is configured to have it in %s: set metadata.log.dir", dir, n.MetadataDir)
		}
		if slices.Contains(n.LogDirs, dir) {
			d.Logs = append(d.Logs, LogDir{dir, metas[dir].DirectoryID})
		}
	}
	return nil
}

// formatAtStart formats a node's directories when nothing of it was formatted
// before and the node may do so by itself.
func formatAtStart(o OpenOptions, dirs []string, metas map[string]Meta) (map[string]Meta, error) {
	n := o.Values.Node()
	missing := slices.DeleteFunc(slices.Clone(dirs), func(dir string) bool { _, ok := metas[dir]; return ok })
	if len(metas) > 0 || !mayFormat(o.Values) {
		return nil, notFormatted(missing)
	}
	for _, dir := range missing {
		if err := checkEmpty(o.FS, dir); err != nil {
			return nil, err
		}
	}
	clusterID := n.ClusterID
	if clusterID == "" {
		id, err := newUUID(o.Random)
		if err != nil {
			return nil, err
		}
		clusterID = id.String()
	}
	f := FormatOptions{Values: o.Values, ClusterID: clusterID, Standalone: n.Controller && len(n.Voters) == 0, Now: o.Now, Random: o.Random, dirs: dirs}
	if err := Format(o.FS, f, io.Discard); err != nil {
		return nil, err
	}
	o.Log.Info("formatted", "dirs", missing, "cluster", clusterID)
	return loadMetas(o.FS, dirs)
}

func notFormatted(dirs []string) error {
	return fmt.Errorf("not formatted: %s; run: strom storage format --cluster-id ID --config FILE", strings.Join(dirs, ", "))
}

// mayFormat reports whether an empty node of this kind can be nothing but new:
// a node without a file, one that is its own only voter, or a broker without
// controller role whose file names the cluster. An empty voter of a larger
// quorum may be one that lost its disk, and must not vote as if it had not.
func mayFormat(v *config.Values) bool {
	n := v.Node()
	switch {
	case v.Alone() || n.SoleVoter():
		return true
	case !n.Controller:
		return n.ClusterID != ""
	case len(n.Voters) == 0 && len(n.Bootstrap) == 1 && len(n.AdvertisedController) > 0:
		// It knows of no controller but itself, so there is none it could join.
		own := n.AdvertisedController[0]
		return n.Bootstrap[0] == config.HostPort{Host: own.Host, Port: own.Port}
	}
	return false
}

// checkEmpty refuses to format over data whose meta.properties is gone. What a
// format leaves that was cut short is no data.
func checkEmpty(fsys vfs.FS, dir string) error {
	leftovers := []string{".lock", "lost+found", bootstrapFile, bootstrapFile + ".tmp", metaFile + ".tmp", metadataTopicDir}
	stray, err := firstBut(fsys, dir, leftovers)
	if err == nil && stray == "" {
		log := path.Join(dir, metadataTopicDir)
		if stray, err = firstBut(fsys, log, []string{firstSnapshot, firstSnapshot + ".tmp"}); notThere(err) {
			err = nil
		}
	}
	if err != nil {
		return fmt.Errorf("log directory %s: %w", dir, err)
	}
	if stray != "" {
		return fmt.Errorf("log directory %s has no meta.properties but is not empty (%s): it will not be formatted by itself", dir, stray)
	}
	return nil
}

// firstBut is the first entry of a directory with another name than these;
// empty if there is none.
func firstBut(fsys vfs.FS, dir string, names []string) (string, error) {
	entries, err := fsys.ReadDir(dir)
	if err != nil {
		return "", err
	}
	for _, e := range entries {
		if !slices.Contains(names, e.Name()) {
			return e.Name(), nil
		}
	}
	return "", nil
}

// newUUID is a random version 4 UUID as Kafka makes them: not reserved, and not
// beginning with a dash, which command lines would misread.
func newUUID(random io.Reader) (model.UUID, error) {
	for {
		var u model.UUID
		if _, err := io.ReadFull(random, u[:]); err != nil {
			return u, fmt.Errorf("random bytes for an id: %w", err)
		}
		u[6] = u[6]&0x0f | 0x40
		u[8] = u[8]&0x3f | 0x80
		if !u.IsReserved() && u.String()[0] != '-' {
			return u, nil
		}
	}
}
