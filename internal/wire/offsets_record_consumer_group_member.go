package wire

// ConsumerGroupMemberMetadataKey is the key of a record of __consumer_offsets, type 5, version 0.
type ConsumerGroupMemberMetadataKey struct {
	GroupID  string
	MemberID string
}

// Reset sets the defaults.
func (m *ConsumerGroupMemberMetadataKey) Reset() {
	*m = ConsumerGroupMemberMetadataKey{}
}

func (m *ConsumerGroupMemberMetadataKey) code(c *coder, _ int16) {
	c.string(&m.GroupID)
	c.string(&m.MemberID)
}

// ConsumerGroupMemberMetadataValue is the value of a record of __consumer_offsets, type 5, version 0.
type ConsumerGroupMemberMetadataValue struct {
	InstanceID           *string
	RackID               *string
	ClientID             string
	ClientHost           string
	SubscribedTopicNames []string
	SubscribedTopicRegex *string
	RebalanceTimeoutMS   int32
	ServerAssignor       *string
	// ClassicMemberMetadata is nil for a member of the new protocol, which the record says
	// with a tag. A record without the tag has the default, a classic member of no protocols.
	ClassicMemberMetadata *ConsumerGroupMemberMetadataValueClassic // tag 0
}

// Reset sets the defaults.
func (m *ConsumerGroupMemberMetadataValue) Reset() {
	*m = ConsumerGroupMemberMetadataValue{RebalanceTimeoutMS: -1,
		ClassicMemberMetadata: &ConsumerGroupMemberMetadataValueClassic{SupportedProtocols: []ConsumerGroupMemberMetadataValueProtocol{}}}
}

func (m *ConsumerGroupMemberMetadataValue) code(c *coder, v int16) {
	c.flexible = true
	c.nullString(&m.InstanceID, true)
	c.nullString(&m.RackID, true)
	c.string(&m.ClientID)
	c.string(&m.ClientHost)
	list(c, &m.SubscribedTopicNames, false, (*coder).string)
	c.nullString(&m.SubscribedTopicRegex, true)
	c.int32(&m.RebalanceTimeoutMS)
	c.nullString(&m.ServerAssignor, true)
	c.beginTags()
	if c.tag(0, m.ClassicMemberMetadata == nil || !m.ClassicMemberMetadata.isDefault()) {
		taggedOptional(c, v, &m.ClassicMemberMetadata)
		c.endTag()
	}
	c.endTags()
}

// ConsumerGroupMemberMetadataValueClassic is part of ConsumerGroupMemberMetadataValue.
type ConsumerGroupMemberMetadataValueClassic struct {
	SessionTimeoutMS   int32
	SupportedProtocols []ConsumerGroupMemberMetadataValueProtocol
}

// Reset sets the defaults.
func (m *ConsumerGroupMemberMetadataValueClassic) Reset() {
	*m = ConsumerGroupMemberMetadataValueClassic{}
}

func (m *ConsumerGroupMemberMetadataValueClassic) code(c *coder, v int16) {
	c.int32(&m.SessionTimeoutMS)
	array(c, v, &m.SupportedProtocols, false)
	c.noTags()
}

func (m *ConsumerGroupMemberMetadataValueClassic) isDefault() bool {
	return m.SessionTimeoutMS == 0 && len(m.SupportedProtocols) == 0
}

// ConsumerGroupMemberMetadataValueProtocol is part of ConsumerGroupMemberMetadataValue.
type ConsumerGroupMemberMetadataValueProtocol struct {
	Name     string
	Metadata []byte
}

// Reset sets the defaults.
func (m *ConsumerGroupMemberMetadataValueProtocol) Reset() {
	*m = ConsumerGroupMemberMetadataValueProtocol{}
}

func (m *ConsumerGroupMemberMetadataValueProtocol) code(c *coder, _ int16) {
	c.string(&m.Name)
	c.bytes(&m.Metadata, false)
	c.noTags()
}
