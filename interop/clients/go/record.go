// Command clients is sarama and segmentio's kafka-go as programs of verbs, CLIENT being sarama or segmentio:
//
//	clients CLIENT produce SERVER TOPIC CODEC < records     prints the offsets it was told, if it was
//	clients CLIENT consume SERVER TOPIC...                  prints partition 0 of each
//	clients CLIENT group SERVER GROUP PROTOCOL COUNT TOPIC  prints COUNT records read in a group, and commits
//	clients CLIENT share SERVER GROUP PROTOCOL TOPIC        prints what it reads and is assigned until standard input ends
//	clients sarama transact SERVER ID TOPIC < records       in transactions of ten, of which every other is aborted
//	clients sarama copy SERVER ID GROUP COUNT FROM TO       ten records at a time with their offsets in a transaction,
//	                                                        which is aborted and then done again
//
// The codec plain is none without idempotence.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"sync"
)

// record is a line of input or output; bytes are in base64, nil is null.
type record struct {
	Topic   string   `json:"topic,omitempty"`
	Offset  int64    `json:"o"`
	Time    int64    `json:"t"`
	Key     []byte   `json:"k"`
	Value   []byte   `json:"v"`
	Headers []header `json:"h"`
}

type header struct {
	Name  string
	Value []byte
}

func (h header) MarshalJSON() ([]byte, error) { return json.Marshal([]any{h.Name, h.Value}) }

func (h *header) UnmarshalJSON(b []byte) error { return json.Unmarshal(b, &[]any{&h.Name, &h.Value}) }

func read() (all []record, err error) {
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var r record
		if err := json.Unmarshal(lines.Bytes(), &r); err != nil {
			return nil, err
		}
		all = append(all, r)
	}
	return all, lines.Err()
}

func write(r record) error {
	if r.Headers == nil {
		r.Headers = []header{}
	}
	line, err := json.Marshal(r)
	if err != nil {
		return err
	}
	return printLine(line)
}

var printing sync.Mutex

// printLine prints a line whole, whoever else prints.
func printLine(line []byte) error {
	printing.Lock()
	defer printing.Unlock()
	_, err := fmt.Println(string(line))
	return err
}

// assigned prints what a member of a group has been given.
func assigned(partitions map[string][]int32) error {
	names := []string{}
	for topic, numbers := range partitions {
		for _, n := range numbers {
			names = append(names, fmt.Sprintf("%s/%d", topic, n))
		}
	}
	slices.Sort(names)
	line, err := json.Marshal(map[string]any{"assigned": names})
	if err != nil {
		return err
	}
	return printLine(line)
}

// untilEndOfInput is a context that ends with standard input.
func untilEndOfInput() context.Context {
	ctx, cancel := context.WithCancelCause(context.Background())
	go func() {
		_, err := io.Copy(io.Discard, os.Stdin)
		cancel(err)
	}()
	return ctx
}
