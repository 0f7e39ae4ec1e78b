// Package auth answers whether a principal may do an operation on a resource.
// The numbers are Kafka's, as they stand in ACLs and in the protocol.
package auth

// Principal is who asks: User:alice. The zero value is nobody.
type Principal struct {
	Type string // User, or what a custom principal builder made up
	Name string
}

// Anonymous is whoever connects to a listener that does not authenticate.
var Anonymous = Principal{Type: "User", Name: "ANONYMOUS"}

// String is the principal as Kafka writes it, type:name.
func (p Principal) String() string { return p.Type + ":" + p.Name }

// Operation is what a principal wants to do.
type Operation int8

// The operations.
const (
	UnknownOperation Operation = iota
	AnyOperation               // in filters only
	AllOperations              // in ACLs only
	Read
	Write
	Create
	Delete
	Alter
	Describe
	ClusterAction
	DescribeConfigs
	AlterConfigs
	IdempotentWrite
	CreateTokens
	DescribeTokens
	TwoPhaseCommit
)

var operationNames = [...]string{"UNKNOWN", "ANY", "ALL", "READ", "WRITE", "CREATE", "DELETE", "ALTER", "DESCRIBE",
	"CLUSTER_ACTION", "DESCRIBE_CONFIGS", "ALTER_CONFIGS", "IDEMPOTENT_WRITE", "CREATE_TOKENS", "DESCRIBE_TOKENS",
	"TWO_PHASE_COMMIT"}

// String is the operation's name in Kafka.
func (o Operation) String() string {
	if o < 0 || int(o) >= len(operationNames) {
		return operationNames[UnknownOperation]
	}
	return operationNames[o]
}

// ResourceType is the kind of thing an operation is done to.
type ResourceType int8

// The kinds of resource.
const (
	UnknownResource ResourceType = iota
	AnyResource                  // in filters only
	Topic
	Group
	Cluster
	TransactionalID
	DelegationToken
	User
)

var resourceNames = [...]string{"UNKNOWN", "ANY", "TOPIC", "GROUP", "CLUSTER", "TRANSACTIONAL_ID", "DELEGATION_TOKEN", "USER"}

// String is the resource type's name in Kafka.
func (r ResourceType) String() string {
	if r < 0 || int(r) >= len(resourceNames) {
		return resourceNames[UnknownResource]
	}
	return resourceNames[r]
}

// ClusterName is the name of the one resource of type Cluster.
const ClusterName = "kafka-cluster"

// Authorizer decides. It is called concurrently, several times a request.
type Authorizer interface {
	// Allowed reports whether p, connected from host, may do op to the resource.
	Allowed(p Principal, host string, op Operation, rt ResourceType, name string) bool
}

// AllowAll lets everybody do everything, as Kafka does without an authorizer.
type AllowAll struct{}

// Allowed implements Authorizer.
func (AllowAll) Allowed(Principal, string, Operation, ResourceType, string) bool { return true }
