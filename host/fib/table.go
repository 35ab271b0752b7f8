package fib

import (
	"encoding/binary"
	"math/bits"
	"slices"
	"sort"
)

// The results of bpf_fib_lookup (uapi/linux/bpf.h, BPF_FIB_LKUP_RET_*). A
// result below 0 is an errno.
const (
	Success      = 0 // forwarded: the parameters say how
	Blackhole    = 1
	Unreachable  = 2
	Prohibit     = 3
	NotFwded     = 4 // no route, or not to elsewhere
	FwdDisabled  = 5 // the ingress link doesn't forward
	UnsuppLWT    = 6
	NoNeigh      = 7 // the next hop's MAC address isn't known
	FragNeeded   = 8 // larger than the MTU
	NoSrcAddr    = 9
	einval       = -22
	enodev       = -19
	eafnosupport = -97
)

// The flags of bpf_fib_lookup (BPF_FIB_LOOKUP_*).
const (
	Direct    = 1 << 0 // one table, without rules
	Output    = 1 << 1 // params.ifindex is where it goes out
	SkipNeigh = 1 << 2
	TBID      = 1 << 3 // params.tbid is the table of Direct
	Src       = 1 << 4 // fill in the source address
	Mark      = 1 << 5 // params.mark is the packet's mark
	allFlags  = 1<<6 - 1
)

// ParamsSize is sizeof(struct bpf_fib_lookup):
//
//	 0 family, 8 │ 1 l4_protocol, 8 │ 2 sport, be16 │ 4 dport, be16 │ 6 tot_len or mtu_result, 16
//	 8 ifindex, 32
//	12 tos, 8; flowinfo, be32; rt_metric, 32
//	16 ipv4_src, be32; ipv6_src, 128
//	32 ipv4_dst, be32; ipv6_dst, 128
//	48 h_vlan_proto, be16 │ 50 h_vlan_TCI, be16; tbid, 32
//	52 smac, 48 │ 58 dmac, 48; mark, 32
const ParamsSize = 64

const (
	afInet  = 2
	afInet6 = 10

	tableDefault = 253
	tableMain    = 254
	tableLocal   = 255
)

// addr is an IPv4 address in the top 32 bits, or an IPv6 address.
type addr struct{ hi, lo uint64 }

func addr4(b []byte) addr { return addr{hi: uint64(binary.BigEndian.Uint32(b)) << 32} }
func addr6(b []byte) addr {
	return addr{binary.BigEndian.Uint64(b), binary.BigEndian.Uint64(b[8:])}
}

func (a addr) put4(b []byte) { binary.BigEndian.PutUint32(b, uint32(a.hi>>32)) }
func (a addr) put6(b []byte) {
	binary.BigEndian.PutUint64(b, a.hi)
	binary.BigEndian.PutUint64(b[8:], a.lo)
}

// cut keeps the first n bits.
func (a addr) cut(n uint8) addr {
	if n <= 64 {
		return addr{hi: a.hi &^ (1<<(64-n) - 1)}
	}
	return addr{a.hi, a.lo &^ (1<<(128-n) - 1)}
}

// common is how many leading bits a and b share.
func (a addr) common(b addr) int {
	if x := a.hi ^ b.hi; x != 0 {
		return bits.LeadingZeros64(x)
	}
	return 64 + bits.LeadingZeros64(a.lo^b.lo)
}

// prefix is a network; its address is cut to bits.
type prefix struct {
	addr
	bits uint8
}

func (p prefix) has(a addr) bool { return a.cut(p.bits) == p.addr }

// rtype is a route's type (RTN_*).
type rtype uint8

const (
	unicast rtype = iota
	local         // to this machine, or broadcast, multicast, anycast: not forwarded
	blackhole
	unreachable
	prohibit
	throw
)

var typeNames = [...]string{"unicast", "local", "blackhole", "unreachable", "prohibit", "throw"}

type route struct {
	family uint8
	typ    rtype
	dst    prefix
	table  uint32
	metric uint32
	tos    uint8
	src    addr // prefsrc
	hasSrc bool
	mtu    uint32 // locked, or 0
	hops   []hop
	weight uint32 // of all hops
	auto   bool   // made for an address
	line   int
}

type hop struct {
	link   int // index in links, -1 for none
	via    addr
	viaFam uint8 // 0 without a gateway
	weight uint32

	foreign bool // said to be of another family than the route: via inet6
}

type link struct {
	index   uint32
	name    string
	mac     [6]byte
	mtu     uint32
	down    bool
	forward [2]bool // IPv4, IPv6
	said    [2]bool // by the link's own line
	addrs   []ifaddr
}

