package native

import (
	"jitnic/host/ebpf"
	"jitnic/host/maps"
	"jitnic/host/points"
	"jitnic/host/vm"
)

// known is what is known before an instruction, so that accesses that are in bounds by
// what came before need no check when they run. Programs may be such as no verifier
// has seen: what isn't certain is unknown, and an access through it is checked.
type known = points.Facts

// most bounds how many bytes are said to be in a packet.
const most = 1 << 20

// frameOnly is what is known where nothing is but the frame.
func frameOnly(k *known) *known {
	*k = known{Reached: true, Unseen: true}
	k.R[10] = points.Value{Kind: points.Stack}
	return k
}

// analysis works out what is known; it is of one program on one State.
type analysis struct {
	points.Program
	s    *vm.State
	code []ebpf.Insn
	flat []bool // by map: look-ups give the address of a value
	subs []lookupCode
}

func newAnalysis(s *vm.State, code []ebpf.Insn) *analysis {
	a := &analysis{s: s, code: code}
	a.Context = ebpf.ContextXDP
	a.subs = make([]lookupCode, len(s.Maps))
	for _, m := range s.Maps {
		_, ok := maps.FlatOf(m)
		a.flat = append(a.flat, ok)
		a.Maps = append(a.Maps, m.Spec())
	}
	return a
}

// begin makes ready for code: a program's, or straight code with the frames of inlined calls
// above its own, between which lies what these save.
func (a *analysis) begin(code []ebpf.Insn, straight bool) {
	a.code, a.Above, a.StackTop = code, a.Above[:0], 0
	if straight {
		a.StackTop = vm.MaxFrames*vm.StackStride - vm.StackSize
	}
}

// flatMap is the map that v is, if look-ups in it give the address of a value.
func (a *analysis) flatMap(v *points.Value) (maps.Flat, bool) {
	if v.Kind != points.Map || !a.flat[v.Map] {
		return maps.Flat{}, false
	}
	return flatOf(a.s, a.s.Maps[v.Map])
}

// flatOf is [maps.FlatOf] of a map of State s: of one CPU's values there is no step to
// another's.
func flatOf(s *vm.State, m maps.Map) (maps.Flat, bool) {
	f, ok := maps.FlatOf(m)
	if s.Opt.CPUs == 1 {
		f.Step = 0
	}
	return f, ok
}

// inBounds says whether an access of n bytes at base + off is certain to be in
// bounds, with write or without.
func (a *analysis) inBounds(k *known, base uint8, off int16, n int, write bool) bool {
	v := &k.R[base]
	if v.Kind == points.MapValue {
		size, load, store := a.s.MapAccess(int(v.Map))
		if write && !store || !write && !load || v.Site != points.Direct && !a.flat[v.Map] || v.Off+int64(off)+int64(n) > int64(size) {
			return false
		}
	}
	return a.InBounds(v, int64(off), n)
}

// there says whether an access takes a value to be there that is in bounds if it is, and
// notes so: behind the access it is.
func (a *analysis) there(k *known, base uint8, off int16, n int, write bool) bool {
	v := &k.R[base]
	if !v.Null || v.Off != 0 {
		return false
	}
	v.Null = false
	in := a.inBounds(k, base, off, n, write)
	v.Null = true
	if in {
		k.NotNull(base)
	}
	return in
}

// accessed notes what an instruction's access takes to be there, if it does.
func (a *analysis) accessed(k *known, in *ebpf.Insn) bool {
	switch {
	case in.IsLoad(), in.IsAtomic() && in.Imm == ebpf.AtomicLoadAcq:
		return a.there(k, in.Src, in.Off, in.Size(), false)
	case in.IsStore():
		return a.there(k, in.Dst, in.Off, in.Size(), true)
	}
	return false
}

// step makes of what is known before the instruction at pc what is known after
// it, where control falls through to the next; there is what accessed says.
func (a *analysis) step(k *known, pc int) (there bool) {
	in := points.InsnAt(a.code, pc)
	if c := in.Class(); c == ebpf.ClassLDX || c == ebpf.ClassST || c == ebpf.ClassSTX {
		there = a.accessed(k, &in.Insn)
	}
	a.Step(&in, k, nil)
	if in.IsWide() && in.Src == ebpf.PseudoMapValue && !a.isValue(in.Imm, in.Hi) {
		k.R[in.Dst] = points.Top()
	}
	return there
}

// isValue says whether an address load of map m, off bytes into it, gives one.
func (a *analysis) isValue(m, off int32) bool {
	if m < 0 || int(m) >= len(a.s.Maps) || off < 0 {
		return false
	}
	_, ok := a.s.ValuePtr(int(m), uint32(off))
	return ok
}
