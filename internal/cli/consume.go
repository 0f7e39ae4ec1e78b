package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// gapWait is how long reading to the end waits for records before it looks
// whether the rest of a partition holds none (see skipGaps).
const gapWait = 2 * time.Second

type consume struct {
	topic      string
	from       string
	max        int64
	partitions []int32
	exitAtEnd  bool
	format     string
	committed  bool
	group      string
}

func (c *CLI) consumeCommand() *cobra.Command {
	var o consume
	cmd := &cobra.Command{
		Use:   "consume TOPIC",
		Short: "Read the records of a topic",
		Long: `Read the records of a topic, in order within each partition, until Ctrl-C.

It joins no group and commits nothing, unless with --group: then it shares the
topic with the group's other members, and commits what it has written out.

On a terminal a record is shown with its
partition@offset, key and headers; into a pipe goes the value and nothing else.

` + positionHelp + `

` + formatHelp,
		Example: examples(`
			strom consume orders
			strom consume orders --from end
			strom consume orders --from -10 --exit-at-end
			strom consume orders --group billing
			strom consume orders --from @-15m -f '%t[%p]@%o %k=%v\n'
			strom consume orders --partition 0 --from 4711 -n 1 -o json | jq .`),
		Args: exactly(1, "one topic"),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.topic = args[0]
			return c.consume(cmd, o)
		},
		ValidArgsFunction: c.completeTopics(1),
	}
	f := cmd.Flags()
	f.SortFlags = false
	f.StringVar(&o.from, "from", "beginning", "`WHERE` to begin, see above")
	f.Int64VarP(&o.max, "max", "n", 0, "stop after `N` records; 0 is no limit")
	f.Int32SliceVarP(&o.partitions, "partition", "p", nil, "only these `PARTITIONS` (repeatable, or 0,1,2)")
	f.Lookup("partition").DefValue = "" // not []
	f.BoolVarP(&o.exitAtEnd, "exit-at-end", "e", false, "stop at the records that were last when reading began")
	f.StringVarP(&o.group, "group", "g", "", "read as a member of this `GROUP`")
	f.StringVarP(&o.format, "format", "f", "", "how to write a record, such as '%k=%v\\n' (`FORMAT`, see above)")
	f.BoolVar(&o.committed, "committed", false, "leave out records of transactions that are open or were aborted")
	_ = cmd.RegisterFlagCompletionFunc("from", cobra.FixedCompletions([]string{"beginning", "end", "-10", "@-15m"}, cobra.ShellCompDirectiveNoFileComp))
	_ = cmd.RegisterFlagCompletionFunc("partition", cobra.NoFileCompletions)
	_ = cmd.RegisterFlagCompletionFunc("group", c.completeGroups(0))
	return cmd
}

func (c *CLI) consume(cmd *cobra.Command, o consume) error {
	from, err := parsePosition(cmd, "--from", o.from, c.env.Now())
	if err != nil {
		return err
	}
	if o.max < 0 {
		return usage(cmd, "--max is 0 or more, not %d", o.max)
	}
	format, err := c.formatter(cmd, o.format)
	if err != nil {
		return err
	}
	read := c.read
	if o.group != "" {
		if err := o.checkGroup(cmd, from); err != nil {
			return err
		}
		read = c.readInGroup
	}
	ctx, cancel := c.untilOutClosed(cmd.Context())
	defer cancel()
	if err := read(ctx, o, from, format); ctx.Err() == nil || !errors.Is(err, context.Canceled) {
		return err
	}
	return nil // Ctrl-C is how reading is meant to end
}

func (c *CLI) read(ctx context.Context, o consume, from position, format formatter) error {
	client, err := c.connect(ctx, o.options()...)
	if err != nil {
		return err
	}
	defer client.Close()
	topic, spans, err := c.spans(ctx, newCluster(client), o, from)
	if err != nil {
		return err
	}
	r := &reading{client: client, o: o, topicID: topic.ID, spans: spans, out: bufio.NewWriterSize(c.env.Out, 64<<10), format: format, gapWait: gapWait}
	return r.run(ctx)
}

// untilOutClosed also ends when nobody reads standard output any more.
func (c *CLI) untilOutClosed(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	if c.env.OutClosed == nil {
		return ctx, cancel
	}
	closed := c.env.OutClosed()
	go func() {
		select {
		case <-closed:
			cancel()
		case <-ctx.Done():
		}
	}()
	return ctx, cancel
}

func (c *CLI) formatter(cmd *cobra.Command, layout string) (formatter, error) {
	switch {
	case layout != "" && c.json():
		return nil, usage(cmd, "--format and -o json exclude each other")
	case layout != "":
		f, err := parseFormat(layout)
		if err != nil {
			return nil, usage(cmd, "--format %q: %v", layout, err)
		}
		return f, nil
	case c.json():
		return jsonLines, nil
	case c.env.OutTerminal:
		return decorated(c.outStyle()), nil
	}
	return valueLines, nil
}

func (o consume) options() []kgo.Opt {
	opts := []kgo.Opt{
		kgo.KeepRetryableFetchErrors(), // so that a topic's deletion is seen
		kgo.KeepControlRecords(),       // they move the position, and are not shown
		kgo.MetadataMinAge(time.Second),
		kgo.FetchMaxWait(500 * time.Millisecond),
		kgo.ConsumeResetOffset(kgo.NoResetOffset()),
	}
	if o.committed {
		opts = append(opts, kgo.FetchIsolationLevel(kgo.ReadCommitted()))
	}
	return opts
}

