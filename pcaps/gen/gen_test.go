package gen

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"hash/crc32"
	"io"
	"math"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"

	"jitnic/host/hosttest/must"
	"jitnic/pcaps"
)

func make1(tb testing.TB, s Spec) *Generator {
	tb.Helper()
	g := must.Get(New(s))(tb)
	return g
}

func each(tb testing.TB, s Spec, f func(p *pcaps.Packet)) {
	tb.Helper()
	g := make1(tb, s)
	var p pcaps.Packet
	for {
		if err := g.Next(&p); err == io.EOF {
			return
		} else if err != nil {
			tb.Fatal(err)
		}
		f(&p)
	}
}

// rfc1071 is the checksum as the RFC words it, of pieces.
func rfc1071(pieces ...[]byte) uint16 {
	b := bytes.Join(pieces, nil)
	if len(b)%2 == 1 {
		b = append(b, 0)
	}
	var s uint64
	for i := 0; i < len(b); i += 2 {
		s += uint64(binary.BigEndian.Uint16(b[i:]))
	}
	for s > 0xffff {
		s = s>>16 + s&0xffff
	}
	return ^uint16(s)
}

// verify takes a frame apart anew and checks lengths and checksums.
func verify(b []byte) error {
	if len(b) < minFrame || len(b) > maxFrame {
		return fmt.Errorf("frame of %d bytes", len(b))
	}
	off := 12
	typ := binary.BigEndian.Uint16(b[off:])
	for typ == 0x8100 || typ == 0x88a8 {
		off += 4
		typ = binary.BigEndian.Uint16(b[off:])
	}
	ip := b[off+2:]
	var proto byte
	var addrs, t []byte
	frag := false
	switch typ {
	case 0x0800:
		n, total := int(ip[0]&15)*4, int(binary.BigEndian.Uint16(ip[2:]))
		if ip[0]>>4 != 4 || n < 20 || total > len(ip) || len(ip)-total > 0 && len(b) > minFrame {
			return fmt.Errorf("ipv4: header %d, length %d of %d", n, total, len(ip))
		}
		if c := rfc1071(ip[:n]); c != 0 {
			return fmt.Errorf("ipv4: header checksum off by %#x", c)
		}
		proto, addrs, t = ip[9], ip[12:20], ip[n:total]
		bits := binary.BigEndian.Uint16(ip[6:])
		if bits&0x2000 != 0 && len(t)%8 != 0 {
			return fmt.Errorf("ipv4: fragment of %d bytes", len(t))
		}
		frag = bits&0x3fff != 0
		if bits&0x1fff != 0 {
			return nil
		}
	case 0x86dd:
		total := 40 + int(binary.BigEndian.Uint16(ip[4:]))
		if ip[0]>>4 != 6 || total != len(ip) {
			return fmt.Errorf("ipv6: length %d of %d", total, len(ip))
		}
		proto, addrs, t = ip[6], ip[8:40], ip[40:]
		for proto == 0 || proto == 43 || proto == 60 || proto == 44 {
			if proto == 44 {
				frag = true
				if binary.BigEndian.Uint16(t[2:])>>3 != 0 {
					return nil
				}
			}
			proto, t = t[0], t[8*(int(t[1])+1):]
		}
	default:
		return fmt.Errorf("ethertype %#x", typ)
	}
	whole := len(t)
	if frag {
		whole += restOfDatagram
	}
	pseudo := binary.BigEndian.AppendUint32(append([]byte(nil), addrs...), uint32(whole))
	pseudo = append(pseudo, 0, 0, 0, proto)
	switch proto {
	case tcp, icmp6:
	case udp:
		if n := int(binary.BigEndian.Uint16(t[4:])); n != whole {
			return fmt.Errorf("udp: length %d of %d", n, whole)
		}
	case icmp:
		pseudo = nil
	case sctp:
		c := append([]byte(nil), t...)
		clear(c[8:12])
		if want := crc32.Checksum(c, crc32.MakeTable(crc32.Castagnoli)); binary.LittleEndian.Uint32(t[8:]) != want {
			return fmt.Errorf("sctp: wrong checksum")
		}
		if n := int(binary.BigEndian.Uint16(t[14:])); n != len(t)-12 {
			return fmt.Errorf("sctp: chunk of %d in %d bytes", n, len(t)-12)
		}
		return nil
	default:
		return nil
	}
	if c := rfc1071(pseudo, t); c != 0 {
		return fmt.Errorf("protocol %d: checksum off by %#x", proto, c)
	}
	return nil
}

