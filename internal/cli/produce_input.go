package cli

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kgo"
)

// A line is one line of the input without its end, or the error that ended the
// input. number counts from 1.
type line struct {
	number int64
	text   []byte
	err    error
}

// A parser makes a record of a line. The record may keep the line's bytes.
type parser func(text []byte) (*kgo.Record, error)

// parser is the one that the flags ask for.
func (o produce) parser(cmd *cobra.Command) (parser, error) {
	var headers []kgo.RecordHeader
	for _, s := range o.headers {
		p, ok := parseProperty(s)
		if !ok {
			return nil, usage(cmd, "--header takes NAME=VALUE, not %q", s)
		}
		headers = append(headers, kgo.RecordHeader{Key: p.Name, Value: []byte(p.Value)})
	}
	var parse parser
	switch {
	case o.input == "json" && o.separator != "":
		return nil, usage(cmd, "--key-separator is for lines: with --input json the key is in the object")
	case o.input == "json":
		parse = parseEnvelope
	case o.input != "lines":
		return nil, usage(cmd, "--input is lines or json, not %q", o.input)
	case o.separator != "" && o.hasKey:
		return nil, usage(cmd, "--key and --key-separator exclude each other")
	case o.separator != "":
		parse = keyed([]byte(o.separator))
	default:
		parse = func(text []byte) (*kgo.Record, error) { return &kgo.Record{Value: text}, nil }
	}
	return func(text []byte) (*kgo.Record, error) {
		r, err := parse(text)
		if err != nil {
			return nil, err
		}
		if o.hasKey && r.Key == nil {
			r.Key = []byte(o.key)
		}
		if o.tombstones && len(r.Value) == 0 {
			r.Value = nil
		}
		r.Headers = append(r.Headers, headers...)
		return r, nil
	}, nil
}

func keyed(separator []byte) parser {
	return func(text []byte) (*kgo.Record, error) {
		key, value, ok := bytes.Cut(text, separator)
		if !ok {
			return nil, fmt.Errorf("the key separator %q is not in it", separator)
		}
		return &kgo.Record{Key: key, Value: value}, nil
	}
}

// readLines reads in on a goroutine of its own, because nothing can interrupt a
// read from a terminal: after quit closes, the goroutine ends with the read it
// is in. A line longer than most bytes is an error.
func readLines(in io.Reader, most int, quit <-chan struct{}) <-chan line {
	lines := make(chan line, 1024)
	go func() {
		defer close(lines)
		r := bufio.NewReaderSize(in, 64<<10)
		for n := int64(1); ; n++ {
			text, err := readLine(r, most)
			if errors.Is(err, io.EOF) && len(text) == 0 {
				return
			}
			l := line{number: n, text: text}
			if err != nil && !errors.Is(err, io.EOF) {
				l.err = fmt.Errorf("line %d: %w", n, err)
			}
			select {
			case lines <- l:
			case <-quit:
				return
			}
			if err != nil {
				return
			}
		}
	}()
	return lines
}

// readLine is the next line without its \n or \r\n. The last line may end
// without one: then it comes with io.EOF.
func readLine(r *bufio.Reader, most int) ([]byte, error) {
	text := []byte{}
	for {
		part, err := r.ReadSlice('\n')
		text = append(text, part...)
		if len(text) > most {
			return nil, fmt.Errorf("longer than %d bytes", most)
		}
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			continue
		case err != nil:
			return text, err
		}
		text = text[:len(text)-1]
		return bytes.TrimSuffix(text, []byte("\r")), nil
	}
}

// An envelope is a record as JSON, in the words of `kcat -J`; what is not UTF-8
// is base64, and the encoding is named. It is what `strom consume -o json`
// writes and `strom produce --input json` reads.
type envelope struct {
	Topic           string    `json:"topic"`
	Partition       int32     `json:"partition"`
	Offset          int64     `json:"offset"`
	TimestampType   string    `json:"tstype"`            // create or logappend
	Timestamp       int64     `json:"ts"`                // milliseconds since 1970
	Headers         []*string `json:"headers,omitempty"` // name, value, name, value, ...
	HeadersEncoding string    `json:"headers_encoding,omitempty"`
	Key             *string   `json:"key"`
	KeyEncoding     string    `json:"key_encoding,omitempty"`
	Payload         *string   `json:"payload"`
	PayloadEncoding string    `json:"payload_encoding,omitempty"`
}

const base64Encoding = "base64"

