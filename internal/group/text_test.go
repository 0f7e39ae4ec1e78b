package group

import (
	"fmt"
	"strings"

	"github.com/stromkafka/strom/internal/machine"
	"github.com/stromkafka/strom/internal/wire"
)

// response is an answer as text.
func response(r any) string {
	var out strings.Builder
	switch r := r.(type) {
	case *wire.JoinGroupResponse:
		out.WriteString(code(r.ErrorCode))
		fmt.Fprintf(&out, " member=%s", r.MemberID)
		if r.ErrorCode == 0 {
			fmt.Fprintf(&out, " generation=%d protocol=%s/%s leader=%s", r.GenerationID, text(r.ProtocolType), text(r.ProtocolName), r.Leader)
		}
		if r.SkipAssignment {
			out.WriteString(" skip")
		}
		for _, m := range r.Members {
			fmt.Fprintf(&out, "\n  %s %s topics=%s", m.MemberID, text(m.GroupInstanceID), topicsText(m.Metadata))
		}
	case *wire.SyncGroupResponse:
		fmt.Fprintf(&out, "%s %q", code(r.ErrorCode), r.Assignment)
		if r.ErrorCode == 0 {
			fmt.Fprintf(&out, " protocol=%s/%s", text(r.ProtocolType), text(r.ProtocolName))
		}
	case *wire.HeartbeatResponse:
		out.WriteString(ok(r.ErrorCode))
	case *wire.LeaveGroupResponse:
		for _, m := range r.Members {
			fmt.Fprintf(&out, " %s%s%s", m.MemberID, text(m.GroupInstanceID), ok(m.ErrorCode))
		}
	case *wire.OffsetCommitResponse:
		for _, t := range r.Topics {
			for _, p := range t.Partitions {
				fmt.Fprintf(&out, " %s-%d%s", t.Name, p.PartitionIndex, ok(p.ErrorCode))
			}
		}
	case *wire.TxnOffsetCommitResponse:
		for _, t := range r.Topics {
			for _, p := range t.Partitions {
				fmt.Fprintf(&out, " %s-%d%s", t.Name, p.PartitionIndex, ok(p.ErrorCode))
			}
		}
	case *wire.OffsetFetchResponseGroup:
		out.WriteString(code(r.ErrorCode))
		for _, t := range r.Topics {
			for _, p := range t.Partitions {
				fmt.Fprintf(&out, "\n  %s-%d: %d epoch=%d %q%s", t.Name, p.PartitionIndex, p.CommittedOffset, p.CommittedLeaderEpoch, text(p.Metadata), code(p.ErrorCode))
			}
		}
	case *wire.OffsetDeleteResponse:
		out.WriteString(code(r.ErrorCode))
		for _, t := range r.Topics {
			for _, p := range t.Partitions {
				fmt.Fprintf(&out, " %s-%d%s", t.Name, p.PartitionIndex, ok(p.ErrorCode))
			}
		}
	case *wire.DeleteGroupsResponse:
		for _, g := range r.Results {
			fmt.Fprintf(&out, " %s%s", g.GroupID, ok(g.ErrorCode))
		}
	case *wire.DescribeGroupsResponse:
		for i := range r.Groups {
			g := &r.Groups[i]
			fmt.Fprintf(&out, "\n  %s%s %s", g.GroupID, code(g.ErrorCode), groupText(g))
		}
	case *wire.ListGroupsResponse:
		for _, g := range r.Groups {
			fmt.Fprintf(&out, "\n  %s %s %s %s", g.GroupID, g.ProtocolType, g.GroupState, g.GroupType)
		}
	default:
		out.WriteString(consumerResponse(r))
	}
	return out.String()
}

func ok(c int16) string {
	if c == 0 {
		return " ok"
	}
	return code(c)
}

func groupText(g *wire.DescribeGroupsResponseGroup) string {
	s := fmt.Sprintf("%s %s/%s%s", g.GroupState, g.ProtocolType, g.ProtocolData, text2(g.ErrorMessage))
	for i := range g.Members {
		m := &g.Members[i]
		s += fmt.Sprintf("\n    %s %s %s%s topics=%s %q", m.MemberID, text(m.GroupInstanceID), m.ClientID, m.ClientHost, topicsText(m.MemberMetadata), m.MemberAssignment)
	}
	return s
}

func text2(s *string) string {
	if s == nil {
		return ""
	}
	return " " + *s
}

func topicsText(metadata []byte) string {
	topics, ok := subscribedTopics(metadata)
	if !ok {
		return fmt.Sprintf("?%q", metadata)
	}
	return strings.Join(topics, ",")
}

// recordText is a record as text.
func recordText(r machine.Record, p machine.Producer) string {
	kind, key, err := wire.CutNumber(r.Key)
	if err != nil {
		return err.Error()
	}
	known := wire.GroupRecords[kind]
	k, v := known.Key(), known.Value()
	if err := wire.Decode(key, 0, k); err != nil {
		return err.Error()
	}
	s := known.Name + " " + strings.Trim(fmt.Sprintf("%+v", k), "&{}")
	if r.Value == nil {
		return s + " gone" + by(p)
	}
	version, value, err := wire.CutNumber(r.Value)
	if err != nil {
		return err.Error()
	}
	if err := wire.Decode(value, version, v); err != nil {
		return err.Error()
	}
	return fmt.Sprintf("%s v%d %s%s", s, version, valueText(v), by(p))
}

func by(p machine.Producer) string {
	if p.ID < 0 {
		return ""
	}
	return fmt.Sprintf(" in the transaction of %d", p.ID)
}

func valueText(v wire.Message) string {
	switch v := v.(type) {
	case *wire.OffsetCommitValue:
		c := commitOf(0, 0, v)
		s := fmt.Sprintf("%d epoch=%d at=%d", v.Offset, v.LeaderEpoch, v.CommitTimestamp-epoch.UnixMilli())
		if c.rare != nil {
			s += fmt.Sprintf(" %+v", *c.rare)
		}
		if !c.topic.IsZero() {
			s += fmt.Sprintf(" topic=%d", c.topic[15])
		}
		return s
	case *wire.GroupMetadataValue:
		s := fmt.Sprintf("%s/%s generation=%d leader=%s", v.ProtocolType, text(v.Protocol), v.Generation, text(v.Leader))
		if v.CurrentStateTimestamp != -1 {
			s += fmt.Sprintf(" since=%d", v.CurrentStateTimestamp-epoch.UnixMilli())
		}
		for i := range v.Members {
			m := &v.Members[i]
			s += fmt.Sprintf("\n    %s %s %s%s rebalance=%d session=%d topics=%s %q", m.MemberID, text(m.GroupInstanceID), m.ClientID, m.ClientHost,
				m.RebalanceTimeout, m.SessionTimeout, topicsText(m.Subscription), m.Assignment)
		}
		return s
	}
	return consumerValue(v)
}
