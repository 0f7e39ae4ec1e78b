// Package goldens sends raw requests to a broker as text scripts say, and compares what comes back, field by field,
// with what Apache Kafka 4.3.1 answered to the same script when it was recorded. So the comparison needs no JVM.
//
// A script under testdata is a list of steps separated by empty lines. A step is a command, its body in JSON, a line
// "----" and the answer. Lines that begin a step with # are comments.
//
//	set NAME=VALUE              a property of the node, before everything else
//	topic NAME [PARTITIONS] [CONFIG=VALUE ...]   makes a topic and waits until every partition serves
//	batch NAME                  names a record batch of magic 2 (body: batchSpec in batch.go)
//	message NAME                names a message of magic 0 or 1
//	connect                     goes on with a new connection
//	send API VERSIONS [OPTION ...]   sends the request in the body once for each version
//	raw HEX                     sends a frame of these bytes (after the correlation id, they are the broker's to judge); empty for none
//	bytes HEX                   sends bytes with no length in front
//	await close                 waits until the broker closes the connection
//
// Options of send: keep NAME=PATH gives a field of the answer a name, such as keep id=Topics[0].TopicID; mask=A,B hides
// fields whose value changes from run to run; where=FIELD:A,B shows only those items of arrays that
// have one of the values, sorted compares arrays of structs without regard to order; noreply expects no answer; texts compares texts for people word by word; patient
// asks again while a coordinator is loading. In a body "$NAME" stands for something named, "$a+$b" for batches one after another, "now-1000" for a time,
// and {v} for "v" and the version being sent.
//
// Answers are printed with fields at their defaults left out, and with ids, sessions, producer ids, ports and times of
// the day replaced (see printer). Texts for people are compared by whether there is one. Versions with the same answer
// stand together. An answer that does not encode back to the same bytes is said so.
//
// Where Strom differs on purpose, a block "---- strom: REASON" follows Apache Kafka's answer; those reasons, and
// addedConfigs in differences.go, are the whole list of differences.
//
//	go test ./interop/goldens                                        # builds and checks Strom
//	go test ./interop/goldens -program apache-kafka                  # checks that the recordings are still true
//	go test ./interop/goldens -program apache-kafka -record          # records them anew
package goldens
