package cli

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kadm"
)

// A position is where reading begins, in every partition.
type position struct {
	kind   positionKind
	offset int64     // atOffset
	last   int64     // lastN
	time   time.Time // atTime
}

type positionKind int

const (
	atBeginning positionKind = iota
	atEnd
	atOffset
	lastN
	atTime
)

const (
	positionForms = "beginning, end, an offset, -N or @TIME"
	timeForms     = "-15m or -2d (ago), 2026-11-24, 2026-11-24T10:30 (local time),\n2026-11-24T10:30:00Z, or milliseconds since 1970"
	positionHelp  = "Reading begins at --from: " + positionForms + ". -N are the last N\nrecords of each partition. A TIME is " + timeForms + "."
)

func parsePosition(cmd *cobra.Command, flag, s string, now time.Time) (position, error) {
	wrong := usage(cmd, "%s is %s, not %q", flag, positionForms, s)
	wrong.fix = "-N are the last N records of each partition; a TIME is " + timeForms + "."
	switch {
	case s == "beginning" || s == "start" || s == "earliest":
		return position{kind: atBeginning}, nil
	case s == "end" || s == "latest":
		return position{kind: atEnd}, nil
	case strings.HasPrefix(s, "@"):
		t, err := parseTime(s[1:], now)
		if err != nil {
			return position{}, wrong
		}
		return position{kind: atTime, time: t}, nil
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		return position{}, wrong
	}
	if strings.HasPrefix(s, "-") {
		return position{kind: lastN, last: -n}, nil
	}
	return position{kind: atOffset, offset: n}, nil
}

// parseTime reads milliseconds since 1970, a time ago (-15m), or a date with or
// without a time of day. What names no zone is local time.
func parseTime(s string, now time.Time) (time.Time, error) {
	if strings.HasPrefix(s, "-") {
		d, err := parseAgo(s[1:])
		return now.Add(-d), err
	}
	if ms, err := strconv.ParseInt(s, 10, 64); err == nil {
		return time.UnixMilli(ms), nil
	}
	if t, err := time.Parse(time.RFC3339Nano, s); err == nil {
		return t, nil
	}
	for _, layout := range []string{"2006-01-02T15:04:05", "2006-01-02 15:04:05", "2006-01-02T15:04", "2006-01-02 15:04", time.DateOnly} {
		if t, err := time.ParseInLocation(layout, s, now.Location()); err == nil {
			return t, nil
		}
	}
	return time.Time{}, errors.New("not a time")
}

// parseAgo reads a duration, in days too: 2d, 15m, 1h30m.
func parseAgo(s string) (time.Duration, error) {
	if days, ok := strings.CutSuffix(s, "d"); ok {
		n, err := strconv.ParseUint(days, 10, 16)
		return time.Duration(n) * 24 * time.Hour, err
	}
	d, err := time.ParseDuration(s)
	if err == nil && d < 0 {
		return 0, errors.New("negative")
	}
	return d, err
}

// A span is what there is to read of one partition: [from, end). end is the
// partition's when reading began.
type span struct{ from, end int64 }

// spans asks where to begin and where the end is.
func (p position) spans(ctx context.Context, k *cluster, o consume, partitions []int32) (map[int32]span, []string, error) {
	topic, endOffsets := o.topic, k.ListEndOffsets
	if o.committed { // what is open now has no end to wait for
		endOffsets = k.ListCommittedOffsets
	}
	starts, err := listed(k.ListStartOffsets(ctx, topic))
	if err != nil {
		return nil, nil, err
	}
	ends, err := listed(endOffsets(ctx, topic))
	if err != nil {
		return nil, nil, err
	}
	var after kadm.ListedOffsets
	if p.kind == atTime {
		if after, err = listed(k.ListOffsetsAfterMilli(ctx, p.time.UnixMilli(), topic)); err != nil {
			return nil, nil, err
		}
	}
	spans := map[int32]span{}
	var notes []string
	for _, id := range partitions {
		start, _ := starts.Lookup(topic, id)
		end, _ := ends.Lookup(topic, id)
		at, _ := after.Lookup(topic, id)
		for _, o := range []kadm.ListedOffset{start, end, at} {
			if o.Err != nil {
				return nil, nil, refused(fmt.Sprintf("cannot read partition %d of topic %q", id, topic), o.Err, "")
			}
		}
		from, note := p.within(id, start.Offset, end.Offset, at.Offset)
		spans[id] = span{from, end.Offset}
		if note != "" {
			notes = append(notes, note)
		}
	}
	return spans, notes, nil
}

// listed fails only when nobody answered: a partition's own error is told with
// the partition.
func listed(offsets kadm.ListedOffsets, err error) (kadm.ListedOffsets, error) {
	return offsets, ignorable(err)
}

// within is the position in a partition that holds [start, end), and a note
// when that is not where it was asked for.
func (p position) within(partition int32, start, end, at int64) (from int64, note string) {
	switch p.kind {
	case atBeginning:
		return start, ""
	case atEnd:
		return end, ""
	case lastN:
		return max(start, end-p.last), ""
	case atTime:
		return min(max(start, at), end), ""
	}
	switch {
	case p.offset < start:
		return start, fmt.Sprintf("partition %d begins at offset %d: what was before is gone", partition, start)
	case p.offset > end:
		return end, fmt.Sprintf("partition %d ends at offset %d: reading begins there", partition, end)
	}
	return p.offset, ""
}
