package commitlog

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strconv"
	"strings"

	"github.com/stromkafka/strom/internal/model"
	"github.com/stromkafka/strom/internal/vfs"
)

// The offset checkpoints of a log directory, one line a partition: up to where
// logs need no recovery, the high watermarks, the log start offsets, and how far
// cleanings have come.
const (
	RecoveryPointFile = "recovery-point-offset-checkpoint"
	HighWatermarkFile = "replication-offset-checkpoint"
	LogStartFile      = "log-start-offset-checkpoint"
	CleanerFile       = "cleaner-offset-checkpoint"
)

// maxTextFile bounds what is read of a checkpoint: a million partitions.
const maxTextFile = 64 << 20

// Checkpoint files are text: a version, a count, and that many lines.
const checkpointVersion = "0"

// FormatOffsets is an offset checkpoint file, in the order of the partitions' names.
func FormatOffsets(offsets map[model.Partition]model.Offset) []byte {
	keys := make([]model.Partition, 0, len(offsets))
	for p := range offsets {
		keys = append(keys, p)
	}
	slices.SortFunc(keys, func(a, b model.Partition) int {
		if c := strings.Compare(a.Topic, b.Topic); c != 0 {
			return c
		}
		return int(a.Index) - int(b.Index)
	})
	var out bytes.Buffer
	fmt.Fprintf(&out, "%s\n%d\n", checkpointVersion, len(keys))
	for _, p := range keys {
		fmt.Fprintf(&out, "%s %d %d\n", p.Topic, p.Index, offsets[p])
	}
	return out.Bytes()
}

// ParseOffsets reads an offset checkpoint file.
func ParseOffsets(data []byte) (map[model.Partition]model.Offset, error) {
	lines, err := checkpointLines(data)
	if err != nil {
		return nil, err
	}
	out := make(map[model.Partition]model.Offset, len(lines))
	for _, line := range lines {
		f := strings.Fields(line)
		if len(f) != 3 {
			return nil, corruptf("checkpoint line %q", line)
		}
		index, err1 := strconv.ParseUint(f[1], 10, 31)
		offset, err2 := strconv.ParseInt(f[2], 10, 64)
		if err1 != nil || err2 != nil {
			return nil, corruptf("checkpoint line %q", line)
		}
		out[model.Partition{Topic: f[0], Index: int32(index)}] = model.Offset(offset)
	}
	return out, nil
}

// WriteOffsets replaces an offset checkpoint file; ReadOffsets reads one, and
// one that is not there is empty.
func WriteOffsets(fsys vfs.FS, name string, offsets map[model.Partition]model.Offset) error {
	return vfs.WriteFileAtomic(fsys, name, FormatOffsets(offsets))
}

// ReadOffsets reads the file that WriteOffsets wrote.
func ReadOffsets(fsys vfs.FS, name string) (map[model.Partition]model.Offset, error) {
	data, err := readFile(fsys, name)
	if errors.Is(err, fs.ErrNotExist) {
		return map[model.Partition]model.Offset{}, nil
	}
	if err != nil {
		return nil, err
	}
	out, err := ParseOffsets(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return out, nil
}

func checkpointLines(data []byte) ([]string, error) {
	lines := strings.Split(strings.TrimRight(string(data), "\n"), "\n")
	if len(lines) < 2 || strings.TrimSpace(lines[0]) != checkpointVersion {
		return nil, corruptf("checkpoint without version %s", checkpointVersion)
	}
	n, err := strconv.Atoi(strings.TrimSpace(lines[1]))
	if err != nil || n != len(lines)-2 {
		return nil, corruptf("checkpoint of %d lines says %q", len(lines)-2, lines[1])
	}
	return lines[2:], nil
}

// readFile is a whole small file.
func readFile(fsys vfs.FS, name string) ([]byte, error) {
	f, err := fsys.OpenFile(name, vfs.ReadOnly, 0)
	if err != nil {
		return nil, err
	}
	data, err := readOpen(f)
	return data, errors.Join(err, f.Close())
}

func readOpen(f vfs.File) ([]byte, error) {
	size, err := f.Size()
	if err != nil {
		return nil, err
	}
	if size > maxTextFile {
		return nil, corruptf("%s has %d bytes", f.Name(), size)
	}
	data := make([]byte, size)
	n, err := f.ReadAt(data, 0)
	if err != nil && err != io.EOF {
		return nil, err
	}
	return data[:n], nil
}

// formatMetadata is partition.metadata, which ties the directory to its topic.
func formatMetadata(id model.TopicID) []byte {
	return fmt.Appendf(nil, "version: 0\ntopic_id: %v", id)
}

func parseMetadata(data []byte) (model.TopicID, error) {
	lines := strings.Split(strings.TrimSpace(string(data)), "\n")
	if len(lines) != 2 || strings.TrimSpace(lines[0]) != "version: 0" {
		return model.TopicID{}, corruptf("partition.metadata %q", data)
	}
	text, ok := strings.CutPrefix(strings.TrimSpace(lines[1]), "topic_id: ")
	if !ok {
		return model.TopicID{}, corruptf("partition.metadata %q", data)
	}
	id, err := model.ParseUUID(text)
	if err != nil {
		return model.TopicID{}, corruptf("partition.metadata: %v", err)
	}
	return model.TopicID(id), nil
}
