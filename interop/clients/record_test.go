//go:build interop

package clients

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
)

// record is what every client is asked to write and says it read; bytes are in base64, nil is null.
type record struct {
	Topic   string    `json:"topic,omitempty"`
	Offset  int64     `json:"o"`
	Time    int64     `json:"t"`
	Key     *string   `json:"k"`
	Value   *string   `json:"v"`
	Headers []*header `json:"h"`
}

// header is a pair of name and value on the wire.
type header struct {
	Name  string
	Value *string
}

// MarshalJSON writes [name, value].
func (h *header) MarshalJSON() ([]byte, error) { return json.Marshal([]any{h.Name, h.Value}) }

// UnmarshalJSON reads [name, value].
func (h *header) UnmarshalJSON(b []byte) error { return json.Unmarshal(b, &[]any{&h.Name, &h.Value}) }

func text(b []byte) *string {
	if b == nil {
		return nil
	}
	s := base64.StdEncoding.EncodeToString(b)
	return &s
}

func plain(s *string) []byte {
	if s == nil {
		return nil
	}
	b, err := base64.StdEncoding.DecodeString(*s)
	if err != nil {
		panic(err)
	}
	return b
}

// firstTime is the time of the first record, in the past so that no broker mistakes it for its own.
const firstTime = 1700000000000

// samples are the records that every client writes: nulls, empties, bytes that are no text, headers, something long.
func samples(nullHeaders bool) []*record {
	every := make([]byte, 256)
	for i := range every {
		every[i] = byte(i)
	}
	records := []*record{
		{Value: text([]byte("plain"))},
		{Key: text([]byte("key")), Value: text([]byte("Größe ☃"))},
		{Key: text([]byte("gone")), Value: nil},
		{Key: text([]byte{}), Value: text([]byte{})},
		{Key: text(every), Value: text(every)},
		{Value: text(bytes.Repeat([]byte("all work and no play "), 3000))},
		{Value: text([]byte("h")), Headers: []*header{{"a", text([]byte("1"))}, {"a", text(every)}, {"empty", text([]byte{})}}},
	}
	if nullHeaders {
		records = append(records, &record{Value: text([]byte("n")), Headers: []*header{{"null", nil}}})
	}
	for i := range 200 {
		records = append(records, &record{Key: text(fmt.Appendf(nil, "%d", i)), Value: text(fmt.Appendf(nil, "value %d", i*i))})
	}
	for i, r := range records {
		r.Offset, r.Time = int64(i), firstTime+int64(i)
	}
	return records
}

func lines(records []*record) string {
	var b strings.Builder
	for _, r := range records {
		line, err := json.Marshal(r)
		if err != nil {
			panic(err)
		}
		b.Write(append(line, '\n'))
	}
	return b.String()
}

// differs says how what was read differs from what was written, or "". A reader that cannot tell null from empty, or
// sees no bytes that are not text, brings its own equal.
func differs(wrote, read []*record, equal func(wrote, read *record) string) string {
	if len(wrote) != len(read) {
		return fmt.Sprintf("%d records read, %d written", len(read), len(wrote))
	}
	for i := range wrote {
		if why := equal(wrote[i], read[i]); why != "" {
			return fmt.Sprintf("record %d: %s", i, why)
		}
	}
	return ""
}

// withoutNulls is a record as a client sees it that cannot tell null from empty.
func withoutNulls(r *record) *record {
	out, none := *r, ""
	if out.Key == nil {
		out.Key = &none
	}
	if out.Value == nil {
		out.Value = &none
	}
	out.Headers = nil
	for _, h := range r.Headers {
		if h.Value == nil {
			h = &header{h.Name, &none}
		}
		out.Headers = append(out.Headers, h)
	}
	return &out
}

// exactly compares everything.
func exactly(wrote, read *record) string {
	a, b := *wrote, *read
	a.Topic, b.Topic = "", ""
	if a.Headers == nil {
		a.Headers = []*header{}
	}
	if b.Headers == nil {
		b.Headers = []*header{}
	}
	x, y := lines([]*record{&a}), lines([]*record{&b})
	if x == y {
		return ""
	}
	return fmt.Sprintf("wrote %.300s read %.300s", x, y)
}
