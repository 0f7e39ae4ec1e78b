package admin

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/stromkafka/strom/internal/kerr"
	"github.com/stromkafka/strom/internal/server"
	"github.com/stromkafka/strom/internal/wire"
)

// AutoCreator creates the topics that clients only ask about, while they ask
// again: as in Apache Kafka, the one who asks first is told that the topic is
// unknown. A topic is asked of the controller once at a time.
type AutoCreator struct {
	forwarder Forwarder
	// topic fills what num.partitions, default.replication.factor and, for
	// internal topics, their own settings say. Nil leaves all to the controller.
	topic func(t *wire.CreateTopicsRequestTopic)
	log   *slog.Logger
	queue chan creation

	mu       sync.Mutex
	underWay map[string]bool
}

// creation is what one client asked about, on whose behalf it is created.
type creation struct {
	caller *server.Request // without a body
	topics []wire.CreateTopicsRequestTopic
}

const (
	autoCreateQueue   = 256              // creations waiting; what finds no room is asked about again
	autoCreateWorkers = 4                // creations at the controller
	autoCreateTimeout = 30 * time.Second // of each
)

// NewAutoCreator creates nothing before it runs.
func NewAutoCreator(f Forwarder, topic func(*wire.CreateTopicsRequestTopic), log *slog.Logger) *AutoCreator {
	return &AutoCreator{forwarder: f, topic: topic, log: log, queue: make(chan creation, autoCreateQueue), underWay: map[string]bool{}}
}

// Create has topics created on behalf of who sent r, and does not wait.
func (a *AutoCreator) Create(r *server.Request, names []string) {
	one := creation{caller: &server.Request{Header: r.Header, Listener: r.Listener, Principal: r.Principal, ClientHost: r.ClientHost, ClientAddr: r.ClientAddr}}
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, name := range names {
		if a.underWay[name] {
			continue
		}
		t := wire.CreateTopicsRequestTopic{Name: name, NumPartitions: -1, ReplicationFactor: -1}
		if a.topic != nil {
			a.topic(&t)
		}
		one.topics = append(one.topics, t)
	}
	if len(one.topics) == 0 {
		return
	}
	select {
	case a.queue <- one:
		for _, t := range one.topics {
			a.underWay[t.Name] = true
		}
	default:
	}
}

// Run creates topics until ctx ends.
func (a *AutoCreator) Run(ctx context.Context) error {
	var workers sync.WaitGroup
	for range autoCreateWorkers {
		workers.Go(func() { a.work(ctx) })
	}
	workers.Wait()
	return ctx.Err()
}

func (a *AutoCreator) work(ctx context.Context) {
	for {
		select {
		case one := <-a.queue:
			a.carryOut(ctx, one)
		case <-ctx.Done():
			return
		}
	}
}

func (a *AutoCreator) carryOut(ctx context.Context, one creation) {
	defer func() {
		a.mu.Lock()
		defer a.mu.Unlock()
		for _, t := range one.topics {
			delete(a.underWay, t.Name)
		}
	}()
	bounded, cancel := context.WithTimeout(ctx, autoCreateTimeout)
	defer cancel()
	request := &wire.CreateTopicsRequest{TimeoutMS: int32(autoCreateTimeout / time.Millisecond), Topics: one.topics}
	response, err := a.forwarder.Forward(bounded, one.caller, request, 7)
	if err != nil {
		a.log.Warn("topics are not created for who asked about them", "topics", len(one.topics), "first", one.topics[0].Name, "error", err)
		return
	}
	for _, t := range response.(*wire.CreateTopicsResponse).Topics {
		if t.ErrorCode == 0 || t.ErrorCode == kerr.TopicAlreadyExists.Code {
			continue
		}
		message := ""
		if t.ErrorMessage != nil {
			message = *t.ErrorMessage
		}
		a.log.Warn("topic is not created for who asked about it", "topic", t.Name, "error", kerr.FromCode(t.ErrorCode), "reason", message)
	}
}
