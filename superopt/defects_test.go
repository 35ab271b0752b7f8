package superopt

import (
	"context"
	"strings"
	"testing"

	"jitnic/host/ebpf"
	"jitnic/host/maps"
	"jitnic/superopt/z3"

	cebpf "github.com/cilium/ebpf"
)

// What K2 is known to get wrong (issue 3), each with the rewrite it makes.

func prog(t *testing.T, kind Kind, specs []*maps.Spec, r ...[5]int) *Prog {
	t.Helper()
	p := rows(t, kind, r...)
	p.Maps = specs
	return p
}

// verdict asks about the whole programs, and what the checker says of new.
func verdict(t *testing.T, old, new *Prog) (z3.Verdict, string) {
	t.Helper()
	n := max(len(old.Insts), len(new.Insts))
	for _, p := range []*Prog{old, new} {
		for len(p.Insts) < n {
			p.Insts = append(p.Insts, nop())
		}
	}
	o := testOptimizer(t, old)
	o.p = old
	o.a = analyse(old)
	o.bad = map[string]bool{}
	for _, b := range o.a.problems {
		o.bad[problemText(b)] = true
	}
	f := old.entryFacts(0)
	return o.pr.Equivalent(&task{old: old, new: new, s: 0, e: n, pre: &f, loopFree: true, out: func(int) *live { return &live{regs: 1} }}), o.unsafe(new)
}

func refused(t *testing.T, old, new *Prog) {
	t.Helper()
	v, why := verdict(t, old, new)
	if _, ok := v.(z3.Proved); ok && why == "" {
		t.Fatalf("taken: %+v\n%s->\n%s", v, old, new)
	}
	t.Logf("refused: %+v %s", v, why)
}

var values = []*maps.Spec{{Name: "m", Type: cebpf.Hash, KeySize: 4, ValueSize: 8, Max: 4}}

// 1. socket-1: a u32 load at ctx+48 narrowed to u8, the maximum packet size
// taken as a fact.
func TestDefectNarrowedContextLoad(t *testing.T) {
	needZ3(t)
	refused(t, prog(t, KindSKB, nil, [5]int{0x61, 1, 0, 48, 0}, [5]int{0x95, 0, 0, 0, 0}),
		prog(t, KindSKB, nil, [5]int{0x71, 1, 0, 48, 0}, [5]int{0x95, 0, 0, 0, 0}))
}

// 2. Two lookups in one map, a store through each in one window: the first
// store is not dead, the keys may differ.
func TestDefectTwoLookups(t *testing.T) {
	needZ3(t)
	code := func(store int) *Prog {
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
		return prog(t, KindTracing, values, r...)
	}
	if v, why := verdict(t, code(1), code(1)); why != "" {
		t.Fatalf("the original: %v %s", v, why)
	} else if _, ok := v.(z3.Proved); !ok {
		t.Fatalf("the original isn't itself: %+v", v)
	}
	refused(t, code(1), code(0))
}

// 3. A packet pointer stored into key padding.
func TestDefectPointerInKeyPadding(t *testing.T) {
	needZ3(t)
	code := func(reg int) *Prog {
		return prog(t, KindXDP, values, [5]int{0x61, 1, 6, 0, 0}, [5]int{0xb7, 0, 7, 0, 0}, [5]int{0x63, reg, 10, -4, 0},
			[5]int{0xbf, 10, 2, 0, 0}, [5]int{0x07, 0, 2, 0, -4}, [5]int{0x18, 1, 1, 0, 0}, [5]int{0, 0, 0, 0, 0}, [5]int{0x85, 0, 0, 0, 1},
			[5]int{0xb7, 0, 0, 0, 2}, [5]int{0x95, 0, 0, 0, 0})
	}
	refused(t, code(7), code(6))
}

// 4. update's flags argument is live.
func TestDefectUpdateFlags(t *testing.T) {
	needZ3(t)
	code := func(flags [5]int) *Prog {
		return prog(t, KindTracing, values, [5]int{0x7a, 0, 10, -8, 1}, [5]int{0x62, 0, 10, -12, 0}, [5]int{0xbf, 10, 2, 0, 0}, [5]int{0x07, 0, 2, 0, -12},
			[5]int{0xbf, 10, 3, 0, 0}, [5]int{0x07, 0, 3, 0, -8}, [5]int{0x18, 1, 1, 0, 0}, [5]int{0, 0, 0, 0, 0}, flags,
			[5]int{0x85, 0, 0, 0, 2}, [5]int{0xb7, 0, 0, 0, 0}, [5]int{0x95, 0, 0, 0, 0})
	}
	refused(t, code([5]int{0xb7, 0, 4, 0, 1}), code([5]int{0x05, 0, 0, 0, 0})) // gone
	refused(t, code([5]int{0xb7, 0, 4, 0, 1}), code([5]int{0xb7, 0, 4, 0, 0})) // another
}