func TestValid(t *testing.T) {
	for _, p := range Presets {
		s := p.Spec
		s.Packets, s.Seed = 20000, 7
		protos := map[string]int{}
		each(t, s, func(pkt *pcaps.Packet) {
			if err := verify(pkt.Data); err != nil {
				t.Fatalf("%s: packet %d: %v\n%s", p.Name, pkt.Index, err, hex.Dump(pkt.Data))
			}
			if pkt.Index%10 == 0 && pkt.Label == pcaps.Legit {
				d := gopacket.NewPacket(pkt.Data, layers.LayerTypeEthernet, gopacket.DecodeOptions{Lazy: false, NoCopy: true})
				if e := d.ErrorLayer(); e != nil && !strings.Contains(e.Error().Error(), "DNS") && d.TransportLayer() == nil {
					t.Fatalf("%s: packet %d: gopacket: %v\n%s", p.Name, pkt.Index, e.Error(), hex.Dump(pkt.Data))
				}
				for _, l := range d.Layers() {
					protos[l.LayerType().String()]++
				}
			}
		})
		if p.Name == "mix" {
			for _, l := range []string{"IPv4", "IPv6", "Dot1Q", "TCP", "UDP", "ICMPv4", "ICMPv6"} {
				if protos[l] == 0 {
					t.Errorf("%s: no %s among %v", p.Name, l, protos)
				}
			}
		}
	}
}

// TestTshark lets Wireshark's dissectors check the checksums.
func TestTshark(t *testing.T) {
	tshark, err := exec.LookPath("tshark")
	if err != nil {
		t.Skip("tshark is not installed")
	}
	path := filepath.Join(t.TempDir(), "a.pcapng")
	w, err := pcaps.Create(path)
	must.OK(t, err)
	s, _ := Preset("unique")
	s.Packets, s.Attack.Share, s.IPv6, s.UDP, s.ICMP, s.VLAN = 3000, 0.5, 0.3, 0.3, 0.1, 0.2
	must.OK(t, make1(t, s).Write(context.Background(), w))
	must.OK(t, w.Close())
	const bad = "ip.checksum.status == 0 || tcp.checksum.status == 0 || udp.checksum.status == 0 || icmp.checksum.status == 0 || icmpv6.checksum.status == 0 || sctp.checksum.status == 0"
	const good = "tcp.checksum.status == 1 || udp.checksum.status == 1 || sctp.checksum.status == 1"
	for filter, atLeast := range map[string]int{bad: 0, good: 1500} {
		out, err := exec.Command(tshark, "-n", "-r", path, "-o", "ip.check_checksum:TRUE", "-o", "tcp.check_checksum:TRUE",
			"-o", "udp.check_checksum:TRUE", "-o", "sctp.checksum:CRC32C", "-o", "ip.defragment:FALSE", "-o", "ipv6.defragment:FALSE", "-Y", filter).Output()
		must.OKf(t, err, "tshark")
		n := bytes.Count(out, []byte("\n"))
		if atLeast == 0 && n != 0 || n < atLeast {
			t.Errorf("%d packets match %q\n%.1000s", n, filter, out)
		}
	}
}

func TestDeterministic(t *testing.T) {
	h := sha256.New()
	for _, p := range Presets {
		s := p.Spec
		s.Packets, s.Seed, s.Poisson = 3000, 42, p.Name == "mix"
		sum := func() [32]byte {
			var all []byte
			each(t, s, func(p *pcaps.Packet) {
				all = binary.BigEndian.AppendUint64(all, uint64(p.TimeNS))
				all = append(append(all, byte(p.Label)), p.Data...)
			})
			return sha256.Sum256(all)
		}
		a := sum()
		if b := sum(); a != b {
			t.Errorf("%s: two runs differ", p.Name)
		}
		h.Write(a[:])
		s.Seed++
		if b := sum(); a == b {
			t.Errorf("%s: the seed changes nothing", p.Name)
		}
	}
	// Traffic that people cite must stay what it is.
	const want = "34442f1ac5823939"
	if got := hex.EncodeToString(h.Sum(nil))[:16]; got != want {
		t.Errorf("presets with seed 42 changed: %s, were %s", got, want)
	}
}

func TestShares(t *testing.T) {
	s := Spec{Packets: 100000, Flows: 2000, IPv6: 0.3, VLAN: 0.2, QinQ: 0.1, UDP: 0.25, ICMP: 0.05, Uniform: true,
		Attack: &Attack{Kind: "syn-flood", Share: 0.4, From: 0.5, Until: 0.75}}
	var n, v6, one, two, atk, sizes60 float64
	each(t, s, func(p *pcaps.Packet) {
		if p.Label == pcaps.Attack {
			atk++
			if p.Index < 50000 || p.Index >= 75000 {
				t.Fatalf("attack at packet %d", p.Index)
			}
			return
		}
		n++
		off := 12
		switch binary.BigEndian.Uint16(p.Data[off:]) {
		case 0x8100:
			one++
			off = 16
		case 0x88a8:
			two++
			off = 20
		}
		if binary.BigEndian.Uint16(p.Data[off:]) == 0x86dd {
			v6++
		} else if len(p.Data)-off+12 <= 60 {
			sizes60++
		}
	})
	near := func(what string, got, want float64) {
		if math.Abs(got-want) > 0.03 {
			t.Errorf("%s: share %.3f, want %.3f", what, got, want)
		}
	}
	near("ipv6", v6/n, 0.3)
	near("vlan", one/n, 0.2)
	near("qinq", two/n, 0.1)
	near("attack", atk/25000, 0.4)
	near("short frames", sizes60/(n-v6), 7.0/12)
}

