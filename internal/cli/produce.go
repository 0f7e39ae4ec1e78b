package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

const (
	// anyPartition lets the record's key choose, or chance where there is none.
	anyPartition = -1
	// maxReasons bounds the different reasons for failures that are told.
	maxReasons = 10
	// maxBuffered bounds the bytes that are read and not yet acknowledged.
	maxBuffered = 64 << 20
	// defaultRecordBytes is Kafka's own limit on a batch, message.max.bytes, with
	// room for the batch's header.
	defaultRecordBytes = 1000012
)

type produce struct {
	topic       string
	key         string
	hasKey      bool
	separator   string
	headers     []string
	partition   int32
	compression string
	acks        string
	input       string
	tombstones  bool
	maxBytes    int32
	quiet       bool
	timeout     time.Duration
}

func (c *CLI) produceCommand() *cobra.Command {
	var o produce
	cmd := &cobra.Command{
		Use:   "produce TOPIC",
		Short: "Write records to a topic, one a line of standard input",
		Long: `Write records to a topic, one a line of standard input.

With --input json a line is a JSON object like those that
` + "`strom consume -o json`" + ` writes; used are payload (or value), key, headers and ts.
A payload of null is a tombstone, and one that is not a string is sent as the
JSON text it is.

A line that cannot be written is named, reading stops there, and the exit code
is 1.`,
		Example: examples(`
			echo hello | strom produce orders
			strom produce orders --key-separator : < orders.txt
			strom produce orders -k customer-7 -H source=shop --compression zstd < orders.txt
			echo '{"key":"7","payload":{"total":12},"headers":["source","shop"]}' | strom produce orders --input json
			strom consume orders -e -o json | strom produce orders-copy --input json`),
		Args: exactly(1, "one topic"),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.topic, o.hasKey = args[0], cmd.Flags().Changed("key")
			return c.produce(cmd, o)
		},
		ValidArgsFunction: c.completeTopics(1),
	}
	f := cmd.Flags()
	f.SortFlags = false
	f.StringVarP(&o.key, "key", "k", "", "the `KEY` of every record")
	f.StringVar(&o.separator, "key-separator", "", "a line is a key, this `TEXT` and a value")
	f.StringArrayVarP(&o.headers, "header", "H", nil, "a header of every record, `NAME=VALUE` (repeatable)")
	f.Int32VarP(&o.partition, "partition", "p", anyPartition, "the `PARTITION` of every record; -1 chooses by key")
	f.StringVarP(&o.compression, "compression", "z", "none", "`CODEC`: none, gzip, snappy, lz4 or zstd")
	f.StringVar(&o.acks, "acks", "all", "`WHO` must have a record before it counts as written: all in-sync replicas, 1 (the leader) or 0 (nobody)")
	f.StringVar(&o.input, "input", "lines", "`FORMAT` of the input: lines or json")
	f.BoolVar(&o.tombstones, "tombstones", false, "an empty value is a tombstone: it deletes its key in a compacted topic")
	f.Int32Var(&o.maxBytes, "max-record-bytes", defaultRecordBytes, "the largest record to send, in `BYTES`; the topic's max.message.bytes bounds it too")
	f.DurationVar(&o.timeout, "timeout", 30*time.Second, "`HOW LONG` to try to write a record")
	f.BoolVarP(&o.quiet, "quiet", "q", false, "no progress and no summary")
	for flag, values := range map[string][]string{
		"compression": {"none", "gzip", "snappy", "lz4", "zstd"},
		"acks":        {"all", "1", "0"},
		"input":       {"lines", "json"},
	} {
		_ = cmd.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp))
	}
	return cmd
}

