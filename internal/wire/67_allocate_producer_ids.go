package wire

// AllocateProducerIdsRequest asks AllocateProducerIds, API key 67, version 0.
type AllocateProducerIdsRequest struct {
	BrokerID    int32
	BrokerEpoch int64
}

// Reset sets the defaults.
func (m *AllocateProducerIdsRequest) Reset() {
	*m = AllocateProducerIdsRequest{BrokerEpoch: -1}
}

// Key is the API key.
func (*AllocateProducerIdsRequest) Key() int16 { return KeyAllocateProducerIds }
func (*AllocateProducerIdsRequest) request()   {}

func (m *AllocateProducerIdsRequest) code(c *coder, _ int16) {
	c.flexible = true
	c.int32(&m.BrokerID)
	c.int64(&m.BrokerEpoch)
	c.noTags()
}

// AllocateProducerIdsResponse answers AllocateProducerIdsRequest.
type AllocateProducerIdsResponse struct {
	ThrottleTimeMS  int32
	ErrorCode       int16
	ProducerIDStart int64
	ProducerIDLen   int32
}

// Reset sets the defaults.
func (m *AllocateProducerIdsResponse) Reset() {
	*m = AllocateProducerIdsResponse{}
}

// Key is the API key.
func (*AllocateProducerIdsResponse) Key() int16 { return KeyAllocateProducerIds }
func (*AllocateProducerIdsResponse) response()  {}

func (m *AllocateProducerIdsResponse) code(c *coder, _ int16) {
	c.flexible = true
	c.int32(&m.ThrottleTimeMS)
	c.int16(&m.ErrorCode)
	c.int64(&m.ProducerIDStart)
	c.int32(&m.ProducerIDLen)
	c.noTags()
}
