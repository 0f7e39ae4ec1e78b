package goldens

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/stromkafka/strom/interop/internal/raw"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

const (
	answerTimeout = 15 * time.Second
	settleTimeout = 30 * time.Second
)

// runner plays a script against one node.
type runner struct {
	addr  string
	conn  *raw.Conn
	vars  variables
	print *printer
}

func newRunner(addr string) *runner {
	return &runner{addr: addr, vars: variables{}, print: newPrinter()}
}

func (r *runner) close() {
	if r.conn != nil {
		r.conn.Close()
		r.conn = nil
	}
}

// connection is the open connection, or a new one.
func (r *runner) connection() (*raw.Conn, error) {
	if r.conn != nil {
		return r.conn, nil
	}
	var err error
	r.conn, err = raw.Dial(r.addr, answerTimeout)
	return r.conn, err
}

// do plays one step and returns what it printed.
func (r *runner) do(step *Step) (string, error) {
	words := strings.Fields(step.Command)
	if len(words) == 0 {
		return "", nil
	}
	switch words[0] {
	case "set":
		return "", nil
	case "connect":
		r.close()
		return "", nil
	case "topic":
		return "", r.topic(words[1:])
	case "batch":
		return "", r.named(words[1], step.Body, r.vars.batch)
	case "message":
		return "", r.named(words[1], step.Body, message)
	case "send":
		return r.send(step, words[1:])
	case "raw":
		return r.bytes(words[1], (*raw.Conn).Frame)
	case "bytes":
		return r.bytes(words[1], (*raw.Conn).Bytes)
	case "await":
		return r.bytes("", (*raw.Conn).Bytes)
	}
	return "", fmt.Errorf("%q is no command", words[0])
}

func (r *runner) named(name, body string, build func(string) ([]byte, error)) error {
	b, err := build(body)
	r.vars[name] = b
	return err
}

// bytes prints the frame that comes back, or that the connection was closed.
func (r *runner) bytes(text string, send func(*raw.Conn, []byte) ([]byte, error)) (string, error) {
	b, err := hex.DecodeString(strings.TrimPrefix(text, "empty"))
	if err != nil {
		return "", err
	}
	conn, err := r.connection()
	if err != nil {
		return "", err
	}
	frame, err := send(conn, b)
	if closed(err) {
		r.close()
		return "closed\n", nil
	}
	return hex.EncodeToString(frame) + "\n", err
}

// closed tells the ways in which a peer's end of a connection shows.
func closed(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}

// options of a send step.
type options struct {
	keep            map[string]string
	masked          map[string]bool
	where           string
	values          map[string]bool
	sorted, noReply bool
	patient         bool
	texts           bool
}

func parseOptions(words []string) *options {
	o := &options{keep: map[string]string{}, masked: map[string]bool{}, values: map[string]bool{}}
	for _, word := range words {
		key, value, _ := strings.Cut(word, "=")
		switch key {
		case "keep":
		case "sorted":
			o.sorted = true
		case "noreply":
			o.noReply = true
		case "texts":
			o.texts = true
		case "patient":
			o.patient = true
		case "where":
			var list string
			o.where, list, _ = strings.Cut(value, ":")
			for _, v := range strings.Split(list, ",") {
				o.values[v] = true
			}
		case "mask":
			for _, field := range strings.Split(value, ",") {
				o.masked[field] = true
			}
		default:
			o.keep[key] = value
		}
	}
	return o
}

// answer is what one version, or several alike, got.
type answer struct {
	first, last int16
	text        string
}

func (r *runner) send(step *Step, words []string) (string, error) {
	if len(words) < 2 {
		return "", errors.New("send needs an API and its versions")
	}
	list, err := versions(words[1])
	if err != nil {
		return "", err
	}
	options := parseOptions(words[2:])
	r.print.masked, r.print.sorted, r.print.texts = options.masked, options.sorted, options.texts
	r.print.where, r.print.values = options.where, options.values
	var answers []answer
	for _, v := range list {
		text, err := r.version(words[0], v, step.Body, options)
		if err != nil {
			return "", fmt.Errorf("v%d: %w", v, err)
		}
		if n := len(answers); n > 0 && answers[n-1].text == text && answers[n-1].last+1 == v {
			answers[n-1].last = v
		} else {
			answers = append(answers, answer{v, v, text})
		}
	}
	return format(answers, len(list)), nil
}

func format(answers []answer, sent int) string {
	var b strings.Builder
	for _, a := range answers {
		switch {
		case sent == 1:
		case a.first == a.last:
			fmt.Fprintf(&b, "v%d:\n", a.first)
		default:
			fmt.Fprintf(&b, "v%d-v%d:\n", a.first, a.last)
		}
		b.WriteString(a.text)
	}
	return b.String()
}

// version sends the request at one version and prints its answer.
func (r *runner) version(api string, version int16, body string, options *options) (string, error) {
	req, err := r.request(api, version, body)
	if err != nil {
		return "", err
	}
	conn, err := r.connection()
	if err != nil {
		return "", err
	}
	if options.noReply {
		return "(nothing)\n", conn.Send(req)
	}
	got, resp, err := conn.Do(req)
	for deadline := time.Now().Add(settleTimeout); options.patient && err == nil && loading(resp) && time.Now().Before(deadline); {
		got, resp, err = conn.Do(req)
	}
	if closed(err) {
		r.close()
		return "closed\n", nil
	}
	if err != nil && resp == nil && got != nil {
		return fmt.Sprintf("not readable at this version: %v\n", err), nil
	}
	if err != nil {
		return "", err
	}
	for name, path := range options.keep {
		if err := r.keep(name, path, resp); err != nil {
			return "", err
		}
	}
	text := r.print.response(resp)
	if !bytes.Equal(resp.AppendTo(nil), got) {
		text += "(not the canonical bytes)\n"
	}
	return regexp.MustCompile(fmt.Sprintf(`\bv%d\b`, version)).ReplaceAllString(text, "{v}"), nil
}

