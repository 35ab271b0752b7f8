package fib

import (
	"fmt"
	"strings"
	"testing"

	"jitnic/host/hosttest/must"
)

// routesOf are a table's routes, links and neighbours as lines, in order.
func routesOf(t *Table) []string {
	var out []string
	for _, l := range t.links {
		out = append(out, fmt.Sprintf("link %d %s %x mtu %d down %v, %d addresses", l.index, l.name, l.mac, l.mtu, l.down, len(l.addrs)))
	}
	for _, r := range t.all {
		line := fmt.Sprintf("%d type %d %x/%d table %d metric %d", r.family, r.typ, r.dst.addr, r.dst.bits, r.table, r.metric)
		for _, h := range r.hops {
			line += fmt.Sprintf(" via %x dev %s weight %d", h.via, t.links[h.link].name, h.weight)
		}
		out = append(out, line)
	}
	for k, mac := range t.neighs {
		out = append(out, fmt.Sprintf("neigh %v %x", k, mac))
	}
	return out
}

// TestPasted: testdata/ip.txt is what a host printed (ip link, addr, route show
// table all, neigh, rule, nexthop); ip.json is the same of ip -j; and own.txt the
// same in this package's own words.
func TestPasted(t *testing.T) {
	own := must.Get(Load("testdata/own.txt"))(t)
	want := routesOf(own)
	for _, name := range []string{"testdata/ip.txt", "testdata/ip.json", "testdata/ip-o.txt"} {
		got, err := Load(name)
		if err != nil {
			t.Error(err)
			continue
		}
		lines := routesOf(got)
		for _, l := range want {
			if n := strings.Count(strings.Join(lines, "\n")+"\n", l+"\n"); n != 1 {
				t.Errorf("%s: %d times: %s", name, n, l)
			}
		}
		if len(lines) != len(want) {
			t.Errorf("%s: %d lines, want %d:\n%s", name, len(lines), len(want), strings.Join(lines, "\n"))
		}
	}
}

// TestPastedCases reads the routes that were refused before.
func TestPastedCases(t *testing.T) {
	links := "link 1 lo\nlink 2 eth0 address 02:00:00:00:00:02 mtu 1500\nlink 3 eth1 address 02:00:00:00:00:03\n"
	for _, c := range []struct{ name, text, want string }{
		{"nhid", "route 10.0.0.0/24 nhid 12 via 10.1.0.1 dev eth0 proto zebra metric 20", "2 type 0 {a00000000000000 0}/24 table 254 metric 20 via {a01000100000000 0} dev eth0 weight 1"},
		{"nexthop lines", "route 10.0.0.0/24 proto bird metric 32\n\tnexthop via 10.1.0.1 dev eth0 weight 1\n\tnexthop via 10.2.0.1 dev eth1 weight 1", "2 type 0 {a00000000000000 0}/24 table 254 metric 32 via {a01000100000000 0} dev eth0 weight 1 via {a02000100000000 0} dev eth1 weight 1"},
		{"nhid of an object", "id 12 via 10.1.0.1 dev eth0 scope link\nid 13 via 10.2.0.1 dev eth1\nid 20 group 12/13,3\n10.0.0.0/24 nhid 20 proto zebra metric 20", "2 type 0 {a00000000000000 0}/24 table 254 metric 20 via {a01000100000000 0} dev eth0 weight 1 via {a02000100000000 0} dev eth1 weight 3"},
		{"gateway of another family", "default via inet6 fe80::1 dev eth0 proto bgp", "2 type 0 {0 0}/0 table 254 metric 0 via {fe80000000000000 1} dev eth0 weight 1"},
		{"default of IPv6 by its preference", "default dev eth0 metric 1024 pref medium", "10 type 0 {0 0}/0 table 254 metric 1024 via {0 0} dev eth0 weight 1"},
		{"metrics", "10.0.0.0/8 via 10.1.0.1 dev eth0 rto_min lock 5ms initcwnd 30 features ecn", "2 type 0 {a00000000000000 0}/8 table 254 metric 0 via {a01000100000000 0} dev eth0 weight 1"},
		{"JSON, via of another family", `[{"dst":"default","via":{"family":"inet6","host":"fe80::1"},"dev":"eth0","flags":[]}]`, "2 type 0 {0 0}/0 table 254 metric 0 via {fe80000000000000 1} dev eth0 weight 1"},
		{"address -6", "address -6 fd00::1/64 dev eth0", "10 type 0 {fd00000000000000 0}/64 table 254 metric 256 via {0 0} dev eth0 weight 1"},
		{"address with a peer", "address 10.9.0.1 peer 10.9.0.2/32 dev eth0", "2 type 1 {a09000100000000 0}/32 table 255 metric 0 via {0 0} dev eth0 weight 1"},
	} {
		tab, err := Read("x", strings.NewReader(links+c.text))
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if all := strings.Join(routesOf(tab), "\n"); !strings.Contains(all+"\n", c.want+"\n") {
			t.Errorf("%s:\n%s\nwant %s", c.name, all, c.want)
		}
	}
	for _, c := range [][2]string{
		{"nexthop via 10.0.0.1", "x:4: nexthop: no route stands before it"},
		{"    inet 10.0.0.1/24", "x:4: inet: no link stands before it"},
		{"route 10.0.0.0/8 nhid 9", "x:4: route: nhid 9: neither via nor dev stands on the line, nor is there a line of `ip nexthop` for it"},
		{"id 5 group 1/2", "x:4: object: group 1/2: no nexthop 1 before it"},
		{"hello", "x:4: hello: want forwarding, link, address, route, neigh or rule, or a line as ip(8) prints it"},
		{"[{\"dst\": \"10.0.0.0/8\"", "x:4: not JSON: unexpected EOF"},
		{"[7]", "x:4: item 1 of the JSON list: want an object as ip -j prints it"},
		{"[{\"a\": 1}]", "x:4: item 1 of the JSON list: neither a link, an address, a route, a neighbour, a rule nor a nexthop: it has a"},
		{"address -4 fd00::1/64 dev eth0", "x:4: address: \"fd00::1/64\": not of the family said"},
	} {
		if _, err := Read("x", strings.NewReader(links+c[0])); err == nil || err.Error() != c[1] {
			t.Errorf("%q: %v\nwant %s", c[0], err, c[1])
		}
	}
}
