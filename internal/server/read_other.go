//go:build !unix

package server

import "errors"

const canReadRaw = false

func readDescriptor(uintptr, []byte) (int, error) { return 0, errors.ErrUnsupported }

func wouldBlock(error) bool { return false }
