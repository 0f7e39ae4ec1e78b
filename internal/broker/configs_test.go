package broker_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/stromkafka/strom/internal/config"
	"github.com/stromkafka/strom/internal/kerr"
	"github.com/stromkafka/strom/internal/transport"
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

// Limits of connections change while the node runs.
func TestConnectionLimitsChange(t *testing.T) {
	values, err := config.Load(config.Sources{Set: []string{"log.dirs=data", "listeners=PLAINTEXT://127.0.0.1:0", "advertised.listeners=PLAINTEXT://127.0.0.1:0"}})
	if err != nil {
		t.Fatal(err)
	}
	l, err := bootOn(t, values, vfs.NewMem(), transport.TCP())
	if err != nil {
		t.Fatal(err)
	}
	connects := func(when string, want bool) {
		t.Helper()
		another, err := l.again()
		if (err == nil) != want {
			t.Errorf("%s: another connection: %v", when, err)
		}
		if err == nil {
			another.Close()
		}
	}
	connects("at first", true)
	for _, set := range [][2]string{{"max.connections.per.ip", "1"}, {"max.connections.per.ip.overrides", "127.0.0.1:100"}} {
		if err := l.alter(brokerConfigs, "", set[0], set[1]); err != nil {
			t.Fatal(err)
		}
		connects(set[0], set[0] != "max.connections.per.ip")
	}
	if err := l.alter(brokerConfigs, "1", "max.connections.per.ip.overrides", "127.0.0.1:many"); !errors.Is(err, kerr.InvalidRequest) {
		t.Errorf("an override that is no number: %v", err)
	}
	if err := l.stop(); err != nil {
		t.Error(err)
	}
}
