package server

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"io"
	"testing"

	"github.com/stromkafka/strom/internal/transport"
	"github.com/stromkafka/strom/internal/wire"
)

// BenchmarkRequests sends requests over TCP, so many at a time, and reads their
// answers. What the client does is in it.
func BenchmarkRequests(b *testing.B) {
	routes := NewRoutes(Broker, false)
	routes.Handle(wire.KeyMetadata, handlerFunc(func(context.Context, *Request) wire.Response { return metadataAnswer() }))
	routes.Handle(wire.KeyProduce, pipelinedFunc(func(context.Context, *Request) Pending { return Done{produceAnswer()} }))
	for _, bench := range []struct {
		name    string
		request []byte
		ahead   int
	}{
		{"metadata", metadata(b, 1), 1},
		{"metadata/pipelined", metadata(b, 1), 32},
		{"produce100B", produce(b, 1, 100), 1},
		{"produce100B/pipelined", produce(b, 1, 100), 32},
		{"produce16KB/pipelined", produce(b, 1, 16<<10), 5},
		{"produce1MB/pipelined", produce(b, 1, 1<<20), 5},
	} {
		b.Run(bench.name, func(b *testing.B) {
			s := serve(b, transport.TCP(), routes, nil)
			c := s.dial()
			in := bufio.NewReader(c)
			b.SetBytes(int64(len(bench.request)))
			b.ReportAllocs()
			b.ResetTimer()
			batch, sent := bytes.Repeat(bench.request, bench.ahead), make(chan error, 1)
			for done := 0; done < b.N; done += bench.ahead {
				go func() {
					_, err := c.Write(batch)
					sent <- err
				}()
				for range bench.ahead {
					discardAnswer(b, in)
				}
				if err := <-sent; err != nil {
					b.Fatal(err)
				}
			}
			b.StopTimer()
			s.stop()
		})
	}
}

func discardAnswer(b *testing.B, in *bufio.Reader) {
	var size [4]byte
	if _, err := io.ReadFull(in, size[:]); err != nil {
		b.Fatal(err)
	}
	if _, err := in.Discard(int(binary.BigEndian.Uint32(size[:]))); err != nil {
		b.Fatal(err)
	}
}
