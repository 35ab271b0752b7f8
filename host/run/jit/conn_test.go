package jit

import (
	"encoding/binary"
	"strings"
	"testing"

	"jitnic/cache"
	"jitnic/host/conntrack"
	"jitnic/host/hosttest/must"
	"jitnic/host/loader"
	"jitnic/host/vm"
	"jitnic/trace"
)

// connPacket is a TCP packet over IPv4 of the given last bytes of addresses and
// ports.
func connPacket(src, dst, sport, dport byte) []byte {
	p := make([]byte, 60)
	binary.BigEndian.PutUint16(p[12:], 0x0800)
	p[14], p[23], p[26], p[29], p[30], p[33], p[35], p[37] = 0x45, 6, 10, src, 10, dst, sport, dport
	return p
}

// Connections are looked up by the condition: packets of any connection with the
// same answers take one path, those of others and of none take others.
func TestConnectionTraces(t *testing.T) {
	obj, err := loader.Load("../../verify/testdata/ct.o", loader.Options{})
	if err != nil {
		t.Skip(err) // without types of a kernel
	}
	if obj.Conn == nil {
		t.Skip("the kernel's types have no struct nf_conn")
	}
	table, err := conntrack.Read("connections", strings.NewReader(`
		tcp src=10.0.0.1 dst=10.0.0.2 sport=1 dport=2 [ASSURED] mark=9
		tcp src=10.0.0.3 dst=10.0.0.4 sport=3 dport=4 [ASSURED] mark=9
		tcp src=10.0.0.5 dst=10.0.0.6 sport=5 dport=6 [ASSURED] mark=8
		tcp src=10.0.0.7 dst=10.0.0.8 sport=7 dport=8 [UNREPLIED]`))
	must.OK(t, err)
	pkts := [][]byte{
		connPacket(1, 2, 1, 2), connPacket(3, 4, 3, 4), // one path
		connPacket(2, 1, 2, 1), connPacket(4, 3, 4, 3), // the other direction: another
		connPacket(5, 6, 5, 6),                         // another mark
		connPacket(7, 8, 7, 8),                         // another status
		connPacket(9, 9, 9, 9), connPacket(1, 2, 1, 3), // none
	}
	for _, engine := range []string{"go", "auto"} {
		hits, r := drive(t, obj, Options{Engine: engine, VM: vm.Options{CT: table}}, pkts...)
		if n := len(r.Paths()); hits != 16-6 && hits != 16-7 || n != 6 && n != 7 || len(r.Dead()) > 0 {
			t.Errorf("%s: %d hits on %d paths, %d without a trace: %v", engine, hits, n, len(r.Dead()), r.Aborts)
		}
	}
	if hits, r := drive(t, obj, Options{}, pkts...); hits < 16-2 {
		t.Errorf("without connections: %d hits: %v", hits, r.Aborts)
	}
}

// A field that the file doesn't tell of can't be read.
func TestConnectionFieldNotTold(t *testing.T) {
	obj := kernelProgram(t, `
		r6 = r1
		r2 = *(u32 *)(r1 +0)
		r3 = *(u32 *)(r1 +4)
		r4 = r2
		r4 += 40
		if r4 > r3 goto out
		r3 = *(u64 *)(r2 +26)
		*(u64 *)(r10 -16) = r3
		r3 = *(u32 *)(r2 +34)
		*(u32 *)(r10 -8) = r3
		*(u32 *)(r10 -32) = -1
		*(u32 *)(r10 -28) = 0
		*(u32 *)(r10 -24) = 6
		r2 = r10
		r2 += -16
		r3 = 12
		r4 = r10
		r4 += -32
		r5 = 12
		kfunc bpf_xdp_ct_lookup
		if r0 == 0 goto out
		r0 = *(u32 *)(r0 +0)
	out:
		r0 = 2
		exit`)
	table := must.Get(conntrack.Read("connections", strings.NewReader("tcp src=10.0.0.1 dst=10.0.0.2 sport=1 dport=2")))(t)
	_, r := drive(t, obj, Options{VM: vm.Options{CT: table}}, connPacket(1, 2, 1, 2), connPacket(1, 2, 1, 1))
	if r.Faults != 2 || r.Aborts[trace.ReasonFault] == 0 || !strings.Contains(r.Causes()[0].First.Error(), "a field its file doesn't tell of") {
		t.Errorf("%d faults, %v, %v", r.Faults, r.Aborts, r.Causes())
	}
	if n := r.NIC.Cache.Stats().Outcome[cache.Hit]; n != 1 {
		t.Errorf("%d hits", n)
	}
}
