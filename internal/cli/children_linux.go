package cli

import "syscall"

// childAttributes keep a node out of the terminal's Ctrl-C, which this program
// passes on in its own order, and end it when this program is killed.
func childAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
