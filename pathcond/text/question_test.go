package text

import "testing"

func TestApart(t *testing.T) {
	for line, want := range map[string][3]string{
		"pkt.len >= 64":                    {"pkt.len", ">=", "64"},
		"map flows[ip.src] present":        {"map flows[ip.src]", "present", ""},
		"tcp.flags & 2 == 0":               {"tcp.flags & 2", "==", "0"},
		"u32(icmp6.type) in 128..129":      {"u32(icmp6.type)", "in", "128..129"},
		"u32(icmp6.type) not in 1..2":      {"u32(icmp6.type)", "not in", "1..2"},
		"(a < b) == 1":                     {"(a < b)", "==", "1"},
		"a == 1 && b == 2":                 {"a == 1 && b == 2", "", ""},
		"x s< 5":                           {"x", "s<", "5"},
		"map m[pkt[12:14] + 1].x absent":   {"map m[pkt[12:14] + 1].x", "absent", ""},
		"v1":                               {"v1", "", ""},
		"ip.src << 2 <= 7":                 {"ip.src << 2", "<=", "7"},
		"map stages[1] == prog(telemetry)": {"map stages[1]", "==", "prog(telemetry)"},
	} {
		if q := apart(line); q.Of != want[0] || q.Rel != want[1] || q.To != want[2] || q.String() != line {
			t.Errorf("%q: %+v", line, q)
		}
	}
}

func TestNames(t *testing.T) {
	for _, c := range [][3]string{{"ip.proto", "6", "TCP"}, {"ext_2.next", "58", "ICMPv6"}, {"vlan.type", "0x0800", "IPv4"}, {"tcp.dport", "6", "6"}, {"ip.proto", "200", "200"}, {"eth.type", "x", "x"}} {
		if got := ValueName(c[0], c[1]); got != c[2] {
			t.Errorf("%s %s: %s", c[0], c[1], got)
		}
	}
	for _, c := range []struct {
		field string
		mask  uint64
		want  string
	}{{"tcp.flags", 0x12, "SYN|ACK"}, {"ip.frag", 0x2000, "MF"}, {"frag_2.off", 0xfff8, "offset"}, {"vlan.tci", 0xfff, "VID"}, {"x", 16, "0x10"}} {
		if got := MaskName(c.field, c.mask); got != c.want {
			t.Errorf("%s & %#x: %s", c.field, c.mask, got)
		}
	}
}
