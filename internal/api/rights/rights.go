// Package rights is what handlers ask an authorizer about the caller of a request.
package rights

import (
	"github.com/stromkafka/strom/internal/auth"
	"github.com/stromkafka/strom/internal/server"
)

// Topic asks for a right on a topic.
func Topic(a auth.Authorizer, r *server.Request, op auth.Operation, name string) bool {
	return a.Allowed(r.Principal, r.ClientHost, op, auth.Topic, name)
}

// Group asks for a right on a group.
func Group(a auth.Authorizer, r *server.Request, op auth.Operation, id string) bool {
	return a.Allowed(r.Principal, r.ClientHost, op, auth.Group, id)
}

// Cluster asks for a right on the cluster.
func Cluster(a auth.Authorizer, r *server.Request, op auth.Operation) bool {
	return a.Allowed(r.Principal, r.ClientHost, op, auth.Cluster, auth.ClusterName)
}

// supported are the operations that can be allowed on a kind of resource.
var supported = map[auth.ResourceType][]auth.Operation{
	auth.Topic: {auth.Read, auth.Write, auth.Create, auth.Delete, auth.Alter, auth.Describe, auth.DescribeConfigs, auth.AlterConfigs},
	auth.Group: {auth.Read, auth.Delete, auth.Describe, auth.DescribeConfigs, auth.AlterConfigs},
	auth.Cluster: {auth.Create, auth.Alter, auth.Describe, auth.ClusterAction, auth.DescribeConfigs, auth.AlterConfigs,
		auth.IdempotentWrite},
}

// Operations has a bit for each operation that is allowed (KIP-430).
func Operations(a auth.Authorizer, r *server.Request, kind auth.ResourceType, name string) int32 {
	bits := int32(0)
	for _, op := range supported[kind] {
		if a.Allowed(r.Principal, r.ClientHost, op, kind, name) {
			bits |= 1 << op
		}
	}
	return bits
}
