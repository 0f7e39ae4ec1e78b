package main

import (
	"fmt"
	"os"
	"strconv"
)

// client is what every client can do.
type client interface {
	produce(server, topic, codec string) error
	consume(server string, topics []string) error
	group(server, group string, count int, topic string) error
	share(server, group, topic string) error
}

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(args []string) error {
	c := map[string]client{"sarama": samsa{}, "segmentio": segment{}}[args[0]]
	switch verb, args := args[1], args[2:]; verb {
	case "produce":
		return c.produce(args[0], args[1], args[2])
	case "consume":
		return c.consume(args[0], args[1:])
	case "group":
		count, err := strconv.Atoi(args[3])
		if err != nil {
			return err
		}
		return c.group(args[0], args[1], count, args[4])
	case "share":
		return c.share(args[0], args[1], args[3])
	case "transact":
		return samsa{}.transact(args[0], args[1], args[2])
	case "copy":
		count, err := strconv.Atoi(args[3])
		if err != nil {
			return err
		}
		return samsa{}.copy(args[0], args[1], args[2], count, args[4], args[5])
	default:
		return fmt.Errorf("no verb %s", verb)
	}
}
