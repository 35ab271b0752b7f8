package flower

import (
	"fmt"
	"strings"
)

// address writes an IPv4 address with its mask.
func address(x Masked, mask string) string {
	dot := func(v uint32) string { return fmt.Sprintf("%d.%d.%d.%d", v>>24, v>>16&255, v>>8&255, v&255) }
	if x.Mask == 0xffffffff {
		return dot(x.Value)
	}
	return dot(x.Value) + mask + dot(x.Mask)
}

func number(x Masked, full uint32) string {
	if x.Mask == full {
		return fmt.Sprint(x.Value)
	}
	return fmt.Sprintf("%#x/%#x", x.Value, x.Mask)
}

// TC writes the rules as tc(8) takes them, for the device in $DEV.
func (r *Rules) TC() string {
	var sb strings.Builder
	sb.WriteString("tc qdisc add dev $DEV clsact\n")
	for _, x := range r.List {
		m := &x.Match
		proto, rest := "all", ""
		switch {
		case m.Tag != 0:
			proto = map[uint16]string{0x8100: "802.1Q", 0x88a8: "802.1ad"}[m.Tag]
			if m.Type != 0 {
				rest = fmt.Sprintf(" vlan_ethtype %#x", m.Type)
			}
		case m.Type != 0:
			proto = fmt.Sprintf("%#x", m.Type)
		}
		add := func(set bool, name, v string) {
			if set {
				rest += " " + name + " " + v
			}
		}
		add(m.Frag != AnyFragment, "ip_flags", [...]string{"", "nofrag", "frag/firstfrag", "frag/nofirstfrag"}[m.Frag])
		add(m.Proto.Mask != 0, "ip_proto", fmt.Sprint(m.Proto.Value))
		add(m.Src.Mask != 0, "src_ip", address(m.Src, "/"))
		add(m.Dst.Mask != 0, "dst_ip", address(m.Dst, "/"))
		add(m.TTL.Mask != 0, "ip_ttl", number(m.TTL, 0xff))
		add(m.TOS.Mask != 0, "ip_tos", number(m.TOS, 0xff))
		add(m.SPort.Mask != 0, "src_port", number(m.SPort, 0xffff))
		add(m.DPort.Mask != 0, "dst_port", number(m.DPort, 0xffff))
		add(m.Flags.Mask != 0, "tcp_flags", fmt.Sprintf("%#x/%#x", m.Flags.Value, m.Flags.Mask))
		action := map[Action]string{Trap: "trap", Drop: "drop", Pass: "pass", Back: "mirred egress redirect dev $DEV"}[x.Action]
		fmt.Fprintf(&sb, "tc filter add dev $DEV ingress pref %d protocol %s flower skip_hw%s action %s\n", x.Priority, proto, rest, action)
	}
	return sb.String()
}

// OpenFlow writes the rules as ovs-ofctl(8) takes them: pass is output 2, software
// output 3.
func (r *Rules) OpenFlow() string {
	var sb strings.Builder
	for _, x := range r.List {
		m := &x.Match
		parts := []string{fmt.Sprintf("priority=%d", 65535-x.Priority)}
		add := func(set bool, format string, v ...any) {
			if set {
				parts = append(parts, fmt.Sprintf(format, v...))
			}
		}
		add(m.Tag != 0, "vlan_tci=0x1000/0x1000")
		add(m.Tag == 0 && m.Type != 0, "vlan_tci=0x0000/0x1fff")
		add(m.Type != 0, "dl_type=%#04x", m.Type)
		add(m.Frag != AnyFragment, "ip_frag=%s", [...]string{"", "no", "first", "later"}[m.Frag])
		add(m.Proto.Mask != 0, "nw_proto=%d", m.Proto.Value)
		add(m.Src.Mask != 0, "nw_src=%s", address(m.Src, "/"))
		add(m.Dst.Mask != 0, "nw_dst=%s", address(m.Dst, "/"))
		add(m.TTL.Mask != 0, "nw_ttl=%d", m.TTL.Value)
		add(m.TOS.Mask != 0, "nw_tos=%d", m.TOS.Value)
		add(m.SPort.Mask != 0, "tp_src=%s", number(m.SPort, 0xffff))
		add(m.DPort.Mask != 0, "tp_dst=%s", number(m.DPort, 0xffff))
		add(m.Flags.Mask != 0, "tcp_flags=%#x/%#x", m.Flags.Value, m.Flags.Mask)
		fmt.Fprintf(&sb, "%s,actions=%s\n", strings.Join(parts, ","), map[Action]string{Trap: "output:3", Drop: "drop", Pass: "output:2", Back: "in_port"}[x.Action])
	}
	return sb.String()
}

// P4Runtime writes the rules as entries of one table with ternary fields, in the
// text form of P4Runtime's WriteRequest.
func (r *Rules) P4Runtime() string {
	var sb strings.Builder
	field := func(id int, size int, v, mask uint32) {
		b := func(v uint32) string {
			s := ""
			for i := size - 1; i >= 0; i-- {
				s += fmt.Sprintf("\\x%02x", v>>(8*i)&255)
			}
			return s
		}
		if mask != 0 {
			fmt.Fprintf(&sb, "    match { field_id: %d ternary { value: \"%s\" mask: \"%s\" } }\n", id, b(v&mask), b(mask))
		}
	}
	sb.WriteString("# fields: 1 eth.type 2 vlan.tpid 3 ip.proto 4 ip.src 5 ip.dst 6 ip.ttl 7 ip.tos 8 ip.fragment 9 l4.sport 10 l4.dport 11 tcp.flags; actions: 1 trap 2 drop 3 pass 4 back\n")
	for _, x := range r.List {
		m := &x.Match
		sb.WriteString("updates { type: INSERT entity { table_entry { table_id: 1\n")
		full := func(v uint16) uint32 {
			if v != 0 {
				return 0xffff
			}
			return 0
		}
		field(1, 2, uint32(m.Type), full(m.Type))
		field(2, 2, uint32(m.Tag), full(m.Tag)|full(m.Type))
		field(3, 1, m.Proto.Value, m.Proto.Mask)
		field(4, 4, m.Src.Value, m.Src.Mask)
		field(5, 4, m.Dst.Value, m.Dst.Mask)
		field(6, 1, m.TTL.Value, m.TTL.Mask)
		field(7, 1, m.TOS.Value, m.TOS.Mask)
		if m.Frag != AnyFragment {
			field(8, 1, uint32(m.Frag), 0xff)
		}
		field(9, 2, m.SPort.Value, m.SPort.Mask)
		field(10, 2, m.DPort.Value, m.DPort.Mask)
		field(11, 1, m.Flags.Value, m.Flags.Mask)
		fmt.Fprintf(&sb, "    action { action { action_id: %d } } priority: %d\n} } }\n", int(x.Action)+1, len(r.List)-x.Priority+1)
	}
	return sb.String()
}
