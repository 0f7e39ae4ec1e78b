package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"net"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

const (
	readyTimeout = 60 * time.Second
	// readyEvery is how often a broker that is starting is asked: the resolution of the start time.
	readyEvery = time.Millisecond
	maxAnswer  = 1 << 20
	readyTopic = "ready"
)

// firstProduce asks until a record is acknowledged, the topic created on the way, and returns the time since exec. It
// speaks the protocol itself because a client's back-off would be most of the time that is measured.
func (s *session) firstProduce(ctx context.Context) (time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	var conn net.Conn
	defer func() {
		if conn != nil {
			conn.Close()
		}
	}()
	tick := time.NewTicker(readyEvery)
	defer tick.Stop()
	for {
		var err error
		if conn == nil {
			conn, err = net.DialTimeout("tcp", s.nodes[0].addr, time.Second)
		}
		if err == nil {
			if err = produceOne(conn); err == nil {
				return time.Since(s.nodes[0].started), nil
			}
			var code *kerr.Error
			if !errors.As(err, &code) { // the connection is of no more use
				conn.Close()
				conn = nil
			}
		}
		select {
		case <-s.nodes[0].done:
			return 0, fmt.Errorf("it ended while starting: %v: %s", s.nodes[0].err, tail(s.nodes[0].output))
		case <-ctx.Done():
			return 0, fmt.Errorf("no record acknowledged: %w: %s", errors.Join(ctx.Err(), err), tail(s.nodes[0].output))
		case <-tick.C:
		}
	}
}

// produceOne asks for the topic, which creates it, and produces a record with acks=all. A *kerr.Error is the broker's
// answer; anything else is the connection's end.
func produceOne(conn net.Conn) error {
	metadata := kmsg.NewPtrMetadataRequest()
	metadata.SetVersion(4) // the first that asks for creation
	metadata.AllowAutoTopicCreation = true
	topic := kmsg.NewMetadataRequestTopic()
	topic.Topic = kmsg.StringPtr(readyTopic)
	metadata.Topics = append(metadata.Topics, topic)
	answer := &kmsg.MetadataResponse{}
	if err := exchange(conn, metadata, answer); err != nil {
		return err
	}
	if len(answer.Topics) != 1 {
		return fmt.Errorf("metadata of %d topics where one was asked", len(answer.Topics))
	}
	if err := kerr.ErrorForCode(answer.Topics[0].ErrorCode); err != nil {
		return err
	}
	produce := kmsg.NewPtrProduceRequest()
	produce.SetVersion(8) // the last before flexible headers
	produce.Acks, produce.TimeoutMillis = -1, 5000
	to := kmsg.NewProduceRequestTopic()
	to.Topic = readyTopic
	partition := kmsg.NewProduceRequestTopicPartition()
	partition.Records = oneRecord()
	to.Partitions = append(to.Partitions, partition)
	produce.Topics = append(produce.Topics, to)
	done := &kmsg.ProduceResponse{}
	if err := exchange(conn, produce, done); err != nil {
		return err
	}
	if len(done.Topics) != 1 || len(done.Topics[0].Partitions) != 1 {
		return errors.New("a produce answer without the partition")
	}
	return kerr.ErrorForCode(done.Topics[0].Partitions[0].ErrorCode)
}

// exchange sends a request of a version without flexible headers and reads its answer.
func exchange(conn net.Conn, request kmsg.Request, answer kmsg.Response) error {
	if err := conn.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		return err
	}
	if _, err := conn.Write(kmsg.NewRequestFormatter().AppendRequest(nil, request, 1)); err != nil {
		return err
	}
	var head [8]byte // length, correlation id
	if _, err := io.ReadFull(conn, head[:]); err != nil {
		return err
	}
	size := binary.BigEndian.Uint32(head[:])
	if size < 4 || size > maxAnswer {
		return fmt.Errorf("an answer of %d bytes", size)
	}
	body := make([]byte, size-4)
	if _, err := io.ReadFull(conn, body); err != nil {
		return err
	}
	answer.SetVersion(request.GetVersion())
	return answer.ReadFrom(body)
}

// oneRecord is a batch of one record with the value "ready".
func oneRecord() []byte {
	// A record: length 11, attributes, time and offset deltas, no key (-1), value of 5 bytes, no headers; zigzag varints.
	record := append([]byte{22, 0, 0, 0, 1, 10}, "ready\x00"...)
	now := time.Now().UnixMilli()
	b := kmsg.RecordBatch{PartitionLeaderEpoch: -1, Magic: 2, FirstTimestamp: now, MaxTimestamp: now,
		ProducerID: -1, ProducerEpoch: -1, FirstSequence: -1, NumRecords: 1, Records: record}
	raw := b.AppendTo(nil)
	const lengthAt, epochAt, crcAt, attributesAt = 8, 12, 17, 21
	binary.BigEndian.PutUint32(raw[lengthAt:], uint32(len(raw)-epochAt))
	binary.BigEndian.PutUint32(raw[crcAt:], crc32.Checksum(raw[attributesAt:], crc32.MakeTable(crc32.Castagnoli)))
	return raw
}
