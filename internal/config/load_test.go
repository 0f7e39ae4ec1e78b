package config

import (
	"strings"
	"testing"
	"time"

	"github.com/stromkafka/strom/internal/model"
)

const combined = `# a node of both roles
process.roles=broker,controller
node.id=3
listeners=PLAINTEXT://:9092,CONTROLLER://:9093
advertised.listeners=PLAINTEXT://kafka.example:9092,CONTROLLER://kafka.example:9093
controller.listener.names=CONTROLLER
controller.quorum.bootstrap.servers=kafka.example:9093
log.dirs=/data/a,/data/b
`

func file(text string) Sources {
	return Sources{FileName: "server.properties", FileText: []byte(text)}
}

func mustLoad(t *testing.T, s Sources) *Values {
	t.Helper()
	v, err := Load(s)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestLoadWithoutFile(t *testing.T) {
	v := mustLoad(t, Sources{})
	n := v.Node()
	if n.ID != 1 || !n.Broker || !n.Controller || !n.InProcessController() || !v.Alone() {
		t.Errorf("%+v", n)
	}
	if got := n.Listeners[0].String(); got != "PLAINTEXT://localhost:9092" || len(n.Listeners) != 1 {
		t.Errorf("listeners %v", n.Listeners)
	}
	if got := n.AdvertisedController[0].String(); got != "CONTROLLER://localhost:9093" {
		t.Errorf("controller end point %s", got)
	}
	if n.MetadataDir != "strom-data" || n.InterBroker != "PLAINTEXT" {
		t.Errorf("%+v", n)
	}
	if len(v.Idle()) != 0 || len(v.Unknown()) != 0 {
		t.Errorf("idle %v, unknown %v", v.Idle(), v.Unknown())
	}
	withPort := mustLoad(t, Sources{Set: []string{"listeners=PLAINTEXT://localhost:0,CONTROLLER://localhost:0"}})
	if n := withPort.Node(); n.InProcessController() || len(n.ControllerListeners) != 1 || n.AdvertisedController[0].Port != 0 {
		t.Errorf("%+v", n)
	}
}

// A container has its whole configuration in the environment. It is no cluster
// of its own: neither its ids nor its replication factors are made up.
func TestEnvironmentInsteadOfFile(t *testing.T) {
	env := []string{"STROM_PROCESS_ROLES=broker,controller", "STROM_NODE_ID=2", "STROM_CONTROLLER_LISTENER_NAMES=C",
		"STROM_LISTENERS=PLAINTEXT://:9092,C://:9093", "STROM_ADVERTISED_LISTENERS=PLAINTEXT://b:9092", "STROM_CONTROLLER_QUORUM_VOTERS=1@a:9093,2@b:9093"}
	v := mustLoad(t, Sources{Env: env})
	if v.Alone() || v.Node().SoleVoter() || v.Int("offsets.topic.replication.factor") != 3 || v.Node().AdvertisedController[0].Host != "b" {
		t.Errorf("%+v", v.Node())
	}
	if _, err := Load(Sources{Env: env[:1]}); err == nil || !strings.Contains(err.Error(), "node.id: is required") {
		t.Error(err)
	}
}

func TestPrecedence(t *testing.T) {
	s := file(combined + "num.partitions=2\nlog.retention.hours=1\nlog.roll.ms = 5 \nfoo.bar=1\n")
	s.Env = []string{"STROM_NUM_PARTITIONS=3", "STROM_LOG_RETENTION_HOURS=2", "STROM_NO_SUCH=1", "STROM_BOOTSTRAP=x", "HOME=/"}
	s.Set = []string{"num.partitions=4"}
	v := mustLoad(t, s)
	if got := v.Int("num.partitions"); got != 4 {
		t.Errorf("num.partitions %d, want the flag's", got)
	}
	if got := v.Int("log.retention.hours"); got != 2 {
		t.Errorf("log.retention.hours %d, want the environment's", got)
	}
	if got := v.MS("log.roll.ms"); got != 5*time.Millisecond {
		t.Errorf("log.roll.ms %v, want the file's", got)
	}
	if set, _ := v.Setting("log.roll.ms"); set.Where != "server.properties:11" {
		t.Errorf("set at %s", set.Where)
	}
	names := settingNames(v.Unknown())
	if strings.Join(names, " ") != "foo.bar no.such (STROM_NO_SUCH)" {
		t.Errorf("unknown %v", names)
	}
	if v.Int("broker.id") != 3 || v.Node().ID != model.NodeID(3) {
		t.Error("broker.id does not follow node.id")
	}
}

func TestEnvKey(t *testing.T) {
	for variable, want := range map[string]string{
		"STROM_LOG_DIRS": "log.dirs", "STROM_A__B": "a_b", "STROM_A___B": "a-b", "STROM_LISTENER_NAME_EXT_MAX_CONNECTIONS": "listener.name.ext.max.connections",
	} {
		if got := envKey(variable); got != want {
			t.Errorf("%s: %s, want %s", variable, got, want)
		}
	}
}

// Every message names the place, the value and what to do.
func TestErrors(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"value", combined + "log.segment.bytes=abc\n", `server.properties:9: log.segment.bytes = "abc": must be an int of at least 1048576`},
		{"roles", "node.id=1\n", "process.roles: is required and has no default"},
		{"node id", "process.roles=broker\n", "node.id: is required and has no default"},
		{"controller names", "process.roles=broker\nnode.id=1\n", "controller.listener.names: must name at least one listener"},
		{"ssl", combined + "listener.security.protocol.map=PLAINTEXT:SSL,CONTROLLER:PLAINTEXT\nsecurity.inter.broker.protocol=PLAINTEXT\n", "SSL and SASL listeners are not supported yet: listener PLAINTEXT is SSL"},
		{"sasl name", strings.ReplaceAll(combined, "PLAINTEXT:", "SASL_SSL:") + "listener.security.protocol.map=SASL_SSL:SASL_SSL,CONTROLLER:PLAINTEXT\n", "SSL and SASL listeners are not supported yet: listener SASL_SSL is SASL_SSL"},
		{"no protocol", strings.ReplaceAll(combined, "PLAINTEXT:", "EXTERNAL:"), "no security protocol is defined for listener EXTERNAL"},
		{"same port", strings.ReplaceAll(combined, ":9093", ":9092"), "each listener must have a different port"},
		{"same name", combined + "listeners=CONTROLLER://:1,controller://:2\n", "each listener must have a different name"},
		{"not a listener", combined + "listeners=localhost:9092\n", "is not of the form name://host:port"},
		{"wildcard", combined + "advertised.listeners=PLAINTEXT://0.0.0.0:9092\n", "cannot advertise 0.0.0.0"},
		{"not listening", combined + "advertised.listeners=OTHER://a:1\nlistener.security.protocol.map=OTHER:PLAINTEXT,PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT\ninter.broker.listener.name=OTHER\n", "listener OTHER is advertised but is not among listeners"},
		{"inter broker", combined + "inter.broker.listener.name=OTHER\n", "set inter.broker.listener.name to one of PLAINTEXT"},
		{"broker with controller listener", combined + "process.roles=broker\n", "must not contain a controller listener"},
		{"controller with broker listener", combined + "process.roles=controller\n", "must contain only controller listeners"},
		{"controller without listener", combined + "listeners=PLAINTEXT://:9092\nadvertised.listeners=PLAINTEXT://a:9092\n", "must contain the controller listener CONTROLLER"},
		{"no quorum", strings.ReplaceAll(combined, "controller.quorum.bootstrap", "#"), "must name controllers to ask"},
		{"not a voter", combined + "controller.quorum.voters=1@a:1\n", "must contain this controller, node 3"},
		{"voter elsewhere", strings.ReplaceAll(combined, "advertised.listeners", "#") + "listeners=PLAINTEXT://:9092,CONTROLLER://a:9093\ncontroller.quorum.voters=3@a:9094\n", "says that voter 3 listens on a:9094, but its listener CONTROLLER is on a:9093"},
		{"ids differ", combined + "broker.id=4\n", "must be the same as node.id, 3"},
		{"directory twice", combined + "log.dirs=/a,/a/\n", "names the directory /a twice"},
		{"retention", combined + "log.retention.ms=0\n", "must be -1 for no limit, or at least 1"},
		{"authorizer", combined + "authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer\n", "authorizers are not supported yet"},
		{"escape", "a=\\u12\n", "server.properties: line 1: malformed"},
	} {
		_, err := Load(file(c.text))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v\nwant %s", c.name, err, c.want)
		}
	}
}

