package fib

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"testing"

	"jitnic/host/hosttest/must"
)

// Tables with what random ones lack.
var corners = []string{
	// An IPv4 route by an IPv6 gateway; hosts, point-to-point networks.
	`link 2 eth2 address 02:00:00:00:00:02 mtu 1500
	link 3 eth3 address 02:00:00:00:00:03 mtu 1400
	address 10.2.0.1/32 dev eth2
	address 10.3.0.0/31 dev eth3
	address 10.4.0.1/30 dev eth3
	address fd00:3::1/64 dev eth3
	address fe80::3/64 dev eth3
	address fd00:4::1/127 dev eth3
	neigh fd00:3::9 dev eth3 lladdr 02:00:00:00:06:09 nud permanent
	neigh fe80::9 dev eth3 lladdr 02:00:00:00:06:fe nud permanent
	neigh 10.3.0.1 dev eth3 lladdr 02:00:00:00:03:01 nud permanent
	neigh 10.6.0.1 dev eth2 lladdr 02:00:00:00:03:66 nud permanent
	route 10.5.0.0/16 via inet6 fd00:3::9 dev eth3
	route -4 10.6.0.0/16 dev eth2
	route 10.7.0.0/16 via inet6 fe80::9 dev eth3
	route fd00:5::/32 via fe80::9 dev eth3
	route fd00:6::/32 dev eth2
	route fd00:7::/32 dev eth3 metric 7`,
	// The same network on two links.
	`link 2 eth2 address 02:00:00:00:00:02 mtu 1500
	link 3 eth3 address 02:00:00:00:00:03 mtu 1400
	link 4 eth4 address 02:00:00:00:00:04 mtu 1300
	address fd00:2::1/64 dev eth2
	address fd00:2::2/64 dev eth3
	address fd00:2::3/64 dev eth4
	neigh fd00:2::9 dev eth2 lladdr 02:00:00:00:02:09 nud permanent
	neigh fd00:2::9 dev eth3 lladdr 02:00:00:00:03:09 nud permanent
	neigh fd00:2::9 dev eth4 lladdr 02:00:00:00:04:09 nud permanent
	route fd00::/16 via fd00:2::9 dev eth3
	route 10.0.0.0/8 dev eth2
	route 10.0.0.0/8 dev eth3 metric 1
	route 10.0.0.0/8 dev eth4 metric 2`,
	// Neighbours that aren't; scopes of addresses.
	`link 2 eth2 address 02:00:00:00:00:02 mtu 1500
	link 3 eth3 address 02:00:00:00:00:03 mtu 1500
	address 10.2.0.1/24 dev eth2 scope link
	address 10.2.1.1/24 dev eth2
	address 10.3.0.1/24 dev eth3 scope host
	neigh 10.2.0.2 dev eth2 lladdr 02:00:00:00:02:02 nud failed
	neigh 10.2.0.3 dev eth2 lladdr 02:00:00:00:02:03 nud stale
	neigh 10.2.0.4 dev eth2 lladdr 02:00:00:00:02:04 nud probe
	neigh 10.2.0.5 dev eth2 lladdr 02:00:00:00:02:05 nud noarp
	route 10.4.0.0/16 via 10.2.0.3 dev eth2
	route 10.5.0.0/16 via 10.2.1.3 dev eth2
	route 10.6.0.0/16 dev eth3
	route 10.7.0.0/16 dev eth2
	route default via 10.2.0.5 dev eth2`,
	// Rules that leave the standing tables out.
	`link 2 eth2 address 02:00:00:00:00:02 mtu 1500
	address 10.2.0.1/24 dev eth2
	address fd00:2::1/64 dev eth2
	neigh 10.2.0.2 dev eth2 lladdr 02:00:00:00:02:02 nud permanent
	route 10.4.0.0/16 via 10.2.0.2 dev eth2 table 7
	route -4 throw 10.5.0.0/16 table 7
	route 10.5.0.0/16 via 10.2.0.2 dev eth2
	route default via 10.2.0.2 dev eth2 table default
	rule -4 pref 5 iif eth2 lookup 7
	rule -4 pref 6 to 10.2.0.0/24 tos 0x10 prohibit
	rule -4 pref 7 oif eth2 lookup 9`,
	// No address at all.
	`link 2 eth2 address 02:00:00:00:00:02 mtu 1500
	link 3 eth3 address 02:00:00:00:00:03 mtu 1400
	neigh 10.2.0.2 dev eth2 lladdr 02:00:00:00:02:02 nud permanent
	neigh 10.3.0.2 dev eth3 lladdr 02:00:00:00:03:02 nud permanent
	route 10.4.0.0/16 via 10.2.0.2 dev eth2
	route 10.3.0.0/16 dev eth3
	route default via 10.3.0.2 dev eth3`,
}

