package programs

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"jitnic/host/hosttest/must"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/rlimit"
	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"golang.org/x/sys/unix"
)

var update = flag.Bool("update", false, "write the map files anew")

// The verdicts, enum xdp_action of uapi/linux/bpf.h.
const (
	aborted  = 0
	drop     = 1
	pass     = 2
	tx       = 3
	redirect = 4
)

// sample is one of the programs loaded into the running kernel.
type sample struct {
	*ebpf.Collection
	t     testing.TB
	entry *ebpf.Program
}

// load puts the sample into the kernel, with some of its constants changed.
// Without the right to do that the test is skipped.
func load(t testing.TB, name string, constants map[string]any) *sample {
	t.Helper()
	s, err := Get(name)
	must.OK(t, err)
	spec, err := ebpf.LoadCollectionSpecFromReader(bytes.NewReader(s.Object))
	must.OK(t, err)
	for n, v := range constants {
		must.OK(t, spec.Variables[n].Set(v))
	}
	if err := rlimit.RemoveMemlock(); err != nil {
		t.Skipf("needs the right to lock memory: %v", err)
	}
	c, err := ebpf.NewCollection(spec)
	if errors.Is(err, os.ErrPermission) || errors.Is(err, unix.ENOSYS) {
		t.Skipf("needs bpf(2): %v", err)
	}
	if err != nil {
		t.Fatalf("%s: %+v", name, err)
	}
	t.Cleanup(c.Close)
	return &sample{c, t, c.Programs[s.Entry]}
}

// run gives the verdict and the bytes after the program.
func (k *sample) run(pkt []byte) (uint32, []byte) {
	k.t.Helper()
	opts := &ebpf.RunOptions{Data: pkt, DataOut: make([]byte, len(pkt)+256)}
	for {
		v, err := k.entry.Run(opts)
		if errors.Is(err, unix.EINTR) { // Go's preemption signal
			continue
		}
		if err != nil {
			k.t.Fatal(err)
		}
		return v, opts.DataOut
	}
}

// want runs the packet and checks the verdict, and that the bytes stay the
// same unless changed says otherwise.
func (k *sample) want(what string, pkt []byte, verdict uint32) {
	k.t.Helper()
	v, out := k.run(pkt)
	if v != verdict {
		k.t.Errorf("%s: verdict %d, want %d", what, v, verdict)
	}
	if !bytes.Equal(out, pkt) {
		k.t.Errorf("%s: the packet changed", what)
	}
}

// put updates a map of the sample.
func (k *sample) put(name string, key, value any) {
	k.t.Helper()
	if err := k.Maps[name].Put(key, value); err != nil {
		k.t.Fatalf("%s: %v", name, err)
	}
}

// counter sums slot i of a per-CPU array of u64.
func (k *sample) counter(name string, i uint32) uint64 {
	k.t.Helper()
	var per []uint64
	if err := k.Maps[name].Lookup(i, &per); err != nil {
		k.t.Fatal(err)
	}
	var sum uint64
	for _, v := range per {
		sum += v
	}
	return sum
}

var (
	macA = net.HardwareAddr{2, 0, 0, 0, 0, 0xa}
	macB = net.HardwareAddr{2, 0, 0, 0, 0, 0xb}
)

// eth, vlan, ip, tcp, udp and echo are layers for packet; ip takes both families.
func eth(t layers.EthernetType) *layers.Ethernet {
	return &layers.Ethernet{SrcMAC: macA, DstMAC: macB, EthernetType: t}
}

func vlan(id uint16, t layers.EthernetType) *layers.Dot1Q {
	return &layers.Dot1Q{VLANIdentifier: id, Type: t}
}

func ip(src, dst string, proto layers.IPProtocol) gopacket.SerializableLayer {
	s, d := net.ParseIP(src), net.ParseIP(dst)
	if s.To4() != nil {
		return &layers.IPv4{Version: 4, TTL: 64, Protocol: proto, SrcIP: s.To4(), DstIP: d.To4(), Id: 7}
	}
	return &layers.IPv6{Version: 6, HopLimit: 64, NextHeader: proto, SrcIP: s, DstIP: d}
}