func TestSamePortTwoFamilies(t *testing.T) {
	text := combined + "listeners=PLAINTEXT://127.0.0.1:9092,SIX://[::1]:9092,CONTROLLER://:9093\nlistener.security.protocol.map=PLAINTEXT:PLAINTEXT,SIX:PLAINTEXT,CONTROLLER:PLAINTEXT\n"
	n := mustLoad(t, file(text)).Node()
	if got := n.Listeners[1].Address(); got != "[::1]:9092" {
		t.Error(got)
	}
}

// Without an advertised address a wildcard controller listener is told by the
// address the static voters give it.
func TestControllerEndpointFromVoters(t *testing.T) {
	text := "process.roles=controller\nnode.id=2\nlisteners=CONTROLLER://:9093\ncontroller.listener.names=CONTROLLER\ncontroller.quorum.voters=1@one:1,2@two:2\n"
	n := mustLoad(t, file(text)).Node()
	if got := n.AdvertisedController[0].String(); got != "CONTROLLER://two:2" {
		t.Error(got)
	}
	if n.SoleVoter() || len(n.Voters) != 2 {
		t.Errorf("%+v", n)
	}
}

func TestTimesInSeveralUnits(t *testing.T) {
	for _, c := range []struct {
		set  string
		want time.Duration
	}{
		{"", 168 * time.Hour},
		{"log.retention.hours=1\n", time.Hour},
		{"log.retention.hours=1\nlog.retention.minutes=3\n", 3 * time.Minute},
		{"log.retention.minutes=3\nlog.retention.ms=7\n", 7 * time.Millisecond},
		{"log.retention.hours=-1\n", -time.Millisecond},
	} {
		got, err := mustLoad(t, file(combined+c.set)).Topic(nil)
		if err != nil || got.Retention != c.want {
			t.Errorf("%q: %v %v, want %v", c.set, got.Retention, err, c.want)
		}
	}
}

