package kraft

import (
	"fmt"
	"strings"

	"github.com/stromkafka/strom/internal/kerr"
	"github.com/stromkafka/strom/internal/wire"
)

// trace writes an effect for the golden files.
func (nd *node) trace(e Effect) {
	if nd.log == nil {
		return
	}
	fmt.Fprintf(nd.log, "%d: %s\n", nd.cfg.NodeID, effectString(e))
}

func effectString(e Effect) string {
	switch e := e.(type) {
	case Send:
		return fmt.Sprintf("send to %d@%s: %s", e.To.ID, e.To.Address, requestString(e.Body))
	case Reply:
		return fmt.Sprintf("reply #%d: %s", e.Token, responseString(e.Body))
	case ServeLog:
		return fmt.Sprintf("reply #%d with records from %d: %s", e.Token, e.From, responseString(e.Response))
	case ServeSnapshot:
		return fmt.Sprintf("reply #%d with bytes of snapshot %s: %s", e.Token, e.Snapshot, responseString(e.Response))
	case Persist:
		v := e.Election
		return fmt.Sprintf("persist epoch=%d leader=%d voted=%d kraft.version=%d voters=%v%s", v.Epoch, v.Leader, v.Voted.ID, v.Version, v.Voters, map[bool]string{true: " behind"}[v.Behind])
	case AppendControl:
		var kinds []string
		for _, r := range e.Records {
			kinds = append(kinds, strings.TrimPrefix(fmt.Sprintf("%T", r), "*wire."))
		}
		return fmt.Sprintf("append control at %d epoch=%d: %s", e.Offset, e.Epoch, strings.Join(kinds, ", "))
	case AppendFetched:
		return fmt.Sprintf("append fetched records (%d)", len(decodeEntries(e.Records.Bytes())))
	case Truncate:
		return fmt.Sprintf("truncate to %d", e.End)
	case Sync:
		return "sync"
	case WriteSnapshot:
		return fmt.Sprintf("write snapshot %s at %d, %d bytes", e.Snapshot, e.Position, len(e.Bytes))
	case InstallSnapshot:
		return fmt.Sprintf("install snapshot %s", e.Snapshot)
	case Changed:
		return fmt.Sprintf("is %s epoch=%d leader=%d%s", e.Role, e.Epoch, e.Leader, startString(e))
	case HighWatermark:
		return fmt.Sprintf("high watermark %d", e.Offset)
	case Halt:
		return "HALT " + e.Reason
	}
	return fmt.Sprintf("%T", e)
}

func startString(e Changed) string {
	if e.Role != Leader {
		return ""
	}
	return fmt.Sprintf(" from %d", e.EpochStart)
}

func requestString(r wire.Request) string {
	switch r := r.(type) {
	case *wire.FetchRequest:
		p := r.Topics[0].Partitions[0]
		return fmt.Sprintf("Fetch epoch=%d offset=%d last=%d hw=%d", p.CurrentLeaderEpoch, p.FetchOffset, p.LastFetchedEpoch, p.HighWatermark)
	case *wire.FetchSnapshotRequest:
		p := r.Topics[0].Partitions[0]
		return fmt.Sprintf("FetchSnapshot epoch=%d %d-%d position=%d", p.CurrentLeaderEpoch, p.SnapshotID.EndOffset, p.SnapshotID.Epoch, p.Position)
	}
	return otherRequestString(r)
}

func otherRequestString(r wire.Request) string {
	switch r := r.(type) {
	case *wire.VoteRequest:
		p := r.Topics[0].Partitions[0]
		kind := "Vote"
		if p.PreVote {
			kind = "PreVote"
		}
		return fmt.Sprintf("%s epoch=%d end=%d last=%d", kind, p.ReplicaEpoch, p.LastOffset, p.LastOffsetEpoch)
	case *wire.BeginQuorumEpochRequest:
		p := r.Topics[0].Partitions[0]
		return fmt.Sprintf("BeginQuorumEpoch leader=%d epoch=%d", p.LeaderID, p.LeaderEpoch)
	case *wire.EndQuorumEpochRequest:
		p := r.Topics[0].Partitions[0]
		return fmt.Sprintf("EndQuorumEpoch leader=%d epoch=%d candidates=%v", p.LeaderID, p.LeaderEpoch, p.PreferredSuccessors)
	case *wire.UpdateRaftVoterRequest:
		return fmt.Sprintf("UpdateRaftVoter epoch=%d %d %v", r.CurrentLeaderEpoch, r.VoterID, r.Listeners)
	}
	return fmt.Sprintf("%T", r)
}

