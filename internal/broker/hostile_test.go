package broker_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"math/rand/v2"
	"net"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/stromkafka/strom/internal/batch"
	"github.com/stromkafka/strom/internal/compress"
	"github.com/stromkafka/strom/internal/config"
	"github.com/stromkafka/strom/internal/kerr"
	"github.com/stromkafka/strom/internal/model"
	"github.com/stromkafka/strom/internal/transport"
	"github.com/stromkafka/strom/internal/vfs"
	"github.com/stromkafka/strom/internal/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// target is a node on TCP with data that no hostile client may change.
type target struct {
	*life
	t  *testing.T
	id model.UUID
}

var targetData = []string{"one", "two", "three"}

func newTarget(t *testing.T) *target {
	t.Helper()
	values, err := config.Load(config.Sources{Set: []string{"log.dirs=data", "listeners=PLAINTEXT://127.0.0.1:0",
		"socket.request.max.bytes=20000000", "queued.max.request.bytes=50000000"}})
	if err != nil {
		t.Fatal(err)
	}
	l, err := bootOn(t, values, vfs.NewMem(), transport.TCP())
	if err != nil {
		t.Fatal(err)
	}
	g := &target{life: l, t: t}
	t.Cleanup(func() {
		g.unharmed("at the end")
		if err := g.stop(); err != nil {
			t.Errorf("stop: %v", err)
		}
	})
	if g.id, err = l.createTopic("kept", 1, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := l.produce(g.id, 0, -1, newBatch(t, nil, targetData...)); err != nil {
		t.Fatal(err)
	}
	return g
}

// unharmed checks that the node has its data and serves others.
func (g *target) unharmed(after string) {
	g.t.Helper()
	if got, err := g.all(g.id, 0); err != nil || !slices.Equal(got, targetData) {
		g.t.Errorf("%s: %q, %v", after, got, err)
	}
	id, err := g.askFor(fmt.Sprintf("other-%d", rand.Uint64()))
	if err == nil {
		_, err = g.produce(id, 0, -1, newBatch(g.t, nil, "served"))
	}
	if err != nil {
		g.t.Errorf("%s: others are not served: %v", after, err)
	}
}

// dial is a raw connection.
func (g *target) dial() net.Conn {
	g.t.Helper()
	conn, err := net.Dial("tcp", g.address)
	if err != nil {
		g.t.Fatal(err)
	}
	return conn
}

// peak is the most memory that the heap took while do ran.
//
// The collector is kept close behind: what it has not come to yet depends on the
// machine's speed and is not what the broker holds.
func peak(do func()) (bytes uint64) {
	defer debug.SetGCPercent(debug.SetGCPercent(10))
	runtime.GC()
	var before, now runtime.MemStats
	runtime.ReadMemStats(&before)
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		tick := time.NewTicker(5 * time.Millisecond)
		defer tick.Stop()
		for {
			runtime.ReadMemStats(&now)
			bytes = max(bytes, now.HeapAlloc)
			select {
			case <-tick.C:
			case <-stop:
				return
			}
		}
	}()
	do()
	close(stop)
	<-stopped
	return bytes - min(bytes, before.HeapAlloc)
}

// sealed is a batch whose header was changed and whose CRC is right again.
func sealed(b batch.Batch, change func(b batch.Batch)) batch.Batch {
	b = slices.Clone(b)
	change(b)
	binary.BigEndian.PutUint32(b[atCRC:], crc32.Checksum(b[atAttributes:], crc32.MakeTable(crc32.Castagnoli)))
	return b
}

// Offsets of fields in a batch, see docs of package batch.
const (
	atLength, atMagic, atCRC, atAttributes, atLastDelta, atCount = 8, 16, 17, 21, 23, 57
)

