//go:build interop

package clients

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// script is a client that is a program of verbs: produce SERVER TOPIC CODEC, consume SERVER TOPIC..., and where it can,
// group SERVER GROUP PROTOCOL COUNT TOPIC and transact SERVER ID TOPIC.
type script struct {
	title       string
	command     []string
	nullHeaders bool
	noOffsets   bool // it is not told where it wrote
	blind       bool // it cannot tell null from empty
	protocols   []string
	idempotent  bool // unless it writes plainly
	transacts   bool
	waits       bool // for a record at the end of a topic, where the end of a transaction lies
}

func (s *script) name() string { return s.title }

func (s *script) codecs() []string {
	if s.idempotent {
		return append(slices.Clone(everyCodec), plainWrites)
	}
	return everyCodec
}

func (s *script) records() []*record { return samples(s.nullHeaders) }

func (s *script) equal(wrote, read *record) string {
	if s.blind {
		wrote, read = withoutNulls(wrote), withoutNulls(read)
	}
	return exactly(wrote, read)
}

func (s *script) groupProtocols() []string { return s.protocols }

func (s *script) group(ctx context.Context, server, group, protocol, topic string, count int) ([]*record, error) {
	out, err := execute(ctx, "", append(slices.Clone(s.command), "group", server, group, protocol, strconv.Itoa(count), topic)...)
	if err != nil {
		return nil, err
	}
	return parse(out)
}

func (s *script) transactional() bool { return s.transacts }

func (s *script) transact(ctx context.Context, server, id, topic string, records []*record) error {
	_, err := execute(ctx, lines(records), append(slices.Clone(s.command), "transact", server, id, topic)...)
	return err
}

func (s *script) copy(ctx context.Context, server, id, group string, count int, from, to string) error {
	_, err := execute(ctx, "", append(slices.Clone(s.command), "copy", server, id, group, strconv.Itoa(count), from, to)...)
	return err
}

func (s *script) produce(ctx context.Context, server, topic, codec string, records []*record) ([]int64, error) {
	out, err := execute(ctx, lines(records), append(slices.Clone(s.command), "produce", server, topic, codec)...)
	if err != nil || s.noOffsets {
		return nil, err
	}
	return numbers(out)
}

func (s *script) consume(ctx context.Context, server string, topics []string) ([]*record, error) {
	out, err := execute(ctx, "", append(append(slices.Clone(s.command), "consume", server), topics...)...)
	if err != nil {
		return nil, err
	}
	return parse(out)
}

func execute(ctx context.Context, in string, words ...string) (string, error) {
	if strings.Contains(words[0], "target/") {
		path, err := filepath.Abs(words[0])
		if err != nil {
			return "", err
		}
		words[0] = path
	}
	command := exec.CommandContext(ctx, words[0], words[1:]...)
	command.Stdin = strings.NewReader(in)
	var stderr bytes.Buffer
	command.Stderr = &stderr
	out, err := command.Output()
	if err != nil {
		return "", fmt.Errorf("%s: %w: %s", strings.Join(words, " "), err, stderr.String())
	}
	return string(out), nil
}

func numbers(out string) ([]int64, error) {
	var all []int64
	for line := range strings.Lines(out) {
		n, err := strconv.ParseInt(strings.TrimSpace(line), 10, 64)
		if err != nil {
			return nil, fmt.Errorf("%q where an offset belongs", line)
		}
		all = append(all, n)
	}
	return all, nil
}

func parse(out string) ([]*record, error) {
	var all []*record
	for line := range strings.Lines(out) {
		r := new(record)
		if err := json.Unmarshal([]byte(line), r); err != nil {
			return nil, fmt.Errorf("%q: %w", line, err)
		}
		all = append(all, r)
	}
	return all, nil
}

// kcat is the command line client over Debian's librdkafka. It writes keys and values that are text, with one set of
// headers for all, and reads text.
type kcat struct{}

func (kcat) name() string { return "kcat" }

func (kcat) codecs() []string { return append(slices.Clone(everyCodec), plainWrites) }

