package rewrite

import (
	"context"
	"testing"

	"jitnic/host/hosttest/must"
	"jitnic/superopt/internal/ir"
	"jitnic/superopt/internal/proof"
	"jitnic/superopt/internal/superopttest"
)

// What K2 is known to get wrong (issue 3), each with the rewrite it makes.

// open begins on a program with the default options.
func open(t testing.TB, p *ir.Prog) *Gate {
	t.Helper()
	o := must.Get(New(context.Background(), p, &Options{Seed: 1}, nil))(t)
	t.Cleanup(o.Prover.Close)
	return o
}

// judge asks about the whole programs, and what the checker says of new.
func judge(t *testing.T, old, new *ir.Prog, assume proof.Assumption) (proof.Verdict, string) {
	t.Helper()
	v, why, err := Judge(t.Context(), old, new, assume)
	must.OK(t, err)
	return v, why
}

func refused(t *testing.T, old, new *ir.Prog) {
	t.Helper()
	v, why := judge(t, old, new, nil)
	if _, ok := v.(proof.Proved); ok && why == "" {
		t.Fatalf("taken: %+v\n%s->\n%s", v, old, new)
	}
	t.Logf("refused: %+v %s", v, why)
}

// 1. socket-1: a u32 load at ctx+48 narrowed to u8, the maximum packet size
// taken as a fact.
func TestDefectNarrowedContextLoad(t *testing.T) {
	superopttest.NeedZ3(t)
	refused(t, superopttest.RowsOn(t, ir.KindSKB, nil, [5]int{0x61, 1, 0, 48, 0}, [5]int{0x95, 0, 0, 0, 0}),
		superopttest.RowsOn(t, ir.KindSKB, nil, [5]int{0x71, 1, 0, 48, 0}, [5]int{0x95, 0, 0, 0, 0}))
}

// 2. Two lookups in one map, a store through each in one window: the first
// store is not dead, the keys may differ.
func TestDefectTwoLookups(t *testing.T) {
	superopttest.NeedZ3(t)
	code := func(store int) *ir.Prog {
		first := [5]int{0x7a, 0, 6, 0, 1} // *(u64 *)(r6) = 1
		if store == 0 {
			first = [5]int{0x05, 0, 0, 0, 0}
		}
		look := func(key int) [][5]int {
			return [][5]int{{0xbf, 10, 2, 0, 0}, {0x07, 0, 2, 0, key}, {0x18, 1, 1, 0, 0}, {0, 0, 0, 0, 0}, {0x85, 0, 0, 0, 1}}
		}
		r := [][5]int{{0x61, 1, 3, 0, 0}, {0x63, 3, 10, -4, 0}, {0x61, 1, 3, 4, 0}, {0x63, 3, 10, -8, 0}}
		r = append(r, look(-4)...)
		r = append(r, [5]int{0x15, 0, 0, 9, 0}, [5]int{0xbf, 0, 6, 0, 0})
		r = append(r, look(-8)...)
		r = append(r, [5]int{0x15, 0, 0, 2, 0}, first, [5]int{0x7a, 0, 0, 0, 2}, [5]int{0xb7, 0, 0, 0, 0}, [5]int{0x95, 0, 0, 0, 0})
		return superopttest.RowsOn(t, ir.KindTracing, superopttest.Values(), r...)
	}
	if v, why := judge(t, code(1), code(1), nil); why != "" {
		t.Fatalf("the original: %v %s", v, why)
	} else if _, ok := v.(proof.Proved); !ok {
		t.Fatalf("the original isn't itself: %+v", v)
	}
	refused(t, code(1), code(0))
}

// 3. A packet pointer stored into key padding.
func TestDefectPointerInKeyPadding(t *testing.T) {
	superopttest.NeedZ3(t)
	code := func(reg int) *ir.Prog {
		return superopttest.RowsOn(t, ir.KindXDP, superopttest.Values(), [5]int{0x61, 1, 6, 0, 0}, [5]int{0xb7, 0, 7, 0, 0}, [5]int{0x63, reg, 10, -4, 0},
			[5]int{0xbf, 10, 2, 0, 0}, [5]int{0x07, 0, 2, 0, -4}, [5]int{0x18, 1, 1, 0, 0}, [5]int{0, 0, 0, 0, 0}, [5]int{0x85, 0, 0, 0, 1},
			[5]int{0xb7, 0, 0, 0, 2}, [5]int{0x95, 0, 0, 0, 0})
	}
	refused(t, code(7), code(6))
}