func TestHostileBatches(t *testing.T) {
	g := newTarget(t)
	good := newBatch(t, nil, "a", "b")
	stamped := func(at time.Time) batch.Batch {
		b := batch.New(batch.Options{})
		b.Add(at.UnixMilli(), nil, []byte("v"))
		out, err := b.Build()
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	changed := func(at int, to ...byte) batch.Batch {
		return sealed(good, func(b batch.Batch) { copy(b[at:], to) })
	}
	raw := func(at int, to ...byte) batch.Batch {
		b := slices.Clone(good)
		copy(b[at:], to)
		return b
	}
	for name, c := range map[string]struct {
		batch batch.Batch
		want  *kerr.Error
	}{
		"wrong CRC":                 {raw(atCRC, 1, 2, 3, 4), kerr.CorruptMessage},
		"a record changed":          {raw(len(good)-2, 'X'), kerr.CorruptMessage},
		"magic 0":                   {raw(atMagic, 0), kerr.InvalidRecord},
		"magic 1":                   {raw(atMagic, 1), kerr.InvalidRecord},
		"magic 3":                   {raw(atMagic, 3), kerr.CorruptMessage},
		"length 0":                  {raw(atLength, 0, 0, 0, 0), kerr.CorruptMessage},
		"negative length":           {raw(atLength, 0xff, 0xff, 0xff, 0xff), kerr.CorruptMessage},
		"length beyond the end":     {raw(atLength, 0, 0, 0xff, 0xff), kerr.InvalidRecord},
		"nothing":                   {batch.Batch{}, kerr.InvalidRecord},
		"half a header":             {good[:30], kerr.InvalidRecord},
		"cut off":                   {good[:len(good)-1], kerr.InvalidRecord},
		"two batches":               {append(slices.Clone(good), good...), kerr.InvalidRecord},
		"a count too high":          {changed(atCount, 0, 0, 0, 9), kerr.InvalidRecord},
		"a negative count":          {changed(atCount, 0xff, 0, 0, 9), kerr.InvalidRecord},
		"offsets beyond the count":  {changed(atLastDelta, 0x7f, 0xff, 0xff, 0xff), kerr.InvalidRecord},
		"a control batch":           {changed(atAttributes, 0, 0x20), kerr.InvalidRecord},
		"gzip that is none":         {changed(atAttributes, 0, 1), nil},
		"snappy that is none":       {changed(atAttributes, 0, 2), nil},
		"lz4 that is none":          {changed(atAttributes, 0, 3), nil},
		"zstd that is none":         {changed(atAttributes, 0, 4), nil},
		"an unknown codec":          {changed(atAttributes, 0, 7), nil},
		"a timestamp in the future": {stamped(time.Now().Add(48 * time.Hour)), kerr.InvalidTimestamp},
		"too large":                 {newBatch(t, nil, strings.Repeat("x", 2<<20)), kerr.MessageTooLarge},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := g.produce(g.id, 0, -1, c.batch)
			switch {
			case err == nil:
				t.Error("was taken")
			case c.want == nil && kerr.Code(err) == 0:
				t.Errorf("no error of the protocol: %v", err)
			case c.want != nil && kerr.Code(err) != c.want.Code:
				t.Errorf("%v, want %v", err, c.want)
			}
			t.Log(err)
			g.unharmed(name)
		})
	}
}

// Small batches that would be large, many at once, take no more memory than one of
// them may (128 MiB) and what its buffer took while it grew: all at once would take
// several times that.
func TestHostileCompression(t *testing.T) {
	g := newTarget(t)
	for _, c := range []struct {
		codec compress.Codec
		size  int
	}{{compress.Gzip, 300 << 20}, {compress.Snappy, 18 << 20}, {compress.LZ4, 200 << 20}, {compress.Zstd, 300 << 20}} {
		t.Run(fmt.Sprint(c.codec), func(t *testing.T) {
			bomb := newBomb(t, c.codec, c.size)
			t.Logf("%d bytes become %d", len(bomb), c.size)
			used := peak(func() { g.throw(t, bomb, 6) })
			t.Logf("%d MiB", used>>20)
			if used > 400<<20 {
				t.Errorf("took %d MiB", used>>20)
			}
			g.unharmed("a bomb")
		})
	}
}

// throw produces a batch over many connections, each to a topic of its own, and
// wants it refused.
func (g *target) throw(t *testing.T, bomb batch.Batch, times int) {
	var all sync.WaitGroup
	for i := range times {
		l, err := g.again()
		if err != nil {
			t.Fatal(err)
		}
		all.Go(func() {
			defer l.Close()
			id, err := l.askFor(fmt.Sprintf("bombed-%d", i))
			if err != nil {
				t.Error(err)
				return
			}
			if _, err := l.produce(id, 0, -1, bomb); kerr.Code(err) != kerr.InvalidRecord.Code {
				t.Errorf("a bomb: %v", err)
			}
		})
	}
	all.Wait()
}

