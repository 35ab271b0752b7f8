package pathcond

import (
	"strings"
	"testing"

	"jitnic/host/ebpf"
	"jitnic/host/hosttest/must"
	"jitnic/host/loader"
	"jitnic/host/maps"
	"jitnic/host/vm"
	"jitnic/trace"

	cebpf "github.com/cilium/ebpf"
)

// object makes a linked object of a program in text form.
func object(t testing.TB, code string, specs ...*maps.Spec) (*loader.Object, *loader.Program) {
	t.Helper()
	insns := must.Get(ebpf.Parser{}.Code(code))(t)
	p := &loader.Program{Name: "p", Insns: insns, Maps: specs, Funcs: []loader.Func{{Name: "p", End: len(insns)}}, Unsupported: map[int]string{}}
	return &loader.Object{File: "test", Programs: []*loader.Program{p}, Maps: specs}, p
}

// record runs a program on a packet and compiles the path it takes.
func record(t testing.TB, obj *loader.Object, pkt []byte, change func(c *Compiler, s *vm.State)) (*Compiler, *Path) {
	t.Helper()
	s := must.Get(vm.NewState(obj, vm.Options{}))(t)
	t.Cleanup(func() { s.Close() })
	it := must.Get(vm.NewInterp(s, obj, obj.Programs[0]))(t)
	c := NewCompiler(s, obj)
	if change != nil {
		change(c, s)
	}
	var rec vm.Recording
	var out vm.Output
	c.Before()
	it.RunRecorded(&vm.Input{Data: pkt}, &out, &rec)
	return c, c.Compile(&rec, len(pkt), out.Err)
}

