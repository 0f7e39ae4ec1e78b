package wire

// AlterReplicaLogDirsRequest asks AlterReplicaLogDirs, API key 34, versions 1-2.
type AlterReplicaLogDirsRequest struct {
	Dirs []AlterReplicaLogDirsRequestDir
}

// Reset sets the defaults.
func (m *AlterReplicaLogDirsRequest) Reset() {
	*m = AlterReplicaLogDirsRequest{}
}

// Key is the API key.
func (*AlterReplicaLogDirsRequest) Key() int16 { return KeyAlterReplicaLogDirs }
func (*AlterReplicaLogDirsRequest) request()   {}

func (m *AlterReplicaLogDirsRequest) code(c *coder, v int16) {
	c.flexible = v >= 2
	array(c, v, &m.Dirs, false)
	if c.flexible {
		c.noTags()
	}
}

// AlterReplicaLogDirsRequestDir is part of AlterReplicaLogDirsRequest.
type AlterReplicaLogDirsRequestDir struct {
	Path   string
	Topics []AlterReplicaLogDirsRequestTopic
}

// Reset sets the defaults.
func (m *AlterReplicaLogDirsRequestDir) Reset() {
	*m = AlterReplicaLogDirsRequestDir{}
}

func (m *AlterReplicaLogDirsRequestDir) code(c *coder, v int16) {
	c.string(&m.Path)
	array(c, v, &m.Topics, false)
	if c.flexible {
		c.noTags()
	}
}

// AlterReplicaLogDirsRequestTopic is part of AlterReplicaLogDirsRequest.
type AlterReplicaLogDirsRequestTopic struct {
	Name       string
	Partitions []int32
}

// Reset sets the defaults.
func (m *AlterReplicaLogDirsRequestTopic) Reset() {
	*m = AlterReplicaLogDirsRequestTopic{}
}

func (m *AlterReplicaLogDirsRequestTopic) code(c *coder, _ int16) {
	c.string(&m.Name)
	list(c, &m.Partitions, false, (*coder).int32)
	if c.flexible {
		c.noTags()
	}
}

// AlterReplicaLogDirsResponse answers AlterReplicaLogDirsRequest.
type AlterReplicaLogDirsResponse struct {
	ThrottleTimeMS int32
	Results        []AlterReplicaLogDirsResponseTopic
}

// Reset sets the defaults.
func (m *AlterReplicaLogDirsResponse) Reset() {
	*m = AlterReplicaLogDirsResponse{}
}

// Key is the API key.
func (*AlterReplicaLogDirsResponse) Key() int16 { return KeyAlterReplicaLogDirs }
func (*AlterReplicaLogDirsResponse) response()  {}

func (m *AlterReplicaLogDirsResponse) code(c *coder, v int16) {
	c.flexible = v >= 2
	c.int32(&m.ThrottleTimeMS)
	array(c, v, &m.Results, false)
	if c.flexible {
		c.noTags()
	}
}

// AlterReplicaLogDirsResponseTopic is part of AlterReplicaLogDirsResponse.
type AlterReplicaLogDirsResponseTopic struct {
	TopicName  string
	Partitions []AlterReplicaLogDirsResponsePartition
}

// Reset sets the defaults.
func (m *AlterReplicaLogDirsResponseTopic) Reset() {
	*m = AlterReplicaLogDirsResponseTopic{}
}

func (m *AlterReplicaLogDirsResponseTopic) code(c *coder, v int16) {
	c.string(&m.TopicName)
	array(c, v, &m.Partitions, false)
	if c.flexible {
		c.noTags()
	}
}

// AlterReplicaLogDirsResponsePartition is part of AlterReplicaLogDirsResponse.
type AlterReplicaLogDirsResponsePartition struct {
	PartitionIndex int32
	ErrorCode      int16
}

// Reset sets the defaults.
func (m *AlterReplicaLogDirsResponsePartition) Reset() {
	*m = AlterReplicaLogDirsResponsePartition{}
}

func (m *AlterReplicaLogDirsResponsePartition) code(c *coder, _ int16) {
	c.int32(&m.PartitionIndex)
	c.int16(&m.ErrorCode)
	if c.flexible {
		c.noTags()
	}
}