type ifaddr struct {
	family    uint8
	local     addr
	net       prefix
	scope     uint8 // RT_SCOPE_*: 0 universe, 253 link, 254 host
	secondary bool
	noPrefix  bool   // brings no route to its network
	metric    uint32 // of that route; 0 the default
	line      int
}

const (
	scopeUniverse = 0
	scopeLink     = 253
	scopeHost     = 254
)

// rule is a policy rule: what it matches and the table it looks in, or the
// result it gives.
type rule struct {
	family         uint8
	pref           uint32
	from, to       prefix
	hasFrom, hasTo bool
	iif, oif       uint32 // 0 for any
	mark, mask     uint32
	tos            uint8
	action         rtype // unicast: look in table
	table          uint32
}

type neighKey struct {
	addr
	family uint8
	link   int32
}

// routes is one table of one family.
type routes struct {
	lens []uint8 // prefix lengths there are, longest first
	at   map[prefix][]int32
}

// Table is the routing state of one network namespace. Lookup changes nothing
// in it, so many may ask at a time.
type Table struct {
	links  []link
	byIfx  map[uint32]int
	all    []route
	neighs map[neighKey][6]byte
	tables map[tableKey]*routes
	rules  [2][]rule // IPv4, IPv6; with any, the standing ones among them
	custom [2]bool
}

type tableKey struct {
	family uint8
	id     uint32
}

// New is the table of a fresh network namespace: the loopback link, and
// forwarding off.
func New() *Table {
	t := newTable()
	t.build()
	return t
}

func newTable() *Table {
	return &Table{
		links:  []link{{index: 1, name: "lo", mtu: 65536}},
		byIfx:  map[uint32]int{1: 0},
		neighs: map[neighKey][6]byte{},
	}
}

// gateway says whether an IPv4 gateway is on the route's way.
func (r *route) gateway() bool {
	return slices.ContainsFunc(r.hops, func(h hop) bool { return h.viaFam == afInet })
}

// build sorts routes into tables.
func (t *Table) build() {
	t.tables = map[tableKey]*routes{}
	// Until there are rules of one's own, the kernel keeps IPv4's local and
	// main tables in one trie (fib_trie_alias), made with the first local route.
	// Before that it takes no gateway either.
	one := !t.custom[0] && slices.ContainsFunc(t.all, func(r route) bool {
		return r.family == afInet && (r.table == tableLocal || r.gateway())
	})
	for i := range t.all {
		r := &t.all[i]
		t.put(tableKey{r.family, r.table}, int32(i))
		if one && r.family == afInet && (r.table == tableMain || r.table == tableLocal) {
			t.put(tableKey{afInet, tableMain + tableLocal - r.table}, int32(i))
		}
	}
	for _, rs := range t.tables {
		for _, list := range rs.at {
			slices.SortStableFunc(list, func(x, y int32) int {
				a, b := &t.all[x], &t.all[y]
				switch {
				case a.table != b.table: // one trie: local before main
					return int(b.table) - int(a.table)
				case a.tos != b.tos:
					return int(b.tos) - int(a.tos)
				case a.metric < b.metric:
					return -1
				case a.metric > b.metric:
					return 1
				}
				return 0
			})
		}
		slices.SortFunc(rs.lens, func(a, b uint8) int { return int(b) - int(a) })
	}
	for f := range t.rules {
		slices.SortStableFunc(t.rules[f], func(a, b rule) int {
			switch {
			case a.pref < b.pref:
				return -1
			case a.pref > b.pref:
				return 1
			}
			return 0
		})
	}
}

func (t *Table) put(k tableKey, i int32) {
	rs := t.tables[k]
	if rs == nil {
		rs = &routes{at: map[prefix][]int32{}}
		t.tables[k] = rs
	}
	dst := t.all[i].dst
	if !slices.Contains(rs.lens, dst.bits) {
		rs.lens = append(rs.lens, dst.bits)
	}
	rs.at[dst] = append(rs.at[dst], i)
}

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

// MTU is the MTU of the link with that index, and whether there is one.
func (t *Table) MTU(ifindex uint32) (uint32, bool) {
	i, ok := t.byIfx[ifindex]
	if !ok {
		return 0, false
	}
	return t.links[i].mtu, true
}

// Links calls f for every link in the order of their indexes.
func (t *Table) Links(f func(ifindex uint32, name string, mac [6]byte, mtu uint32)) {
	order := make([]int, len(t.links))
	for i := range order {
		order[i] = i
	}
	sort.Slice(order, func(i, j int) bool { return t.links[order[i]].index < t.links[order[j]].index })
	for _, i := range order {
		l := &t.links[i]
		f(l.index, l.name, l.mac, l.mtu)
	}
}