func tcp(src, dst uint16, flags string) *layers.TCP {
	return &layers.TCP{
		SrcPort: layers.TCPPort(src), DstPort: layers.TCPPort(dst), Window: 1024, Seq: 1,
		SYN: strings.Contains(flags, "S"), ACK: strings.Contains(flags, "A"),
		FIN: strings.Contains(flags, "F"), RST: strings.Contains(flags, "R"), PSH: strings.Contains(flags, "P"),
	}
}

func udp(src, dst uint16) *layers.UDP {
	return &layers.UDP{SrcPort: layers.UDPPort(src), DstPort: layers.UDPPort(dst)}
}

func echo(typ uint8, id uint16) *layers.ICMPv4 {
	return &layers.ICMPv4{TypeCode: layers.CreateICMPv4TypeCode(typ, 0), Id: id, Seq: 1}
}

// packet puts layers into bytes, lengths and checksums computed.
func packet(t testing.TB, ls ...gopacket.SerializableLayer) []byte {
	t.Helper()
	var network gopacket.NetworkLayer
	for _, l := range ls {
		if n, ok := l.(gopacket.NetworkLayer); ok {
			network = n
		}
		if c, ok := l.(interface {
			SetNetworkLayerForChecksum(gopacket.NetworkLayer) error
		}); ok && network != nil {
			must.OK(t, c.SetNetworkLayerForChecksum(network))
		}
	}
	buf := gopacket.NewSerializeBuffer()
	must.OK(t, gopacket.SerializeLayers(buf, gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}, ls...))
	return buf.Bytes()
}

// payload is long enough that no frame is padded to Ethernet's 60 bytes.
var payload = gopacket.Payload("twenty-four bytes of data")

// tcp4 and friends are whole packets between two endpoints.
func tcp4(t testing.TB, src string, sport uint16, dst string, dport uint16, flags string) []byte {
	t.Helper()
	typ := layers.EthernetTypeIPv4
	if strings.Contains(src, ":") {
		typ = layers.EthernetTypeIPv6
	}
	return packet(t, eth(typ), ip(src, dst, layers.IPProtocolTCP), tcp(sport, dport, flags), payload)
}

func udp4(t testing.TB, src string, sport uint16, dst string, dport uint16) []byte {
	t.Helper()
	typ := layers.EthernetTypeIPv4
	if strings.Contains(src, ":") {
		typ = layers.EthernetTypeIPv6
	}
	return packet(t, eth(typ), ip(src, dst, layers.IPProtocolUDP), udp(sport, dport), payload)
}

// checkSums parses the packet and checks every checksum in it by making it
// anew.
func checkSums(t testing.TB, what string, pkt []byte) gopacket.Packet {
	t.Helper()
	p := gopacket.NewPacket(pkt, layers.LayerTypeEthernet, gopacket.Default)
	var ls []gopacket.SerializableLayer
	for _, l := range p.Layers() {
		s, ok := l.(gopacket.SerializableLayer)
		if !ok {
			t.Fatalf("%s: layer %s in %x", what, l.LayerType(), pkt)
		}
		ls = append(ls, s)
		switch l.LayerType() {
		case layers.LayerTypeTCP, layers.LayerTypeUDP, layers.LayerTypeICMPv4:
			ls = append(ls, gopacket.Payload(l.LayerPayload()))
			return checkAgain(t, what, p, pkt, ls)
		}
	}
	t.Fatalf("%s: no transport header in %x", what, pkt)
	return nil
}

func checkAgain(t testing.TB, what string, p gopacket.Packet, pkt []byte, ls []gopacket.SerializableLayer) gopacket.Packet {
	t.Helper()
	if again := packet(t, ls...); !bytes.Equal(again, pkt) {
		t.Errorf("%s: lengths or checksums are wrong:\nhave %x\nwant %x", what, pkt, again)
	}
	return p
}

// every gives those of studies and those after programs of the field.
func every() []Sample { return append(All(), Modelled()...) }