// TestAttackLeavesRest: the legitimate packets are the same with an attack
// among them and without, with equal gaps and with Poisson's.
func TestAttackLeavesRest(t *testing.T) {
	s := Spec{Packets: 2000, IPv6: 0.3, UDP: 0.3, Replies: 0.4}
	var alone []string
	each(t, s, func(p *pcaps.Packet) { alone = append(alone, string(p.Data)) })
	s.Poisson = true
	s.Attack = &Attack{Kind: "burst", Share: 0.5}
	n := 0
	each(t, s, func(p *pcaps.Packet) {
		if p.Label == pcaps.Legit {
			if string(p.Data) != alone[n] {
				t.Fatalf("legitimate packet %d differs", n)
			}
			n++
		}
	})
	if n < 800 || n > 1200 {
		t.Errorf("%d of 2000 packets are legitimate", n)
	}
}

func TestZipf(t *testing.T) {
	const n, draws = 1000, 1_000_000
	for _, alpha := range []float64{0, 0.8, 1, 1.3} {
		s := newZipf(n, alpha)
		var r rng = 3
		count := make([]float64, n)
		for range draws {
			count[s.draw(&r)]++
		}
		var h float64
		for k := 1; k <= n; k++ {
			h += math.Pow(float64(k), -alpha)
		}
		for _, k := range []int{1, 2, 10, 100, 1000} {
			want := draws * math.Pow(float64(k), -alpha) / h
			if got := count[k-1]; math.Abs(got-want) > 5*math.Sqrt(want)+1 {
				t.Errorf("alpha %v, rank %d: %v draws, want %.0f", alpha, k, got, want)
			}
		}
	}
}

func TestChurnAndRate(t *testing.T) {
	flows := map[string]bool{}
	var last int64
	s := Spec{Packets: 50000, RatePPS: 100000, Flows: 100, Churn: 1000, Uniform: true, Size: 64}
	each(t, s, func(p *pcaps.Packet) {
		flows[string(p.Data[26:38])] = true
		if p.TimeNS < last {
			t.Fatalf("packet %d goes back in time", p.Index)
		}
		last = p.TimeNS
		if len(p.Data) != 60 {
			t.Fatalf("size 64 gave %d captured bytes", len(p.Data))
		}
	})
	if d := last - 1_600_000_000e9; d != 499_990_000 {
		t.Errorf("the last of 50000 packets at 100 kpps comes after %d ns", d)
	}
	if len(flows) < 580 || len(flows) > 600 { // 100 and half a second's 500, few of them unseen
		t.Errorf("%d flows", len(flows))
	}
}

// TestShapes: every shape is another packet, thrash repeats its cycle
// exactly, bursts come 2 to 4 times.
func TestShapes(t *testing.T) {
	seen := map[string]uint64{}
	each(t, Spec{Packets: 200000, Attack: &Attack{Kind: "unique", Share: 1}}, func(p *pcaps.Packet) {
		if at, dup := seen[string(p.Data)]; dup {
			t.Fatalf("packet %d is packet %d again", p.Index, at)
		}
		seen[string(p.Data)] = p.Index
	})
	var r rng = 9
	var h header
	buf := make([]byte, maxFrame)
	for range 50000 {
		i := r.below(Shapes)
		must.OKf(t, verify(build(buf, &h, shape(i, &h))), "shape %d", i)
	}
	clear(seen)
	each(t, Spec{Packets: 1000, Attack: &Attack{Kind: "thrash", Share: 1, Paths: 65}}, func(p *pcaps.Packet) {
		if at, dup := seen[string(p.Data)]; dup != (p.Index >= 65) || dup && p.Index-at != 65 {
			t.Fatalf("packet %d: seen at %d (%v)", p.Index, at, dup)
		}
		seen[string(p.Data)] = p.Index
	})
	times := map[int]int{}
	run, last := 0, ""
	each(t, Spec{Packets: 3000, Attack: &Attack{Kind: "burst", Share: 1}}, func(p *pcaps.Packet) {
		if string(p.Data) != last {
			times[run]++
			run, last = 0, string(p.Data)
		}
		run++
	})
	delete(times, 0)
	if len(times) != 3 || times[2] < 200 || times[3] < 200 || times[4] < 200 {
		t.Errorf("bursts by length: %v", times)
	}
}

