package rss

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"testing"
)

// vectors are Microsoft's ("Verifying the RSS Hash Calculation").
var vectors = []struct {
	dst      string
	dport    uint16
	src      string
	sport    uint16
	two, all uint32 // hash of the addresses, and of the ports too
}{
	{"161.142.100.80", 1766, "66.9.149.187", 2794, 0x323e8fc2, 0x51ccc178},
	{"65.69.140.83", 4739, "199.92.111.2", 14230, 0xd718262a, 0xc626b0ea},
	{"12.22.207.184", 38024, "24.19.198.95", 12898, 0xd2d0a5de, 0x5c2b394a},
	{"209.142.163.6", 2217, "38.27.205.30", 48228, 0x82989176, 0xafc7327f},
	{"202.188.127.2", 1303, "153.39.163.191", 44251, 0x5d1809c5, 0x10e828a2},
	{"3ffe:2501:200:3::1", 1766, "3ffe:2501:200:1fff::7", 2794, 0x2cc18cd5, 0x40207d3d},
	{"ff02::1", 4739, "3ffe:501:8::260:97ff:fe40:efab", 14230, 0x0f0c461c, 0xdde51bbf},
	{"fe80::200:f8ff:fe21:67cf", 38024, "3ffe:1900:4545:3:200:f8ff:fe21:67cf", 44251, 0x4b61e985, 0x02d1feef},
}

// frame builds an Ethernet packet with tags VLAN tags and no payload.
func frame(src, dst netip.Addr, sport, dport uint16, proto byte, tags int) []byte {
	b := make([]byte, 12)
	for range tags {
		b = append(b, 0x81, 0, 0, 7)
	}
	if src.Is4() {
		b = append(b, 8, 0, 0x45, 0, 0, 40, 0, 0, 0x40, 0, 64, proto, 0, 0)
	} else {
		b = append(b, 0x86, 0xdd, 0x60, 0, 0, 0, 0, 20, proto, 64)
	}
	b = append(append(b, src.AsSlice()...), dst.AsSlice()...)
	b = binary.BigEndian.AppendUint16(b, sport)
	b = binary.BigEndian.AppendUint16(b, dport)
	return append(b, make([]byte, 16)...)
}

func TestVectors(t *testing.T) {
	for _, v := range vectors {
		src, dst := netip.MustParseAddr(v.src), netip.MustParseAddr(v.dst)
		in := append(src.AsSlice(), dst.AsSlice()...)
		if h := Toeplitz(in); h != v.two {
			t.Errorf("%s > %s: %#x, want %#x", v.src, v.dst, h, v.two)
		}
		in = binary.BigEndian.AppendUint16(in, v.sport)
		in = binary.BigEndian.AppendUint16(in, v.dport)
		if h := Toeplitz(in); h != v.all {
			t.Errorf("%s.%d > %s.%d: %#x, want %#x", v.src, v.sport, v.dst, v.dport, h, v.all)
		}
		for tags := range 3 {
			for proto, want := range map[byte]uint32{6: v.all, 17: v.all, 1: v.two, 132: v.two} {
				h, ok := Hash(frame(src, dst, v.sport, v.dport, proto, tags))
				if !ok || h != want {
					t.Errorf("%s > %s protocol %d, %d tags: %#x %v, want %#x", v.src, v.dst, proto, tags, h, ok, want)
				}
			}
		}
	}
}

func TestFragments(t *testing.T) {
	v := vectors[0]
	f := frame(netip.MustParseAddr(v.src), netip.MustParseAddr(v.dst), v.sport, v.dport, 6, 0)
	for _, bits := range []uint16{0x2000, 0x0001, 0x2001} {
		binary.BigEndian.PutUint16(f[20:], bits)
		if h, _ := Hash(f); h != v.two {
			t.Errorf("fragment %#x: %#x, want the addresses' %#x", bits, h, v.two)
		}
	}
}

func TestQueue(t *testing.T) {
	f := frame(netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("10.0.0.2"), 1, 2, 6, 0)
	for n := -1; n < 300; n++ {
		if q := Queue(f, n); q < 0 || q >= max(n, 1) {
			t.Errorf("%d queues: queue %d", n, q)
		}
	}
	arp := append(make([]byte, 12), 8, 6)
	if q := Queue(arp, 8); q != 0 {
		t.Errorf("arp: queue %d, want 0", q)
	}
	for n := range f { // every cut is refused or hashed, never a panic
		Queue(f[:n], 8)
	}
	seen := map[int]int{}
	for i := range 4096 {
		binary.BigEndian.PutUint16(f[34:], uint16(i))
		seen[Queue(f, 8)]++
	}
	for q := range 8 {
		if seen[q] < 256 || seen[q] > 1024 {
			t.Errorf("queue %d gets %d of 4096 flows", q, seen[q])
		}
	}
	if n := testing.AllocsPerRun(100, func() { Queue(f, 8) }); n != 0 {
		t.Errorf("%v allocations per packet", n)
	}
}

func ExampleQueue() {
	syn := frame(netip.MustParseAddr("66.9.149.187"), netip.MustParseAddr("161.142.100.80"), 2794, 1766, 6, 0)
	h, _ := Hash(syn)
	fmt.Printf("hash %#x, queue %d of 6\n", h, Queue(syn, 6))
	// Output: hash 0x51ccc178, queue 0 of 6
}

func BenchmarkQueue(b *testing.B) {
	f := frame(netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("10.0.0.2"), 1, 2, 6, 0)
	b.ReportAllocs()
	for b.Loop() {
		Queue(f, 8)
	}
}

// Toeplitz hashes up to 36 bytes: source address, destination address and,
// if they count, source port and destination port, all as on the wire.
func Toeplitz(input []byte) uint32 {
	var h uint32
	for i, b := range input[:min(len(input), maxInput)] {
		h ^= toeplitz[i][b]
	}
	return h
}
