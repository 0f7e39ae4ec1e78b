// Package mixed holds tests of clusters that Strom and Apache Kafka form together. They need what interop/install
// installs, and run with the build tag interop:
//
//	go test -tags interop ./interop/mixed -program bin/strom
package mixed
