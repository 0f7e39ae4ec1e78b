package follow

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stromkafka/strom/internal/kerr"
	"github.com/stromkafka/strom/internal/model"
	"github.com/stromkafka/strom/internal/wire"
)

var t0 = time.Unix(1_700_000_000, 0)

func key(topic byte, index int32) Key { return Key{model.TopicID{0: topic, 15: 1}, index} }

func session() *Session {
	return NewSession(Config{Self: 2, PartitionBytes: 100, ResponseBytes: 1000, MinBytes: 1, MaxWait: time.Second, Backoff: 20 * time.Millisecond, MaxBackoff: time.Second})
}

// named are the partitions a request names, with offset, epoch and last epoch,
// and those it forgets.
func named(r *wire.FetchRequest) string {
	if r == nil {
		return "nothing"
	}
	out := fmt.Sprintf("session %d/%d:", r.SessionID, r.SessionEpoch)
	for _, t := range r.Topics {
		for _, p := range t.Partitions {
			out += fmt.Sprintf(" %d-%d@%d e%d l%d", t.TopicID[0], p.Partition, p.FetchOffset, p.CurrentLeaderEpoch, p.LastFetchedEpoch)
		}
	}
	for _, t := range r.ForgottenTopicsData {
		for _, p := range t.Partitions {
			out += fmt.Sprintf(" -%d-%d", t.TopicID[0], p)
		}
	}
	return out
}

// answer is a response with one partition changed by each function.
func answer(id int32, partitions ...func(*wire.FetchResponsePartition) Key) *wire.FetchResponse {
	r := &wire.FetchResponse{SessionID: id}
	for _, change := range partitions {
		p := wire.FetchResponsePartition{}
		p.Reset()
		k := change(&p)
		p.PartitionIndex = k.Index
		r.Responses = append(r.Responses, wire.FetchResponseResponse{TopicID: model.UUID(k.Topic), Partitions: []wire.FetchResponsePartition{p}})
	}
	return r
}

func records(k Key, n int) func(*wire.FetchResponsePartition) Key {
	return func(p *wire.FetchResponsePartition) Key {
		p.Records = wire.BytesRecords(make([]byte, n))
		p.HighWatermark = 7
		return k
	}
}

func failing(k Key, err *kerr.Error) func(*wire.FetchResponsePartition) Key {
	return func(p *wire.FetchResponsePartition) Key {
		p.ErrorCode = err.Code
		return k
	}
}

func expect(t *testing.T, r *wire.FetchRequest, want string) {
	t.Helper()
	if got := named(r); got != want {
		t.Errorf("asks %q, want %q", got, want)
	}
}

func taken(t *testing.T, s *Session, r *wire.FetchResponse, now time.Time, want ...Action) []Step {
	t.Helper()
	steps, err := s.Answered(r, now)
	if err != nil {
		t.Fatal(err)
	}
	var got []Action
	for _, step := range steps {
		got = append(got, step.Action)
	}
	if !slices.Equal(got, want) {
		t.Fatalf("steps %v, want %v", got, want)
	}
	return steps
}

// TestSession goes through the life of an incremental session (KIP-227): it names
// only what changed, forgets what failed until its time has come, and begins anew
// when the leader closed it or the connection broke.
func TestSession(t *testing.T) {
	s, a, b := session(), key(1, 0), key(1, 1)
	for _, k := range []Key{a, b} {
		s.Follow(k, 5)
		s.Ready(k, Position{End: 10, LastEpoch: 4})
	}
	expect(t, s.Request(9, t0), "session 0/0: 1-1@10 e5 l4 1-0@10 e5 l4")
	taken(t, s, answer(77, records(a, 3), failing(b, kerr.UnknownTopicID)), t0, Append)
	s.Ready(a, Position{End: 12, LastEpoch: 5})
	expect(t, s.Request(9, t0), "session 77/1: 1-0@12 e5 l5 -1-1")
	taken(t, s, answer(77), t0)
	expect(t, s.Request(9, t0), "session 77/2:")
	taken(t, s, answer(77), t0)
	expect(t, s.Request(9, t0.Add(20*time.Millisecond)), "session 77/3: 1-1@10 e5 l4")
	// The second failure waits twice as long.
	taken(t, s, answer(77, failing(b, kerr.NotLeaderOrFollower)), t0)
	if at, ok := s.Wake(); !ok || at.Sub(t0) != 40*time.Millisecond {
		t.Errorf("due at %v, %v", at.Sub(t0), ok)
	}
	s.Lost()
	expect(t, s.Request(9, t0), "session 77/0: 1-0@12 e5 l5")
	taken(t, s, answer(78, records(a, 0)), t0, Append)
	s.Ready(a, Position{End: 12, LastEpoch: 5})
	s.Unfollow(a)
	expect(t, s.Request(9, t0), "session 78/1: -1-0")
	taken(t, s, answer(0), t0)
	expect(t, s.Request(9, t0), "nothing")
	expect(t, s.Request(9, t0.Add(time.Second)), "session 0/0: 1-1@10 e5 l4")
}

