package broker

import (
	"fmt"
	"testing"

	"github.com/stromkafka/strom/internal/metadata"
	"github.com/stromkafka/strom/internal/replica"
)

// A topic's configuration is made once an image, and anew for another one.
func TestTopicConfigs(t *testing.T) {
	var c topicConfigs
	made := 0
	ask := func(img *metadata.Image, topic string, minISR int) {
		t.Helper()
		got := c.of(img, topic, func() replica.TopicConfig { made++; return replica.TopicConfig{MinISR: minISR} })
		if got.MinISR != minISR {
			t.Errorf("%s: min.insync.replicas %d, want %d", topic, got.MinISR, minISR)
		}
	}
	first, second := new(metadata.Image), new(metadata.Image)
	for range 3 {
		ask(first, "a", 1)
		ask(first, "b", 2)
	}
	if made != 2 {
		t.Errorf("%d configurations were made for 2 topics", made)
	}
	ask(second, "a", 3)
	ask(second, "a", 3)
	ask(first, "a", 1)
	if made != 4 {
		t.Errorf("%d configurations were made for 4 topics of images", made)
	}
	for i := range 3 * maxTopicConfigs {
		ask(first, fmt.Sprint(i), i)
	}
	if len(c.topics) > maxTopicConfigs {
		t.Errorf("%d topics are remembered", len(c.topics))
	}
}
