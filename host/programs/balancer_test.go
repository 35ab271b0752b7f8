package programs

import (
	"bytes"
	"encoding/binary"
	"testing"

	"jitnic/pcaps/splitmix"

	"github.com/google/go-cmp/cmp"
	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
)

func TestLoadBalancer(t *testing.T) {
	k := load(t, "loadbalancer", nil)
	type vipKey struct {
		Addr       [16]byte
		Port       [2]byte
		Proto, Pad uint8
	}
	type backend struct {
		Addr [16]byte
		MAC  [6]byte
		Pad  [2]byte
	}
	k.put("vips", vipKey{mapped("192.0.2.1"), be16(8000), 6, 0}, [2]uint32{1, 0})
	k.put("vips", vipKey{mapped("192.0.2.1"), be16(8001), 17, 0}, [2]uint32{2, 1})
	k.put("vips", vipKey{mapped("fd00::1"), be16(8000), 6, 0}, [2]uint32{1, 0})
	k.put("backends", uint32(7), backend{Addr: mapped("198.18.0.7"), MAC: [6]byte{2, 7, 7, 7, 7, 7}})
	k.put("backends", uint32(8), backend{Addr: mapped("2001:db8::8")})
	for i, b := range Maglev([]uint32{7, 8}, 251) {
		k.put("rings", uint32(251+i), b)
		k.put("rings", uint32(502+i), b)
	}
	k.want("no VIP", tcp4(t, "10.0.0.1", 1000, "192.0.2.1", 8002, "S"), pass)
	k.want("ping", packet(t, eth(layers.EthernetTypeIPv4), ip("10.0.0.1", "192.0.2.1", layers.IPProtocolICMPv4), echo(8, 1)), pass)

	// unwrap checks the outer headers and gives backend and inner packet.
	unwrap := func(what string, in, out []byte, l2 int, gue bool) string {
		p := gopacket.NewPacket(out, layers.LayerTypeEthernet, gopacket.Default)
		var src, dst string
		outer := l2
		if l, ok := p.Layer(layers.LayerTypeIPv4).(*layers.IPv4); ok && l.DstIP[0] == 198 {
			src, dst, outer = l.SrcIP.String(), l.DstIP.String(), outer+20
			if int(l.Length) != len(out)-l2 {
				t.Errorf("%s: outer length %d of %d bytes", what, l.Length, len(out)-l2)
			}
			// RFC 1071: over a good header the sum is all ones.
			var sum uint32
			for i := l2; i < l2+20; i += 2 {
				sum += uint32(binary.BigEndian.Uint16(out[i:]))
			}
			if sum = sum&0xffff + sum>>16; sum != 0xffff {
				t.Errorf("%s: outer checksum: sum is %#x", what, sum)
			}
		} else if l, ok := p.Layer(layers.LayerTypeIPv6).(*layers.IPv6); ok {
			src, dst, outer = l.SrcIP.String(), l.DstIP.String(), outer+40
			if int(l.Length) != len(out)-l2-40 {
				t.Errorf("%s: outer length %d of %d bytes", what, l.Length, len(out)-l2-40)
			}
		} else {
			t.Fatalf("%s: no outer header: %x", what, out)
		}
		if src != "198.18.0.254" && src != "2001:2::fe" {
			t.Errorf("%s: outer source %s", what, src)
		}
		if gue {
			u := out[outer:]
			if port, n := binary.BigEndian.Uint16(u[2:]), binary.BigEndian.Uint16(u[4:]); port != 6080 || int(n) != len(u) {
				t.Errorf("%s: UDP to port %d with %d of %d bytes", what, port, n, len(u))
			}
			outer += 8
		}
		if diff := cmp.Diff(in[l2:], out[outer:]); diff != "" {
			t.Errorf("%s: inner packet: %s", what, diff)
		}
		return dst
	}
	send := func(what string, in []byte, l2 int, gue bool) string {
		t.Helper()
		v, out := k.run(in)
		if v != tx {
			t.Fatalf("%s: verdict %d", what, v)
		}
		return unwrap(what, in, out, l2, gue)
	}

	used := map[string]int{}
	for port := uint16(1000); port < 1100; port++ {
		b := send("SYN", tcp4(t, "10.0.0.1", port, "192.0.2.1", 8000, "S"), 14, false)
		if again := send("data", tcp4(t, "10.0.0.1", port, "192.0.2.1", 8000, "A"), 14, false); again != b {
			t.Errorf("flow from port %d: first to %s, then to %s", port, b, again)
		}
		used[b]++
	}
	if used["198.18.0.7"] < 25 || used["2001:db8::8"] < 25 || len(used) != 2 {
		t.Errorf("uneven: %v", used)
	}
	// The ring changes: known connections stay, new ones move.
	first := send("SYN", tcp4(t, "10.0.0.1", 1000, "192.0.2.1", 8000, "S"), 14, false)
	other := map[string]uint32{"198.18.0.7": 8, "2001:db8::8": 7}[first]
	for i := uint32(251); i < 502; i++ {
		k.put("rings", i, other)
	}
	if b := send("old flow", tcp4(t, "10.0.0.1", 1000, "192.0.2.1", 8000, "A"), 14, false); b != first {
		t.Errorf("a connection moved from %s to %s", first, b)
	}
	if b := send("new flow", tcp4(t, "10.0.0.1", 1000, "192.0.2.1", 8000, "S"), 14, false); b == first {
		t.Errorf("a new connection went to %s, which is gone", b)
	}

	send("UDP by GUE", udp4(t, "10.0.0.1", 1000, "192.0.2.1", 8001), 14, true)
	send("IPv6", tcp4(t, "fd00::9", 1000, "fd00::1", 8000, "S"), 14, false)
	v6 := packet(t, eth(layers.EthernetTypeDot1Q), vlan(9, layers.EthernetTypeIPv6),
		ip("fd00::9", "fd00::1", layers.IPProtocolTCP), tcp(1000, 8000, "S"), payload)
	send("IPv6 in a VLAN", v6, 18, false)
	builtin := packet(t, eth(layers.EthernetTypeQinQ), vlan(9, layers.EthernetTypeDot1Q), vlan(8, layers.EthernetTypeIPv4),
		ip("10.0.0.1", "10.0.0.2", layers.IPProtocolUDP), udp(1000, 53), payload)
	_, out := k.run(builtin)
	p := gopacket.NewPacket(out, layers.LayerTypeEthernet, gopacket.Default)
	e := p.Layer(layers.LayerTypeEthernet).(*layers.Ethernet)
	if e.SrcMAC.String() != macB.String() || e.DstMAC[0] != 2 || e.EthernetType != layers.EthernetTypeQinQ {
		t.Errorf("Ethernet header %v", e)
	}
	unwrap("built-in in two VLANs", builtin, out, 22, true)

	// A ring that names a backend without address.
	for i := uint32(251); i < 502; i++ {
		k.put("rings", i, uint32(9))
	}
	k.want("backend that isn't there", tcp4(t, "10.0.0.1", 3000, "192.0.2.1", 8000, "S"), drop)
}

