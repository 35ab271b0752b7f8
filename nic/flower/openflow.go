package flower

import (
	"fmt"
	"strings"
)

// Ports that flows usually name: pass, and software. Packets come in at port 1.
const (
	PortPass     = 2
	PortSoftware = 3
	PortOut      = 10 // the first of those that the program redirects to
)

// OpenFlow are the rules as flows for ovs-ofctl(8). OpenFlow can't tell tags of
// 802.1ad from those of 802.1Q: rules for the former are left out, and packets with
// such tags must not come.
func (r *Rules) OpenFlow(to Where) []string {
	var out []string
	for i := range r.List {
		x := &r.List[i]
		if x.Match.Tag == type8021ad {
			continue
		}
		for _, t := range ttls(&x.Match.Keys[TTL]) {
			m := append([]string{fmt.Sprintf("priority=%d", 65535-x.Priority)}, flow(&x.Match)...)
			out = append(out, strings.Join(append(m, t...), ",")+" actions="+r.flowActions(x, &to))
		}
	}
	return out
}

// ttls are a time to live's values, as flows have no masks of it.
func ttls(t *Ternary) (out [][]string) {
	if !t.Asked() {
		return [][]string{nil}
	}
	for v := range 256 {
		if byte(v)&t.Mask[0] == t.Value[0] {
			out = append(out, []string{fmt.Sprintf("nw_ttl=%d", v)})
		}
	}
	return out
}

// flowNames are the keys as ovs-fields(7) calls them; others are apart.
var flowNames = [keys]string{EthDst: "dl_dst", EthSrc: "dl_src", Proto: "nw_proto", IPSrc: "nw_src", IPDst: "nw_dst", IP6Src: "ipv6_src", IP6Dst: "ipv6_dst", SPort: "tp_src", DPort: "tp_dst",
	ICMPType: "icmp_type", ICMPCode: "icmp_code"}

func flow(m *Match) (out []string) {
	add := func(set bool, format string, v ...any) {
		if set {
			out = append(out, fmt.Sprintf(format, v...))
		}
	}
	tci := m.Keys[VlanTCI]
	add(m.Tag != 0, "vlan_tci=%#04x/%#04x", 0x1000|tci.Value.number(VlanTCI), 0x1000|tci.Mask.number(VlanTCI))
	add(m.Tag == 0 && m.Type != 0, "vlan_tci=0x0000/0x1fff")
	add(m.Type != 0, "dl_type=%#04x", m.Type)
	add(m.Frag != AnyFragment, "ip_frag=%s", [...]string{"", "no", "first", "later"}[m.Frag])
	if t := m.Keys[TOS]; t.Asked() {
		v, mask := t.Value.number(TOS), t.Mask.number(TOS)
		add(mask&0xfc != 0, "nw_tos=%d", v&0xfc)
		add(mask&3 != 0, "nw_ecn=%d", v&3)
	}
	for k, name := range flowNames {
		if t := &m.Keys[k]; name != "" {
			add(t.Asked(), "%s=%s", name, t.masked(Key(k)))
		}
	}
	f := m.Keys[TCPFlags]
	add(f.Asked(), "tcp_flags=%#x/%#x", f.Value[0], f.Mask[0])
	return out
}

func (r *Rules) flowActions(x *Rule, to *Where) string {
	var out []string
	p := x.Match.proto()
	for _, s := range x.Do.Set {
		if s.Key == TOS { // two fields there
			out = append(out, fmt.Sprintf("set_field:%d->nw_tos,set_field:%d->nw_ecn", s.Value[0]&0xfc, s.Value[0]&3))
			continue
		}
		t := Ternary{s.Value, full(s.Key)}
		l4 := map[int]string{6: "tcp", 17: "udp"}[p]
		name := map[Key]string{EthDst: "eth_dst", EthSrc: "eth_src", TTL: "nw_ttl", IPSrc: "ip_src", IPDst: "ip_dst", IP6Src: "ipv6_src", IP6Dst: "ipv6_dst", SPort: l4 + "_src", DPort: l4 + "_dst"}[s.Key]
		out = append(out, "set_field:"+t.masked(s.Key)+"->"+name)
	}
	if x.Do.VID >= 0 {
		out = append(out, fmt.Sprintf("set_field:%d->vlan_vid", 0x1000|x.Do.VID))
	}
	if x.Do.Down {
		out = append(out, "dec_ttl")
	}
	if v := x.Do.Push; v != 0 {
		out = append(out, fmt.Sprintf("push_vlan:%#04x,set_field:%d->vlan_vid,set_field:%d->vlan_pcp", v>>16, 0x1000|v&0xfff, v>>13&7))
	}
	if x.Do.Pop {
		out = append(out, "strip_vlan")
	}
	usual := [...]string{Trap: fmt.Sprintf("output:%d", PortSoftware), Drop: "drop", Pass: fmt.Sprintf("output:%d", PortPass), Back: "in_port"}
	switch {
	case x.Action == Out:
		out = append(out, "output:"+to.Port(r.Ports[x.Port], x.Port))
	case to.Actions[x.Action] != "":
		out = append(out, to.Actions[x.Action])
	default:
		out = append(out, usual[x.Action])
	}
	return strings.Join(out, ",")
}
