// Package kerr holds the Kafka protocol's errors as Go values, and the one map
// from an error to its code on the wire.
//
// A protocol error is the third of three kinds: the program is wrong (package
// assert), the world is wrong (an ordinary error, which becomes
// UNKNOWN_SERVER_ERROR on the wire), the client is wrong or must try elsewhere
// (an *Error of this package).
package kerr

import (
	"errors"
	"fmt"
)

// Error is one of the protocol's errors, with an optional message for the
// caller. Two errors are the same for errors.Is when their codes are equal.
type Error struct {
	Code      int16
	Name      string // as Apache Kafka spells it: UNKNOWN_TOPIC_OR_PARTITION
	Retriable bool
	Message   string // what to do about it; empty when the name says all
}

var byCode = map[int16]*Error{}

func define(code int16, name string, retriable bool) *Error {
	e := &Error{Code: code, Name: name, Retriable: retriable}
	byCode[code] = e
	return e
}

func (e *Error) Error() string {
	if e.Message == "" {
		return e.Name
	}
	return e.Name + ": " + e.Message
}

// Is reports whether target is the same protocol error, whatever its message.
func (e *Error) Is(target error) bool {
	t, ok := target.(*Error)
	return ok && t.Code == e.Code
}

// With is the same error with a message for whoever reads it.
func (e *Error) With(format string, args ...any) *Error {
	c := *e
	c.Message = fmt.Sprintf(format, args...)
	return &c
}

// Code is the error's code on the wire: 0 for nil, the code of the first *Error
// in err's chain, and UNKNOWN_SERVER_ERROR for everything else.
func Code(err error) int16 {
	if err == nil {
		return 0
	}
	var e *Error
	if errors.As(err, &e) {
		return e.Code
	}
	return UnknownServerError.Code
}

// Message is the text that belongs beside Code in a response's ErrorMessage
// field; nil when there is nothing to add to the code. The text of an error that
// is not the protocol's stays in the server: it may name files or hosts.
func Message(err error) *string {
	var e *Error
	if errors.As(err, &e) && e.Message != "" {
		m := e.Message
		return &m
	}
	return nil
}

// FromCode is the error that code stands for, nil for 0. A code that this
// version does not know becomes an error that names it.
func FromCode(code int16) error {
	if code == 0 {
		return nil
	}
	if e, ok := byCode[code]; ok {
		return e
	}
	return &Error{Code: code, Name: fmt.Sprintf("UNKNOWN_ERROR_CODE_%d", code)}
}