// newBomb is a batch whose records decompress to zeros without end.
func newBomb(t *testing.T, codec compress.Codec, size int) batch.Batch {
	t.Helper()
	header := newBatch(t, nil, "v")[:batch.HeaderSize]
	b, err := compress.Compress(codec, map[compress.Codec]int{compress.Gzip: 6}[codec], slices.Clone(header), make([]byte, size))
	if err != nil {
		t.Fatal(err)
	}
	binary.BigEndian.PutUint32(b[atLength:], uint32(len(b)-12))
	return sealed(b, func(b batch.Batch) { b[atAttributes+1] = byte(codec) })
}

func TestHostileNames(t *testing.T) {
	g := newTarget(t)
	for _, name := range []string{"", ".", "..", "a/b", "../../etc/passwd", "a b", "a\x00b", "ä", "a,b", strings.Repeat("x", 250), strings.Repeat("x", 30000)} {
		if _, err := g.createTopic(name, 1, nil); kerr.Code(err) != kerr.InvalidTopicException.Code {
			t.Errorf("creating %.20q: %v", name, err)
		}
		if _, err := g.askFor(name); kerr.Code(err) != kerr.InvalidTopicException.Code {
			t.Errorf("asking for %.20q: %v", name, err)
		}
	}
	topics, err := g.topics()
	if err != nil || len(topics) != 1 {
		t.Errorf("there are %d topics, %v", len(topics), err)
	}
}

func TestHostilePlaces(t *testing.T) {
	g := newTarget(t)
	unknown := model.UUID{1, 2, 3}
	for name, c := range map[string]struct {
		id        model.UUID
		partition int32
		offset    int64
		want      *kerr.Error
	}{
		"beyond the end":       {g.id, 0, 4, kerr.OffsetOutOfRange},
		"far beyond the end":   {g.id, 0, 1<<63 - 1, kerr.OffsetOutOfRange},
		"negative":             {g.id, 0, -5, kerr.OffsetOutOfRange},
		"an unknown id":        {unknown, 0, 0, kerr.UnknownTopicID},
		"no such partition":    {g.id, 1, 0, kerr.UnknownTopicOrPartition},
		"a negative partition": {g.id, -1, 0, kerr.UnknownTopicOrPartition},
	} {
		if _, _, err := g.fetch(c.id, c.partition, c.offset); kerr.Code(err) != c.want.Code || err == nil {
			t.Errorf("fetching %s: %v, want %v", name, err, c.want)
		}
		if c.want.Code == kerr.OffsetOutOfRange.Code {
			continue
		}
		if _, err := g.produce(c.id, c.partition, -1, newBatch(t, nil, "v")); kerr.Code(err) != c.want.Code || err == nil {
			t.Errorf("producing to %s: %v, want %v", name, err, c.want)
		}
	}
}

// framed is a request's frame with its length.
func framed(body []byte) []byte {
	return append(binary.BigEndian.AppendUint32(nil, uint32(len(body))), body...)
}

// A frame that makes no sense closes its connection and harms nobody.
func TestHostileFrames(t *testing.T) {
	g := newTarget(t)
	header := func(key, version int16) []byte {
		b := binary.BigEndian.AppendUint16(nil, uint16(key))
		b = binary.BigEndian.AppendUint16(b, uint16(version))
		return append(binary.BigEndian.AppendUint32(b, 7), 0xff, 0xff) // no client id
	}
	huge := []byte{0x7f, 0xff, 0xff, 0xff}
	frames := map[string][]byte{
		"a negative length":           {0xff, 0xff, 0xff, 0xff, 1},
		"a length beyond the limit":   {0x7f, 0xff, 0xff, 0xff, 1},
		"an empty frame":              framed(nil),
		"half a header":               framed([]byte{0, 3, 0}),
		"an unknown key":              framed(header(999, 0)),
		"a negative key":              framed(header(-1, 0)),
		"an unknown version":          framed(header(wire.KeyMetadata, 99)),
		"many topics in Metadata":     framed(append(header(wire.KeyMetadata, 1), huge...)),
		"many topics in ListOffsets":  framed(append(append(header(wire.KeyListOffsets, 1), 0xff, 0xff, 0xff, 0xff), huge...)),
		"a flexible array of 4 G":     framed(append(header(wire.KeyMetadata, 12), 0, 0xff, 0xff, 0xff, 0xff, 0x0f)),
		"a varint without end":        framed(append(header(wire.KeyMetadata, 12), bytes.Repeat([]byte{0xff}, 1000)...)),
		"many tags":                   framed(append(header(wire.KeyMetadata, 12), 0xff, 0xff, 0xff, 0xff, 0x0f)),
		"a long client id":            framed([]byte{0, 3, 0, 1, 0, 0, 0, 7, 0x7f, 0xff}),
		"many topics in CreateTopics": framed(append(header(wire.KeyCreateTopics, 2), huge...)),
		"HTTP":                        []byte("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"),
		"TLS":                         {0x16, 0x03, 0x01, 0x02, 0x00, 0x01, 0x00, 0x01, 0xfc, 0x03, 0x03},
	}
	for name, frame := range frames {
		t.Run(name, func(t *testing.T) {
			used := peak(func() { g.closes(t, frame) })
			if used > 16<<20 {
				t.Errorf("took %d MiB", used>>20)
			}
			g.unharmed(name)
		})
	}
}