// spans checks the topic and its partitions, and says what there is to read.
func (c *CLI) spans(ctx context.Context, k *cluster, o consume, from position) (kadm.TopicDetail, map[int32]span, error) {
	bounded, cancel := context.WithTimeout(ctx, adminTimeout)
	defer cancel()
	t, err := findTopic(bounded, k, o.topic)
	if err != nil {
		return t, nil, err
	}
	partitions := o.partitions
	for _, p := range partitions {
		if err := hasPartition(t, p); err != nil {
			return t, nil, err
		}
	}
	if len(partitions) == 0 {
		partitions = t.Partitions.Numbers()
	}
	spans, notes, err := from.spans(bounded, k, o, partitions)
	for _, n := range notes {
		c.note("%s", n)
	}
	return t, spans, err
}

// A reading reads the spans of one topic. spans[p].from is the offset expected
// next; a partition leaves it when exit-at-end has reached its end.
type reading struct {
	client  *kgo.Client
	o       consume
	topicID kadm.TopicID
	spans   map[int32]span
	out     *bufio.Writer
	format  formatter
	gapWait time.Duration
	written int64
	buf     []byte
}

func (r *reading) run(ctx context.Context) error {
	if r.o.exitAtEnd {
		r.dropFinished()
	}
	offsets := map[int32]kgo.Offset{}
	for p, s := range r.spans {
		offsets[p] = kgo.NewOffset().At(s.from)
	}
	if len(offsets) > 0 {
		r.client.AddConsumePartitions(map[string]map[int32]kgo.Offset{r.o.topic: offsets})
	}
	for !r.done() {
		if err := r.poll(ctx); err != nil {
			return errors.Join(err, r.out.Flush())
		}
		if err := r.out.Flush(); err != nil {
			return fmt.Errorf("write to standard output: %w", err)
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	return nil
}

func (r *reading) done() bool {
	return r.o.exitAtEnd && len(r.spans) == 0 || r.o.max > 0 && r.written >= r.o.max
}

func (r *reading) poll(ctx context.Context) error {
	wait, cancel := ctx, context.CancelFunc(func() {})
	if r.o.exitAtEnd {
		wait, cancel = context.WithTimeout(ctx, r.gapWait)
	}
	defer cancel()
	fetches := r.client.PollFetches(wait)
	if fetches.NumRecords() == 0 && r.o.exitAtEnd && wait.Err() != nil && ctx.Err() == nil {
		if err := r.skipGaps(ctx); err != nil {
			return err
		}
		r.dropFinished()
		return nil
	}
	var failure error
	fetches.EachError(func(_ string, partition int32, err error) {
		if failure == nil {
			failure = r.fetchError(ctx, partition, err)
		}
	})
	if failure != nil {
		return failure
	}
	for records := fetches.RecordIter(); !records.Done() && !r.done(); {
		if err := r.take(records.Next()); err != nil {
			return err
		}
	}
	return nil
}

// fetchError is nil for what is no error: the end of the wait, and what the
// client tries again by itself.
func (r *reading) fetchError(ctx context.Context, partition int32, err error) error {
	switch {
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded), errors.Is(err, kgo.ErrClientClosed):
		return nil
	case errors.Is(err, kerr.UnknownTopicOrPartition), errors.Is(err, kerr.UnknownTopicID):
		return r.ifDeleted(ctx)
	case errors.Is(err, kerr.OffsetOutOfRange):
		return refused(fmt.Sprintf("cannot read partition %d of topic %q", partition, r.o.topic), err, "").
			withFix("Records were removed while they were being read; begin again.")
	case kerr.IsRetriable(err), isNetwork(err): // the dialer tells of lost connections
		return nil
	}
	return refused(fmt.Sprintf("cannot read partition %d of topic %q", partition, r.o.topic), err, "")
}

// ifDeleted is an error when the topic is gone, or another has its name. A
// broker that does not know the topic may also be about to learn of it.
func (r *reading) ifDeleted(ctx context.Context) error {
	bounded, cancel := context.WithTimeout(ctx, adminTimeout)
	defer cancel()
	m, err := newCluster(r.client).Metadata(bounded, r.o.topic)
	if err != nil {
		return nil // the client tries on
	}
	t := m.Topics[r.o.topic]
	if errors.Is(t.Err, kerr.UnknownTopicOrPartition) || t.Err == nil && t.ID != r.topicID {
		return fail(kerr.UnknownTopicOrPartition, "topic %q was deleted while it was being read", r.o.topic)
	}
	return nil
}

// take shows a record and moves its partition's position. Records at or past
// the end that exit-at-end is for are left alone.
func (r *reading) take(rec *kgo.Record) error {
	s, wanted := r.spans[rec.Partition]
	if !wanted {
		return nil
	}
	if r.o.exitAtEnd && rec.Offset >= s.end {
		r.finish(rec.Partition)
		return nil
	}
	s.from = max(s.from, rec.Offset+1)
	r.spans[rec.Partition] = s
	if r.o.exitAtEnd && s.from >= s.end {
		r.finish(rec.Partition)
	}
	if rec.Attrs.IsControl() {
		return nil
	}
	r.buf = r.format(r.buf[:0], rec)
	if _, err := r.out.Write(r.buf); err != nil {
		return fmt.Errorf("write to standard output: %w", err)
	}
	r.written++
	return nil
}

func (r *reading) dropFinished() {
	for p, s := range r.spans {
		if s.from >= s.end {
			r.finish(p)
		}
	}
}

func (r *reading) finish(partition int32) {
	delete(r.spans, partition)
	r.client.PauseFetchPartitions(map[string][]int32{r.o.topic: {partition}})
}

func (r *reading) unfinished() []int32 {
	var ids []int32
	for p := range r.spans {
		ids = append(ids, p)
	}
	slices.Sort(ids)
	return ids
}
