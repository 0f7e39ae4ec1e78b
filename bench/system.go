package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// The flush policies, and the name that Kafka's column has in their place.
const (
	policyFsync = "fsync"
	policyOS    = "os"
	kafkaName   = "kafka"
)

// A system is one of the things that are compared.
type system struct {
	name string // kafka, or Strom's flush policy
	// prepare makes an empty directory ready and returns the commands that start a broker on it at each address.
	prepare func(ctx context.Context, dir string, addrs []string) ([]command, error)
}

// jvmPerformance are the JVM options of Apache Kafka's kafka-run-class.
var jvmPerformance = []string{"-server", "-XX:+UseG1GC", "-XX:MaxGCPauseMillis=20", "-XX:InitiatingHeapOccupancyPercent=35",
	"-XX:+ExplicitGCInvokesConcurrent", "-XX:MaxInlineLevel=15", "-Djava.awt.headless=true"}

// kafka is Apache Kafka as its kafka-server-start runs it: heap, collector, JMX, collector's log and log levels.
func (b *bench) kafka(name string) system {
	if b.plan.Nodes > 1 {
		return b.kafkaCluster(name)
	}
	return system{name: name, prepare: func(ctx context.Context, dir string, addrs []string) ([]command, error) {
		file := filepath.Join(dir, "server.properties")
		controller, err := freeAddr()
		if err != nil {
			return nil, err
		}
		if err := os.WriteFile(file, []byte(kafkaProperties(dir, addrs[0], controller)+lines(b.plan.suite().settings)), 0o644); err != nil {
			return nil, err
		}
		if err := b.kafkaFormat(ctx, file, "--standalone"); err != nil {
			return nil, err
		}
		return []command{b.kafkaBroker(dir, file, "1G")}, nil
	}}
}

const clusterID = "4L6g3nShT-eMCtK--X86sw"

// kafkaFormat formats a node's directory for a cluster with the given voters.
func (b *bench) kafkaFormat(ctx context.Context, file string, voters ...string) error {
	args := append([]string{"-Dlog4j2.configurationFile=" + b.logging("ERROR"), "-cp", b.lib,
		"kafka.tools.StorageTool", "format", "-t", clusterID, "-c", file}, voters...)
	if out, err := exec.CommandContext(ctx, "java", args...).CombinedOutput(); err != nil {
		return fmt.Errorf("kafka-storage format: %w: %s", err, out)
	}
	return nil
}

func (b *bench) kafkaBroker(dir, file, heap string) command {
	args := append([]string{"java", "-Xmx" + heap, "-Xms" + heap}, jvmPerformance...)
	args = append(args,
		"-Xlog:gc*:file="+filepath.Join(dir, "kafkaServer-gc.log")+":time,tags:filecount=10,filesize=100M",
		"-Dcom.sun.management.jmxremote=true", "-Dcom.sun.management.jmxremote.authenticate=false", "-Dcom.sun.management.jmxremote.ssl=false",
		"-Dkafka.logs.dir="+dir, "-Dlog4j2.configurationFile="+b.logging("INFO"), "-cp", b.lib, "kafka.Kafka", file)
	return command{name: "Apache Kafka", args: args}
}

// kafkaProperties are those of Apache Kafka's config/server.properties, with addresses and a directory of our own.
func kafkaProperties(dir, addr, controller string) string {
	return strings.Join([]string{
		"process.roles=broker,controller",
		"node.id=1",
		"controller.quorum.bootstrap.servers=" + controller,
		"listeners=PLAINTEXT://" + addr + ",CONTROLLER://" + controller,
		"advertised.listeners=PLAINTEXT://" + addr + ",CONTROLLER://" + controller,
		"inter.broker.listener.name=PLAINTEXT",
		"controller.listener.names=CONTROLLER",
		"num.network.threads=3",
		"num.io.threads=8",
		"socket.send.buffer.bytes=102400",
		"socket.receive.buffer.bytes=102400",
		"socket.request.max.bytes=104857600",
		"log.dirs=" + filepath.Join(dir, "data"),
		"num.partitions=1",
		"num.recovery.threads.per.data.dir=2",
		"offsets.topic.replication.factor=1",
		"share.coordinator.state.topic.replication.factor=1",
		"share.coordinator.state.topic.min.isr=1",
		"transaction.state.log.replication.factor=1",
		"transaction.state.log.min.isr=1",
		"log.retention.hours=168",
		"log.segment.bytes=1073741824",
		"log.retention.check.interval.ms=300000",
		"",
	}, "\n")
}

// lines of a properties file.
func lines(settings []string) string {
	var text strings.Builder
	for _, s := range settings {
		text.WriteString(s + "\n")
	}
	return text.String()
}

// stromWith is Strom with a flush policy, started without a file as a laptop would.
func (b *bench) stromWith(policy string) system {
	if filepath.Base(b.strom) == "apache-kafka" {
		return b.kafka(policy)
	}
	if b.plan.Nodes > 1 {
		return b.stromCluster(policy)
	}
	return system{name: policy, prepare: func(_ context.Context, dir string, addrs []string) ([]command, error) {
		program, err := b.stromProgram()
		if err != nil {
			return nil, err
		}
		args := []string{program, "start"}
		settings := append([]string{"listeners=PLAINTEXT://" + addrs[0], "log.dirs=" + filepath.Join(dir, "data"), "log.flush.policy=" + policy}, b.plan.suite().settings...)
		for _, set := range settings {
			args = append(args, "--set", set)
		}
		return []command{{name: "strom (" + policy + ")", args: args}}, nil
	}}
}

func (b *bench) stromProgram() (string, error) {
	program, err := filepath.Abs(b.strom)
	if err != nil {
		return "", err
	}
	if _, err := os.Stat(program); err != nil {
		return "", fmt.Errorf("nothing to measure: %w (make build)", err)
	}
	return program, nil
}

// systems in the order of a round, those that were asked for.
func (b *bench) systems() []system {
	var chosen []system
	for _, s := range []system{b.kafka(kafkaName), b.stromWith(policyFsync), b.stromWith(policyOS)} {
		if b.of == nil || b.of.MatchString(s.name) {
			chosen = append(chosen, s)
		}
	}
	return chosen
}

// freeAddr finds an address that nobody listens on now.
func freeAddr() (string, error) {
	l, err := net.Listen("tcp", "localhost:0")
	if err != nil {
		return "", err
	}
	addr := l.Addr().(*net.TCPAddr)
	return fmt.Sprintf("localhost:%d", addr.Port), l.Close()
}
