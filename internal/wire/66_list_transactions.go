package wire

// ListTransactionsRequest asks ListTransactions, API key 66, versions 0-2.
type ListTransactionsRequest struct {
	StateFilters           []string
	ProducerIDFilters      []int64
	DurationFilter         int64   // v1+
	TransactionalIDPattern *string // v2+
}

// Reset sets the defaults.
func (m *ListTransactionsRequest) Reset() {
	*m = ListTransactionsRequest{DurationFilter: -1}
}

// Key is the API key.
func (*ListTransactionsRequest) Key() int16 { return KeyListTransactions }
func (*ListTransactionsRequest) request()   {}

func (m *ListTransactionsRequest) code(c *coder, v int16) {
	c.flexible = true
	list(c, &m.StateFilters, false, (*coder).string)
	list(c, &m.ProducerIDFilters, false, (*coder).int64)
	if v >= 1 {
		c.int64(&m.DurationFilter)
	}
	if v >= 2 {
		c.nullString(&m.TransactionalIDPattern, true)
	}
	c.noTags()
}

// ListTransactionsResponse answers ListTransactionsRequest.
type ListTransactionsResponse struct {
	ThrottleTimeMS      int32
	ErrorCode           int16
	UnknownStateFilters []string
	TransactionStates   []ListTransactionsResponseState
}

// Reset sets the defaults.
func (m *ListTransactionsResponse) Reset() {
	*m = ListTransactionsResponse{}
}

// Key is the API key.
func (*ListTransactionsResponse) Key() int16 { return KeyListTransactions }
func (*ListTransactionsResponse) response()  {}

func (m *ListTransactionsResponse) code(c *coder, v int16) {
	c.flexible = true
	c.int32(&m.ThrottleTimeMS)
	c.int16(&m.ErrorCode)
	list(c, &m.UnknownStateFilters, false, (*coder).string)
	array(c, v, &m.TransactionStates, false)
	c.noTags()
}

// ListTransactionsResponseState is part of ListTransactionsResponse.
type ListTransactionsResponseState struct {
	TransactionalID  string
	ProducerID       int64
	TransactionState string
}

// Reset sets the defaults.
func (m *ListTransactionsResponseState) Reset() {
	*m = ListTransactionsResponseState{}
}

func (m *ListTransactionsResponseState) code(c *coder, _ int16) {
	c.string(&m.TransactionalID)
	c.int64(&m.ProducerID)
	c.string(&m.TransactionState)
	c.noTags()
}
