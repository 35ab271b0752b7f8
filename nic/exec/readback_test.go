package exec

import (
	"strings"
	"testing"

	"jitnic/host/ebpf"
	"jitnic/host/hosttest/must"
	"jitnic/host/loader"
	"jitnic/host/maps"
	"jitnic/host/vm"
	"jitnic/trace"

	cilium "github.com/cilium/ebpf"
)

// Whatever an operation says else than its instruction, is found: another
// operation, register, constant or offset, one too many or too few.
func TestReadBack(t *testing.T) {
	specs := []*maps.Spec{{Name: "a", Type: cilium.Hash, KeySize: 4, ValueSize: 8, Max: 4}, {Name: "b", Type: cilium.Array, KeySize: 4, ValueSize: 8, Max: 4}}
	code := must.Get(ebpf.Parser{MapIndex: func(n string) (int, bool) { return int(n[0] - 'a'), true }}.Code(`
		r6 = *(u32 *)(r1 +12)
		r7 = r6
		r7 += 5
		r8 = r7
		r8 &= r6
		w8 += 3
		w8 *= 7
		r8 <<= 3
		r8 >>= r6
		w6 = w8
		r6 = be16 r6
		*(u32 *)(r10 -4) = 1
		*(u16 *)(r10 -6) = r6
		*(u64 *)(r10 -16) = r7
		r9 = *(s8 *)(r10 -6)
		r9 = *(u16 *)(r10 -6)
		lock *(u64 *)(r10 -16) += r7
		r1 = map[a]
		r2 = r10
		r2 += -4
		call map_lookup_elem
		r1 = map[b]
		r2 = r10
		r2 += -4
		call map_delete_elem
		r3 = 0x123456789abcdef ll
		w0 = -1
		r0 = -1
		exit`))(t)
	obj := &loader.Object{File: "t", Programs: []*loader.Program{{Name: "t", Insns: code, Maps: specs}}, Maps: specs}
	s := must.Get(vm.NewState(obj, vm.Options{}))(t)
	defer s.Close()
	tr := &trace.Trace{Code: code}
	bound := func() *Executable {
		x := must.Get(New(s).bind(tr))(t)
		return x
	}
	must.OK(t, bound().readBack(tr))
	tried := 0
	notRead := func(what string, i int, change func(x *Executable, o *op)) {
		x := bound()
		change(x, &x.ops[i])
		tried++
		if err := x.readBack(tr); err == nil || !strings.Contains(err.Error(), "internal error") {
			t.Errorf("operation %d (%d): %s changed: %v", i, bound().ops[i].code, what, err)
		}
	}
	for i, o := range bound().ops {
		for c := opExit; c <= opMovRshK; c++ {
			if c != o.code {
				notRead("operation", i, func(_ *Executable, o *op) { o.code, o.aux = c, 0 })
			}
		}
		notRead("one", i, func(x *Executable, _ *op) { x.ops = append(x.ops[:i:i], x.ops[i+1:]...) })
		_, load := loads[o.code]
		_, store := stores[o.code]
		inMemory := load || store || o.code == opLdSX || o.code == opAtomic
		registers := meaning[o.code]&ebpf.SrcX != 0 && o.code != opMovK || load || o.code == opLdSX || o.code == opAtomic || store && o.code > opSt8K
		switch o.code {
		case opMovAddK, opMovAndK, opMovLshK, opMovRshK:
			registers = true
		}
		if o.code != opExit && o.code != opCall && o.code != opLookup {
			notRead("destination", i, func(_ *Executable, o *op) { o.dst ^= 1 })
		}
		if registers {
			notRead("source", i, func(_ *Executable, o *op) { o.src ^= 1 })
		}
		if inMemory {
			notRead("offset", i, func(_ *Executable, o *op) { o.off++ })
		}
		if !registers && o.code != opExit && o.code != opLdSX && o.code != opBE16 && o.code != opALU && o.code != opLookup {
			notRead("constant", i, func(_ *Executable, o *op) { o.imm++ })
		}
		switch o.code {
		case opLookup:
			notRead("map", i, func(x *Executable, o *op) { x.maps[o.aux].m = s.Maps[1] })
		case opALU, opAtomic:
			notRead("instruction", i, func(x *Executable, o *op) { x.raw[o.aux].Imm++ })
		}
	}
	if tried < 1000 {
		t.Errorf("%d changes tried", tried)
	}
}