func responseString(r wire.Response) string {
	switch r := r.(type) {
	case *wire.FetchResponse:
		if r.ErrorCode != 0 {
			return "Fetch " + kerr.FromCode(r.ErrorCode).Error()
		}
		p := r.Responses[0].Partitions[0]
		s := fmt.Sprintf("Fetch leader=%d epoch=%d hw=%d start=%d", p.CurrentLeader.LeaderID, p.CurrentLeader.LeaderEpoch, p.HighWatermark, p.LogStartOffset)
		if p.ErrorCode != 0 {
			s += " " + kerr.FromCode(p.ErrorCode).Error()
		}
		if p.DivergingEpoch.Epoch >= 0 {
			s += fmt.Sprintf(" diverging epoch=%d end=%d", p.DivergingEpoch.Epoch, p.DivergingEpoch.EndOffset)
		}
		if p.SnapshotID.Epoch >= 0 {
			s += fmt.Sprintf(" snapshot=%d-%d", p.SnapshotID.EndOffset, p.SnapshotID.Epoch)
		}
		for _, n := range r.NodeEndpoints {
			s += fmt.Sprintf(" node %d@%s:%d", n.NodeID, n.Host, n.Port)
		}
		return s
	case *wire.FetchSnapshotResponse:
		if r.ErrorCode != 0 {
			return "FetchSnapshot " + kerr.FromCode(r.ErrorCode).Error()
		}
		p := r.Topics[0].Partitions[0]
		s := fmt.Sprintf("FetchSnapshot leader=%d epoch=%d %d-%d size=%d position=%d", p.CurrentLeader.LeaderID, p.CurrentLeader.LeaderEpoch, p.SnapshotID.EndOffset, p.SnapshotID.Epoch, p.Size, p.Position)
		if p.ErrorCode != 0 {
			s += " " + kerr.FromCode(p.ErrorCode).Error()
		}
		return s
	case *wire.DescribeQuorumResponse:
		return describeString(r)
	}
	return otherResponseString(r)
}

func otherResponseString(r wire.Response) string {
	line := func(name string, leader, epoch int32, code int16) string {
		s := fmt.Sprintf("%s leader=%d epoch=%d", name, leader, epoch)
		if code != 0 {
			s += " " + kerr.FromCode(code).Error()
		}
		return s
	}
	switch r := r.(type) {
	case *wire.VoteResponse:
		if r.ErrorCode != 0 {
			return "Vote " + kerr.FromCode(r.ErrorCode).Error()
		}
		p := r.Topics[0].Partitions[0]
		return line("Vote", p.LeaderID, p.LeaderEpoch, p.ErrorCode) + fmt.Sprintf(" granted=%t", p.VoteGranted)
	case *wire.BeginQuorumEpochResponse:
		if r.ErrorCode != 0 {
			return "BeginQuorumEpoch " + kerr.FromCode(r.ErrorCode).Error()
		}
		p := r.Topics[0].Partitions[0]
		return line("BeginQuorumEpoch", p.LeaderID, p.LeaderEpoch, p.ErrorCode)
	case *wire.EndQuorumEpochResponse:
		if r.ErrorCode != 0 {
			return "EndQuorumEpoch " + kerr.FromCode(r.ErrorCode).Error()
		}
		p := r.Topics[0].Partitions[0]
		return line("EndQuorumEpoch", p.LeaderID, p.LeaderEpoch, p.ErrorCode)
	case *wire.UpdateRaftVoterResponse:
		return line("UpdateRaftVoter", r.CurrentLeader.LeaderID, r.CurrentLeader.LeaderEpoch, r.ErrorCode)
	}
	return fmt.Sprintf("%T", r)
}

func describeString(r *wire.DescribeQuorumResponse) string {
	p := r.Topics[0].Partitions[0]
	if p.ErrorCode != 0 {
		return "DescribeQuorum " + kerr.FromCode(p.ErrorCode).Error()
	}
	s := fmt.Sprintf("DescribeQuorum leader=%d epoch=%d hw=%d", p.LeaderID, p.LeaderEpoch, p.HighWatermark)
	for _, v := range p.CurrentVoters {
		s += fmt.Sprintf("\n   voter %d end=%d fetched=%d caughtUp=%d", v.ReplicaID, v.LogEndOffset, v.LastFetchTimestamp, v.LastCaughtUpTimestamp)
	}
	for _, v := range p.Observers {
		s += fmt.Sprintf("\n   observer %d end=%d fetched=%d caughtUp=%d", v.ReplicaID, v.LogEndOffset, v.LastFetchTimestamp, v.LastCaughtUpTimestamp)
	}
	for _, v := range r.Nodes {
		s += fmt.Sprintf("\n   node %d %v", v.NodeID, v.Listeners)
	}
	return s
}
