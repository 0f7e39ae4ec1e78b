// Package clients tests a broker with foreign clients and with Apache Kafka's own tools. Everything here needs programs
// that interop/run installs, so the tests are built only with -tags interop.
//
//	go test -tags interop ./interop/clients -program bin/strom
//	go test -tags interop ./interop/clients -program apache-kafka
package clients
