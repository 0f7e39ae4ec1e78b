//go:build !unix

package server

func isReset(error) bool { return false }
