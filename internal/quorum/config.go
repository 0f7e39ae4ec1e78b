package quorum

import (
	"path/filepath"
	"strings"

	"github.com/stromkafka/strom/internal/config"
	"github.com/stromkafka/strom/internal/kraft"
)

// FromConfig are the Options that a node's configuration decides. What the
// directory says (DirectoryID, ClusterID), what is built elsewhere (NewMachine,
// Bootstrap, Publish) and the world (FS, Network, Log, Now, Rand) are left to
// the caller, and so are the ports that were bound where Endpoints say 0.
func FromConfig(v *config.Values) (Options, error) {
	node := v.Node()
	o := Options{
		NodeID: node.ID, Controller: node.Controller, Dir: filepath.ToSlash(node.MetadataDir),
		ElectionTimeout:  v.MS("controller.quorum.election.timeout.ms"),
		ElectionBackoff:  v.MS("controller.quorum.election.backoff.max.ms"),
		FetchTimeout:     v.MS("controller.quorum.fetch.timeout.ms"),
		RequestTimeout:   v.MS("controller.quorum.request.timeout.ms"),
		RetryBackoff:     v.MS("controller.quorum.retry.backoff.ms"),
		FetchBytes:       int32(v.Int("controller.quorum.fetch.max.bytes")),
		SnapshotFetch:    int32(v.Int("controller.quorum.fetch.snapshot.max.bytes")),
		SnapshotBytes:    v.Long("metadata.log.max.record.bytes.between.snapshots"),
		SnapshotInterval: v.MS("metadata.log.max.snapshot.interval.ms"),
		RetentionBytes:   v.Long("metadata.max.retention.bytes"),
		RetentionAge:     v.MS("metadata.max.retention.ms"),
		SegmentBytes:     v.Long("metadata.log.segment.bytes"),
		SegmentAge:       v.MS("metadata.log.segment.ms"),
	}
	if o.SnapshotInterval == 0 {
		o.SnapshotInterval = -1
	}
	if len(node.ControllerNames) > 0 {
		o.Listener = strings.ToUpper(node.ControllerNames[0])
	}
	for _, l := range node.AdvertisedController {
		o.Endpoints = append(o.Endpoints, kraft.Endpoint{Name: strings.ToUpper(l.Name), Address: kraft.Address{Host: l.Host, Port: l.Port}})
	}
	for _, b := range node.Bootstrap {
		o.Servers = append(o.Servers, kraft.Address(b))
	}
	voters := make([]kraft.Voter, len(node.Voters))
	for i, s := range node.Voters {
		voters[i] = kraft.Voter{Replica: kraft.Replica{ID: s.ID}}
		if s.Port != 0 {
			voters[i].Endpoints = []kraft.Endpoint{{Name: o.Listener, Address: kraft.Address(s.HostPort)}}
		}
	}
	var err error
	o.StaticVoters, err = kraft.NewVoterSet(voters...)
	return o, err
}
