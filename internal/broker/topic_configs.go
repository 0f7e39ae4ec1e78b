package broker

import (
	"sync"

	"github.com/stromkafka/strom/internal/metadata"
	"github.com/stromkafka/strom/internal/replica"
)

// maxTopicConfigs bounds how many topics are remembered.
const maxTopicConfigs = 1000

// topicConfigs remembers what is in force for topics in one image: all partitions
// of a topic ask for it when they are created, opened or configured, one after the
// other.
type topicConfigs struct {
	mu     sync.Mutex
	img    *metadata.Image
	topics map[string]replica.TopicConfig
}

// of is the topic's configuration in an image. It may be made twice, by two that ask
// at once.
func (c *topicConfigs) of(img *metadata.Image, topic string, decide func() replica.TopicConfig) replica.TopicConfig {
	c.mu.Lock()
	config, ok := c.topics[topic]
	ok = ok && c.img == img
	c.mu.Unlock()
	if ok {
		return config
	}
	config = decide()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.img != img || len(c.topics) >= maxTopicConfigs {
		c.img, c.topics = img, map[string]replica.TopicConfig{}
	}
	c.topics[topic] = config
	return config
}