// map_update may fail: its result is not the constant 0.
func TestDefectUpdateSucceeds(t *testing.T) {
	needZ3(t)
	code := func(last [5]int) *Prog {
		return prog(t, KindTracing, values, [5]int{0x7a, 0, 10, -8, 1}, [5]int{0x62, 0, 10, -12, 0}, [5]int{0xbf, 10, 2, 0, 0}, [5]int{0x07, 0, 2, 0, -12},
			[5]int{0xbf, 10, 3, 0, 0}, [5]int{0x07, 0, 3, 0, -8}, [5]int{0x18, 1, 1, 0, 0}, [5]int{0, 0, 0, 0, 0}, [5]int{0xb7, 0, 4, 0, 0},
			[5]int{0x85, 0, 0, 0, 2}, last, [5]int{0x95, 0, 0, 0, 0})
	}
	refused(t, code([5]int{0xbf, 0, 0, 0, 0}), code([5]int{0xb7, 0, 0, 0, 0}))
}

// 5. LD_ABS clobbers r1 to r5.
func TestDefectLoadAbsClobbers(t *testing.T) {
	p := prog(t, KindSKB, nil, [5]int{0xbf, 1, 6, 0, 0}, [5]int{0xb7, 0, 2, 0, 7}, [5]int{0x28, 0, 0, 0, 12}, [5]int{0xbf, 2, 0, 0, 0}, [5]int{0x95, 0, 0, 0, 0})
	a := analyse(p)
	if len(a.problems) == 0 || !strings.Contains(a.problems[0], "r2 is not readable") {
		t.Fatalf("problems %q: reading r2 after LD_ABS must be one", a.problems)
	}
	q := prog(t, KindSKB, nil, [5]int{0xbf, 1, 6, 0, 0}, [5]int{0xb7, 0, 7, 0, 7}, [5]int{0x28, 0, 0, 0, 12}, [5]int{0xbf, 7, 0, 0, 0}, [5]int{0x95, 0, 0, 0, 0})
	if a := analyse(q); len(a.problems) != 0 {
		t.Fatalf("r7 outlives LD_ABS: %q", a.problems)
	}
	r, err := Optimize(context.Background(), q, &Options{Layers: "p"})
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(r.Prog.String(), "skb[12]"); n != 1 {
		t.Fatalf("LD_ABS may leave the program, so it stays:\n%s", r.Prog)
	}
}

// 6. A context load of a width the field does not allow.
func TestDefectContextWidth(t *testing.T) {
	needZ3(t)
	refused(t, prog(t, KindXDP, nil, [5]int{0x61, 1, 0, 12, 0}, [5]int{0x57, 0, 0, 0, 255}, [5]int{0x95, 0, 0, 0, 0}),
		prog(t, KindXDP, nil, [5]int{0x71, 1, 0, 12, 0}, [5]int{0x05, 0, 0, 0, 0}, [5]int{0x95, 0, 0, 0, 0}))
}

// Unknown opcodes are refused, never read as nop.
func TestDefectUnknownOpcode(t *testing.T) {
	for op := 0; op < 256; op++ {
		in := ebpf.Insn{Op: uint8(op), Imm: 16}
		if checkInsn(in) == nil && in.Op != Nop {
			continue
		}
		_, err := FromSlots("x", KindConst, []ebpf.Insn{in, {Op: ebpf.OpExit}}, nil)
		if err == nil {
			t.Errorf("opcode %#02x taken", op)
		}
	}
}

// The verdict cache is keyed on the whole question.
func TestDefectCacheCollision(t *testing.T) {
	needZ3(t)
	pr := NewProver(1)
	defer pr.Close()
	for k := int32(1); k < 200; k++ {
		old := rows(t, KindConst, [5]int{0xbf, 1, 0, 0, 0}, [5]int{0x27, 0, 0, 0, int(k)}, [5]int{0x27, 0, 0, 0, 3}, [5]int{0x95, 0, 0, 0, 0})
		good := rows(t, KindConst, [5]int{0xbf, 1, 0, 0, 0}, [5]int{0x27, 0, 0, 0, int(3 * k)}, [5]int{0x05, 0, 0, 0, 0}, [5]int{0x95, 0, 0, 0, 0})
		bad := rows(t, KindConst, [5]int{0xbf, 1, 0, 0, 0}, [5]int{0x27, 0, 0, 0, int(3*k + 1)}, [5]int{0x05, 0, 0, 0, 0}, [5]int{0x95, 0, 0, 0, 0})
		f := old.entryFacts(0)
		ask := func(q *Prog) z3.Verdict {
			return pr.Equivalent(&task{old: old, new: q, s: 0, e: 4, pre: &f, loopFree: true, out: func(int) *live { return &live{regs: 1} }})
		}
		if k < 8 {
			if v, ok := ask(good).(z3.Proved); !ok {
				t.Fatalf("times %d: %+v", k, v)
			}
		}
		if v, ok := ask(bad).(z3.Refuted); !ok {
			t.Fatalf("times %d: %+v", k, v)
		}
	}
}
