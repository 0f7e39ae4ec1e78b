package wire

// InitProducerIdRequest asks InitProducerId, API key 22, versions 0-6.
type InitProducerIdRequest struct {
	TransactionalID      *string
	TransactionTimeoutMS int32
	ProducerID           int64 // v3+
	ProducerEpoch        int16 // v3+
	Enable2Pc            bool  // v6+
	KeepPreparedTxn      bool  // v6+
}

// Reset sets the defaults.
func (m *InitProducerIdRequest) Reset() {
	*m = InitProducerIdRequest{ProducerID: -1, ProducerEpoch: -1}
}

// Key is the API key.
func (*InitProducerIdRequest) Key() int16 { return KeyInitProducerId }
func (*InitProducerIdRequest) request()   {}

func (m *InitProducerIdRequest) code(c *coder, v int16) {
	c.flexible = v >= 2
	c.nullString(&m.TransactionalID, true)
	c.int32(&m.TransactionTimeoutMS)
	if v >= 3 {
		c.int64(&m.ProducerID)
	}
	if v >= 3 {
		c.int16(&m.ProducerEpoch)
	}
	if v == 6 {
		c.bool(&m.Enable2Pc)
	}
	if v == 6 {
		c.bool(&m.KeepPreparedTxn)
	}
	if c.flexible {
		c.noTags()
	}
}

// InitProducerIdResponse answers InitProducerIdRequest.
type InitProducerIdResponse struct {
	ThrottleTimeMS          int32
	ErrorCode               int16
	ProducerID              int64
	ProducerEpoch           int16
	OngoingTxnProducerID    int64 // v6+
	OngoingTxnProducerEpoch int16 // v6+
}

// Reset sets the defaults.
func (m *InitProducerIdResponse) Reset() {
	*m = InitProducerIdResponse{ProducerID: -1, OngoingTxnProducerID: -1, OngoingTxnProducerEpoch: -1}
}

// Key is the API key.
func (*InitProducerIdResponse) Key() int16 { return KeyInitProducerId }
func (*InitProducerIdResponse) response()  {}

func (m *InitProducerIdResponse) code(c *coder, v int16) {
	c.flexible = v >= 2
	c.int32(&m.ThrottleTimeMS)
	c.int16(&m.ErrorCode)
	c.int64(&m.ProducerID)
	c.int16(&m.ProducerEpoch)
	if v == 6 {
		c.int64(&m.OngoingTxnProducerID)
	}
	if v == 6 {
		c.int16(&m.OngoingTxnProducerEpoch)
	}
	if c.flexible {
		c.noTags()
	}
}