// Every sample is accepted by the kernel's verifier, its entry is there, and
// short and malformed packets end in a verdict.
func TestKernelAccepts(t *testing.T) {
	for _, s := range every() {
		t.Run(s.Name, func(t *testing.T) {
			k := load(t, s.Name, nil)
			whole := tcp4(t, "10.0.0.1", 1000, "10.0.0.2", 80, "S")
			for n := 14; n <= len(whole); n++ {
				if v, _ := k.run(whole[:n]); v < drop || v > redirect {
					t.Errorf("%d bytes: verdict %d", n, v)
				}
			}
		})
	}
}

// The committed objects are what the committed sources give.
func TestObjectsAreFresh(t *testing.T) {
	clang, err := exec.LookPath("clang")
	if err != nil {
		t.Skip("needs clang")
	}
	if _, err := exec.LookPath("llvm-strip"); err != nil {
		t.Skip("needs llvm-strip")
	}
	have, err := exec.Command(clang, "--version").Output()
	must.OK(t, err)
	made, err := os.ReadFile("clang.txt")
	must.OK(t, err)
	major, _, _ := strings.Cut(strings.TrimSpace(string(made)), ".")
	if !strings.Contains(string(have), "version "+major+".") {
		line, _, _ := strings.Cut(string(have), "\n")
		t.Skipf("the objects are of clang %s; here is %s", major, line)
	}
	// From another folder, so that a path that got in would show.
	dir := t.TempDir()
	sources, _ := filepath.Glob("*.[ch]")
	for _, f := range append(sources, "Makefile") {
		b := must.Get(os.ReadFile(f))(t)
		must.OK(t, os.WriteFile(filepath.Join(dir, f), b, 0o644))
	}
	if out, err := exec.Command("make", "-C", dir, "CLANG="+clang).CombinedOutput(); err != nil {
		t.Fatalf("make: %v\n%s", err, out)
	}
	for _, s := range every() {
		got := must.Get(os.ReadFile(filepath.Join(dir, s.Name+".o")))(t)
		if !bytes.Equal(got, s.Object) {
			t.Errorf("%s.o isn't what %s.c gives: run make -C host/programs", s.Name, s.Name)
		}
	}
}

// Every C file is a sample, and every sample is whole.
func TestTableIsComplete(t *testing.T) {
	sources, _ := filepath.Glob("*.c")
	if len(sources) != len(every()) {
		t.Errorf("%d C files, %d samples", len(sources), len(every()))
	}
	for _, s := range every() {
		if s.Description == "" || !bytes.Contains(s.Source, []byte("SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause")) {
			t.Errorf("%s: no description or licence", s.Name)
		}
		spec, err := ebpf.LoadCollectionSpecFromReader(bytes.NewReader(s.Object))
		must.OKf(t, err, "%s", s.Name)
		p := spec.Programs[s.Entry]
		if p == nil || p.Type != ebpf.XDP || p.License != "Dual BSD/GPL" {
			t.Errorf("%s: no XDP program %q under the licence", s.Name, s.Entry)
		}
		if s.Name == "ipv6filter" && len(spec.Maps) != 0 {
			t.Errorf("ipv6filter has maps")
		}
	}
	if _, err := Get("firewal"); err == nil || !strings.Contains(err.Error(), "firewall") {
		t.Errorf("error for an unknown name: %v", err)
	}
	for _, h := range []string{"bpf.h", "net.h"} {
		if b, err := Header(h); err != nil || len(b) == 0 {
			t.Errorf("%s: %v", h, err)
		}
	}
	if _, err := Header("firewall.c"); err == nil {
		t.Error("firewall.c is no header")
	}
}

func ExampleGet() {
	s, err := Get("ipv6filter")
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(s.Name, "starts at", s.Entry+":", s.Description)
	// Output: ipv6filter starts at ipv6filter: passes or drops IPv6 by next header, port and TCP flags; no maps
}

// Header returns an #include of the samples' sources: bpf.h or net.h.
func Header(name string) ([]byte, error) {
	b, err := files.ReadFile(name)
	if err != nil || !strings.HasSuffix(name, ".h") {
		return nil, fmt.Errorf("header %q: not among the samples' sources", name)
	}
	return b, nil
}
