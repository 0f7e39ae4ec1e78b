//go:build !unix

package cli

import "syscall"

// childAttributes are none.
func childAttributes() *syscall.SysProcAttr { return nil }