// produce reads lines until they end, one fails, or ctx ends; then it waits for
// what was sent.
func (c *CLI) produce(cmd *cobra.Command, o produce) error {
	ctx := cmd.Context()
	opts, err := o.options(cmd)
	if err != nil {
		return err
	}
	parse, err := o.parser(cmd)
	if err != nil {
		return err
	}
	client, err := c.connect(ctx, opts...)
	if err != nil {
		return err
	}
	defer client.Close()
	if err := o.checkTopic(ctx, newCluster(client), client); err != nil {
		return err
	}
	if c.env.InTerminal && !o.quiet {
		c.note("one record a line; Ctrl-D ends")
	}
	sent := newSending(o, client, c.env.Now())
	stopProgress := c.showProgress(sent, o.quiet)
	readErr := sent.lines(ctx, c.env.In, parse)
	sent.wait()
	stopProgress()
	return c.finishProduce(o, sent, readErr)
}

func (o produce) options(cmd *cobra.Command) ([]kgo.Opt, error) {
	opts := []kgo.Opt{
		kgo.DefaultProduceTopic(o.topic),
		kgo.AllowAutoTopicCreation(),
		kgo.ProducerBatchMaxBytes(o.maxBytes),
		kgo.MaxBufferedBytes(max(maxBuffered, 2*int(o.maxBytes))),
		kgo.RecordDeliveryTimeout(o.timeout),
		kgo.ProduceRequestTimeout(min(o.timeout, 30*time.Second)),
	}
	if o.maxBytes < 1024 {
		return nil, usage(cmd, "--max-record-bytes is 1024 or more, not %d", o.maxBytes)
	}
	if o.timeout < time.Second {
		return nil, usage(cmd, "--timeout is a second or more, not %s", o.timeout)
	}
	codecs := map[string]kgo.CompressionCodec{
		"none": kgo.NoCompression(), "gzip": kgo.GzipCompression(), "snappy": kgo.SnappyCompression(),
		"lz4": kgo.Lz4Compression(), "zstd": kgo.ZstdCompression(),
	}
	codec, ok := codecs[o.compression]
	if !ok {
		return nil, usage(cmd, "--compression is none, gzip, snappy, lz4 or zstd, not %q", o.compression)
	}
	opts = append(opts, kgo.ProducerBatchCompression(codec))
	switch o.acks {
	case "all", "-1":
		// A time-out is a time-out: without this the client would wait for ever for
		// the outcome of a record that it has sent.
		opts = append(opts, kgo.AllowIdempotentProduceCancellation())
	case "1":
		opts = append(opts, kgo.RequiredAcks(kgo.LeaderAck()), kgo.DisableIdempotentWrite())
	case "0":
		opts = append(opts, kgo.RequiredAcks(kgo.NoAck()), kgo.DisableIdempotentWrite())
	default:
		return nil, usage(cmd, "--acks is all, 1 or 0, not %q", o.acks)
	}
	if o.partition < anyPartition {
		return nil, usage(cmd, "--partition is 0 or more, not %d", o.partition)
	}
	if o.partition != anyPartition {
		opts = append(opts, kgo.RecordPartitioner(kgo.ManualPartitioner()))
	}
	return opts, nil
}

// checkTopic finds the topic, or has it made where the cluster makes topics that
// producers ask for (auto.create.topics.enable), as every producer has.
func (o produce) checkTopic(ctx context.Context, k *cluster, client *kgo.Client) error {
	bounded, cancel := context.WithTimeout(ctx, adminTimeout)
	defer cancel()
	t, err := findTopic(bounded, k, o.topic)
	if errors.Is(err, kerr.UnknownTopicOrPartition) && makesTopics(bounded, k) {
		if t, err = askForTopic(bounded, k, client, o.topic); errors.Is(err, kerr.LeaderNotAvailable) {
			return nil // it is on its way: writing waits for it
		}
	}
	if err != nil || o.partition == anyPartition {
		return err
	}
	return hasPartition(t, o.partition)
}