func TestKernelCorners(t *testing.T) {
	for i, text := range corners {
		text = strings.ReplaceAll(text, "\t", "")
		inNamespace(t, func(k *kernel) {
			tab, err := Read("fib", strings.NewReader(text))
			if err != nil {
				failf("%v\n%s", err, text)
			}
			if err := tab.Install(); err != nil {
				failf("%v\n%s", err, text)
			}
			r := rand.New(rand.NewPCG(uint64(i), 9))
			for range 3000 {
				p, flags := randomLookup(r)
				six := p[0] == afInet6
				if six && flags&Src != 0 && i != 1 {
					flags &^= Src // no address at all on some links: see doc.go
				}
				if r.IntN(2) == 0 { // near the addresses
					if six {
						copy(p[32:], []byte{0xfd, 0, 0, byte(2 + r.IntN(6)), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, byte(r.IntN(11))})
					} else {
						copy(p[32:], []byte{10, byte(2 + r.IntN(6)), byte(r.IntN(2)), byte(r.IntN(7))})
					}
				}
				k.compare(tab, p, flags, fmt.Sprintf("table %d", i))
			}
		})
	}
}

func read(t testing.TB, text string) *Table {
	t.Helper()
	tab := must.Get(Read("fib.txt", strings.NewReader(text)))(t)
	return tab
}

func TestMultipathSpreads(t *testing.T) {
	tab := read(t, `link 2 eth0
		route 10.0.0.0/8 nexthop via 192.0.2.1 dev eth0 weight 1 nexthop via 192.0.2.2 dev eth0 weight 3`)
	count := map[byte]int{}
	for i := range 4000 {
		p := params("192.0.2.9", fmt.Sprintf("10.0.%d.%d", i/250, i%250), 2)
		if res := tab.Lookup(p, SkipNeigh); res != Success {
			t.Fatalf("result %d", res)
		}
		count[p[35]]++
		q := params("192.0.2.9", fmt.Sprintf("10.0.%d.%d", i/250, i%250), 2)
		tab.Lookup(q, SkipNeigh)
		if !bytes.Equal(p, q) {
			t.Fatalf("the same flow goes two ways: %x, %x", p, q)
		}
	}
	if count[1]+count[2] != 4000 || count[1] < 850 || count[1] > 1150 {
		t.Errorf("next hops taken: %v, want 1000 and 3000", count)
	}
}

// What iproute2 prints can be pasted.
func TestPastedOutput(t *testing.T) {
	tab := read(t, `
		link 2: eth0@if3: mtu 1500 link/ether 02:00:00:00:00:02
		addr 10.0.0.1/24 brd 10.0.0.255 scope global dev eth0
		route default via 10.0.0.254 dev eth0 proto dhcp src 10.0.0.1 metric 100
		route 10.0.0.0/24 dev eth0 proto kernel scope link src 10.0.0.1
		route local 10.0.0.1 dev eth0 table local proto kernel scope host src 10.0.0.1
		route fe80::/64 dev eth0 proto kernel metric 256 pref medium
		neigh 10.0.0.254 dev eth0 lladdr 02:00:00:00:00:fe REACHABLE
		neigh 10.0.0.7 dev eth0 FAILED
		rule 0:	from all lookup local
		rule 32766:	from all lookup main
		rule 32767:	from all lookup default`)
	p := params("10.0.0.5", "8.8.8.8", 2)
	if res := tab.Lookup(p, Src); res != Success {
		t.Fatalf("result %d", res)
	}
	want := params("10.0.0.1", "10.0.0.254", 2)
	binary.LittleEndian.PutUint32(want[12:], 100)
	binary.LittleEndian.PutUint16(want[6:], 1500)
	copy(want[52:], []byte{2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 0xfe})
	if !bytes.Equal(p, want) {
		t.Errorf("%x, want\n%x", p, want)
	}
	if mtu, ok := tab.MTU(2); !ok || mtu != 1500 {
		t.Errorf("mtu %d, %v", mtu, ok)
	}
	if mtu, ok := tab.MTU(1); !ok || mtu != 65536 {
		t.Errorf("mtu of lo %d, %v", mtu, ok)
	}
	if _, ok := tab.MTU(3); ok {
		t.Error("link 3 is there")
	}
}

