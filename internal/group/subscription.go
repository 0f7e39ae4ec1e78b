package group

import "encoding/binary"

// subscriptions are the topics that the members of a consumer group read, nil
// when they cannot be told: the members are no consumers, or say it in a way of
// their own.
func (c *classic) subscriptions() map[string]struct{} {
	if c.protocol != consumerProtocol {
		return nil
	}
	all := map[string]struct{}{}
	if c.members.count() == 0 {
		return all
	}
	if c.name == nil {
		return nil
	}
	for _, member := range c.members.all() {
		topics, ok := subscribedTopics(member.metadata(*c.name))
		if !ok {
			return nil
		}
		for _, t := range topics {
			all[t] = struct{}{}
		}
	}
	return all
}

// subscribedTopics reads the beginning of a consumer's subscription, which is the
// same in every version: a version, then the topics as an array of strings, with
// the lengths of Kafka's older messages.
func subscribedTopics(b []byte) ([]string, bool) {
	if len(b) < 6 {
		return nil, false
	}
	count := int32(binary.BigEndian.Uint32(b[2:]))
	b = b[6:]
	if count < 0 || int(count) > len(b)/2 {
		return nil, false
	}
	topics := make([]string, 0, count)
	for range count {
		if len(b) < 2 {
			return nil, false
		}
		n := int(int16(binary.BigEndian.Uint16(b)))
		if n < 0 || n > len(b)-2 {
			return nil, false
		}
		topics = append(topics, string(b[2:2+n]))
		b = b[2+n:]
	}
	return topics, true
}