// makesTopics reports whether brokers make topics that are asked for, as far as
// they say.
func makesTopics(ctx context.Context, k *cluster) bool {
	brokers, err := k.ListBrokers(ctx)
	if err != nil || len(brokers) == 0 {
		return true
	}
	all, err := k.DescribeBrokerConfigs(ctx, brokers[0].NodeID)
	if err != nil || len(all) != 1 || all[0].Err != nil {
		return true
	}
	for _, c := range all[0].Configs {
		if c.Key == "auto.create.topics.enable" {
			return c.MaybeValue() != "false"
		}
	}
	return true
}

// Who asks first for a topic is told that it is unknown, and it is made meanwhile.
const (
	askEvery    = 50 * time.Millisecond
	askPatience = 5 * time.Second
)

// askForTopic asks for a topic in the way that makes it, until it is there.
func askForTopic(ctx context.Context, k *cluster, client *kgo.Client, topic string) (kadm.TopicDetail, error) {
	ctx, cancel := context.WithTimeout(ctx, askPatience)
	defer cancel()
	q := kmsg.NewPtrMetadataRequest()
	q.AllowAutoTopicCreation = true
	one := kmsg.NewMetadataRequestTopic()
	one.Topic = &topic
	q.Topics = append(q.Topics, one)
	for {
		if _, err := q.RequestWith(ctx, client); err != nil {
			return kadm.TopicDetail{}, err
		}
		t, err := findTopic(ctx, k, topic)
		if !errors.Is(err, kerr.UnknownTopicOrPartition) {
			return t, err
		}
		select {
		case <-time.After(askEvery):
		case <-ctx.Done():
			return t, err
		}
	}
}

func hasPartition(t kadm.TopicDetail, partition int32) error {
	if _, ok := t.Partitions[partition]; ok {
		return nil
	}
	f := fail(kerr.UnknownTopicOrPartition, "topic %q has no partition %d", t.Topic, partition)
	if len(t.Partitions) == 1 {
		return f.withFix("Its only partition is 0.")
	}
	return f.withFix("Its partitions are 0 to %d.", len(t.Partitions)-1)
}

// sending counts what became of the lines. The client's goroutines report to
// it, so everything behind mu is shared.
type sending struct {
	o       produce
	client  *kgo.Client
	started time.Time

	pending sync.WaitGroup
	failed  chan struct{} // closed at the first failure

	mu       sync.Mutex
	records  int64           // acknowledged
	bytes    int64           // of their keys and values
	failures []lineFailure   // one for each reason, the first first
	lost     int64           // failed, told or not
	ends     map[int32]int64 // by partition, the last offset written
}

// A lineFailure is one reason for which lines could not be written.
type lineFailure struct {
	err         error
	first, last int64
	records     int64
}

func newSending(o produce, client *kgo.Client, now time.Time) *sending {
	return &sending{o: o, client: client, started: now, failed: make(chan struct{}), ends: map[int32]int64{}}
}

// lines sends a record for each line. It returns at the end of in, when a line
// makes no sense, when a record failed, or when ctx ends; only a line that makes
// no sense, and a failed read, are errors here.
func (s *sending) lines(ctx context.Context, in io.Reader, parse parser) error {
	quit := make(chan struct{})
	defer close(quit)
	lines := readLines(in, int(s.o.maxBytes)*2, quit)
	for {
		select {
		case l, ok := <-lines:
			if !ok {
				return nil
			}
			if err := s.line(ctx, l, parse); err != nil {
				return err
			}
		case <-s.failed:
			return nil
		case <-ctx.Done():
			return nil
		}
	}
}

func (s *sending) line(ctx context.Context, l line, parse parser) error {
	if l.err != nil {
		return l.err
	}
	r, err := parse(l.text)
	if err != nil {
		return fail(err, "line %d: %v", l.number, err)
	}
	if s.o.partition != anyPartition {
		r.Partition = s.o.partition
	}
	s.send(ctx, r, l.number)
	return nil
}