func TestErrorsNameTheLine(t *testing.T) {
	for _, c := range [][2]string{
		{"frobnicate", `fib.txt:1: frobnicate: want forwarding, link, address, route, neigh or rule, or a line as ip(8) prints it`},
		{"forwarding maybe", `fib.txt:1: forwarding: want on or off`},
		{"link eth0", `fib.txt:1: link: want an interface index from 1 and a name`},
		{"link 2 eth0\nlink 2 eth1", `fib.txt:2: link: index 2 twice`},
		{"link 2 eth0\nlink 3 eth0", `fib.txt:2: link: "eth0" twice`},
		{"link 2 eth0 address 02:00", `fib.txt:1: link: "02:00": not a MAC address`},
		{"link 2 eth0 mtu big", `fib.txt:1: link: "big": want a number up to 2147483647`},
		{"\n\nroute 10.0.0.0/8 dev eth9", `fib.txt:3: route: no link "eth9"`},
		{"route 10.0.0.0/33 dev lo", `fib.txt:1: route: "10.0.0.0/33": want a prefix length up to 32`},
		{"route 10.0.0/8 dev lo", `fib.txt:1: route: "10.0.0": not an address`},
		{"route 10.0.0.0/8", `fib.txt:1: route: want via or dev`},
		{"route 10.0.0.0/8 via 192.0.2.1", `fib.txt:1: route: no link has the gateway in its network: say dev`},
		{"route 10.0.0.0/8 via", `fib.txt:1: route: want a word after "via"`},
		{"route fd00::/8 via 192.0.2.1 dev lo", `fib.txt:1: route: an IPv6 route by an IPv4 gateway`},
		{"route blackhole 10.0.0.0/8 via 192.0.2.1 dev lo", `fib.txt:1: route: a blackhole route has no next hop`},
		{"route 10.0.0.0/8 dev lo speed 9", `fib.txt:1: route: "speed": want via, dev, metric, src, table, tos, mtu or nexthop`},
		{"route 10.0.0.0/8 dev lo\nroute 10.0.0.0/8 dev lo", `fib.txt:2: route: line 1 has this route already`},
		{"neigh 10.0.0.1 dev lo", `fib.txt:1: neigh: want lladdr and a MAC address`},
		{"neigh 10.0.0.1 lladdr 02:00:00:00:00:01", `fib.txt:1: neigh: want dev and a link's name`},
		{"rule pref 5 from 10.0.0.0/8", `fib.txt:1: rule: want lookup and a table, blackhole, unreachable or prohibit`},
		{"rule from 10.0.0.0/8 to fd00::/8 lookup 7", `fib.txt:1: rule: "fd00::/8": not of the rule's family`},
		{"address 10.0.0.1/24", `fib.txt:1: address: want dev and a link's name`},
	} {
		_, err := Read("fib.txt", strings.NewReader(c[0]))
		if err == nil || err.Error() != c[1] {
			t.Errorf("%q:\n%v, want\n%s", c[0], err, c[1])
		}
	}
}

func TestLookupDoesNotAllocate(t *testing.T) {
	tab := read(t, randomTable(rand.New(rand.NewPCG(2, 4)), true))
	r := rand.New(rand.NewPCG(3, 3))
	type ask struct {
		p     []byte
		flags uint32
	}
	var asks []ask
	for range 200 {
		p, flags := randomLookup(r)
		asks = append(asks, ask{p, flags})
	}
	var p [ParamsSize]byte
	if n := testing.AllocsPerRun(20, func() {
		for _, a := range asks {
			copy(p[:], a.p)
			tab.Lookup(p[:], a.flags)
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkLookup(b *testing.B) {
	for _, routes := range []int{10, 10000} {
		var text strings.Builder
		text.WriteString("link 2 eth0\nneigh 192.0.2.1 dev eth0 lladdr 02:00:00:00:00:01\n")
		for i := range routes {
			fmt.Fprintf(&text, "route %d.%d.%d.0/%d via 192.0.2.1 dev eth0 metric %d\n", 10+i%50, i/50%250, i%2*128, 16+i%9, i)
		}
		tab := read(b, text.String())
		b.Run(fmt.Sprintf("routes=%d", routes), func(b *testing.B) {
			b.ReportAllocs()
			var p [ParamsSize]byte
			q := params("192.0.2.5", "10.0.0.1", 2)
			for i := range b.N {
				copy(p[:], q)
				p[32] = byte(10 + i%50)
				tab.Lookup(p[:], 0)
			}
		})
	}
}

func FuzzRead(f *testing.F) {
	for _, c := range corners {
		f.Add(c)
	}
	f.Add(randomTable(rand.New(rand.NewPCG(1, 4)), true))
	for _, name := range []string{"testdata/ip.txt", "testdata/ip-o.txt", "testdata/ip.json"} {
		b := must.Get(os.ReadFile(name))(f)
		f.Add(string(b))
	}
	f.Add("route 10.0.0.0/8 nexthop via 192.0.2.1 dev lo weight 1 nexthop dev lo")
	f.Fuzz(func(t *testing.T, text string) {
		tab, err := Read("fib.txt", strings.NewReader(text))
		if err != nil {
			if strings.Contains(err.Error(), "\n") {
				t.Errorf("an error of two lines: %q", err)
			}
			return
		}
		r := rand.New(rand.NewPCG(1, 1))
		for range 50 {
			p, flags := randomLookup(r)
			if r.IntN(2) == 0 {
				binary.LittleEndian.PutUint32(p[8:], 1)
			}
			tab.Lookup(p, flags)
		}
	})
}
