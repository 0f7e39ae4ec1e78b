package wire

// DescribeClusterRequest asks DescribeCluster, API key 60, versions 0-2.
type DescribeClusterRequest struct {
	IncludeClusterAuthorizedOperations bool
	EndpointType                       int8 // v1+
	IncludeFencedBrokers               bool // v2+
}

// Reset sets the defaults.
func (m *DescribeClusterRequest) Reset() {
	*m = DescribeClusterRequest{EndpointType: 1}
}

// Key is the API key.
func (*DescribeClusterRequest) Key() int16 { return KeyDescribeCluster }
func (*DescribeClusterRequest) request()   {}

func (m *DescribeClusterRequest) code(c *coder, v int16) {
	c.flexible = true
	c.bool(&m.IncludeClusterAuthorizedOperations)
	if v >= 1 {
		c.int8(&m.EndpointType)
	}
	if v == 2 {
		c.bool(&m.IncludeFencedBrokers)
	}
	c.noTags()
}

// DescribeClusterResponse answers DescribeClusterRequest.
type DescribeClusterResponse struct {
	ThrottleTimeMS              int32
	ErrorCode                   int16
	ErrorMessage                *string
	EndpointType                int8 // v1+
	ClusterID                   string
	ControllerID                int32
	Brokers                     []DescribeClusterResponseBroker
	ClusterAuthorizedOperations int32
}

// Reset sets the defaults.
func (m *DescribeClusterResponse) Reset() {
	*m = DescribeClusterResponse{EndpointType: 1, ControllerID: -1, ClusterAuthorizedOperations: -2147483648}
}

// Key is the API key.
func (*DescribeClusterResponse) Key() int16 { return KeyDescribeCluster }
func (*DescribeClusterResponse) response()  {}

func (m *DescribeClusterResponse) code(c *coder, v int16) {
	c.flexible = true
	c.int32(&m.ThrottleTimeMS)
	c.int16(&m.ErrorCode)
	c.nullString(&m.ErrorMessage, true)
	if v >= 1 {
		c.int8(&m.EndpointType)
	}
	c.string(&m.ClusterID)
	c.int32(&m.ControllerID)
	array(c, v, &m.Brokers, false)
	c.int32(&m.ClusterAuthorizedOperations)
	c.noTags()
}

// DescribeClusterResponseBroker is part of DescribeClusterResponse.
type DescribeClusterResponseBroker struct {
	BrokerID int32
	Host     string
	Port     int32
	Rack     *string
	IsFenced bool // v2+
}

// Reset sets the defaults.
func (m *DescribeClusterResponseBroker) Reset() {
	*m = DescribeClusterResponseBroker{}
}

func (m *DescribeClusterResponseBroker) code(c *coder, v int16) {
	c.int32(&m.BrokerID)
	c.string(&m.Host)
	c.int32(&m.Port)
	c.nullString(&m.Rack, true)
	if v == 2 {
		c.bool(&m.IsFenced)
	}
	c.noTags()
}
