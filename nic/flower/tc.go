package flower

import (
	"fmt"
	"net/netip"
	"strings"
)

// mac writes an Ethernet address.
func mac(b []byte) string {
	return fmt.Sprintf("%02x:%02x:%02x:%02x:%02x:%02x", b[0], b[1], b[2], b[3], b[4], b[5])
}

// ip writes an address of 4 or 16 bytes.
func ip(b []byte) string {
	a, _ := netip.AddrFromSlice(b)
	return a.String()
}

// masked writes a value, with its mask where that isn't all of it.
func (t *Ternary) masked(k Key) string {
	n := keyInfo[k].bytes
	switch whole := t.Mask == full(k); {
	case n == 6 && whole:
		return mac(t.Value[:])
	case n == 6:
		return mac(t.Value[:]) + "/" + mac(t.Mask[:])
	case n == 4 || n == 16:
		if whole {
			return ip(t.Value[:n])
		}
		bits, _ := prefixLen(t.Mask[:n])
		return fmt.Sprintf("%s/%d", ip(t.Value[:n]), bits)
	case whole:
		return fmt.Sprint(t.Value.number(k))
	}
	return fmt.Sprintf("%#x/%#x", t.Value.number(k), t.Mask.number(k))
}

// tcNames are the keys as tc-flower(8) calls them; VLAN's are apart.
var tcNames = [keys]string{EthDst: "dst_mac", EthSrc: "src_mac", Proto: "ip_proto", TTL: "ip_ttl", TOS: "ip_tos", IPSrc: "src_ip", IPDst: "dst_ip", IP6Src: "src_ip", IP6Dst: "dst_ip",
	SPort: "src_port", DPort: "dst_port", TCPFlags: "tcp_flags", ICMPType: "type", ICMPCode: "code"}

// tcOrder has the protocol before what depends on it.
var tcOrder = [...]Key{EthDst, EthSrc, Proto, TTL, TOS, IPSrc, IPDst, IP6Src, IP6Dst, SPort, DPort, TCPFlags, ICMPType, ICMPCode}

// Where says where packets go, in the words of tc(8) or ovs-ofctl(8): the device
// or port that a program redirects to, and what is done for an action.
type Where struct {
	Device  string // tc: the one that packets come in at
	Port    func(p Port, i int) string
	Actions [Back + 1]string // "": the usual
}

// TC are the rules as lines of `tc -batch`, for ingress. The first line makes the
// queueing discipline they hang on.
func (r *Rules) TC(to Where) []string {
	dev := to.Device
	out := []string{"qdisc add dev " + dev + " clsact"}
	for i := range r.List {
		x := &r.List[i]
		out = append(out, fmt.Sprintf("filter add dev %s ingress pref %d protocol %s flower skip_hw%s%s", dev, x.Priority, tcProtocol(&x.Match), tcMatch(&x.Match), r.tcActions(x, &to)))
	}
	return out
}

func tcProtocol(m *Match) string {
	switch {
	case m.Tag == type8021Q:
		return "802.1Q"
	case m.Tag == type8021ad:
		return "802.1ad"
	case m.Type != 0:
		return fmt.Sprintf("%#04x", m.Type)
	}
	return "all"
}

func tcMatch(m *Match) string {
	var sb strings.Builder
	add := func(set bool, name, v string) {
		if set {
			sb.WriteString(" " + name + " " + v)
		}
	}
	tci, mask := m.Keys[VlanTCI].Value.number(VlanTCI), m.Keys[VlanTCI].Mask.number(VlanTCI)
	add(mask&0xfff != 0, "vlan_id", fmt.Sprint(tci&0xfff))
	add(mask&0xe000 != 0, "vlan_prio", fmt.Sprint(tci>>13))
	add(m.Tag != 0 && m.Type != 0, "vlan_ethtype", fmt.Sprintf("%#04x", m.Type))
	add(m.Frag != AnyFragment, "ip_flags", [...]string{"", "nofrag", "frag/firstfrag", "frag/nofirstfrag"}[m.Frag])
	for _, k := range tcOrder {
		t := &m.Keys[k]
		v := t.masked(k)
		if k == Proto {
			v = tcProto(m)
		}
		if k == TCPFlags || k == TOS || k == TTL {
			v = fmt.Sprintf("%#x/%#x", t.Value.number(k), t.Mask.number(k))
		}
		add(t.Asked(), tcNames[k], v)
	}
	return sb.String()
}

// tcProto is a protocol's name, or its number as tc(8) reads it: to the base of 16
// whether 0x stands in front or not.
func tcProto(m *Match) string {
	p := m.proto()
	name := map[int]string{6: "tcp", 17: "udp", 132: "sctp"}[p]
	switch {
	case p == 1 && m.Type == typeIPv4:
		name = "icmp"
	case p == 58 && m.Type == typeIPv6:
		name = "icmpv6"
	case name == "":
		name = fmt.Sprintf("%#x", p)
	}
	return name
}

// tcSet are fields as tc-pedit(8) calls them.
func tcSet(k Key, m *Match) string {
	switch k {
	case TTL:
		return tcTTL(m)
	case EthDst:
		return "eth dst"
	case EthSrc:
		return "eth src"
	case TOS:
		return "ip tos"
	case IPSrc:
		return "ip src"
	case IPDst:
		return "ip dst"
	case IP6Src:
		return "ip6 src"
	case IP6Dst:
		return "ip6 dst"
	}
	name := map[int]string{6: "tcp", 17: "udp"}[m.proto()]
	return name + map[Key]string{SPort: " sport", DPort: " dport"}[k]
}

func tcTTL(m *Match) string {
	if m.Type == typeIPv6 {
		return "ip6 hoplimit"
	}
	return "ip ttl"
}

func (r *Rules) tcActions(x *Rule, to *Where) string {
	var acts []string
	var munge []string
	m, e := &x.Match, &x.Do
	for _, s := range e.Set {
		t := Ternary{s.Value, full(s.Key)}
		munge = append(munge, "munge "+tcSet(s.Key, m)+" set "+t.masked(s.Key))
	}
	if e.Down {
		munge = append(munge, "munge "+tcTTL(m)+" add 0xff")
	}
	if len(munge) > 0 {
		acts = append(acts, "pedit ex "+strings.Join(munge, " "))
	}
	var sums []string
	if e.L3 {
		sums = append(sums, "ip4h")
	}
	if e.L4 {
		sums = append(sums, map[int]string{6: "tcp", 17: "udp", 1: "icmp", 58: "icmp"}[m.proto()])
	}
	if len(sums) > 0 {
		acts = append(acts, "csum "+strings.Join(sums, " and "))
	}
	if e.VID >= 0 {
		acts = append(acts, fmt.Sprintf("vlan modify id %d", e.VID))
	}
	if e.Push != 0 {
		tci := e.Push & 0xffff
		acts = append(acts, fmt.Sprintf("vlan push id %d protocol %s priority %d", tci&0xfff, map[uint32]string{type8021Q: "802.1Q", type8021ad: "802.1ad"}[e.Push>>16], tci>>13))
	}
	if e.Pop {
		acts = append(acts, "vlan pop")
	}
	usual := [...]string{Trap: "trap", Drop: "drop", Pass: "pass", Back: "mirred egress redirect dev " + to.Device}
	switch {
	case x.Action == Out:
		acts = append(acts, "mirred egress redirect dev "+to.Port(r.Ports[x.Port], x.Port))
	case to.Actions[x.Action] != "":
		acts = append(acts, to.Actions[x.Action])
	default:
		acts = append(acts, usual[x.Action])
	}
	return " action " + strings.Join(acts, " pipe action ")
}
