// Package disk holds tests of one node's directories that Strom and Apache Kafka use one after the other. They need what
// interop/install installs, and run with the build tag interop:
//
//	go test -tags interop ./interop/disk -program bin/strom
package disk
