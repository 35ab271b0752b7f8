package jit

import (
	"strings"
	"testing"

	"jitnic/host/fib"
	"jitnic/host/hosttest/must"
	"jitnic/host/maps"
	"jitnic/host/vm"
	"jitnic/trace"

	cebpf "github.com/cilium/ebpf"
)

// for_each_map_elem over an array: the callback is called for each element, in
// order, until it says no. The key is only read.
func TestForEachTraces(t *testing.T) {
	sums := &maps.Spec{Name: "sums", Type: cebpf.Array, KeySize: 4, ValueSize: 8, Max: 5}
	obj := kernelProgram(t, ethernet+`
		r6 = *(u8 *)(r6 +0)
		*(u64 *)(r10 -8) = r6
		r1 = map[#0]
		r2 = map[#0]
		r3 = r10
		r3 += -8
		r4 = 0
		call for_each_map_elem#164
	out:
		exit
	each:
		r5 = *(u32 *)(r2 +0)
		r1 = *(u64 *)(r4 +0)
		r1 += r5
		lock *(u64 *)(r3 +0) += r1
		r0 = 0
		if r1 != 9 goto more
		r0 = 1
	more:
		exit`, sums)
	code := obj.Programs[0].Insns
	at := 0
	for i, in := range code {
		if in.IsWide() && in.Dst == 2 {
			code[i].Src, at = 4, i // PseudoFunc
		}
		if in.Op == 0x95 && at > 0 { // the first exit: the callback follows
			code[at].Imm = int32(i + 1 - at - 1)
			at = 0
		}
	}
	hits, r := drive(t, obj, Options{}, packet(0), packet(7), packet(9), packet(200), packet(7))
	// Stopped at element 2 (7+2) and at element 0 (9), or never: three paths.
	if hits != 7 || len(r.Paths()) != 3 {
		t.Errorf("%d hits, %d paths: %v", hits, len(r.Paths()), r.Aborts)
	}
}

// Branches on what a helper says: a perf event array whose events are open on
// some CPUs, a bloom filter, an MTU.
func TestHelperResultTraces(t *testing.T) {
	events := &maps.Spec{Name: "events", Type: cebpf.PerfEventArray, KeySize: 4, ValueSize: 4, Max: 1}
	perf := kernelProgram(t, `
		r2 = map[#0]
		r3 = 0xffffffff ll
		*(u64 *)(r10 -8) = 5
		r4 = r10
		r4 += -8
		r5 = 8
		call perf_event_output
		if r0 s< 0 goto none
		r0 = 1
		exit
	none:
		r0 = 2
		exit`, events)
	for _, readers := range []bool{false, true} {
		if hits, r := drive(t, perf, Options{VM: vm.Options{Readers: readers}}, packet(), packet()); hits != 3 {
			t.Errorf("readers %v: %d hits: %v", readers, hits, r.Aborts)
		}
	}
	bloom := &maps.Spec{Name: "seen", Type: cebpf.BloomFilter, ValueSize: 4, Max: 100}
	peek := kernelProgram(t, ethernet+`
		r6 = *(u8 *)(r6 +0)
		*(u32 *)(r10 -4) = r6
		r1 = map[#0]
		r2 = r10
		r2 += -4
		call map_peek_elem
		if r0 == 0 goto seen
		r1 = map[#0]
		r2 = r10
		r2 += -4
		r3 = 0
		call map_push_elem
	out:
		r0 = 2
		exit
	seen:
		r0 = 1
		exit`, bloom)
	if hits, r := drive(t, peek, Options{}, packet(1), packet(2), packet(3)); hits != 4 || len(r.Paths()) != 2 {
		t.Errorf("bloom filter: %d hits, %d paths: %v", hits, len(r.Paths()), r.Aborts)
	}
	routes := must.Get(fib.Read("mtu", strings.NewReader("link 2 eth0 mtu 1500\n")))(t)
	mtu := kernelProgram(t, `
		*(u32 *)(r10 -4) = 0
		r2 = 2
		r3 = r10
		r3 += -4
		r4 = 0
		r5 = 0
		call check_mtu
		if r0 != 0 goto long
		r6 = *(u32 *)(r10 -4)
		r0 = 1
		if r6 != 0 goto out
	long:
		r0 = 2
	out:
		exit`)
	if hits, r := drive(t, mtu, Options{VM: vm.Options{FIB: routes}}, packet(), make([]byte, 80), make([]byte, 2000), make([]byte, 1514)); hits < 5 || len(r.Dead()) > 0 {
		t.Errorf("mtu: %d hits, %d paths: %v", hits, len(r.Paths()), r.Aborts)
	}
}

// Packets with frags take the traces of a program of section xdp.frags, and
// helpers reach the frags; of another program they go to the host.
func TestFragTraces(t *testing.T) {
	for _, frags := range []bool{true, false} {
		obj := kernelProgram(t, `
			r6 = r1
			call xdp_get_buff_len
			r7 = r0
			r0 = 2
			if r7 < 4000 goto out
			r1 = r6
			r2 = 3990
			r3 = r10
			r3 += -8
			r4 = 8
			call xdp_load_bytes
			r1 = *(u8 *)(r10 -8)
			r0 = 3
			if r1 == 7 goto out
			r1 = r6
			r2 = 3998
			r3 = r10
			r3 += -4
			*(u32 *)(r10 -4) = 9
			r4 = 2
			call xdp_store_bytes
			r0 = 1
		out:
			exit`)
		obj.Programs[0].XDPFrags = frags
		big := func(n int, b byte) []byte { p := make([]byte, n); p[3990%n] = b; return p }
		hits, r := drive(t, obj, Options{}, big(4000, 7), big(5000, 1), big(9000, 1), big(3600, 0), big(2000, 0), big(100, 0), big(vm.MaxLinear, 0))
		if frags && (hits != 14-4 || len(r.Dead()) > 0) {
			t.Errorf("%d hits, %d paths: %v", hits, len(r.Paths()), r.Aborts)
		}
		if !frags && r.Aborts[trace.ReasonFragments] != 8 {
			t.Errorf("without xdp.frags: %v", r.Aborts)
		}
	}
	cut := kernelProgram(t, "r2 = -100\ncall xdp_adjust_tail\nr0 = 2\nexit")
	cut.Programs[0].XDPFrags = true
	if _, r := drive(t, cut, Options{}, make([]byte, 5000), make([]byte, 500)); r.Aborts[trace.ReasonFragments] != 2 || len(r.Paths()) != 1 {
		t.Errorf("adjust_tail: %v", r.Aborts)
	}
}