// loading tells that a broker wants to be asked again: Apache Kafka has no producer ids in the first moments.
func loading(resp kmsg.Response) bool {
	code := reflect.ValueOf(resp).Elem().FieldByName("ErrorCode")
	return code.IsValid() && int16(code.Int()) == kerr.CoordinatorLoadInProgress.Code
}

func (r *runner) request(api string, version int16, body string) (kmsg.Request, error) {
	var req kmsg.Request
	for key := range int16(kmsg.MaxKey + 1) {
		if kmsg.NameForKey(key) == api {
			req = kmsg.RequestForKey(key)
		}
	}
	if req == nil {
		return nil, fmt.Errorf("no API is called %s", api)
	}
	defaults(reflect.ValueOf(req).Elem())
	req.SetVersion(version)
	if body == "" {
		return req, nil
	}
	var fields any
	d := json.NewDecoder(strings.NewReader(strings.ReplaceAll(body, "{v}", "v"+strconv.Itoa(int(version)))))
	d.UseNumber()
	if err := d.Decode(&fields); err != nil {
		return nil, err
	}
	return req, r.vars.fill(reflect.ValueOf(req).Elem(), fields)
}

var pathPart = regexp.MustCompile(`^(\w+)(?:\[(\d+)\])?$`)

// keep gives the field at path, such as Topics[0].TopicID, a name.
func (r *runner) keep(name, path string, resp kmsg.Response) error {
	v := reflect.ValueOf(resp).Elem()
	for _, part := range strings.Split(path, ".") {
		m := pathPart.FindStringSubmatch(part)
		if m == nil {
			return fmt.Errorf("%q is no path", path)
		}
		if v = v.FieldByName(m[1]); !v.IsValid() {
			return fmt.Errorf("the answer has no %s", path)
		}
		if m[2] == "" {
			continue
		}
		i, err := strconv.Atoi(m[2])
		if err != nil || i >= v.Len() {
			return fmt.Errorf("the answer has no %s", path)
		}
		v = v.Index(i)
	}
	value := v.Interface()
	if v.CanInt() {
		value = v.Int()
	}
	r.vars[name] = value
	r.print.call(value, name)
	return nil
}

// topic makes a topic and waits until each of its partitions answers for itself, because Apache Kafka names leaders that
// do not serve yet. The topic's id becomes $NAME.
func (r *runner) topic(words []string) error {
	req := kmsg.NewPtrCreateTopicsRequest()
	req.SetVersion(7)
	topic := kmsg.NewCreateTopicsRequestTopic()
	topic.Topic, topic.NumPartitions, topic.ReplicationFactor = words[0], 1, 1
	for _, word := range words[1:] {
		key, value, isConfig := strings.Cut(word, "=")
		if !isConfig {
			n, err := strconv.Atoi(word)
			if err != nil {
				return err
			}
			topic.NumPartitions = int32(n)
			continue
		}
		config := kmsg.NewCreateTopicsRequestTopicConfig()
		config.Name, config.Value = key, &value
		topic.Configs = append(topic.Configs, config)
	}
	req.Topics = append(req.Topics, topic)
	conn, err := raw.Dial(r.addr, answerTimeout)
	if err != nil {
		return err
	}
	defer conn.Close()
	_, resp, err := conn.Do(req)
	if err != nil {
		return err
	}
	made := resp.(*kmsg.CreateTopicsResponse).Topics[0]
	if made.ErrorCode != 0 {
		return fmt.Errorf("topic %s: %w", topic.Topic, kerr.ErrorForCode(made.ErrorCode))
	}
	r.vars[topic.Topic] = made.TopicID
	r.print.call(made.TopicID, topic.Topic)
	return settle(conn, topic.Topic, topic.NumPartitions)
}

func settle(conn *raw.Conn, topic string, partitions int32) error {
	req := kmsg.NewPtrListOffsetsRequest()
	req.SetVersion(7)
	req.ReplicaID = -1
	asked := kmsg.NewListOffsetsRequestTopic()
	asked.Topic = topic
	for p := range partitions {
		partition := kmsg.NewListOffsetsRequestTopicPartition()
		partition.Partition, partition.Timestamp, partition.CurrentLeaderEpoch = p, -1, -1
		asked.Partitions = append(asked.Partitions, partition)
	}
	req.Topics = append(req.Topics, asked)
	for deadline := time.Now().Add(settleTimeout); ; {
		_, resp, err := conn.Do(req)
		if err != nil {
			return err
		}
		waiting := int16(0)
		for _, p := range resp.(*kmsg.ListOffsetsResponse).Topics[0].Partitions {
			waiting = max(waiting, p.ErrorCode)
		}
		if waiting == 0 {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("topic %s: %w", topic, kerr.ErrorForCode(waiting))
		}
	}
}