func TestKatran(t *testing.T) {
	k := load(t, "katran", nil)
	k.want("no VIP", tcp4(t, "10.0.0.1", 1000, "192.0.2.1", 80, "S"), pass)
	type vipKey struct {
		Addr       [16]byte
		Port       [2]byte
		Proto, Pad uint8
	}
	const web, quic, all = 1, 2, 3
	k.put("vip_map", vipKey{mapped("192.0.2.1"), be16(80), 6, 0}, [2]uint32{0, web})
	k.put("vip_map", vipKey{mapped("192.0.2.1"), be16(443), 17, 0}, [2]uint32{4, quic})
	k.put("vip_map", vipKey{mapped("fd00::1"), be16(0), 6, 0}, [2]uint32{0, all})
	for i, a := range []string{"198.18.0.1", "198.18.0.2", "2001:db8::3"} {
		k.put("reals", uint32(i+1), mapped(a))
	}
	k.put("ctl_array", uint32(0), [8]byte{2, 3, 3, 3, 3, 3})
	k.put("decap_dst", mapped("198.18.0.254"), uint32(1))
	k.put("server_ids", uint32(5), uint32(2))
	fill := func(vip int, reals ...uint32) {
		for i, b := range Maglev(reals, ringSize) {
			k.put("ch_rings", uint32(vip*ringSize+i), b)
		}
	}
	fill(web, 1, 2)
	fill(quic, 1)
	fill(all, 3)

	// send checks the tunnel's header and gives the server.
	send := func(what string, in []byte) string {
		t.Helper()
		v, out := k.run(in)
		if v != tx {
			t.Fatalf("%s: verdict %d", what, v)
		}
		p := gopacket.NewPacket(out, layers.LayerTypeEthernet, gopacket.Default)
		e := p.Layer(layers.LayerTypeEthernet).(*layers.Ethernet)
		if e.DstMAC.String() != "02:03:03:03:03:03" || !bytes.Equal(e.SrcMAC, in[:6]) {
			t.Errorf("%s: Ethernet header %v", what, e)
		}
		dst, inner := "", 14
		switch l := p.NetworkLayer().(type) {
		case *layers.IPv4:
			var sum uint32
			for i := 14; i < 34; i += 2 {
				sum += uint32(binary.BigEndian.Uint16(out[i:]))
			}
			if dst, inner = l.DstIP.String(), 34; sum&0xffff+sum>>16 != 0xffff || int(l.Length) != len(out)-14 || l.Protocol != layers.IPProtocolIPv4 || l.SrcIP[0] != 172 {
				t.Errorf("%s: outer header %v, sum %#x", what, l, sum)
			}
		case *layers.IPv6:
			if dst, inner = l.DstIP.String(), 54; int(l.Length) != len(out)-54 {
				t.Errorf("%s: outer header %v", what, l)
			}
		}
		if diff := cmp.Diff(in[14:], out[inner:]); diff != "" {
			t.Errorf("%s: inner packet: %s", what, diff)
		}
		return dst
	}
	used := map[string]int{}
	for port := uint16(1000); port < 1100; port++ {
		b := send("SYN", tcp4(t, "10.0.0.1", port, "192.0.2.1", 80, "S"))
		if again := send("data", tcp4(t, "10.0.0.1", port, "192.0.2.1", 80, "A")); again != b {
			t.Errorf("flow from port %d: first to %s, then to %s", port, b, again)
		}
		used[b]++
	}
	if used["198.18.0.1"] < 25 || used["198.18.0.2"] < 25 {
		t.Errorf("uneven: %v", used)
	}
	// The ring changes: what is known stays, an opening moves.
	first := send("data", tcp4(t, "10.0.0.1", 1000, "192.0.2.1", 80, "A"))
	other := map[string]uint32{"198.18.0.1": 2, "198.18.0.2": 1}[first]
	fill(web, other)
	if b := send("old flow", tcp4(t, "10.0.0.1", 1000, "192.0.2.1", 80, "A")); b != first {
		t.Errorf("a connection moved from %s to %s", first, b)
	}
	// A message about its path MTU goes where the connection does.
	quoted := tcp4(t, "192.0.2.1", 80, "10.0.0.1", 1000, "A")[14:]
	mtu := packet(t, eth(layers.EthernetTypeIPv4), ip("10.9.9.9", "192.0.2.1", layers.IPProtocolICMPv4), gopacket.Payload(append([]byte{3, 4, 0, 0, 0, 0, 5, 0}, quoted...)))
	if b := send("fragmentation needed", mtu); b != first {
		t.Errorf("the message went to %s, its connection to %s", b, first)
	}
	if b := send("new flow", tcp4(t, "10.0.0.1", 1000, "192.0.2.1", 80, "S")); b == first {
		t.Errorf("a new connection went to %s, which is gone", b)
	}
	for _, port := range []uint16{22, 8080} {
		if b := send("VIP of all ports", tcp4(t, "fd00::9", 1000, "fd00::1", port, "S")); b != "2001:db8::3" {
			t.Errorf("port %d: %s", port, b)
		}
	}
	datagram := func(payload ...byte) []byte {
		return packet(t, eth(layers.EthernetTypeIPv4), ip("10.0.0.1", "192.0.2.1", layers.IPProtocolUDP), udp(1000, 443), gopacket.Payload(append(payload, make([]byte, 24)...)))
	}
	for what, c := range map[string]struct {
		payload []byte
		want    string
	}{
		"QUIC, short header":       {[]byte{0x40, 0x40, 0x01, 0x40}, "198.18.0.2"}, // version 1, server 5
		"QUIC, handshake":          {[]byte{0xe0, 0, 0, 0, 1, 8, 0x40, 0x01, 0x40}, "198.18.0.2"},
		"QUIC, initial":            {[]byte{0xc0, 0, 0, 0, 1, 8, 0x40, 0x01, 0x40}, "198.18.0.1"},
		"QUIC, server not known":   {[]byte{0x40, 0x40, 0x02, 0x40}, "198.18.0.1"},
		"QUIC, ID of another kind": {[]byte{0x40, 0x80, 0x01, 0x40}, "198.18.0.1"},
	} {
		if b := send(what, datagram(c.payload...)); b != c.want {
			t.Errorf("%s: %s, want %s", what, b, c.want)
		}
	}
	ping := packet(t, eth(layers.EthernetTypeIPv4), ip("10.0.0.1", "192.0.2.1", layers.IPProtocolICMPv4), echo(8, 1), payload)
	v, out := k.run(ping)
	want := packet(t, &layers.Ethernet{SrcMAC: macB, DstMAC: macA, EthernetType: layers.EthernetTypeIPv4}, ip("192.0.2.1", "10.0.0.1", layers.IPProtocolICMPv4), echo(0, 1), payload)
	if diff := cmp.Diff(want, out); v != tx || diff != "" {
		t.Errorf("ping: verdict %d, %s", v, diff)
	}
	inner := tcp4(t, "10.0.0.1", 1000, "192.0.2.1", 80, "S")
	tunnel := packet(t, eth(layers.EthernetTypeIPv4), ip("172.16.0.1", "198.18.0.254", layers.IPProtocolIPv4), gopacket.Payload(inner[14:]))
	if v, out := k.run(tunnel); v != pass || !bytes.Equal(out, inner) {
		t.Errorf("tunnel that ends here: verdict %d, %x", v, out)
	}
	fragment := udp4(t, "10.0.0.1", 1000, "192.0.2.1", 443)
	fragment[20] = 0x20
	k.want("fragment", fragment, drop)
	if c := k.counters("stats", web); c.Packets < 200 {
		t.Errorf("counter of the VIP: %+v", c)
	}
}