// 4. update's flags argument is live.
func TestDefectUpdateFlags(t *testing.T) {
	superopttest.NeedZ3(t)
	code := func(flags [5]int) *ir.Prog {
		return superopttest.RowsOn(t, ir.KindTracing, superopttest.Values(), [5]int{0x7a, 0, 10, -8, 1}, [5]int{0x62, 0, 10, -12, 0}, [5]int{0xbf, 10, 2, 0, 0}, [5]int{0x07, 0, 2, 0, -12},
			[5]int{0xbf, 10, 3, 0, 0}, [5]int{0x07, 0, 3, 0, -8}, [5]int{0x18, 1, 1, 0, 0}, [5]int{0, 0, 0, 0, 0}, flags,
			[5]int{0x85, 0, 0, 0, 2}, [5]int{0xb7, 0, 0, 0, 0}, [5]int{0x95, 0, 0, 0, 0})
	}
	refused(t, code([5]int{0xb7, 0, 4, 0, 1}), code([5]int{0x05, 0, 0, 0, 0})) // gone
	refused(t, code([5]int{0xb7, 0, 4, 0, 1}), code([5]int{0xb7, 0, 4, 0, 0})) // another
}

// map_update may fail: its result is not the constant 0.
func TestDefectUpdateSucceeds(t *testing.T) {
	superopttest.NeedZ3(t)
	code := func(last [5]int) *ir.Prog {
		return superopttest.RowsOn(t, ir.KindTracing, superopttest.Values(), [5]int{0x7a, 0, 10, -8, 1}, [5]int{0x62, 0, 10, -12, 0}, [5]int{0xbf, 10, 2, 0, 0}, [5]int{0x07, 0, 2, 0, -12},
			[5]int{0xbf, 10, 3, 0, 0}, [5]int{0x07, 0, 3, 0, -8}, [5]int{0x18, 1, 1, 0, 0}, [5]int{0, 0, 0, 0, 0}, [5]int{0xb7, 0, 4, 0, 0},
			[5]int{0x85, 0, 0, 0, 2}, last, [5]int{0x95, 0, 0, 0, 0})
	}
	refused(t, code([5]int{0xbf, 0, 0, 0, 0}), code([5]int{0xb7, 0, 0, 0, 0}))
}

// 6. A context load of a width the field does not allow.
func TestDefectContextWidth(t *testing.T) {
	superopttest.NeedZ3(t)
	refused(t, superopttest.RowsOn(t, ir.KindXDP, nil, [5]int{0x61, 1, 0, 12, 0}, [5]int{0x57, 0, 0, 0, 255}, [5]int{0x95, 0, 0, 0, 0}),
		superopttest.RowsOn(t, ir.KindXDP, nil, [5]int{0x71, 1, 0, 12, 0}, [5]int{0x05, 0, 0, 0, 0}, [5]int{0x95, 0, 0, 0, 0}))
}

// bpf_tail_call returns nothing: r0 can't be read after it.
func TestNoResultOfTailCall(t *testing.T) {
	superopttest.NeedZ3(t)
	call := [5]int{0x85, 0, 0, 0, 12}
	old := superopttest.RowsOn(t, ir.KindXDP, superopttest.Values(), [5]int{0xb7, 0, 3, 0, 2}, [5]int{0x18, 1, 2, 0, 0}, [5]int{0, 0, 0, 0, 0}, call, [5]int{0xb7, 0, 0, 0, 16}, [5]int{0x95, 0, 0, 0, 0})
	new := superopttest.RowsOn(t, ir.KindXDP, superopttest.Values(), [5]int{0xb7, 0, 3, 0, 2}, [5]int{0x18, 1, 2, 0, 0}, [5]int{0, 0, 0, 0, 0}, call, [5]int{0x57, 0, 0, 0, 0}, [5]int{0x95, 0, 0, 0, 0})
	refused(t, old, new)
}
