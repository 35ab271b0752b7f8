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
