package fib

import (
	"encoding/hex"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strings"
	"time"

	"jitnic/host/kernel/netns"
)

// Install gives the calling thread's network namespace, which must be a fresh
// one, the links, addresses, routes, neighbours and rules of the table, by
// ip(8), so that the kernel answers there what [Table.Lookup] does. The thread
// must be locked. A link is one end of a veth, whose other end has an index
// above all of the table's, a million at least.
func (t *Table) Install() error {
	links, addrs4, addrs6 := t.linkLines()
	if err := netns.Batch("-4", links); err != nil {
		return err
	}
	if err := t.installForwarding(); err != nil {
		return err
	}
	if err := netns.Batch("-6", addrs6); err != nil {
		return err
	}
	if err := t.settle(); err != nil {
		return err
	}
	if err := netns.Batch("-4", addrs4); err != nil {
		return err
	}
	for i, flag := range []string{"-6", "-4"} { // IPv4's gateways may be IPv6's
		family := []uint8{afInet6, afInet}[i]
		lines := t.routeLines(family)
		lines = append(lines, t.neighLines(family)...)
		lines = append(lines, t.ruleLines(family)...)
		if err := netns.Batch(flag, lines); err != nil {
			return err
		}
	}
	return nil
}

// Several says whether a route has more than one next hop, of which the kernel
// takes one by a secret of its own.
func (t *Table) Several() bool {
	for i := range t.all {
		if len(t.all[i].hops) > 1 {
			return true
		}
	}
	return false
}

func (t *Table) linkLines() (links, addrs4, addrs6 []string) {
	peer := uint32(1 << 20)
	for i := range t.links {
		peer = max(peer, t.links[i].index)
	}
	add := func(format string, args ...any) { links = append(links, fmt.Sprintf(format, args...)) }
	for i := range t.links {
		l := &t.links[i]
		for _, a := range l.addrs {
			line := fmt.Sprintf("address add %s dev %s", netip.PrefixFrom(a.local.ip(a.family), int(a.net.bits)), l.name)
			if a.family == afInet6 {
				addrs6 = append(addrs6, line+" nodad")
			} else {
				addrs4 = append(addrs4, fmt.Sprintf("%s scope %d", line, a.scope))
			}
		}
		if l.index == 1 {
			if len(l.addrs) > 0 && !l.down {
				add("link set lo up")
			}
			continue
		}
		peer++
		other := fmt.Sprintf("peer%d", peer)
		mac := ""
		if l.mac != [6]byte{} {
			m := l.mac
			mac = fmt.Sprintf(" address %02x:%02x:%02x:%02x:%02x:%02x", m[0], m[1], m[2], m[3], m[4], m[5])
		}
		add("link add name %s index %d%s mtu %d type veth peer name %s index %d mtu %d", l.name, l.index, mac, l.mtu, other, peer, l.mtu)
		add("link set %s addrgenmode none", l.name)
		add("link set %s addrgenmode none", other)
		if !l.down {
			add("link set %s up", other)
			add("link set %s up", l.name)
		}
	}
	if len(addrs4) == 0 && slices.ContainsFunc(t.all, func(r route) bool { return r.gateway() }) {
		// The kernel takes no gateway before there has been an address: the table
		// it is looked up in is made with the first (__inet_dev_addr_type,
		// net/ipv4/fib_frontend.c).
		addrs4 = append(addrs4, "address add 192.0.2.1/32 dev lo", "address del 192.0.2.1/32 dev lo")
	}
	return links, addrs4, addrs6
}

