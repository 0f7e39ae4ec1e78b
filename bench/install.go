package main

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// kafkaVersion is the Apache Kafka that is compared with; interop/kafka/pom.xml names it too.
const kafkaVersion = "4.3.1"

//go:embed log4j2.yaml
var log4j2 string

// notShipped are jars of the tests that share the directory; Apache Kafka's own distribution has none of them.
var notShipped = []string{"-test.jar", "kafka-test-common", "junit", "mockito", "byte-buddy", "objenesis", "opentest", "hamcrest", "apiguardian"}

// kafkaLibrary returns the class path of Apache Kafka, from dir or, without one, from where the interop tests install it.
func kafkaLibrary(ctx context.Context, dir string) (string, error) {
	if dir == "" {
		const install, lib = "interop/kafka/install", "interop/kafka/target/lib"
		for _, tool := range []string{"java", "javac", "mvn"} {
			if _, err := exec.LookPath(tool); err != nil {
				return "", fmt.Errorf("%w: run interop/install, or apt-get install default-jdk-headless maven", err)
			}
		}
		command := exec.CommandContext(ctx, install)
		command.Stdout, command.Stderr = os.Stderr, os.Stderr
		if err := command.Run(); err != nil {
			return "", fmt.Errorf("%s (from the module's root): %w", install, err)
		}
		dir = lib
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	jars, err := filepath.Glob(filepath.Join(dir, "*.jar"))
	if err != nil {
		return "", err
	}
	path := classPath(jars)
	if !strings.Contains(path, "kafka-server-"+kafkaVersion+".jar") {
		return "", errors.New(dir + " has no Apache Kafka " + kafkaVersion)
	}
	return path, nil
}

// classPath joins the jars that Apache Kafka ships.
func classPath(jars []string) string {
	var path []string
next:
	for _, jar := range jars {
		for _, part := range notShipped {
			if strings.Contains(filepath.Base(jar), part) {
				continue next
			}
		}
		path = append(path, jar)
	}
	return strings.Join(path, ":")
}

// logging is the file that configures a JVM's log at a level.
func (b *bench) logging(level string) string { return filepath.Join(b.dir, "log4j2-"+level+".yaml") }

func (b *bench) writeLogging() error {
	for _, level := range []string{"INFO", "ERROR"} {
		if err := os.WriteFile(b.logging(level), []byte(strings.ReplaceAll(log4j2, "LEVEL", level)), 0o644); err != nil {
			return err
		}
	}
	return nil
}
