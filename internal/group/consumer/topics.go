package consumer

import (
	"encoding/binary"
	"maps"
	"slices"
	"unicode/utf16"

	"github.com/stromkafka/strom/internal/group/xxh3"
	"github.com/stromkafka/strom/internal/metadata"
	"github.com/stromkafka/strom/internal/model"
)

// Topics is what groups know of the cluster's topics: the newest image, and hashes
// that tell a topic that has changed (KIP-1101). Many groups share one.
type Topics struct {
	img    *metadata.Image
	hashes map[string]topicHash
	newest model.Offset // of the last image that may have a topic that the one before had not
}

type topicHash struct {
	of   *metadata.Topic
	hash int64
}

// NewTopics begins with an image.
func NewTopics(img *metadata.Image) *Topics {
	return &Topics{img: img, hashes: map[string]topicHash{}, newest: img.Offset}
}

// Update shows a newer image. Whether there are new topics is looked for only when
// regular expressions are in use.
func (t *Topics) Update(img *metadata.Image, regexes bool) {
	old := t.img
	t.img = img
	if !regexes || hasNewTopic(old, img) {
		t.newest = img.Offset
	}
	maps.DeleteFunc(t.hashes, func(name string, h topicHash) bool { return img.Topic(name) != h.of })
}

// hasNewTopic looks only at what the images do not share.
func hasNewTopic(old, img *metadata.Image) bool { return len(metadata.TopicsGone(img, old)) > 0 }

// Changed reports whether a topic is not what it was in an older image.
func (t *Topics) Changed(old *metadata.Image) func(name string) bool {
	return func(name string) bool { return old.Topic(name) != t.img.Topic(name) }
}

// ids are the topics of the names that exist, in the order of their ids.
func (t *Topics) ids(names []string) []model.TopicID {
	ids := make([]model.TopicID, 0, len(names))
	for _, name := range names {
		if topic := t.img.Topic(name); topic != nil {
			ids = append(ids, topic.ID)
		}
	}
	slices.SortFunc(ids, compareTopics)
	return slices.Compact(ids)
}

func (t *Topics) partitions(id model.TopicID) int32 {
	if topic := t.img.TopicByID(id); topic != nil {
		return int32(len(topic.Partitions))
	}
	return 0
}

// hash is that of a set of topics, which is 0 when none of them exists.
func (t *Topics) hash(names []string) int64 {
	var b []byte
	for _, name := range slices.SortedFunc(slices.Values(names), compareJava) {
		if topic := t.img.Topic(name); topic != nil {
			b = binary.LittleEndian.AppendUint64(b, uint64(t.topicHash(topic)))
		}
	}
	if b == nil {
		return 0
	}
	return int64(xxh3.Sum(b))
}

// topicHash is over the bytes that Kafka's is over: the topic's id, name and number
// of partitions, and the racks of each partition's replicas.
func (t *Topics) topicHash(topic *metadata.Topic) int64 {
	if h, ok := t.hashes[topic.Name]; ok && h.of == topic {
		return h.hash
	}
	le := binary.LittleEndian
	b := []byte{0}
	b = le.AppendUint64(b, binary.BigEndian.Uint64(topic.ID[:8]))
	b = le.AppendUint64(b, binary.BigEndian.Uint64(topic.ID[8:]))
	b = appendJava(b, topic.Name)
	b = le.AppendUint32(b, uint32(len(topic.Partitions)))
	for i := range topic.Partitions {
		b = le.AppendUint32(b, uint32(i))
		for _, rack := range t.racks(&topic.Partitions[i]) {
			b = le.AppendUint32(b, uint32(len(utf16.Encode([]rune(rack)))))
			b = appendJava(b, rack)
		}
	}
	h := int64(xxh3.Sum(b))
	t.hashes[topic.Name] = topicHash{topic, h}
	return h
}

func (t *Topics) racks(p *metadata.Partition) []string {
	var racks []string
	for _, id := range p.Replicas {
		if broker := t.img.Broker(id); broker != nil && broker.Rack != nil {
			racks = append(racks, *broker.Rack)
		}
	}
	slices.SortFunc(racks, compareJava)
	return racks
}

// appendJava appends a string as Kafka's hash takes it in: its UTF-16 units, then
// how many these are.
func appendJava(b []byte, s string) []byte {
	units := utf16.Encode([]rune(s))
	for _, u := range units {
		b = binary.LittleEndian.AppendUint16(b, u)
	}
	return binary.LittleEndian.AppendUint32(b, uint32(len(units)))
}

// compareJava orders strings by UTF-16 units, as Java does.
func compareJava(a, b string) int {
	return slices.Compare(utf16.Encode([]rune(a)), utf16.Encode([]rune(b)))
}
