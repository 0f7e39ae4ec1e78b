package commitlog

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"github.com/stromkafka/strom/internal/model"
	"github.com/stromkafka/strom/internal/vfs"
)

// swap puts a cleaned segment, which is synced, in the place of old ones:
//
//	.cleaned                          directory synced
//	.cleaned ──rename──▶ .swap        directory synced: from here on the new segment holds
//	old files ─rename──▶ .deleted     directory synced: the old ones will not come back
//	.log.swap ─rename──▶ .log         directory synced: the log file is in place
//	others .swap ──────▶ their names
//
// A crash before the first sync leaves a .cleaned file, and with it all .swap
// files of that offset count for nothing; after it, finishSwaps does the rest. The
// log file gets its name before the indexes do: were it the other way round, they
// would be taken for the old segment's and removed. Truncation, retention and
// checkpoints wait meanwhile; appends and reads do not.
func (l *Log) swap(ctx context.Context, fresh *segment, old []view) error {
	l.checkpointing.Lock()
	defer l.checkpointing.Unlock()
	if err := l.mayReplace(ctx, old); err != nil {
		return errors.Join(err, fresh.discard())
	}
	// With their names on disk, a power loss cannot leave one without the others.
	if err := l.fs.SyncDir(l.dir); err != nil {
		return errors.Join(err, fresh.discard())
	}
	if err := fresh.rename(cleanedSuffix, swapSuffix); err != nil {
		return errors.Join(err, fresh.discard())
	}
	if err := l.fs.SyncDir(l.dir); err != nil {
		return l.fail(err)
	}
	if err := l.replace(fresh, old); err != nil {
		return l.fail(err)
	}
	if err := l.fs.SyncDir(l.dir); err != nil {
		return l.fail(err)
	}
	if err := fresh.log.renameExisting(strings.TrimSuffix(fresh.log.name, swapSuffix)); err != nil {
		return l.fail(err)
	}
	if err := l.fs.SyncDir(l.dir); err != nil {
		return l.fail(err)
	}
	if err := fresh.rename(swapSuffix, ""); err != nil {
		return l.fail(err)
	}
	l.mu.Lock()
	l.dirChanges++
	l.mu.Unlock()
	return nil
}

// mayReplace reports whether the old segments are still there as they were.
// checkpointing is held, so that none of them changes from here on.
func (l *Log) mayReplace(ctx context.Context, old []view) error {
	if err := context.Cause(ctx); err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.failure != nil {
		return l.failure
	}
	at := slices.Index(l.segments, old[0].segment)
	if at < 0 || at+len(old) >= len(l.segments) {
		return ErrCompactionStopped
	}
	for i := range old {
		if l.segments[at+i] != old[i].segment || old[i].cuts.Load() != old[i].cut {
			return ErrCompactionStopped
		}
	}
	return nil
}

// replace lets readers find the new segment, and renames the old ones' files for
// their removal.
func (l *Log) replace(fresh *segment, old []view) error {
	gone := make([]*segment, len(old))
	for i := range old {
		gone[i] = old[i].segment
	}
	l.append.Lock()
	defer l.append.Unlock()
	l.mu.Lock()
	at := slices.Index(l.segments, gone[0])
	l.segments = slices.Concat(l.segments[:at], []*segment{fresh}, l.segments[at+len(gone):])
	l.mu.Unlock()
	return errors.Join(l.discard(gone, l.now()), l.dropOldSnapshots())
}

// rename gives the segment's files another suffix, those that have the old one.
func (s *segment) rename(from, to string) error {
	for _, h := range s.handles() {
		name, ok := strings.CutSuffix(h.name, from)
		if !ok {
			continue
		}
		rename := h.renameExisting
		if h == s.txns.file {
			rename = h.rename
		}
		if err := rename(name + to); err != nil {
			return fmt.Errorf("rename %s: %w", h.name, err)
		}
	}
	return nil
}

