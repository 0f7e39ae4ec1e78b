package cli

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

func TestSimilar(t *testing.T) {
	names := []string{"orders", "orders-eu", "payments", "users", "a"}
	for name, want := range map[string]string{
		"order": "orders orders-eu", "ordres": "orders", "ORDERS": "orders orders-eu",
		"payment": "payments", "nothing": "", "b": "a", "user": "users",
	} {
		if got := strings.Join(similar(name, names), " "); got != want {
			t.Errorf("similar(%q) = %q, want %q", name, got, want)
		}
	}
}

func TestNumbersAsText(t *testing.T) {
	for n, want := range map[int64]string{0: "0", 999: "999", 1000: "1,000", -1000: "-1,000", -999: "-999", 1234567: "1,234,567", 2000000: "2,000,000"} {
		if got := grouped(n); got != want {
			t.Errorf("grouped(%d) = %s, want %s", n, got, want)
		}
	}
	for n, want := range map[int64]string{0: "0 B", 1023: "1023 B", 1536: "1.5 KiB", 1 << 30: "1.0 GiB"} {
		if got := bytesText(n); got != want {
			t.Errorf("bytesText(%d) = %s, want %s", n, got, want)
		}
	}
}

func TestAges(t *testing.T) {
	for ms, want := range map[int64]string{0: "0.0s", 450: "0.5s", 9900: "9.9s", 10_000: "10s", 119_999: "119s", 120_000: "2m", 7_199_000: "119m", 7_200_000: "2h", 172_800_000: "2d"} {
		if got := age(&ms, ""); got != want {
			t.Errorf("age(%d) = %s, want %s", ms, got, want)
		}
	}
	if got := age(nil, " ago"); got != "" {
		t.Errorf("an unknown age is %q", got)
	}
}

func TestPartitionsText(t *testing.T) {
	all := []namedPartition{{"a", 0}, {"a", 7}, {"b", 1}}
	if got := partitionsText(all); got != "a 0,7; b 1" {
		t.Error(got)
	}
	for i := range int32(20) {
		all = append(all, namedPartition{"c", i})
	}
	if got := partitionsText(all); got != "a 0,7; b 1; c 0,1,2,3,4,5,6,7,8 and 11 more (-o json names all)" {
		t.Error(got)
	}
}

