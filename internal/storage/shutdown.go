package storage

import (
	"encoding/json"
	"fmt"
	"path"

	"github.com/stromkafka/strom/internal/model"
	"github.com/stromkafka/strom/internal/vfs"
)

const cleanShutdownFile = ".kafka_cleanshutdown"

// noBrokerEpoch is the previous broker epoch of a broker that did not stop
// cleanly.
const noBrokerEpoch model.BrokerEpoch = -1

// WriteCleanShutdown records in a log directory that its logs were closed in
// order by the broker of this epoch.
func WriteCleanShutdown(fsys vfs.FS, dir string, epoch model.BrokerEpoch) error {
	text := fmt.Sprintf(`{"version":0,"brokerEpoch":%d}`, epoch)
	return vfs.WriteFileAtomic(fsys, path.Join(dir, cleanShutdownFile), []byte(text))
}

// CleanShutdown reports whether a log directory was closed in order, and by the
// broker of which epoch (-1 if the file does not tell).
func CleanShutdown(fsys vfs.FS, dir string) (model.BrokerEpoch, bool, error) {
	text, err := vfs.ReadFile(fsys, path.Join(dir, cleanShutdownFile), maxSmallFile)
	if notThere(err) {
		return noBrokerEpoch, false, nil
	}
	if err != nil {
		return noBrokerEpoch, false, fmt.Errorf("read %s: %w", path.Join(dir, cleanShutdownFile), err)
	}
	var content struct {
		BrokerEpoch *int64 `json:"brokerEpoch"`
	}
	if err := json.Unmarshal(text, &content); err != nil || content.BrokerEpoch == nil {
		return noBrokerEpoch, true, nil // older Kafka leaves the file empty
	}
	return model.BrokerEpoch(*content.BrokerEpoch), true, nil
}

// RemoveCleanShutdown takes the record away before the logs are written to.
func RemoveCleanShutdown(fsys vfs.FS, dir string) error {
	name := path.Join(dir, cleanShutdownFile)
	if err := fsys.Remove(name); err != nil && !notThere(err) {
		return fmt.Errorf("remove %s: %w", name, err)
	}
	return fsys.SyncDir(dir)
}

// PreviousBrokerEpoch is what a broker registers with: the epoch under which it
// stopped cleanly, if all its log directories agree, else -1.
func PreviousBrokerEpoch(fsys vfs.FS, dirs []LogDir) (model.BrokerEpoch, error) {
	previous := noBrokerEpoch
	for i, dir := range dirs {
		epoch, _, err := CleanShutdown(fsys, dir.Path)
		if err != nil {
			return noBrokerEpoch, err
		}
		if i > 0 && epoch != previous {
			return noBrokerEpoch, nil
		}
		previous = epoch
	}
	return previous, nil
}