func (kcat) records() []*record {
	var records []*record
	for i := range 100 {
		records = append(records, &record{Offset: int64(i), Key: text(fmt.Appendf(nil, "k%d", i)), Value: text(fmt.Appendf(nil, "value %d", i)),
			Headers: []*header{{"from", text([]byte("kcat"))}}})
	}
	return append(records, &record{Offset: 100, Key: text([]byte("null")), Headers: []*header{{"from", text([]byte("kcat"))}}})
}

func (kcat) produce(ctx context.Context, server, topic, codec string, records []*record) ([]int64, error) {
	var in strings.Builder
	for _, r := range records {
		fmt.Fprintf(&in, "%s\t%s\n", plain(r.Key), plain(r.Value))
	}
	acks, idempotent := "all", "true"
	if codec == plainWrites {
		codec, acks, idempotent = "none", "1", "false"
	}
	_, err := execute(ctx, in.String(), "kcat", "-P", "-b", server, "-t", topic, "-p", "0", "-z", codec, "-K", "\t", "-Z", "-H", "from=kcat",
		"-X", "acks="+acks, "-X", "enable.idempotence="+idempotent, "-X", "linger.ms=50")
	return nil, err
}

func (kcat) consume(ctx context.Context, server string, topics []string) ([]*record, error) {
	var all []*record
	for _, topic := range topics {
		out, err := execute(ctx, "", "kcat", "-C", "-J", "-e", "-q", "-b", server, "-t", topic, "-p", "0", "-o", "beginning", "-X", "check.crcs=true",
			"-X", "fetch.wait.max.ms=10")
		if err != nil {
			return nil, err
		}
		for line := range strings.Lines(out) {
			r, err := kcatRecord(line)
			if err != nil {
				return nil, err
			}
			all = append(all, r)
		}
	}
	return all, nil
}

func (kcat) groupProtocols() []string { return []string{"classic"} }

func (kcat) group(ctx context.Context, server, group, _, topic string, count int) ([]*record, error) {
	out, err := execute(ctx, "", "kcat", "-b", server, "-J", "-q", "-c", strconv.Itoa(count), "-X", "auto.offset.reset=earliest", "-G", group, topic)
	if err != nil {
		return nil, err
	}
	var all []*record
	for line := range strings.Lines(out) {
		r, err := kcatRecord(line)
		if err != nil {
			return nil, err
		}
		all = append(all, r)
	}
	return all, nil
}

func kcatRecord(line string) (*record, error) {
	var got struct {
		Topic   string    `json:"topic"`
		Offset  int64     `json:"offset"`
		Time    int64     `json:"ts"`
		Key     *string   `json:"key"`
		Payload *string   `json:"payload"`
		Headers []*string `json:"headers"`
	}
	if err := json.Unmarshal([]byte(line), &got); err != nil {
		return nil, fmt.Errorf("%q: %w", line, err)
	}
	r := &record{Topic: got.Topic, Offset: got.Offset, Time: got.Time, Key: got.Key, Value: got.Payload}
	for i := 0; i+1 < len(got.Headers); i += 2 {
		r.Headers = append(r.Headers, &header{*got.Headers[i], got.Headers[i+1]})
	}
	return r, nil
}

// equal compares what kcat can show: it prints bytes as they are, and an empty key or value as null.
func (kcat) equal(wrote, read *record) string {
	if wrote.Offset != read.Offset || wrote.Time != 0 && wrote.Time != read.Time || len(wrote.Headers) != len(read.Headers) {
		return fmt.Sprintf("wrote %+v read %+v", wrote, read)
	}
	if !sameText(wrote.Key, read.Key) || !sameText(wrote.Value, read.Value) {
		return fmt.Sprintf("offset %d: key or value differ", wrote.Offset)
	}
	return ""
}

func sameText(wrote, read *string) bool {
	b := plain(wrote)
	if len(b) == 0 || read == nil {
		return len(b) == 0 && (read == nil || *read == "")
	}
	return strings.ToValidUTF8(string(b), "?") == strings.ToValidUTF8(*read, "?") || strings.ContainsFunc(string(b), func(r rune) bool { return r == '\uFFFD' })
}