// Every abort reason is reached by a program that should have it, but for
// ReasonInternal, which is a bug wherever it shows.
func TestAbortReasons(t *testing.T) {
	lru := &maps.Spec{Name: "lru", Type: cebpf.LRUHash, KeySize: 4, ValueSize: 8, Max: 4}
	hosts := &maps.Spec{Name: "hosts", Type: cebpf.DevMapHash, KeySize: 4, ValueSize: 8, Max: 64}
	lpm := &maps.Spec{Name: "lpm", Type: cebpf.LPMTrie, KeySize: 8, ValueSize: 8, Max: 16, Flags: 1}
	inner := &maps.Spec{Name: "inner", Type: cebpf.Array, KeySize: 4, ValueSize: 8, Max: 1}
	outer := &maps.Spec{Name: "outer", Type: cebpf.ArrayOfMaps, KeySize: 4, ValueSize: 4, Max: 4, Inner: inner,
		Contents: []maps.Entry{{Key: []byte{0, 0, 0, 0}, Name: "inner"}}}
	const update = `
		*(u32 *)(r10 -4) = 7
		*(u64 *)(r10 -16) = 1
		*(u64 *)(r10 -24) = 1
		r1 = map[#0]
		r2 = r10
		r2 += -%KEY%
		r3 = r10
		r3 += -16
		r4 = %FLAGS%
		call map_update_elem#2
		r1 = map[#0]
		r2 = r10
		r2 += -%LOOK%
		call map_lookup_elem#1
		r0 = 2
		exit`
	put := func(key, look, flags string) string {
		return strings.NewReplacer("%KEY%", key, "%LOOK%", look, "%FLAGS%", flags).Replace(update)
	}
	cases := []struct {
		want   trace.Reason
		says   string // its detail; "": not asked
		code   string
		maps   []*maps.Spec
		packet int
		change func(c *Compiler, s *vm.State)
	}{
		{want: trace.ReasonFault, code: `
			r0 = 0
			r0 = *(u8 *)(r0 +0)
			exit`},
		{want: trace.ReasonTooLong, code: `
			r0 = 1
			r0 += 1
			r0 += 1
			exit`, change: func(c *Compiler, s *vm.State) { c.MaxTrace = 3 }},
		{want: trace.ReasonTooManyGuards, code: `
			r2 = *(u32 *)(r1 +12)
			r3 = *(u32 *)(r1 +16)
			r0 = 2
			if r2 == 0x5 goto +1
			if r3 == 0x5 goto +0
			exit`, change: func(c *Compiler, s *vm.State) { c.MaxGuards = 1 }},
		{want: trace.ReasonHelper, code: `
			call perf_event_read#22
			r0 = 2
			exit`},
		{want: trace.ReasonOpaqueBranch, says: "helper map_update_elem at insn 9", maps: []*maps.Spec{lpm}, code: `
			*(u64 *)(r10 -8) = 1
			*(u64 *)(r10 -16) = 1
			r1 = map[#0]
			r2 = r10
			r2 += -8
			r3 = r10
			r3 += -16
			r4 = 0
			call map_update_elem#2
			if r0 s> 0x0 goto +0
			r0 = 2
			exit`},
		{want: trace.ReasonOpaqueAddress, says: "helper map_update_elem at insn 9", maps: []*maps.Spec{lpm}, code: `
			*(u64 *)(r10 -8) = 1
			*(u64 *)(r10 -16) = 1
			r1 = map[#0]
			r2 = r10
			r2 += -8
			r3 = r10
			r3 += -16
			r4 = 0
			call map_update_elem#2
			r0 &= 7
			r1 = r10
			r1 += -16
			r1 += r0
			r0 = *(u8 *)(r1 +0)
			exit`},
		{want: trace.ReasonStaleEntry, says: "helper map_lookup_elem: hosts", maps: []*maps.Spec{hosts}, code: put("4", "4", "0")},
		{want: trace.ReasonEviction, maps: []*maps.Spec{lru}, code: put("4", "16", "0"), change: func(c *Compiler, s *vm.State) {
			for i := byte(0); i < 4; i++ {
				s.Maps[0].Update([]byte{i, 0, 0, 0}, make([]byte, 8), 0, 0)
			}
		}},
		{want: trace.ReasonTrieUpdate, maps: []*maps.Spec{lpm}, code: put("24", "24", "0")},
		{want: trace.ReasonFragments, packet: 5000, code: `
			r0 = 2
			exit`},
		{want: trace.ReasonDynamicMap, maps: []*maps.Spec{outer, inner, lpm}, code: `
			*(u64 *)(r10 -8) = 1
			*(u64 *)(r10 -16) = 1
			r1 = map[#2]
			r2 = r10
			r2 += -8
			r3 = r10
			r3 += -16
			r4 = 0
			call map_update_elem#2
			r0 >>= 32
			*(u32 *)(r10 -4) = r0
			*(u32 *)(r10 -8) = 0
			r1 = map[#0]
			r2 = r10
			r2 += -4
			call map_lookup_elem#1
			r1 = r0
			r2 = r10
			r2 += -8
			call map_lookup_elem#1
			r0 = 2
			exit`},
		{want: trace.ReasonUnencodable, code: `
			call pc+1
			exit
			*(u64 *)(r10 -8) = r10
			r0 = 2
			exit`},
	}
	reached := map[trace.Reason]bool{trace.ReasonInternal: true}
	for _, c := range cases {
		obj, _ := object(t, c.code, c.maps...)
		n := c.packet
		if n == 0 {
			n = 64
		}
		_, p := record(t, obj, make([]byte, n), c.change)
		if p.Abort == nil {
			t.Errorf("%v: no abort", c.want)
			continue
		}
		if p.Abort.Reason != c.want {
			t.Errorf("want %v: %v", c.want, p.Abort)
		}
		if p.Abort.Detail == "" {
			t.Errorf("%v: it names nothing", c.want)
		}
		if c.says != "" && p.Abort.Detail != c.says {
			t.Errorf("%v: %q, want %q", c.want, p.Abort.Detail, c.says)
		}
		reached[p.Abort.Reason] = true
	}

	// A kernel function, and a callback over all entries of a map: these have
	// no plain text form.
	kf, _ := object(t, "r0 = 2\nexit")
	kf.Programs[0].Insns = append([]ebpf.Insn{{Op: ebpf.OpCall, Src: ebpf.CallKfunc, Imm: 1}}, kf.Programs[0].Insns...)
	kf.Programs[0].Unsupported[0] = "bpf_some_kfunc"
	if _, p := record(t, kf, make([]byte, 64), nil); p.Abort == nil || p.Abort.Reason != trace.ReasonUnlinked {
		t.Errorf("kfunc: %v", p.Abort)
	} else {
		reached[p.Abort.Reason] = true
	}
	each, _ := object(t, `
		r1 = map[#0]
		r3 = 0
		r4 = 0
		call for_each_map_elem#164
		r0 = 2
		exit
		r0 = 0
		exit`, lru)
	in := each.Programs[0].Insns
	cb := []ebpf.Insn{{Op: ebpf.OpLDDW, Dst: 2, Src: ebpf.PseudoFunc, Imm: 5}, {}}
	each.Programs[0].Insns = append(append(append([]ebpf.Insn{}, in[:2]...), cb...), in[2:]...)
	if _, p := record(t, each, make([]byte, 64), func(c *Compiler, s *vm.State) {
		s.Maps[0].Update([]byte{1, 0, 0, 0}, make([]byte, 8), 0, 0)
	}); p.Abort == nil || p.Abort.Reason != trace.ReasonIteration {
		t.Errorf("for_each: %v", p.Abort)
	} else {
		reached[p.Abort.Reason] = true
	}
	for _, r := range trace.Reasons() {
		if !reached[r] {
			t.Errorf("abort reason %v is reached by no test", r)
		}
	}
}