// TestMovedWhileInFlight: an answer from the leader of an earlier epoch is void.
func TestMovedWhileInFlight(t *testing.T) {
	s, a := session(), key(1, 0)
	s.Follow(a, 5)
	s.Ready(a, Position{End: 10, LastEpoch: 4})
	s.Request(9, t0)
	if !s.Follow(a, 6) {
		t.Fatal("the later epoch is nothing new")
	}
	s.Ready(a, Position{End: 10, LastEpoch: 4})
	taken(t, s, answer(77, records(a, 3)), t0)
	expect(t, s.Request(9, t0), "session 77/1: 1-0@10 e6 l4")
}

// TestDivergenceComesFirst: with a divergence neither records nor the high
// watermark of the answer count (KAFKA-14704).
func TestDivergenceComesFirst(t *testing.T) {
	s, a, b := session(), key(1, 0), key(1, 1)
	for _, k := range []Key{a, b} {
		s.Follow(k, 5)
		s.Ready(k, Position{End: 10, LastEpoch: 4})
	}
	s.Request(9, t0)
	diverging := func(p *wire.FetchResponsePartition) Key {
		p.DivergingEpoch.Epoch, p.DivergingEpoch.EndOffset, p.Records = 3, 6, wire.BytesRecords([]byte{1})
		return a
	}
	steps := taken(t, s, answer(77, diverging, failing(b, kerr.OffsetOutOfRange)), t0, Truncate, Relocate)
	if steps[0].Diverging != (EpochEnd{3, 6}) || steps[0].Records != nil {
		t.Errorf("%+v", steps[0])
	}
}

// TestBadAnswers: an answer that does not fit the request loses the session, and
// nothing of it counts.
func TestBadAnswers(t *testing.T) {
	a := key(1, 0)
	for name, r := range map[string]*wire.FetchResponse{
		"lacks a partition": answer(77), "an error": {ErrorCode: kerr.FetchSessionIDNotFound.Code},
	} {
		s := session()
		s.Follow(a, 5)
		s.Ready(a, Position{End: 10, LastEpoch: 4})
		s.Request(9, t0)
		if steps, err := s.Answered(r, t0); err == nil {
			t.Errorf("%s: %v", name, steps)
		}
		expect(t, s.Request(9, t0), "session 0/0: 1-0@10 e5 l4")
	}
}

func TestCutAt(t *testing.T) {
	for _, c := range []struct {
		leaders, local EpochEnd
		end, want      model.Offset
	}{
		{EpochEnd{3, 6}, EpochEnd{3, 8}, 10, 6},             // both know the epoch, the leader has less of it
		{EpochEnd{3, 9}, EpochEnd{3, 8}, 10, 8},             // this log has less of it
		{EpochEnd{3, 9}, EpochEnd{2, 5}, 10, 5},             // the epoch is not known here: ask again below
		{EpochEnd{3, 6}, EpochEnd{model.NoEpoch, 0}, 10, 6}, // no epochs here
		{EpochEnd{3, 12}, EpochEnd{3, 11}, 10, 10},
		{EpochEnd{model.NoEpoch, -1}, EpochEnd{3, 8}, 10, 10},
	} {
		if got := CutAt(c.leaders, c.local, c.end); got != c.want {
			t.Errorf("leader %v, here %v, end %d: cut at %d, want %d", c.leaders, c.local, c.end, got, c.want)
		}
	}
}

func TestPlace(t *testing.T) {
	for _, c := range []struct {
		end, start, leaderEnd model.Offset
		want                  Placement
	}{
		{10, 20, 30, Placement{20, true}}, // the leader has deleted what comes next
		{40, 20, 30, Placement{30, false}},
		{25, 20, 30, Placement{25, false}},
		{40, 0, 0, Placement{0, false}},
	} {
		if got := Place(c.end, c.start, c.leaderEnd); got != c.want {
			t.Errorf("end %d, leader %d to %d: %v, want %v", c.end, c.start, c.leaderEnd, got, c.want)
		}
	}
}

// BenchmarkOneOfAThousand is a session of 1,000 partitions of which one changes.
func BenchmarkOneOfAThousand(b *testing.B) {
	s := session()
	var all []func(*wire.FetchResponsePartition) Key
	for i := range int32(1000) {
		k := key(1, i)
		s.Follow(k, 5)
		s.Ready(k, Position{})
		all = append(all, records(k, 0))
	}
	s.Request(9, t0)
	steps, err := s.Answered(answer(77, all...), t0)
	if err != nil {
		b.Fatal(err)
	}
	for _, step := range steps {
		s.Ready(step.Key, Position{})
	}
	one := answer(77, records(key(1, 500), 1))
	end := model.Offset(0)
	for b.Loop() {
		s.Request(9, t0)
		if _, err := s.Answered(one, t0); err != nil {
			b.Fatal(err)
		}
		end++
		s.Ready(key(1, 500), Position{End: end})
	}
}