// The ring is shared evenly, and losing one backend moves few others.
func TestMaglev(t *testing.T) {
	const size = 251
	all := Maglev([]uint32{1, 2, 3, 4, 5}, size)
	share := map[uint32]int{}
	for _, b := range all {
		share[b]++
	}
	for b := uint32(1); b <= 5; b++ {
		if share[b] < size/5 || share[b] > size/5+1 {
			t.Errorf("backend %d has %d of %d slots", b, share[b], size)
		}
	}
	moved := 0
	for i, b := range Maglev([]uint32{1, 2, 4, 5}, size) {
		if all[i] != 3 && all[i] != b {
			moved++
		}
	}
	if moved > size/5 {
		t.Errorf("without one of five backends %d of %d slots of others moved", moved, size)
	}
	for _, b := range Maglev(nil, size) {
		if b != 0 {
			t.Error("a ring of no backends names one")
		}
	}
}

// Maglev fills a ring of size slots, a prime, with the backends, as Eisenbud
// et al., "Maglev: a fast and reliable software network load balancer" (NSDI
// 2016), section 3.4, do: each backend has its own permutation of the slots and
// takes, in turn, the next of them that is free. All get nearly equal shares,
// and when one backend goes few slots move between the others. No backends
// give a ring of zeros. The sample loadbalancer reads rings of 251 slots.
func Maglev(backends []uint32, size int) []uint32 {
	ring := make([]uint32, size)
	if len(backends) == 0 {
		return ring
	}
	type walk struct{ at, skip int }
	walks := make([]walk, len(backends))
	for i, b := range backends {
		walks[i] = walk{
			at:   int(splitmix.Mix(uint64(b)) % uint64(size)),
			skip: 1 + int(splitmix.Mix(uint64(b)^splitmix.Step)%uint64(size-1)),
		}
	}
	taken := make([]bool, size)
	for filled := 0; filled < size; {
		for i, b := range backends {
			w := &walks[i]
			for taken[w.at] {
				w.at = (w.at + w.skip) % size
			}
			taken[w.at], ring[w.at] = true, b
			if filled++; filled == size {
				break
			}
		}
	}
	return ring
}
