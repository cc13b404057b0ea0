package openloop

import (
	"fmt"

	"github.com/taremesh/tare/load"
	"golang.org/x/sys/unix"
)

// ownFiles are the descriptors that the child needs beside connections.
const ownFiles = 64

// allowFiles raises this process's limit of open files to what the targets'
// pools may grow to, as far as it may. Pools that cannot even stand are an
// error.
func allowFiles(targets []load.Target) error {
	var now unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &now); err != nil {
		return fmt.Errorf("read the limit of open files: %w", err)
	}
	standing, most := uint64(ownFiles), uint64(ownFiles)
	for _, t := range targets {
		standing += uint64(t.Connections)
		most += uint64(t.MaxConnections)
	}
	if now.Cur >= most {
		return nil
	}
	// Only root may go beyond the hard limit; others get as near as they can.
	if unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: most, Max: max(now.Max, most)}) == nil {
		return nil
	}
	if now.Max > now.Cur && unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: min(now.Max, most), Max: now.Max}) == nil {
		now.Cur = min(now.Max, most)
	}
	if now.Cur < standing {
		return fmt.Errorf("%d connections and %d files beside them are more than the %d open files that this process may have: raise the limit (ulimit -n %d, or LimitNOFILE of its systemd unit)",
			standing-ownFiles, ownFiles, now.Cur, standing)
	}
	return nil
}