// TestLabelsInFile: what is written as an attack is read as one.
func TestLabelsInFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.pcapng.gz")
	s := must.Get(Preset("burst"))(t)
	s.Packets = 5000
	w := must.Get(pcaps.Create(path))(t)
	must.OK(t, make1(t, s).Write(context.Background(), w))
	must.OK(t, w.Close())
	src := must.Get(pcaps.Open(context.Background(), pcaps.Options{Paths: []string{path}}))(t)
	defer src.Close()
	var got pcaps.Packet
	each(t, s, func(p *pcaps.Packet) {
		must.OK(t, src.Next(&got))
		if got.Label != p.Label || got.TimeNS != p.TimeNS || !bytes.Equal(got.Data, p.Data) {
			t.Fatalf("packet %d: read %v %d, made %v %d", p.Index, got.Label, got.TimeNS, p.Label, p.TimeNS)
		}
	})
	if err := src.Next(&got); err != io.EOF {
		t.Errorf("after the last packet: %v", err)
	}
}

func TestSpec(t *testing.T) {
	s, err := ReadSpec(strings.NewReader(`{"seed": 5, "flows": 10, "attack": {"kind": "thrash", "paths": 9}}`))
	if err != nil || s.Seed != 5 || s.Attack.Paths != 9 {
		t.Errorf("%+v, %v", s, err)
	}
	for in, want := range map[string]string{
		`{"flow": 1}`:               "unknown field",
		`{"seed": 1} 2`:             "more than one value",
		`{`:                         "unexpected EOF",
		`{"flows": -1}`:             "flows is -1: not 1 to 1.6777216e+07",
		`{"size": 63}`:              "size is 63: not 64 to 1518",
		`{"udp": 0.6, "icmp": 0.6}`: "udp and icmp is 1.2: not 0 to 1",
		`{"attack": {}}`:            `attack.kind "": not known`,
		`{"attack": {"kind": "burst", "min": 5, "max": 4}}`: "attack.max is 4: not 5 to 1000",
		`{"rate_pps": 1e-9}`: "rate_pps is 1e-09: not 0.001 to 1e+09",
	} {
		s, err := ReadSpec(strings.NewReader(in))
		if err == nil {
			_, err = New(s)
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", in, err, want)
		}
	}
	if _, err := Preset("nothing"); err == nil {
		t.Error("an unknown preset was found")
	}
	for _, k := range Kinds {
		if _, err := New(Spec{Attack: &Attack{Kind: k.Name}}); err != nil {
			t.Errorf("%s: %v", k.Name, err)
		}
	}
}

func TestNoAllocation(t *testing.T) {
	for _, p := range Presets {
		g := make1(t, p.Spec)
		var pkt pcaps.Packet
		if n := testing.AllocsPerRun(1000, func() { g.Next(&pkt) }); n != 0 {
			t.Errorf("%s: %v allocations per packet", p.Name, n)
		}
	}
}

func Example() {
	g, err := New(Spec{Packets: 4, Seed: 1, Attack: &Attack{Kind: "syn-flood"}})
	if err != nil {
		fmt.Println(err)
		return
	}
	var p pcaps.Packet
	for g.Next(&p) == nil {
		fmt.Println(p.TimeNS-g.Spec().StartNS, "ns", p.Label, len(p.Data), "bytes")
	}
	// Output:
	// 0 ns attack 60 bytes
	// 1000 ns legit 60 bytes
	// 2000 ns legit 60 bytes
	// 3000 ns legit 60 bytes
}

func BenchmarkGen(b *testing.B) {
	for _, p := range Presets {
		b.Run(p.Name, func(b *testing.B) {
			s := p.Spec
			s.Packets = 1 << 40
			s.RatePPS = 1e6 * 1e3
			s.Churn = min(s.Churn, s.RatePPS)
			s.Packets = 1 << 34
			g := make1(b, s)
			var pkt pcaps.Packet
			b.ReportAllocs()
			for b.Loop() {
				if err := g.Next(&pkt); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkWrite(b *testing.B) {
	for _, f := range []pcaps.Format{{}, {NG: true}} {
		b.Run(fmt.Sprintf("ng=%v", f.NG), func(b *testing.B) {
			w := must.Get(pcaps.NewWriter(io.Discard, f))(b)
			s, _ := Preset("mix")
			s.Packets = 1 << 34
			s.RatePPS = 1e9
			g := make1(b, s)
			var pkt pcaps.Packet
			b.ReportAllocs()
			for b.Loop() {
				if err := g.Next(&pkt); err != nil {
					b.Fatal(err)
				}
				if err := w.Write(&pkt); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
