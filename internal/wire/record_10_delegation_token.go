package wire

// DelegationTokenRecord is record 10 of the metadata log, version 0.
type DelegationTokenRecord struct {
	Owner               string
	Requester           string
	Renewers            []string
	IssueTimestamp      int64
	MaxTimestamp        int64
	ExpirationTimestamp int64
	TokenID             string
}

// Reset sets the defaults.
func (m *DelegationTokenRecord) Reset() {
	*m = DelegationTokenRecord{}
}

// RecordKey is the kind of record.
func (*DelegationTokenRecord) RecordKey() int16 { return 10 }

func (m *DelegationTokenRecord) code(c *coder, _ int16) {
	c.flexible = true
	c.string(&m.Owner)
	c.string(&m.Requester)
	list(c, &m.Renewers, false, (*coder).string)
	c.int64(&m.IssueTimestamp)
	c.int64(&m.MaxTimestamp)
	c.int64(&m.ExpirationTimestamp)
	c.string(&m.TokenID)
	c.noTags()
}
