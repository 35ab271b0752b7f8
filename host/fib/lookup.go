package fib

import (
	"encoding/binary"
	"math/bits"
)

// flow is what a route is looked for.
type flow struct {
	family   uint8
	src, dst addr
	iif, oif uint32
	prefer   uint32 // IPv6: the link that wins among equals
	mark     uint32
	tos      uint8
	noSrc    bool // rules by source address don't apply
}

// noRoute is the result of a table that has no route: the next rule's is asked.
const noRoute = -1

// inTable finds a flow's route in one table (fib_table_lookup): a result other
// than Success, or the route and the hop.
func (t *Table) inTable(id uint32, f *flow) (int, *route, *hop) {
	if id == 0 {
		id = tableMain
	}
	rs := t.tables[tableKey{f.family, id}]
	if rs == nil {
		return noRoute, nil, nil
	}
	for _, n := range rs.lens {
		var found *route
		var via *hop
		for _, i := range rs.at[prefix{f.dst.cut(n), n}] {
			r := &t.all[i]
			if found != nil && (r.metric != found.metric || r.table != found.table) {
				break
			}
			if r.tos != 0 && r.tos != f.tos&0xfc {
				continue
			}
			h := t.hopFor(r, f)
			switch {
			case f.family == afInet && r.typ >= blackhole:
				return t.refused(r.typ), nil, nil
			case r.typ >= blackhole:
				if found == nil {
					found = r
				}
				continue
			case h == nil:
				continue
			case f.family == afInet:
				return Success, r, h
			case found == nil || t.links[h.link].index == f.prefer && t.links[via.link].index != f.prefer:
				// IPv6 takes, of the best metric, a route over the preferred
				// link (rt6_score_route).
				found, via = r, h
			}
		}
		if found != nil {
			if found.typ >= blackhole && found.typ != throw {
				return t.refused(found.typ), nil, nil
			}
			return Success, found, via // IPv6 ends at a throw route, too
		}
	}
	return noRoute, nil, nil
}

func (t *Table) refused(typ rtype) int {
	switch typ {
	case blackhole:
		return Blackhole
	case unreachable:
		return Unreachable
	case prohibit:
		return Prohibit
	}
	return noRoute
}

// hopFor chooses a route's next hop for a flow; nil when none will do.
func (t *Table) hopFor(r *route, f *flow) *hop {
	if len(r.hops) == 1 {
		h := &r.hops[0]
		if !t.usable(h, f) {
			return nil
		}
		return h
	}
	usable := uint32(0)
	for i := range r.hops {
		if t.usable(&r.hops[i], f) {
			usable += r.hops[i].weight
		}
	}
	if usable == 0 {
		return nil
	}
	x := f.src.hi*0x9e3779b97f4a7c15 ^ f.src.lo*0xc2b2ae3d27d4eb4f ^ f.dst.hi*0x165667b19e3779f9 ^ f.dst.lo*0xd6e8feb86659fd93
	hi, lo := bits.Mul64(x^0x2545f4914f6cdd1d, 0xe7037ed1a0b428db)
	pick := uint32((hi ^ lo) >> 32)
	pick = uint32(uint64(pick) * uint64(usable) >> 32)
	for i := range r.hops {
		h := &r.hops[i]
		if !t.usable(h, f) {
			continue
		}
		if pick < h.weight {
			return h
		}
		pick -= h.weight
	}
	return nil // not reached: pick is below the sum of the weights
}

func (t *Table) usable(h *hop, f *flow) bool {
	if h.link < 0 {
		return true // a route that refuses
	}
	l := &t.links[h.link]
	return !l.down && (f.family == afInet6 || f.oif == 0 || f.oif == l.index)
}

// find looks a flow up as fib_lookup does: in the local, main and default
// tables, or as the rules say.
func (t *Table) find(f *flow) (int, *route, *hop) {
	k := famIndex(f.family)
	if !t.custom[k] {
		for _, id := range [...]uint32{tableLocal, tableMain, tableDefault} {
			if f.family == afInet && id == tableLocal {
				continue // in main
			}
			if f.family == afInet6 && id == tableDefault {
				continue // IPv6 has none
			}
			if res, r, h := t.inTable(id, f); res != noRoute {
				return res, r, h
			}
		}
		return noRoute, nil, nil
	}
	for i := range t.rules[k] {
		u := &t.rules[k][i]
		if u.iif != 0 && u.iif != f.iif || u.oif != 0 && u.oif != f.oif ||
			f.mark&u.mask != u.mark || u.tos != 0 && u.tos != f.tos&0xfc ||
			u.hasFrom && (f.noSrc || !u.from.has(f.src)) || u.hasTo && !u.to.has(f.dst) {
			continue
		}
		if u.action != unicast {
			if f.family == afInet6 {
				return noRoute, nil, nil // fib6_rule_action_alt gives a bare error
			}
			if u.action == unreachable {
				return noRoute, nil, nil // -ENETUNREACH and not -EHOSTUNREACH
			}
			return t.refused(u.action), nil, nil
		}
		if res, r, h := t.inTable(u.table, f); res != noRoute {
			return res, r, h
		}
	}
	return noRoute, nil, nil
}

func famIndex(family uint8) int {
	if family == afInet6 {
		return 1
	}
	return 0
}

// strict is rt6_need_strict: multicast, link-local and loopback addresses.
func strict(a addr) bool {
	return a.hi>>56 == 0xff || a.hi>>54 == 0xfe80>>6 || a == addr{lo: 1}
}