// finishSwaps removes what was to be removed, and finishes or takes back what
// compaction was doing: a .swap file replaces the segments whose offsets it
// covers, unless a .cleaned file says that its companions were not complete.
func (l *Log) finishSwaps(names []string) (left []string, err error) {
	if !slices.ContainsFunc(names, isSwap) {
		return names, nil
	}
	var swaps []string
	firstCleaned, anyCleaned := model.Offset(0), false
	for _, name := range names {
		switch {
		case strings.HasSuffix(name, deletedSuffix) && !strings.HasSuffix(name, checkpointDeleted):
			err = l.fs.Remove(l.path(name))
		case strings.HasSuffix(name, cleanedSuffix):
			if base, ok := segmentBase(strings.TrimSuffix(name, cleanedSuffix)); ok && (!anyCleaned || base < firstCleaned) {
				firstCleaned, anyCleaned = base, true
			}
		case strings.HasSuffix(name, swapSuffix):
			swaps = append(swaps, name)
		}
		if err != nil {
			return nil, err
		}
	}
	if anyCleaned {
		swaps, err = l.takeBack(names, swaps, firstCleaned)
	}
	if err == nil && len(swaps) > 0 {
		err = l.swapIn(swaps)
	}
	if err != nil {
		return nil, err
	}
	return l.list()
}

// isSwap reports whether a file is one that finishSwaps deals with.
func isSwap(name string) bool {
	return strings.HasSuffix(name, deletedSuffix) && !strings.HasSuffix(name, checkpointDeleted) ||
		strings.HasSuffix(name, cleanedSuffix) || strings.HasSuffix(name, swapSuffix)
}

// takeBack removes the .cleaned files and, first, the .swap files that belong to
// them: a crash in between must not leave those alone.
func (l *Log) takeBack(names, swaps []string, first model.Offset) (kept []string, err error) {
	for _, name := range swaps {
		if base, ok := segmentBase(strings.TrimSuffix(name, swapSuffix)); ok && base < first {
			kept = append(kept, name)
			continue
		}
		if err := l.fs.Remove(l.path(name)); err != nil {
			return nil, err
		}
	}
	if len(kept) < len(swaps) {
		if err := l.fs.SyncDir(l.dir); err != nil {
			return nil, err
		}
	}
	for _, name := range names {
		if strings.HasSuffix(name, cleanedSuffix) {
			if err := l.fs.Remove(l.path(name)); err != nil {
				return nil, err
			}
		}
	}
	return kept, nil
}

// swapIn does what is left of a swap, in its order.
func (l *Log) swapIn(swaps []string) error {
	covered, err := l.swapRanges(swaps)
	if err != nil {
		return err
	}
	names, err := l.list()
	if err != nil {
		return err
	}
	for _, name := range names {
		base, ok := segmentBase(name)
		if ok && slices.ContainsFunc(covered, func(r [2]model.Offset) bool { return base >= r[0] && base < r[1] }) {
			if err := l.fs.Remove(l.path(name)); err != nil {
				return err
			}
		}
	}
	if err := l.fs.SyncDir(l.dir); err != nil {
		return err
	}
	for _, logs := range []bool{true, false} {
		for _, name := range swaps {
			final := strings.TrimSuffix(name, swapSuffix)
			if strings.HasSuffix(final, logSuffix) != logs {
				continue
			}
			if err := l.fs.Rename(l.path(name), l.path(final)); err != nil {
				return err
			}
		}
		if err := l.fs.SyncDir(l.dir); err != nil {
			return err
		}
	}
	return nil
}

// swapRanges are the offsets that swapped segments cover, at least their own
// beginning.
func (l *Log) swapRanges(swaps []string) ([][2]model.Offset, error) {
	var out [][2]model.Offset
	for _, name := range swaps {
		base, ok := parseName(strings.TrimSuffix(name, swapSuffix), logSuffix)
		if !ok {
			continue
		}
		s := newSegment(base, l.files.handle(l.path(name), vfs.ReadOnly), nil, nil, nil, l.now())
		var err error
		if s.size, err = s.log.size(); err == nil {
			err = s.load()
		}
		if err = errors.Join(err, s.log.close()); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		out = append(out, [2]model.Offset{base, max(s.next, base+1)})
	}
	return out, nil
}

// renameExisting is rename for a file that must be there.
func (h *handle) renameExisting(name string) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if _, err := h.cache.fs.Stat(h.name); errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := h.cache.fs.Rename(h.name, name); err != nil {
		return err
	}
	h.name = name
	return nil
}
