package quorum

import (
	"testing"
	"time"

	"github.com/stromkafka/strom/internal/config"
)

func TestFromConfig(t *testing.T) {
	v, err := config.Load(config.Sources{FileName: "x", FileText: []byte(`
process.roles=broker,controller
node.id=3
listeners=PLAINTEXT://localhost:9092,CTL://localhost:9093
controller.listener.names=CTL
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CTL:PLAINTEXT
controller.quorum.voters=3@localhost:9093
log.dirs=/data
metadata.log.max.snapshot.interval.ms=0
controller.quorum.request.timeout.ms=1234
`)})
	if err != nil {
		t.Fatal(err)
	}
	o, err := FromConfig(v)
	if err != nil {
		t.Fatal(err)
	}
	if o.NodeID != 3 || !o.Controller || o.Dir != "/data" || o.Listener != "CTL" || o.SnapshotInterval >= 0 ||
		o.RequestTimeout != 1234*time.Millisecond || o.FetchBytes != 1<<20 || o.SegmentBytes != 1<<30 {
		t.Errorf("%+v", o)
	}
	if len(o.Endpoints) != 1 || o.Endpoints[0].Name != "CTL" || o.Endpoints[0].Port != 9093 || o.StaticVoters.String() != "3@localhost:9093" {
		t.Errorf("%+v, %s", o.Endpoints, o.StaticVoters)
	}
}

func TestFromConfigAlone(t *testing.T) {
	v, err := config.Load(config.Sources{})
	if err != nil {
		t.Fatal(err)
	}
	if o, err := FromConfig(v); err != nil || o.NodeID != 1 || !o.Controller || len(o.Endpoints) > 1 {
		t.Errorf("%+v, %v", o, err)
	}
}
