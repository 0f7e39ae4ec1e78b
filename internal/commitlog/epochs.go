package commitlog

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/stromkafka/strom/internal/model"
)

// EpochStart says that the leader of Epoch appended from Start on.
type EpochStart struct {
	Epoch model.Epoch
	Start model.Offset
}

// epochs are the leader epochs of a log (KIP-101): both epochs and starts
// ascend strictly. The slice is never changed in place, so a copy is a snapshot.
type epochs []EpochStart

// assign notes that epoch began at start, and drops what contradicts it. It
// reports whether anything changed.
func (e epochs) assign(epoch model.Epoch, start model.Offset) (epochs, bool) {
	if n := len(e); n > 0 && e[n-1].Epoch == epoch && e[n-1].Start <= start {
		return e, false
	}
	n := len(e)
	for n > 0 && (e[n-1].Epoch >= epoch || e[n-1].Start >= start) {
		n--
	}
	return append(slices.Clone(e[:n]), EpochStart{epoch, start}), true
}

// cutEnd drops epochs that begin at or after end.
func (e epochs) cutEnd(end model.Offset) (epochs, bool) {
	kept := e.below(end)
	return slices.Clone(kept), len(kept) < len(e)
}

// below are the epochs that begin before end.
func (e epochs) below(end model.Offset) epochs {
	n := len(e)
	for n > 0 && e[n-1].Start >= end {
		n--
	}
	return e[:n]
}

// cutStart drops epochs that ended by start; the one that holds start begins there.
func (e epochs) cutStart(start model.Offset) (epochs, bool) {
	n := 0
	for n < len(e) && e[n].Start <= start {
		n++
	}
	if n == 0 || n == 1 && e[0].Start == start {
		return e, false
	}
	out := slices.Clone(e[n-1:])
	out[0].Start = start
	return out, true
}

func (e epochs) latest() model.Epoch {
	if len(e) == 0 {
		return model.NoEpoch
	}
	return e[len(e)-1].Epoch
}

// endOf is the largest epoch at or below the asked one and where it ended;
// NoEpoch and -1 if that is not known (KIP-101, KIP-279).
func (e epochs) endOf(epoch model.Epoch, end model.Offset) (model.Epoch, model.Offset) {
	if epoch == model.NoEpoch || len(e) == 0 {
		return model.NoEpoch, -1
	}
	if epoch == e.latest() {
		return epoch, end
	}
	i := slices.IndexFunc(e, func(s EpochStart) bool { return s.Epoch > epoch })
	switch {
	case i < 0:
		return model.NoEpoch, -1
	case i == 0:
		return epoch, e[0].Start
	}
	return e[i-1].Epoch, e[i].Start
}

// at is the epoch of the record at offset; NoEpoch if it is not known.
func (e epochs) at(offset model.Offset) model.Epoch {
	found := model.NoEpoch
	for _, s := range e {
		if s.Start > offset {
			break
		}
		found = s.Epoch
	}
	return found
}

func (e epochs) format() []byte {
	var out bytes.Buffer
	fmt.Fprintf(&out, "%s\n%d\n", checkpointVersion, len(e))
	for _, s := range e {
		fmt.Fprintf(&out, "%d %d\n", s.Epoch, s.Start)
	}
	return out.Bytes()
}

func parseEpochs(data []byte) (epochs, error) {
	lines, err := checkpointLines(data)
	if err != nil {
		return nil, err
	}
	out := make(epochs, 0, len(lines))
	for _, line := range lines {
		a, b, ok := strings.Cut(strings.TrimSpace(line), " ")
		epoch, err1 := strconv.ParseInt(a, 10, 32)
		start, err2 := strconv.ParseInt(strings.TrimSpace(b), 10, 64)
		if !ok || err1 != nil || err2 != nil || epoch < 0 || start < 0 {
			return nil, corruptf("leader epoch line %q", line)
		}
		s := EpochStart{model.Epoch(epoch), model.Offset(start)}
		if n := len(out); n > 0 && (out[n-1].Epoch >= s.Epoch || out[n-1].Start >= s.Start) {
			return nil, corruptf("leader epoch line %q does not ascend", line)
		}
		out = append(out, s)
	}
	return out, nil
}