// A dynamic value in one unit takes the place of a static one in a finer unit.
func TestDynamicOverStatic(t *testing.T) {
	v := mustLoad(t, file(combined+"log.retention.ms=7\n"))
	now, err := v.With(map[string]string{"log.retention.ms": "1000", "log.flush.policy": "os", "node.id": "9"}, map[string]string{"log.segment.bytes": "2000000", "some.plugin": "x"})
	if err == nil || !strings.Contains(err.Error(), "Cannot update these configs dynamically: [node.id]") {
		t.Error(err)
	}
	got, err := now.Topic(map[string]string{"max.message.bytes": "77", "cleanup.policy": "compact", "no.such": "1", "min.insync.replicas": "0"})
	if err == nil || !strings.Contains(err.Error(), "min.insync.replicas") {
		t.Error(err)
	}
	if got.Retention != time.Second || got.Fsync || got.SegmentBytes != 2000000 || got.MaxMessageBytes != 77 || got.Delete || !got.Compact || got.MinISR != 1 {
		t.Errorf("%+v", got)
	}
}

func TestValidateTopic(t *testing.T) {
	for _, c := range []struct {
		set  map[string]string
		want string
	}{
		{map[string]string{"retention.ms": "1"}, ""},
		{map[string]string{"retention": "1"}, "Unknown topic config name: retention"},
		{map[string]string{"min.compaction.lag.ms": "2", "max.compaction.lag.ms": "1"}, "conflict topic config setting min.compaction.lag.ms (2) > max.compaction.lag.ms (1)"},
		{map[string]string{"remote.storage.enable": "true"}, "Tiered Storage functionality is disabled"},
	} {
		err := ValidateTopic(c.set)
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v: %v", c.set, err)
		}
	}
}

