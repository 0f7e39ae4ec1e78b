package broker_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/stromkafka/strom/internal/kerr"
	"github.com/stromkafka/strom/internal/vfs"
	"github.com/stromkafka/strom/internal/wire"
)

// Resource types.
const (
	topicConfigs  = 2
	brokerConfigs = 4
)

// alter sets a key of a resource, or deletes it when the value is empty.
func (l *life) alter(kind int8, name, key, value string) error {
	c := wire.IncrementalAlterConfigsRequestConfig{Name: key, Value: &value}
	if value == "" {
		c.ConfigOperation, c.Value = 1, nil
	}
	answer, err := ask[*wire.IncrementalAlterConfigsResponse](l, &wire.IncrementalAlterConfigsRequest{
		Resources: []wire.IncrementalAlterConfigsRequestResource{{ResourceType: kind, ResourceName: name, Configs: []wire.IncrementalAlterConfigsRequestConfig{c}}}})
	if err != nil {
		return err
	}
	return kerr.FromCode(answer.Responses[0].ErrorCode)
}

// Configs of topics, of all brokers and of one take effect with the answer, the
// nearer one before the farther, and a restart keeps them.
func TestConfigsTakeEffect(t *testing.T) {
	disk := vfs.NewMem()
	l, err := boot(t, disk)
	if err != nil {
		t.Fatal(err)
	}
	id, err := l.createTopic("a", 1, nil)
	if err != nil {
		t.Fatal(err)
	}
	set := func(kind int8, name, key, value string) {
		t.Helper()
		if err := l.alter(kind, name, key, value); err != nil {
			t.Fatalf("%s of %q = %q: %v", key, name, value, err)
		}
	}
	produce := func(when string, size int, want error) {
		t.Helper()
		_, err := l.produce(id, 0, -1, newBatch(t, nil, strings.Repeat("x", size)))
		if !errors.Is(err, want) && err != want {
			t.Errorf("%s: %v, want %v", when, err, want)
		}
	}
	produce("at first", 2000, nil)
	set(brokerConfigs, "", "message.max.bytes", "1000")
	produce("large for the cluster", 2000, kerr.MessageTooLarge)
	set(brokerConfigs, "1", "message.max.bytes", "3000")
	produce("not for this broker", 2000, nil)
	set(topicConfigs, "a", "max.message.bytes", "1500")
	produce("large for the topic", 2000, kerr.MessageTooLarge)
	if err := l.stop(); err != nil {
		t.Fatal(err)
	}
	if l, err = boot(t, disk); err != nil {
		t.Fatal(err)
	}
	produce("large for the topic after a restart", 2000, kerr.MessageTooLarge)
	set(topicConfigs, "a", "max.message.bytes", "")
	produce("not for this broker after a restart", 2000, nil)
	if err := l.alter(brokerConfigs, "1", "node.id", "3"); !errors.Is(err, kerr.InvalidRequest) {
		t.Errorf("a key that needs a restart: %v", err)
	}
	if err := l.stop(); err != nil {
		t.Error(err)
	}
}
