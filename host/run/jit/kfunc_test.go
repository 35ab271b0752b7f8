package jit

import (
	"strings"
	"testing"

	"jitnic/cache"
	"jitnic/host/ebpf"
	"jitnic/host/hosttest"
	"jitnic/host/hosttest/must"
	"jitnic/host/loader"
	"jitnic/host/maps"
	"jitnic/host/vm"

	cebpf "github.com/cilium/ebpf"
)

// ethernet has the packet in r6, and goes out with 0 where an Ethernet header doesn't
// fit.
const ethernet = `
	r6 = *(u32 *)(r1 +0)
	r3 = *(u32 *)(r1 +4)
	r4 = r6
	r4 += 14
	r0 = 0
	if r4 > r3 goto out
`

// kernelProgram makes a program of which lines "kfunc NAME" call kernel
// functions.
func kernelProgram(t *testing.T, text string, specs ...*maps.Spec) *loader.Object {
	t.Helper()
	calls := map[int]string{}
	slot := 0
	var lines []string
	for _, l := range strings.Split(strings.TrimSpace(text), "\n") {
		l = strings.TrimSpace(l)
		if name, ok := strings.CutPrefix(l, "kfunc "); ok {
			calls[slot] = "kfunc " + name
			l = "r0 = 0" // its place
		}
		lines = append(lines, l)
		if !strings.HasSuffix(l, ":") {
			slot++
		}
		if strings.Contains(l, "map[") {
			slot++
		}
	}
	code, _ := assemble(t, strings.Join(lines, "\n"))
	for at := range calls {
		code[at] = ebpf.Insn{Op: ebpf.OpCall, Src: ebpf.CallKfunc, Imm: 1}
	}
	p := &loader.Program{Name: "p", Insns: code, Maps: specs, Type: cebpf.XDP, Funcs: []loader.Func{{Name: "p", End: len(code)}}, Unsupported: calls}
	return &loader.Object{File: "kernel", Programs: []*loader.Program{p}, Maps: specs}
}

// drive runs packets, each twice, through a program beside the oracle, and says
// how many hit.
func drive(t *testing.T, obj *loader.Object, opt Options, pkts ...[]byte) (hits uint64, r *Runtime) {
	t.Helper()
	opt.Check, opt.Cache = true, cache.Config{Policy: "lru", Entries: 64}
	r = must.Get(New(obj, obj.Programs[0], opt))(t)
	t.Cleanup(r.Close)
	for i := range 2 * len(pkts) {
		in := vm.Input{Data: pkts[i%len(pkts)], Packet: uint64(i), TimeNS: uint64(i) * 1000, IfIndex: 1}
		var out vm.Output
		if _, err := r.Process(&in, &out); err != nil {
			t.Fatalf("packet %d: %v", i, err)
		}
	}
	must.OK(t, r.CheckAll(t.Context()))
	return r.NIC.Cache.Stats().Outcome[cache.Hit], r
}

// packet is 60 bytes, the first few as given.
func packet(b ...byte) []byte { return append(b, make([]byte, 60-len(b))...) }

// An open-coded iterator whose bounds come from the packet: the second packet of
// each number of rounds hits, and those with bounds the kernel refuses too.
func TestIteratorTraces(t *testing.T) {
	sum := &maps.Spec{Name: "sum", Type: cebpf.Array, KeySize: 4, ValueSize: 8, Max: 1}
	obj := kernelProgram(t, `
		r2 = *(u32 *)(r1 +0)
		r3 = *(u32 *)(r1 +4)
		r4 = r2
		r4 += 14
		if r4 > r3 goto out
		r6 = *(u8 *)(r2 +0)
		r3 = *(s8 *)(r2 +1)
		r2 = r6
		r1 = r10
		r1 += -8
		kfunc bpf_iter_num_new
		r7 = r0
	again:
		r1 = r10
		r1 += -8
		kfunc bpf_iter_num_next
		if r0 == 0 goto end
		r8 = *(s32 *)(r0 +0)
		r1 = map[#0] +0
		lock *(u64 *)(r1 +0) += r8
		goto again
	end:
		r1 = r10
		r1 += -8
		kfunc bpf_iter_num_destroy
		r0 = 1
		if r7 != 0 goto out
		r0 = 2
	out:
		exit`, sum)
	hits, r := drive(t, obj, Options{}, packet(0, 0), packet(0, 3), packet(2, 7), packet(5, 1), packet(9, 0x80), packet(1, 2), packet(7, 8))
	// Three pairs of bounds take one path: of one round, and refused.
	if hits != 7+2 || len(r.Dead()) > 0 {
		t.Errorf("%d hits, %d paths without a trace: %v", hits, len(r.Dead()), r.Aborts)
	}
}

// Locks have no effect a trace could show.
func TestLockTraces(t *testing.T) {
	obj := kernelProgram(t, "kfunc bpf_rcu_read_lock\nkfunc bpf_preempt_disable\nkfunc bpf_preempt_enable\nkfunc bpf_rcu_read_unlock\nr0 = 2\nexit")
	if hits, r := drive(t, obj, Options{}, packet()); hits != 1 || r.Paths()[0].Trace.Len() != 2 {
		t.Errorf("%d hits, %d instructions: %v", hits, r.Paths()[0].Trace.Len(), r.Aborts)
	}
	obj = must.Get(loader.Load(hosttest.Case(t, "kfunc-reason-unlinked", "l_ksym3.o"), loader.Options{}))(t)
	r := replay(t, obj, obj.Programs[0], hosttest.Case(t, "kfunc-reason-unlinked", "base.pcap"), Options{Check: true, Cache: cache.Config{Policy: "lru", Entries: 64}}, 0)
	defer r.Close()
	if n := r.NIC.Cache.Stats().Outcome[cache.Hit]; n != 25 || r.Packets != 26 {
		t.Errorf("%d of %d packets hit", n, r.Packets)
	}
}

// A kernel function that is not modelled is named, and where it is called.
func TestKfuncAbortNamesIt(t *testing.T) {
	obj := kernelProgram(t, "r1 = 0\nr2 = 0\nr3 = 0\nkfunc bpf_skb_ct_lookup\nr0 = 2\nexit")
	_, r := drive(t, obj, Options{}, packet())
	if len(r.Dead()) != 1 || !strings.Contains(r.Dead()[0].Abort.Error(), "insn 3: ") || !strings.Contains(r.Dead()[0].Abort.Error(), "bpf_skb_ct_lookup") {
		t.Errorf("%v", r.Dead()[0].Abort)
	}
}
