package coordinator

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stromkafka/strom/internal/model"
)

// The hashes are Java's String.hashCode.
func TestPartitionFor(t *testing.T) {
	for _, c := range []struct {
		key   string
		count int
		at    int32
	}{
		{"", 50, 0},
		{"hello", 50, 99162322 % 50},
		{"polygenelubricants", 50, 0}, // the least int32, which has no absolute value
		{"Hello, World!", 50, 1498789909 % 50},
		{"zzzzzz", 50, 685785664 % 50}, // -685785664
		{"\U0001F600", 7, 1772899 % 7}, // two units: 0xd83d*31 + 0xde00
	} {
		if got := PartitionFor(c.key, c.count); got != c.at {
			t.Errorf("%q: %d, want %d", c.key, got, c.at)
		}
	}
}

// TestQueue holds the queue against a plain list under random pushes, releases and
// deadlines.
func TestQueue(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	start := time.Unix(0, 0)
	var q queue
	var plain []held
	expired := 0 // of plain
	for i := range 100_000 {
		switch random.IntN(4) {
		case 0, 1:
			h := held{end: model.Offset(i), deadline: start.Add(time.Duration(i))}
			q.push(h)
			plain = append(plain, h)
		case 2:
			for range min(random.IntN(4), len(plain)) {
				if q.first().end != plain[0].end {
					t.Fatalf("step %d: first is %d, want %d", i, q.first().end, plain[0].end)
				}
				q.pop()
				plain, expired = plain[1:], max(expired-1, 0)
			}
		case 3:
			if expired < len(plain) {
				q.patient++
				expired++
			}
		}
		var want time.Time
		if expired < len(plain) {
			want = plain[expired].deadline
		}
		if got := q.deadline(); !got.Equal(want) {
			t.Fatalf("step %d: deadline %v, want %v", i, got, want)
		}
		if (q.first() == nil) != (len(plain) == 0) || cap(q.items) > 4*len(plain)+1024 {
			t.Fatalf("step %d: %d held, %d slots for them", i, len(plain), cap(q.items))
		}
	}
}
