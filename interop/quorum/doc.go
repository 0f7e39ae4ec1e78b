// Package quorum holds tests of a metadata quorum that Strom and Apache Kafka form together. They need what
// interop/install installs, and run with the build tag interop:
//
//	go test -tags interop ./interop/quorum -program bin/strom
package quorum