func (s *sending) send(ctx context.Context, r *kgo.Record, line int64) {
	s.pending.Add(1)
	size := int64(len(r.Key) + len(r.Value))
	s.client.Produce(context.WithoutCancel(ctx), r, func(r *kgo.Record, err error) {
		defer s.pending.Done()
		s.mu.Lock()
		defer s.mu.Unlock()
		if err == nil {
			s.records++
			s.bytes += size
			s.ends[r.Partition] = max(s.ends[r.Partition], r.Offset)
			return
		}
		if s.lost++; s.lost == 1 {
			close(s.failed)
		}
		s.addFailure(line, err)
	})
}

func (s *sending) addFailure(line int64, err error) {
	for i := range s.failures {
		if f := &s.failures[i]; f.err.Error() == err.Error() {
			f.first, f.last = min(f.first, line), max(f.last, line)
			f.records++
			return
		}
	}
	if len(s.failures) < maxReasons {
		s.failures = append(s.failures, lineFailure{err, line, line, 1})
	}
}

// wait blocks until every record sent is acknowledged or has failed; the
// record's delivery time-out bounds it.
func (s *sending) wait() { s.pending.Wait() }

// A produced is the summary.
type produced struct {
	Topic   string          `json:"topic"`
	Records int64           `json:"records"`
	Failed  int64           `json:"failed"`
	Bytes   int64           `json:"bytes"`
	Seconds float64         `json:"seconds"`
	Offsets map[int32]int64 `json:"last_offsets,omitempty"`
}

func (c *CLI) finishProduce(o produce, s *sending, readErr error) error {
	took := c.env.Now().Sub(s.started)
	summary := produced{Topic: o.topic, Records: s.records, Failed: s.lost, Bytes: s.bytes, Seconds: took.Seconds()}
	if o.acks != "0" {
		summary.Offsets = s.ends
	}
	switch {
	case c.json():
		if err := c.printJSON(summary); err != nil {
			return err
		}
	case !o.quiet:
		c.note("%s", summary)
	}
	var failures []error
	for _, f := range s.failures {
		failures = append(failures, notProduced(o, f))
	}
	if readErr != nil {
		failures = append(failures, readErr)
	}
	return errors.Join(failures...)
}

func (p produced) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "wrote %s (%s) to %s in %s", count(p.Records, "record"), bytesText(p.Bytes), p.Topic, secondsText(p.Seconds))
	if p.Failed > 0 {
		fmt.Fprintf(&b, "; %s failed", count(p.Failed, "record"))
	}
	return b.String()
}

func notProduced(o produce, l lineFailure) error {
	who, was := fmt.Sprintf("line %d", l.first), "was"
	if l.records > 1 {
		who, was = fmt.Sprintf("%s from line %d to %d", count(l.records, "record"), l.first, l.last), "were"
	}
	subject := who + " " + was + " not written"
	switch {
	case isNetwork(l.err):
		return fail(l.err, "%s: a broker cannot be reached (%s)", subject, reason(l.err))
	case errors.Is(l.err, kerr.MessageTooLarge):
		return fail(l.err, "%s: its record is larger than is allowed (MESSAGE_TOO_LARGE)", subject).
			withFix("This side allows %s (--max-record-bytes), the broker what the topic's max.message.bytes says.", count(o.maxBytes, "byte"))
	case errors.Is(l.err, kerr.InvalidRecord):
		return refused(subject, l.err, "").withFix("A compacted topic (cleanup.policy=compact) wants a key in every record: give -k or --key-separator.")
	case errors.Is(l.err, kerr.NotEnoughReplicas), errors.Is(l.err, kerr.NotEnoughReplicasAfterAppend):
		return refused(subject, l.err, "").withFix("Fewer replicas are in sync than the topic's min.insync.replicas; `strom topic describe %s` shows them.", o.topic)
	case errors.Is(l.err, kgo.ErrRecordTimeout):
		return fail(l.err, "%s %s not acknowledged within %s", who, was, o.timeout).
			withFix("It is not known whether the topic has them. `strom topic describe %s` shows the leaders.", o.topic)
	}
	return refused(subject, l.err, "")
}