// closes sends a frame and wants the connection closed.
func (g *target) closes(t *testing.T, frame []byte) {
	t.Helper()
	conn := g.dial()
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	_, _ = conn.Write(frame) // may find the connection closed already
	answer, err := io.ReadAll(conn)
	if e, ok := err.(net.Error); ok && e.Timeout() {
		t.Errorf("the connection stays open; %d bytes came", len(answer))
	}
	if len(answer) > 0 {
		t.Errorf("was answered: %x", answer[:min(len(answer), 60)])
	}
}

func TestRandomBytes(t *testing.T) {
	g := newTarget(t)
	used := peak(func() {
		for seed := range uint64(400) {
			rng := rand.New(rand.NewPCG(seed, 9))
			body := make([]byte, 10+rng.IntN(300))
			for i := range body {
				body[i] = byte(rng.Uint32())
			}
			// Most of them get past the key, the version and the client id.
			served := []int16{wire.KeyProduce, wire.KeyFetch, wire.KeyListOffsets, wire.KeyMetadata, wire.KeyCreateTopics,
				wire.KeyApiVersions, wire.KeyInitProducerId, wire.KeyDescribeConfigs, wire.KeyDescribeTopicPartitions}
			binary.BigEndian.PutUint16(body, uint16(served[rng.IntN(len(served))]))
			binary.BigEndian.PutUint16(body[2:], uint16(rng.IntN(14)))
			binary.BigEndian.PutUint16(body[8:], 0xffff)
			conn := g.dial()
			_, _ = conn.Write(framed(body))
			_ = conn.(*net.TCPConn).CloseWrite()
			_ = conn.SetReadDeadline(time.Now().Add(20 * time.Second))
			if _, err := io.Copy(io.Discard, conn); err != nil {
				if e, ok := err.(net.Error); ok && e.Timeout() {
					t.Errorf("seed %d: the connection hangs", seed)
				}
			}
			conn.Close()
		}
	})
	if used > 32<<20 {
		t.Errorf("took %d MiB", used>>20)
	}
}

// Clients that announce much and send little hold no memory and keep nobody out.
func TestSlowFrames(t *testing.T) {
	g := newTarget(t)
	var slow []net.Conn
	defer func() {
		for _, conn := range slow {
			conn.Close()
		}
	}()
	var sent sync.WaitGroup
	used := peak(func() {
		for range 100 {
			conn := g.dial()
			slow = append(slow, conn)
			sent.Go(func() {
				_, _ = conn.Write(append([]byte{1, 0x2f, 0, 0}, make([]byte, 40<<10)...)) // 19 MB are announced
			})
		}
		sent.Wait()
		g.unharmed("slow frames")
		big, err := g.again()
		if err != nil {
			t.Error(err)
			return
		}
		defer big.Close()
		id, err := big.askFor("big")
		if err == nil {
			_, err = big.produce(id, 0, -1, newBatch(t, nil, strings.Repeat("x", 900_000)))
		}
		if err != nil {
			t.Errorf("a large request among slow ones: %v", err)
		}
	})
	t.Logf("%d MiB", used>>20)
	if used > 80<<20 {
		t.Errorf("took %d MiB", used>>20)
	}
}