// inputEnvelope is an envelope as people write it.
type inputEnvelope struct {
	Topic           json.RawMessage `json:"topic"`
	Partition       json.RawMessage `json:"partition"`
	Offset          json.RawMessage `json:"offset"`
	TimestampType   json.RawMessage `json:"tstype"`
	Broker          json.RawMessage `json:"broker"`
	Timestamp       *int64          `json:"ts"`
	Headers         json.RawMessage `json:"headers"`
	HeadersEncoding string          `json:"headers_encoding"`
	Key             json.RawMessage `json:"key"`
	KeyEncoding     string          `json:"key_encoding"`
	Payload         json.RawMessage `json:"payload"`
	Value           json.RawMessage `json:"value"`
	PayloadEncoding string          `json:"payload_encoding"`
}

// parseEnvelope refuses fields it does not know: a misspelt one would lose data
// without a word.
func parseEnvelope(text []byte) (*kgo.Record, error) {
	var e inputEnvelope
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&e); err != nil {
		return nil, notJSON(err)
	}
	if d.More() {
		return nil, errors.New("more than one JSON value; write one object a line")
	}
	switch {
	case e.Payload == nil && e.Value == nil:
		return nil, errors.New(`no "payload"; a tombstone has "payload": null`)
	case e.Payload == nil:
		e.Payload = e.Value
	case e.Value != nil:
		return nil, errors.New(`both "payload" and "value"`)
	}
	r := &kgo.Record{}
	var err error
	if r.Value, err = textOf(e.Payload, e.PayloadEncoding); err != nil {
		return nil, fmt.Errorf("payload: %w", err)
	}
	if e.Key != nil {
		if r.Key, err = textOf(e.Key, e.KeyEncoding); err != nil {
			return nil, fmt.Errorf("key: %w", err)
		}
	}
	if e.Timestamp != nil {
		r.Timestamp = time.UnixMilli(*e.Timestamp)
	}
	r.Headers, err = headersOf(e.Headers, e.HeadersEncoding)
	return r, err
}

func notJSON(err error) error {
	if errors.Is(err, io.EOF) {
		return errors.New("an empty line where a JSON object is expected")
	}
	var syntax *json.SyntaxError
	if errors.As(err, &syntax) || errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("not JSON: %w", err)
	}
	return errors.New(strings.TrimPrefix(err.Error(), "json: "))
}

// textOf is the bytes meant by a JSON value: null is nil, a string its text, and
// everything else the JSON it is written as.
func textOf(raw json.RawMessage, encoding string) ([]byte, error) {
	if encoding != "" && encoding != base64Encoding {
		return nil, fmt.Errorf("the encoding is base64 or absent, not %q", encoding)
	}
	if string(raw) == "null" {
		return nil, nil
	}
	if raw[0] != '"' {
		var b bytes.Buffer
		err := json.Compact(&b, raw)
		return b.Bytes(), err
	}
	var s string
	if err := json.Unmarshal(raw, &s); err != nil {
		return nil, err
	}
	if encoding == "" {
		return []byte(s), nil
	}
	return base64.StdEncoding.DecodeString(s)
}

// headersOf reads kcat's list of names and values, or an object.
func headersOf(raw json.RawMessage, encoding string) ([]kgo.RecordHeader, error) {
	if len(raw) == 0 || string(raw) == "null" {
		return nil, nil
	}
	if raw[0] == '{' {
		return headersOfObject(raw, encoding)
	}
	var list []json.RawMessage
	if err := json.Unmarshal(raw, &list); err != nil || len(list)%2 != 0 {
		return nil, errors.New(`headers are ["name", "value", ...] or {"name": "value"}`)
	}
	var headers []kgo.RecordHeader
	for i := 0; i < len(list); i += 2 {
		var name string
		if err := json.Unmarshal(list[i], &name); err != nil {
			return nil, errors.New("headers: a name is a string")
		}
		value, err := textOf(list[i+1], encoding)
		if err != nil {
			return nil, fmt.Errorf("header %s: %w", name, err)
		}
		headers = append(headers, kgo.RecordHeader{Key: name, Value: value})
	}
	return headers, nil
}

// headersOfObject keeps the order in which the object names them.
func headersOfObject(raw json.RawMessage, encoding string) ([]kgo.RecordHeader, error) {
	d := json.NewDecoder(bytes.NewReader(raw))
	if _, err := d.Token(); err != nil {
		return nil, err
	}
	var headers []kgo.RecordHeader
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return nil, err
		}
		var v json.RawMessage
		if err := d.Decode(&v); err != nil {
			return nil, err
		}
		value, err := textOf(v, encoding)
		if err != nil {
			return nil, fmt.Errorf("header %s: %w", name, err)
		}
		headers = append(headers, kgo.RecordHeader{Key: name.(string), Value: value})
	}
	return headers, nil
}