func (t *Table) installForwarding() error {
	write := func(path string, on bool) error {
		v := "0"
		if on {
			v = "1"
		}
		return os.WriteFile("/proc/sys/net/"+path, []byte(v), 0)
	}
	if err := errors.Join(write("ipv4/ip_forward", true), write("ipv6/conf/all/forwarding", true)); err != nil {
		return err
	}
	for i := range t.links {
		l := &t.links[i]
		err := write("ipv4/conf/"+l.name+"/forwarding", l.forward[0])
		if e := write("ipv6/conf/"+l.name+"/forwarding", l.forward[1]); err == nil && !os.IsNotExist(e) { // none below an MTU of 1280
			err = e
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// settle waits for the local routes of IPv6 addresses, which the kernel makes
// a little after the address.
func (t *Table) settle() error {
	var want []string
	for i := range t.links {
		for _, a := range t.links[i].addrs {
			if a.family == afInet6 && !t.links[i].down {
				var b [16]byte
				a.local.put6(b[:])
				want = append(want, hex.EncodeToString(b[:])+" 80 ") // a prefix of 128 bits
			}
		}
	}
	for range 400 {
		have, err := os.ReadFile("/proc/thread-self/net/ipv6_route")
		if err != nil {
			return err
		}
		missing := false
		for _, w := range want {
			missing = missing || !strings.Contains(string(have), w)
		}
		if !missing {
			return nil
		}
		time.Sleep(5 * time.Millisecond)
	}
	return errors.New("the kernel doesn't make the IPv6 addresses' local routes")
}

func (a addr) ip(family uint8) netip.Addr {
	var b [16]byte
	if family == afInet {
		a.put4(b[:4])
		return netip.AddrFrom4([4]byte(b[:4]))
	}
	a.put6(b[:])
	return netip.AddrFrom16(b)
}

func (p prefix) text(family uint8) string {
	return netip.PrefixFrom(p.ip(family), int(p.bits)).String()
}

func (t *Table) routeLines(family uint8) []string {
	var out []string
	for i := range t.all {
		r := &t.all[i]
		if r.family != family || r.auto {
			continue
		}
		var b strings.Builder
		b.WriteString("route add ")
		if r.typ != unicast {
			b.WriteString(typeNames[r.typ] + " ")
		}
		b.WriteString(r.dst.text(family))
		if r.tos != 0 {
			fmt.Fprintf(&b, " tos %#x", r.tos)
		}
		if r.metric != 0 {
			fmt.Fprintf(&b, " metric %d", r.metric)
		}
		fmt.Fprintf(&b, " table %d", r.table)
		if r.hasSrc {
			fmt.Fprintf(&b, " src %s", r.src.ip(family))
		}
		if r.mtu != 0 {
			fmt.Fprintf(&b, " mtu lock %d", r.mtu)
		}
		for k := range r.hops {
			h := &r.hops[k]
			if len(r.hops) > 1 {
				b.WriteString(" nexthop")
			}
			if h.viaFam != 0 {
				inet := ""
				if h.viaFam != family {
					inet = "inet6 "
				}
				fmt.Fprintf(&b, " via %s%s", inet, h.via.ip(h.viaFam))
			}
			if h.link >= 0 {
				fmt.Fprintf(&b, " dev %s", t.links[h.link].name)
			}
			if len(r.hops) > 1 {
				fmt.Fprintf(&b, " weight %d", max(h.weight, 1))
			}
			if h.viaFam != 0 && h.link >= 0 {
				b.WriteString(" onlink")
			}
		}
		out = append(out, b.String())
	}
	return out
}

func (t *Table) neighLines(family uint8) []string {
	var out []string
	for k, m := range t.neighs {
		if k.family == family && int(k.link) < len(t.links) {
			out = append(out, fmt.Sprintf("neigh replace %s lladdr %02x:%02x:%02x:%02x:%02x:%02x dev %s nud permanent",
				k.ip(family), m[0], m[1], m[2], m[3], m[4], m[5], t.links[k.link].name))
		}
	}
	return out
}

func (t *Table) ruleLines(family uint8) []string {
	var out []string
	for _, r := range t.rules[famIndex(family)] {
		switch r.pref {
		case 0, 32766, 32767: // there already
			continue
		}
		var b strings.Builder
		fmt.Fprintf(&b, "rule add pref %d", r.pref)
		if r.hasFrom {
			b.WriteString(" from " + r.from.text(family))
		}
		if r.hasTo {
			b.WriteString(" to " + r.to.text(family))
		}
		for _, dev := range []struct {
			word  string
			index uint32
		}{{"iif", r.iif}, {"oif", r.oif}} {
			if i, ok := t.byIfx[dev.index]; ok && dev.index != 0 {
				fmt.Fprintf(&b, " %s %s", dev.word, t.links[i].name)
			}
		}
		if r.mask != 0 {
			fmt.Fprintf(&b, " fwmark %#x/%#x", r.mark, r.mask)
		}
		if r.tos != 0 {
			fmt.Fprintf(&b, " tos %#x", r.tos)
		}
		if r.action == unicast {
			fmt.Fprintf(&b, " lookup %d", r.table)
		} else {
			b.WriteString(" " + typeNames[r.action])
		}
		out = append(out, b.String())
	}
	return out
}
