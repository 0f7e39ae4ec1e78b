package commitlog

import (
	"fmt"
	"path"
	"strconv"
	"strings"

	"github.com/stromkafka/strom/internal/model"
)

// The files of a partition's directory: 20 digits of an offset and one of these.
const (
	logSuffix      = ".log"
	indexSuffix    = ".index"
	timeSuffix     = ".timeindex"
	txnSuffix      = ".txnindex"
	snapshotSuffix = ".snapshot"

	deletedSuffix = ".deleted" // marked for removal
	cleanedSuffix = ".cleaned" // compaction was writing it
	swapSuffix    = ".swap"    // compaction was putting it in place

	epochFile    = "leader-epoch-checkpoint"
	metadataFile = "partition.metadata"
	// A snapshot of the metadata log being removed is the quorum's, not ours.
	checkpointDeleted = ".checkpoint.deleted"
)

func fileName(base model.Offset, suffix string) string {
	return fmt.Sprintf("%020d%s", int64(base), suffix)
}

func (l *Log) path(name string) string { return path.Join(l.dir, name) }

// parseName is the offset of a file with this suffix; ok is false for other files.
func parseName(name, suffix string) (base model.Offset, ok bool) {
	digits, found := strings.CutSuffix(name, suffix)
	if !found || len(digits) != 20 {
		return 0, false
	}
	n, err := strconv.ParseUint(digits, 10, 63)
	if err != nil {
		return 0, false
	}
	return model.Offset(n), true
}
