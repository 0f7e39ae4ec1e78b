//go:build unix && !linux

package cli

import "syscall"

// childAttributes keep a node out of the terminal's Ctrl-C, which this program
// passes on in its own order. A node outlives this program when that is killed.
func childAttributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