func TestFailuresAreToldByReason(t *testing.T) {
	s := &sending{}
	for line := range int64(2000) {
		s.addFailure(line+1, kgo.ErrRecordTimeout)
	}
	s.addFailure(2001, kerr.MessageTooLarge)
	for i := range 100 {
		s.addFailure(2002, fmt.Errorf("reason %d", i))
	}
	if len(s.failures) != maxReasons {
		t.Fatalf("%d reasons", len(s.failures))
	}
	for i, want := range []string{
		"2,000 records from line 1 to 2000 were not acknowledged within 30s",
		"line 2001 was not written: its record is larger than is allowed (MESSAGE_TOO_LARGE)",
		"line 2002 was not written: reason 0",
	} {
		if got := notProduced(produce{timeout: 30 * time.Second}, s.failures[i]).Error(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestPositionWithinPartition(t *testing.T) {
	now := time.Date(2026, 11, 24, 10, 30, 0, 0, time.UTC)
	for text, want := range map[string]int64{
		"beginning": 10, "end": 20, "-3": 17, "-300": 10, "-0": 20, "12": 12, "3": 10, "33": 20, "20": 20,
		"@-15m": 14, "@2026-11-24": 14, "@2026-11-24T10:00:00+01:00": 14, "@1795516200000": 14, "@-2d": 14,
	} {
		p, err := parsePosition(nil, "--from", text, now)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if got, _ := p.within(0, 10, 20, 14); got != want {
			t.Errorf("%s: begins at %d, want %d", text, got, want)
		}
	}
	for _, text := range []string{"", "@", "x", "1.5", "@-", "@--5m", "@-5", "@yesterday", "+"} {
		if p, err := parsePosition(nil, "--from", text, now); err == nil {
			t.Errorf("%q is taken for %+v", text, p)
		}
	}
}

func TestPrintableKeepsTheTerminalSafe(t *testing.T) {
	for in, want := range map[string]string{
		"plain\ttext": "plain\ttext", "größe": "größe", "\x1b[31mred": `\x1b[31mred`, "a\nb": `a\x0ab`, "\xff\xfeé": `\xff\xfeé`, "\u009b1m": `\xc2\x9b1m`,
	} {
		if got := printable([]byte(in)); got != want {
			t.Errorf("printable(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestRandomUUIDIsNoFlag(t *testing.T) {
	// The first 16 bytes would be written with a '-' in front.
	random := append([]byte{0xf8}, bytes.Repeat([]byte{1}, 31)...)
	id, err := randomUUID(bytes.NewReader(random))
	if err != nil || id.String() != "AQEBAQEBQQGBAQEBAQEBAQ" {
		t.Fatalf("got %s, %v", id, err)
	}
}

// FuzzEnvelope: what is read from an envelope is what is written into one.
func FuzzEnvelope(f *testing.F) {
	f.Add([]byte(`{"payload":"a","key":null,"headers":["h","1"],"ts":1}`))
	f.Add([]byte(`{"value":{"a":[1, 2]},"headers":{"h":null}}`))
	f.Add([]byte(`{"payload":"/w==","payload_encoding":"base64","key":"","headers":["b","/w=="],"headers_encoding":"base64"}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		first, err := parseEnvelope(text)
		if err != nil {
			return
		}
		second, err := parseEnvelope(jsonLines(nil, first))
		if err != nil {
			t.Fatalf("%s is written as %s: %v", text, jsonLines(nil, first), err)
		}
		same := bytes.Equal(first.Key, second.Key) && (first.Key == nil) == (second.Key == nil) &&
			bytes.Equal(first.Value, second.Value) && (first.Value == nil) == (second.Value == nil) &&
			slices.EqualFunc(first.Headers, second.Headers, func(a, b kgo.RecordHeader) bool {
				return a.Key == b.Key && bytes.Equal(a.Value, b.Value) && (a.Value == nil) == (b.Value == nil)
			})
		if !same {
			t.Fatalf("%s: %+v became %+v", text, first, second)
		}
	})
}

// FuzzFormat: every format string is compiled or refused, and what is compiled
// can be used.
func FuzzFormat(f *testing.F) {
	for _, s := range []string{`%t %p %o %k %v\n`, `%h{%k=%v } %s %T`, `%d{strftime[%F]}`, `%v{unpack{i}}`, `%{`, `%h{`, `\x4`} {
		f.Add(s)
	}
	r := &kgo.Record{Topic: "t", Key: []byte("k"), Value: []byte("v"), Headers: []kgo.RecordHeader{{Key: "h", Value: []byte("1")}}}
	f.Fuzz(func(_ *testing.T, layout string) {
		if format, err := parseFormat(layout); err == nil {
			format(nil, r)
		}
	})
}

// FuzzReadLine: the lines are those of the input, whole.
func FuzzReadLine(f *testing.F) {
	f.Add([]byte("a\nb\r\n\nlast"))
	f.Fuzz(func(t *testing.T, in []byte) {
		r := bufio.NewReaderSize(bytes.NewReader(in), 16)
		var lines []string
		for {
			text, err := readLine(r, len(in))
			if err == nil || len(text) > 0 {
				lines = append(lines, string(text))
			}
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		var want []string
		for line := range strings.Lines(string(in)) {
			if bare, ended := strings.CutSuffix(line, "\n"); ended {
				line = strings.TrimSuffix(bare, "\r")
			}
			want = append(want, line)
		}
		if !slices.Equal(lines, want) {
			t.Fatalf("%q: got %q, want %q", in, lines, want)
		}
	})
}
