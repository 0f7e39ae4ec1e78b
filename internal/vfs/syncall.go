package vfs

import "errors"

// SyncAll makes all that was written to the file system that holds dir durable,
// files and names, and fails if any of it could not be since dir was last synced
// this way. It may do more than was asked. errors.ErrUnsupported where the
// operating system has no such call, or one that does not tell of failures.
func SyncAll(fsys FS, dir string) error {
	if f, ok := fsys.(interface{ syncAll(dir string) error }); ok {
		return f.syncAll(dir)
	}
	return errors.ErrUnsupported
}

// syncAll implements SyncAll.
func (m *Mem) syncAll(name string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, err := m.find("syncall", name); err != nil {
		return err
	}
	for _, c := range m.pending {
		c.apply(func(half) bool { return true })
	}
	m.pending = nil
	m.root.eachFile(func(n *node) {
		for _, w := range n.writes {
			n.disk = w.apply(n.disk)
		}
		n.writes = nil
	})
	return nil
}

// syncAllFailed is what a failed SyncAll leaves behind, as a failed Sync does.
func (m *Mem) syncAllFailed() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.root.eachFile(func(n *node) { n.writes = nil })
}

func (n *node) eachFile(do func(*node)) {
	if !n.isDir() {
		do(n)
		return
	}
	for _, child := range n.entries {
		child.eachFile(do)
	}
}

// syncAll implements SyncAll.
func (f *Faulty) syncAll(dir string) error {
	if err := f.ask(Op{Kind: OpSyncAll, Path: dir}); err != nil {
		if below, ok := f.fs.(interface{ syncAllFailed() }); ok {
			below.syncAllFailed()
		}
		return err
	}
	return SyncAll(f.fs, dir)
}

// syncAll implements SyncAll.
func (osFS) syncAll(dir string) error { return syncFileSystem(dir) }