// Lookup is bpf_fib_lookup as an XDP program calls it. params is a struct
// bpf_fib_lookup of at least ParamsSize bytes, read and written; the result is
// one of the constants above or a negative errno. It allocates nothing.
func (t *Table) Lookup(params []byte, flags uint32) int {
	if len(params) < ParamsSize || flags&^allFlags != 0 {
		return einval
	}
	p := params[:ParamsSize]
	f := flow{family: p[0]}
	switch f.family {
	case afInet:
		f.src, f.dst = addr4(p[16:]), addr4(p[32:])
	case afInet6:
		f.src, f.dst = addr6(p[16:]), addr6(p[32:])
		if strict(f.dst) || strict(f.src) {
			return NotFwded
		}
	default:
		return eafnosupport
	}
	ifindex := binary.LittleEndian.Uint32(p[8:])
	in, ok := t.byIfx[ifindex]
	if !ok {
		return enodev
	}
	if !t.links[in].forward[famIndex(f.family)] {
		return FwdDisabled
	}
	f.tos = p[12]
	if f.family == afInet6 {
		// flowinfo: version, traffic class, flow label in network order.
		f.tos = p[12]<<4 | p[13]>>4
	}
	f.prefer = ifindex
	if flags&Output != 0 {
		f.iif, f.oif = 1, ifindex
		f.noSrc = f.family == afInet6 // no RT6_LOOKUP_F_HAS_SADDR
	} else {
		f.iif = ifindex
	}

	var res int
	var r *route
	var h *hop
	if flags&Direct != 0 {
		id := uint32(tableMain)
		if flags&TBID != 0 {
			id = binary.LittleEndian.Uint32(p[48:])
			binary.LittleEndian.PutUint32(p[48:], 0)
		}
		res, r, h = t.inTable(id, &f)
	} else {
		if flags&Mark != 0 {
			f.mark = binary.LittleEndian.Uint32(p[52:])
		}
		res, r, h = t.find(&f)
	}
	switch {
	case res == noRoute:
		return NotFwded
	case res != Success:
		return res
	case r.typ != unicast:
		return NotFwded
	}
	out := &t.links[h.link]
	mtu := t.pathMTU(r, out)
	if uint32(binary.LittleEndian.Uint16(p[6:])) > mtu {
		binary.LittleEndian.PutUint16(p[6:], uint16(mtu))
		return FragNeeded
	}
	return t.forward(p, flags, &f, r, h, out, mtu)
}

// pathMTU is ip_mtu_from_fib_result and ip6_mtu_from_fib6: only a locked MTU
// of the route counts.
func (t *Table) pathMTU(r *route, out *link) uint32 {
	if r.mtu != 0 {
		return r.mtu
	}
	if r.family == afInet6 {
		return min(max(out.mtu, 1280), 65535+40)
	}
	return min(out.mtu, 65535)
}

// forward writes the result of a lookup that found where to send a packet.
func (t *Table) forward(p []byte, flags uint32, f *flow, r *route, h *hop, out *link, mtu uint32) int {
	binary.LittleEndian.PutUint32(p[12:], r.metric)
	binary.LittleEndian.PutUint32(p[8:], out.index)
	next, family := f.dst, f.family
	if f.family == afInet {
		if flags&Src != 0 {
			t.source4(r, h).put4(p[16:])
		}
		switch h.viaFam {
		case afInet:
			next = h.via
			next.put4(p[32:])
		case afInet6:
			next, family = h.via, afInet6
			p[0] = afInet6
			next.put6(p[32:])
		}
	} else {
		if h.viaFam != 0 {
			next = h.via
			next.put6(p[32:])
		}
		if flags&Src != 0 {
			a, ok := t.source6(r, f.dst, out)
			if !ok {
				return NoSrcAddr
			}
			a.put6(p[16:])
		}
	}
	if flags&SkipNeigh == 0 {
		mac, ok := t.neighs[neighKey{next, family, int32(h.link)}]
		if !ok {
			return NoNeigh
		}
		copy(p[58:64], mac[:])
		copy(p[52:58], out.mac[:])
	}
	clear(p[48:52])
	binary.LittleEndian.PutUint16(p[6:], uint16(mtu))
	return Success
}

// source4 is fib_result_prefsrc and inet_select_addr.
func (t *Table) source4(r *route, h *hop) addr {
	if r.hasSrc {
		return r.src
	}
	scope := uint8(scopeUniverse) // of the route: link without a gateway
	if h.viaFam == 0 {
		scope = scopeLink
	}
	var first addr
	have := false
	for _, a := range t.links[h.link].addrs {
		if a.family != afInet || a.secondary || a.scope > scope {
			continue
		}
		if h.viaFam != afInet || a.net.has(h.via) {
			return a.local
		}
		if !have {
			first, have = a.local, true
		}
	}
	if have {
		return first
	}
	for i := range t.links {
		for _, a := range t.links[i].addrs {
			if a.family == afInet && !a.secondary && a.scope != scopeLink && a.scope <= scope {
				return a.local
			}
		}
	}
	return addr{}
}

// source6 is ipv6_dev_get_saddr's choice by rules 1 to 3, 5 and 8 of RFC 6724:
// the address itself, scope, the outgoing link, the longest common prefix.
func (t *Table) source6(r *route, dst addr, out *link) (addr, bool) {
	if r.hasSrc {
		return r.src, true
	}
	var best addr
	score := -1
	for i := range t.links {
		l := &t.links[i]
		if l.down {
			continue
		}
		for _, a := range l.addrs {
			if a.family != afInet6 || a.scope == scopeHost {
				continue
			}
			s := min(a.local.common(dst), int(a.net.bits))
			if l == out {
				s += 1 << 9
			}
			if a.scope == scopeUniverse {
				s += 1 << 10
			}
			if a.local == dst {
				s += 1 << 11
			}
			if s > score {
				best, score = a.local, s
			}
		}
	}
	return best, score >= 0
}