func TestValidateBroker(t *testing.T) {
	for _, c := range []struct {
		name      string
		perBroker bool
		ok        bool
	}{
		{"log.segment.bytes", false, true}, {"log.segment.bytes", true, true}, {"listeners", true, true}, {"listeners", false, false},
		{"process.roles", true, false}, {"ssl.keystore.location", true, false}, {"listener.name.a.ssl.keystore.location", true, true},
		{"listener.name.a.max.connections", false, true}, {"plugin.key", false, true},
	} {
		if err := ValidateBroker(map[string]string{c.name: "10485760"}, c.perBroker); (err == nil) != c.ok {
			t.Errorf("%+v: %v", c, err)
		}
	}
}

func find(t *testing.T, entries []Entry, name string) Entry {
	t.Helper()
	for _, e := range entries {
		if e.Name == name {
			return e
		}
	}
	t.Fatalf("no entry %s", name)
	return Entry{}
}

// KAFKA: ConfigHelper.configSynonyms.
func TestDescribeTopic(t *testing.T) {
	v := mustLoad(t, file(combined+"log.retention.hours=1\nlog.segment.bytes=2000000\n"))
	d := Dynamics{Cluster: map[string]string{"log.segment.bytes": "3000000"}}
	entries := v.DescribeTopic(d, map[string]string{"segment.bytes": "4000000"})
	e := find(t, entries, "segment.bytes")
	var sources []Source
	for _, s := range e.Synonyms {
		sources = append(sources, s.Source)
	}
	if *e.Value != "4000000" || e.Source != SourceTopic || len(sources) != 4 || sources[1] != SourceCluster || sources[2] != SourceStatic || sources[3] != SourceDefault {
		t.Errorf("%+v", e)
	}
	// The value follows the hours, yet as in Kafka it counts as a default.
	if e := find(t, entries, "retention.ms"); *e.Value != "3600000" || !e.IsDefault() || len(e.Synonyms) != 0 {
		t.Errorf("%+v", e)
	}
	if e := find(t, entries, "remote.storage.enable"); *e.Value != "false" || !e.IsDefault() || e.Type != Boolean {
		t.Errorf("%+v", e)
	}
	for _, e := range entries {
		if e.Name == "internal.segment.bytes" {
			t.Error("an internal key is described")
		}
	}
}

func TestDescribeBroker(t *testing.T) {
	v := mustLoad(t, file(combined+"ssl.key.password=hunter2\n"))
	d := Dynamics{Broker: map[string]string{"num.io.threads": "9"}}
	entries := v.DescribeBroker(d)
	if e := find(t, entries, "num.io.threads"); *e.Value != "9" || e.Source != SourceBroker || e.ReadOnly || len(e.Synonyms) != 2 {
		t.Errorf("%+v", e)
	}
	if e := find(t, entries, "node.id"); *e.Value != "3" || e.Source != SourceStatic || !e.ReadOnly {
		t.Errorf("%+v", e)
	}
	if e := find(t, entries, "ssl.key.password"); e.Value != nil || !e.Sensitive || e.Synonyms[0].Value != nil {
		t.Errorf("%+v", e)
	}
	// KIP-226: what is no key may be a plug-in's, and its value a secret.
	plugin := Dynamics{Cluster: map[string]string{"x": "secret?"}, Broker: map[string]string{"y": "2", "num.io.threads": "9"}}
	for name, source := range map[string]Source{"x": SourceCluster, "y": SourceBroker, "z": SourceStatic} {
		e := find(t, mustLoad(t, file(combined+"z=1\n")).DescribeBroker(plugin), name)
		if e.Value != nil || !e.Sensitive || !e.ReadOnly || e.Source != source || len(e.Synonyms) != 1 || e.Synonyms[0].Value != nil {
			t.Errorf("%+v", e)
		}
	}
	if e := find(t, v.DescribeCluster(Dynamics{Cluster: map[string]string{"x": "secret?"}}), "x"); e.Value != nil {
		t.Errorf("%+v", e)
	}
}
