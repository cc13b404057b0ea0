package load

import (
	"fmt"
	"net/netip"
	"slices"
)

// Guard says why load is not offered to a target, if so: its address is beyond
// loopback and private networks and is none of allowed. It is for who is told a
// target by another machine: addresses count, since whoever tells can name any
// host beside any address. ParseTarget guards what a user names.
func (t Target) Guard(allowed ...string) error {
	at, err := netip.ParseAddrPort(t.Addr)
	if err != nil {
		return fmt.Errorf("target %s: the address %q is not ip:port", t.Name, t.Addr)
	}
	ip := at.Addr().Unmap()
	if near(ip) {
		return nil
	}
	if slices.Contains(allowed, ip.String()) {
		return nil
	}
	return fmt.Errorf("target %s: %s is a public address: this machine offers load to loopback and private addresses only; if the server is yours to load, start its worker with --allow-target %s", t.Name, ip, ip)
}

// near reports whether load may be offered to an address without anybody's word.
// Link-local addresses are not among them: machines are told their secrets there.
func near(ip netip.Addr) bool { return ip.IsLoopback() || ip.IsPrivate() }
