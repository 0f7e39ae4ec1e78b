package storage

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"sort"
	"strconv"
	"strings"

	"github.com/stromkafka/strom/internal/config"
	"github.com/stromkafka/strom/internal/model"
	"github.com/stromkafka/strom/internal/vfs"
)

const metaFile = "meta.properties"

// maxSmallFile bounds the files that are read whole.
const maxSmallFile = 1 << 20

// Meta is a directory's meta.properties, version 1: whose directory it is.
type Meta struct {
	ClusterID   string
	NodeID      model.NodeID
	DirectoryID model.DirectoryID // zero: none yet
}

// ReadMeta reads a directory's meta.properties. The error is fs.ErrNotExist for
// a directory that is not formatted.
func ReadMeta(fsys vfs.FS, dir string) (Meta, error) {
	name := path.Join(dir, metaFile)
	text, err := vfs.ReadFile(fsys, name, maxSmallFile)
	if err != nil {
		return Meta{}, fmt.Errorf("read %s: %w", name, err)
	}
	m, err := parseMeta(text)
	if err != nil {
		return Meta{}, fmt.Errorf("%s: %w", name, err)
	}
	return m, nil
}

func parseMeta(text []byte) (Meta, error) {
	var m Meta
	properties, err := config.ParseProperties(text)
	if err != nil {
		return m, err
	}
	values := map[string]string{}
	for _, p := range properties {
		values[p.Name] = p.Value
	}
	switch values["version"] {
	case "1":
	case "", "0":
		return m, errors.New("the directory was formatted for ZooKeeper (version 0); only KRaft directories can be used")
	default:
		return m, fmt.Errorf("version %q is not known", values["version"])
	}
	if m.ClusterID = values["cluster.id"]; m.ClusterID == "" {
		return m, errors.New("cluster.id is missing")
	}
	id, err := strconv.ParseInt(values["node.id"], 10, 32)
	if err != nil || id < 0 {
		return m, fmt.Errorf("node.id %q is not a node id", values["node.id"])
	}
	m.NodeID = model.NodeID(id)
	if text := values["directory.id"]; text != "" {
		u, err := model.ParseUUID(text)
		if err != nil {
			return m, fmt.Errorf("directory.id: %w", err)
		}
		if u.IsReserved() {
			return m, fmt.Errorf("directory.id %s is reserved", u)
		}
		m.DirectoryID = model.DirectoryID(u)
	}
	return m, nil
}

// WriteMeta replaces a directory's meta.properties atomically.
func WriteMeta(fsys vfs.FS, dir string, m Meta) error {
	var b strings.Builder
	for _, p := range m.properties() {
		fmt.Fprintf(&b, "%s=%s\n", p[0], escape(p[1]))
	}
	return vfs.WriteFileAtomic(fsys, path.Join(dir, metaFile), []byte(b.String()))
}

// properties are the entries of the file in name order.
func (m Meta) properties() [][2]string {
	out := [][2]string{{"cluster.id", m.ClusterID}}
	if !model.UUID(m.DirectoryID).IsZero() {
		out = append(out, [2]string{"directory.id", m.DirectoryID.String()})
	}
	return append(out, [2]string{"node.id", strconv.Itoa(int(m.NodeID))}, [2]string{"version", "1"})
}

// escape makes a value safe in a properties file.
func escape(value string) string {
	value = strings.NewReplacer(`\`, `\\`, "\n", `\n`, "\r", `\r`, "\t", `\t`, "\f", `\f`, "=", `\=`, ":", `\:`, "#", `\#`, "!", `\!`).Replace(value)
	if strings.HasPrefix(value, " ") {
		value = `\` + value
	}
	return value
}

// checkMetas holds the directories against each other and against what is
// expected (empty and negative expect nothing), and returns their cluster id.
func checkMetas(metas map[string]Meta, clusterID string, node model.NodeID) (string, error) {
	ids := map[model.DirectoryID]string{}
	for _, dir := range sortedKeys(metas) {
		m := metas[dir]
		name := path.Join(dir, metaFile)
		if clusterID == "" {
			clusterID = m.ClusterID
		}
		if node < 0 {
			node = m.NodeID
		}
		if m.ClusterID != clusterID {
			return "", fmt.Errorf("invalid cluster.id in %s: expected %s, but read %s", name, clusterID, m.ClusterID)
		}
		if m.NodeID != node {
			return "", fmt.Errorf("%s belongs to node %d, but this is node %d: set node.id, or remove the directory's data if this is to be a new node", name, m.NodeID, node)
		}
		if model.UUID(m.DirectoryID).IsZero() {
			continue
		}
		if other, ok := ids[m.DirectoryID]; ok {
			return "", fmt.Errorf("%s and %s have the same directory.id %s", other, dir, m.DirectoryID)
		}
		ids[m.DirectoryID] = dir
	}
	return clusterID, nil
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	return keys
}

// notThere reports that a file or directory does not exist.
func notThere(err error) bool { return errors.Is(err, fs.ErrNotExist) }
