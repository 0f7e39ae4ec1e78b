package wire

// GroupMetadataKey is the key of a record of __consumer_offsets, type 2, version 0.
type GroupMetadataKey struct {
	Group string
}

// Reset sets the defaults.
func (m *GroupMetadataKey) Reset() {
	*m = GroupMetadataKey{}
}

func (m *GroupMetadataKey) code(c *coder, _ int16) {
	c.string(&m.Group)
}

// GroupMetadataValue is the value of a record of __consumer_offsets, type 2, versions 0-4.
type GroupMetadataValue struct {
	ProtocolType          string
	Generation            int32
	Protocol              *string
	Leader                *string
	CurrentStateTimestamp int64 // v2+
	Members               []GroupMetadataValueMember
}

// Reset sets the defaults.
func (m *GroupMetadataValue) Reset() {
	*m = GroupMetadataValue{CurrentStateTimestamp: -1}
}

func (m *GroupMetadataValue) code(c *coder, v int16) {
	c.flexible = v == 4
	c.string(&m.ProtocolType)
	c.int32(&m.Generation)
	c.nullString(&m.Protocol, true)
	c.nullString(&m.Leader, true)
	if v >= 2 {
		c.int64(&m.CurrentStateTimestamp)
	}
	array(c, v, &m.Members, false)
	if c.flexible {
		c.noTags()
	}
}

// GroupMetadataValueMember is part of GroupMetadataValue.
type GroupMetadataValueMember struct {
	MemberID         string
	GroupInstanceID  *string // v3+
	ClientID         string
	ClientHost       string
	RebalanceTimeout int32 // v1+
	SessionTimeout   int32
	Subscription     []byte
	Assignment       []byte
}

// Reset sets the defaults.
func (m *GroupMetadataValueMember) Reset() {
	*m = GroupMetadataValueMember{RebalanceTimeout: -1}
}

func (m *GroupMetadataValueMember) code(c *coder, v int16) {
	c.string(&m.MemberID)
	if v >= 3 {
		c.nullString(&m.GroupInstanceID, true)
	}
	c.string(&m.ClientID)
	c.string(&m.ClientHost)
	if v >= 1 {
		c.int32(&m.RebalanceTimeout)
	}
	c.int32(&m.SessionTimeout)
	c.bytes(&m.Subscription, false)
	c.bytes(&m.Assignment, false)
	if c.flexible {
		c.noTags()
	}
}
