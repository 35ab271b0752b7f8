package explain

import (
	"cmp"
	"slices"

	"jitnic/host/run/jit"
	"jitnic/trace"
)

// Dead are the paths that can't be traces past one place.
type Dead struct {
	Place   Place
	Abort   trace.Abort
	Paths   int
	Packets uint64
}

// DeadOf adds them up, the place with the most packets first.
func DeadOf(rt *jit.Runtime) []Dead {
	at := map[trace.Abort]*Dead{}
	var out []*Dead
	for _, d := range rt.Dead() {
		x := at[*d.Abort]
		if x == nil {
			x = &Dead{Abort: *d.Abort, Place: AbortPlace(rt, d.Abort)}
			at[*d.Abort] = x
			out = append(out, x)
		}
		x.Paths++
		x.Packets += d.Packets
	}
	slices.SortStableFunc(out, func(a, b *Dead) int { return cmp.Compare(b.Packets, a.Packets) })
	list := make([]Dead, len(out))
	for i, d := range out {
		list[i] = *d
	}
	return list
}

// AbortPlace is where a path was given up.
func AbortPlace(rt *jit.Runtime, a *trace.Abort) Place {
	if p := rt.Obj.Named(a.Program); p != nil {
		return PlaceOf(p, a.Insn)
	}
	return Place{Where: a.Program, Program: a.Program, Function: a.Program, Insn: a.Insn}
}
