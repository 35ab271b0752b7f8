package flower

import (
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Parser is what a device makes of a packet before rules are asked.
type Parser uint8

const (
	// Dissector is the kernel's flow dissector, which takes headers as they come:
	// it asks neither for IP's version nor for its length, and finds the last of
	// IPv6's next headers.
	Dissector Parser = iota
	// Plain is a parser that hands to software what isn't plain (see IsPlain), as
	// the integrity item and the IPv6 item's extension bits of DPDK's rte_flow
	// let one ask of devices: assumed of the device, and stated with the rules.
	Plain
)

// Fragment says which IPv4 packets a rule takes.
type Fragment uint8

// The kinds: any packet, no fragment at all, the first of several, a later one.
const (
	AnyFragment Fragment = iota
	NoFragment
	FirstFragment
	LaterFragment
)

const (
	typeIPv4              = 0x0800
	typeIPv6              = 0x86dd
	type8021Q, type8021ad = 0x8100, 0x88a8
)

// Match is what a rule asks. The zero value takes every packet.
type Match struct {
	Type uint16 // Ethernet type behind a VLAN tag, if there is one; 0 any
	Tag  uint16 // of a tagged packet: the tag's type; 0: untagged, where Type is set
	Frag Fragment
	Keys [keys]Ternary

	length    int // bytes the condition asks for
	transport int // bytes it asks for behind the IP header
	// piece: the path asks where the packet ends, or counts its bytes. A program
	// that knows no fragments sees no further than the first buffer (vm.MaxLinear):
	// what a parser knows of the packet then holds only of one in one piece.
	piece bool
}

// asked is a match without what isn't asked of packets.
func (m Match) asked() Match {
	m.length, m.transport, m.piece = 0, 0, false
	return m
}

// minFrame is how long a frame off a wire is at least, in bytes without its check
// sequence (IEEE 802.3): shorter ones are in captures of what was sent.
const minFrame = 60

// l3 is where the IP header begins.
func (m *Match) l3() int {
	if m.Tag != 0 {
		return 18
	}
	return 14
}

// proto is the transport protocol that is asked for, or -1.
func (m *Match) proto() int {
	if m.Keys[Proto].Mask != full(Proto) {
		return -1
	}
	return int(m.Keys[Proto].Value[0])
}

// whole says that a packet is no fragment.
func (m *Match) whole(by Parser) bool {
	return m.Type == typeIPv4 && m.Frag == NoFragment || m.Type == typeIPv6 && by == Plain
}

// transports are how long the headers are that a plain packet has whole.
var transports = map[int]int{6: 20, 17: 8, 1: 8, 58: 8, 132: 12}

// implied is how long a packet is at least whose keys were found.
func (m *Match) implied(by Parser) int {
	n := 0
	if m.Type != 0 || m.Tag != 0 {
		n = m.l3()
	}
	if by == Plain {
		switch m.Type {
		case typeIPv4:
			return n + 20 + m.impliedTransport(by)
		case typeIPv6:
			return n + 40 + m.impliedTransport(by)
		}
		return n
	}
	for k := Proto; k <= TOS; k++ {
		if m.Keys[k].Asked() {
			n = m.l3() + 20
		}
	}
	switch {
	case m.Keys[IPSrc].Asked() || m.Keys[IPDst].Asked() || m.Frag != AnyFragment:
		n = m.l3() + 20
	case m.Keys[IP6Src].Asked() || m.Keys[IP6Dst].Asked():
		n = m.l3() + 40
	}
	return n
}

func (m *Match) impliedTransport(by Parser) int {
	switch {
	case by == Plain && m.whole(by):
		return transports[m.proto()]
	case m.Keys[TCPFlags].Asked():
		return 20
	case m.Keys[ICMPType].Asked() || m.Keys[ICMPCode].Asked():
		return 8
	case m.Keys[SPort].Asked() || m.Keys[DPort].Asked():
		return 4
	}
	return 0
}

var (
	length  = regexp.MustCompile(`^pkt\.len >= (\d+)$`)
	behind  = regexp.MustCompile(`^pkt\.len >= (?:tcp|udp|sctp|icmp|icmp6)\.start \+ (\d+)$`)
	options = regexp.MustCompile(`^pkt\.len >= (?:u64\()?ip\.hlen(?: \+ (\d+)\))? \+ (\d+)$`)
	compare = regexp.MustCompile(`^(?:(u8|u16)\()?(?:le\()?([a-z0-9]+)\.([a-z]+)(?:\[(\d+):(\d+)\])?(\)*)(?: & (\S+))? (==|!=|<|>=|in|not in) (\S+)$`)
)

// vouched are predicates that hold of a plain packet, by its type and protocol.
var vouched = map[int][]*regexp.Regexp{
	typeIPv4: {regexp.MustCompile(`^ip\.version == 4$`), regexp.MustCompile(`^ip\.hlen (>= 20|< 2[1-4]|== 20)$`), regexp.MustCompile(`^ip\.ihl (>= 5|== 5|< 6)$`),
		regexp.MustCompile(`^ip\.vihl == (0x45|69)$`), regexp.MustCompile(`^ip\.len >= (ip\.hlen|20)$`), regexp.MustCompile(`^pkt\.len >= ip\.len \+ L3$`)},
	typeIPv6: {regexp.MustCompile(`^ip6\.version == 6$`), regexp.MustCompile(`^pkt\.len >= ip6\.len \+ L3\+40$`)},
	6:        {regexp.MustCompile(`^tcp\.(offset >= 0x50|doff >= 5)$`)},
	17:       {regexp.MustCompile(`^udp\.len >= 8$`)},
}

// vouches says whether a plain packet of a match obeys a predicate.
func (m *Match) vouches(words string) bool {
	words = strings.Replace(words, "ip.len + "+strconv.Itoa(m.l3()), "ip.len + L3", 1)
	words = strings.Replace(words, "ip6.len + "+strconv.Itoa(m.l3()+40), "ip6.len + L3+40", 1)
	rows := vouched[int(m.Type)]
	if m.whole(Plain) && m.proto() >= 0 {
		rows = append(rows[:len(rows):len(rows)], vouched[m.proto()]...)
	}
	for _, r := range rows {
		if r.MatchString(words) {
			return true
		}
	}
	return false
}

// headerProto are the protocols of transport headers.
var headerProto = map[string]int{"tcp": 6, "udp": 17, "sctp": 132, "icmp": 1, "icmp6": 58}

// key is the key of a field; false where there is none that the match lets one ask.
func (m *Match) key(header, field string, by Parser) (Key, bool) {
	ip := map[string]Key{"ttl": TTL, "hops": TTL, "tos": TOS, "proto": Proto, "next": Proto}
	switch {
	case header == "eth" && field == "dst":
		return EthDst, true
	case header == "eth" && field == "src":
		return EthSrc, true
	case header == "vlan" && field == "tci":
		return VlanTCI, m.Tag != 0
	case header == "ip" && m.Type == typeIPv4:
		if k, ok := map[string]Key{"src": IPSrc, "dst": IPDst}[field]; ok {
			return k, true
		}
		k, ok := ip[field]
		return k, ok
	case header == "ip6" && m.Type == typeIPv6:
		if k, ok := map[string]Key{"src": IP6Src, "dst": IP6Dst}[field]; ok {
			return k, true
		}
		if field == "next" && by != Plain {
			return 0, false // the dissector goes on behind extension headers
		}
		k, ok := ip[field]
		return k, ok
	}
	if p, ok := headerProto[header]; !ok || p != m.proto() || !m.whole(by) {
		return 0, false
	}
	switch icmp := header == "icmp" || header == "icmp6"; {
	case icmp && field == "type":
		return ICMPType, true
	case icmp && field == "code":
		return ICMPCode, true
	case icmp:
		return 0, false
	case field == "sport":
		return SPort, true
	case field == "dport":
		return DPort, true
	}
	return TCPFlags, header == "tcp" && field == "flags"
}

// with is the match and a predicate in words, as one match or several that share
// no packet; false where there is no key for it.
func (m Match) with(words string, by Parser) ([]Match, bool) {
	if n, ok := count(length, words); ok {
		m.length = max(m.length, n)
		return []Match{m}, true
	}
	if n, ok := count(behind, words); ok {
		m.transport = max(m.transport, n)
		return []Match{m}, true
	}
	if by == Plain && m.Type == typeIPv4 {
		if n, ok := count(options, words); ok {
			m.length = max(m.length, 20+n)
			return []Match{m}, true
		}
	}
	if by == Plain && m.vouches(words) {
		m.piece = m.piece || strings.HasPrefix(words, "pkt.len")
		return []Match{m}, true
	}
	if words == "ip.hlen >= 20" && m.Type == typeIPv4 { // the dissector takes no shorter one
		return []Match{m}, true
	}
	x := compare.FindStringSubmatch(words)
	if x == nil {
		return nil, false
	}
	if out, ok := m.kind(x); ok {
		return []Match{out}, true
	}
	k, ok := m.key(x[2], x[3], by)
	if !ok {
		return nil, false
	}
	var out []Match
	for _, t := range ternaries(k, words, x) {
		n := m
		if n.Keys[k], ok = m.Keys[k].and(t); ok && k.allowed(&n.Keys[k].Mask) {
			out = append(out, n)
		} else if ok {
			return nil, false
		}
	}
	return out, len(out) > 0
}

// kind is a match with what tells packets apart that isn't one of the keys, of what
// compare found.
func (m Match) kind(x []string) (Match, bool) {
	name := x[2] + "." + x[3]
	v, err := strconv.ParseUint(x[9], 0, 32)
	if err != nil || x[8] != "==" || x[4] != "" {
		return m, false
	}
	switch {
	case name == "eth.type" && x[7] == "" && m.Type == 0 && m.Tag == 0:
		if v == type8021Q || v == type8021ad {
			m.Tag = uint16(v)
			return m, true
		}
		m.Type = uint16(v)
		return m, v >= 0x600
	case name == "vlan.type" && x[7] == "" && m.Tag != 0 && m.Type == 0:
		m.Type = uint16(v)
		return m, v >= 0x600
	case name == "ip.frag" && (x[7] == "0x1fff" || x[7] == "0x3fff") && v == 0 && m.Type == typeIPv4 && m.Frag == AnyFragment:
		m.Frag = NoFragment
		return m, true
	}
	return m, false
}

// ternaries are what a comparison asks of a key.
func ternaries(k Key, words string, x []string) []Ternary {
	size := keyInfo[k].bytes
	lo, hi := 0, size
	if x[4] != "" {
		lo, _ = strconv.Atoi(x[4])
		hi, _ = strconv.Atoi(x[5])
	}
	little := strings.Contains(words, "le(")
	switch x[1] { // the low bytes of the number, which are the first where it is little
	case "u8":
		hi = lo + 1
	case "u16":
		hi = lo + 2
	}
	n := hi - lo
	if lo < 0 || n < 1 || hi > size || x[1] != "" && !little {
		return nil
	}
	first, last, span := strings.Cut(x[9], "..")
	v, ok := value(first, n)
	if !ok || span != strings.HasSuffix(x[8], "in") {
		return nil
	}
	mask := full(k)
	if x[7] != "" {
		w, ok := value(x[7], n)
		if !ok {
			return nil
		}
		mask = w
	}
	if little {
		slices.Reverse(v[:n])
		if x[7] != "" {
			slices.Reverse(mask[:n])
		}
	}
	place := func(t Ternary) (out Ternary) {
		for i := range n {
			out.Mask[lo+i] = t.Mask[i]
			out.Value[lo+i] = t.Value[i] & t.Mask[i]
		}
		return out
	}
	var zero Bytes
	switch x[8] {
	case "==":
		return []Ternary{place(Ternary{v, mask})}
	case "!=": // of one bit, it is set
		if bit, one := mask, v == zero; one && x[7] != "" && ones(bit[:n]) == 1 {
			return []Ternary{place(Ternary{mask, mask})}
		}
		return nil
	}
	if n > 4 || x[7] != "" || little && n > 1 {
		return nil
	}
	at, most := number(v[:n]), uint64(1)<<(8*n)-1
	var out []Ternary
	switch x[8] {
	case "<":
		out = within(0, at-1, n)
	case ">=":
		out = within(at, most, n)
	default:
		w, ok := value(last, n)
		to := number(w[:n])
		if !ok || to < at {
			return nil
		}
		if x[8] == "in" {
			out = within(at, to, n)
		} else {
			if at > 0 {
				out = within(0, at-1, n)
			}
			if to < most {
				out = append(out, within(to+1, most, n)...)
			}
		}
	}
	for i := range out {
		out[i] = place(out[i])
	}
	return out
}

func number(b []byte) (v uint64) {
	for _, x := range b {
		v = v<<8 | uint64(x)
	}
	return v
}

func ones(b []byte) int { n, _ := prefixLen(b); return n }

// count sums the numbers that a pattern finds.
func count(r *regexp.Regexp, words string) (n int, ok bool) {
	x := r.FindStringSubmatch(words)
	if x == nil {
		return 0, false
	}
	for _, s := range x[1:] {
		if k, err := strconv.Atoi(s); err == nil {
			n += k
		}
	}
	return n, true
}

// value reads a number or an address as n bytes.
func value(s string, n int) (b Bytes, ok bool) {
	if a, err := netip.ParseAddr(s); err == nil {
		return b, copy(b[:], a.AsSlice()) == n
	}
	if h, ok := strings.CutPrefix(s, "hex("); ok {
		h = strings.TrimSuffix(h, ")")
		if len(h) != 2*n {
			return b, false
		}
		for i := range n {
			v, err := strconv.ParseUint(h[2*i:2*i+2], 16, 8)
			if err != nil {
				return b, false
			}
			b[i] = byte(v)
		}
		return b, true
	}
	v, err := strconv.ParseUint(s, 0, 64)
	if err != nil || n < 8 && v>>(8*n) != 0 || n > 8 && v != 0 {
		return b, false
	}
	if n > 8 {
		return b, true
	}
	return toBytes(v, n), true
}
