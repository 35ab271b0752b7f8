package superopt

import (
	"testing"

	"jitnic/host/ebpf"
)

// What random programs found the verifier to refuse, small.

// bpf_tail_call returns nothing: r0 can't be read after it.
func TestNoResultOfTailCall(t *testing.T) {
	needZ3(t)
	call := [5]int{0x85, 0, 0, 0, 12}
	old := prog(t, KindXDP, values, [5]int{0xb7, 0, 3, 0, 2}, [5]int{0x18, 1, 2, 0, 0}, [5]int{0, 0, 0, 0, 0}, call, [5]int{0xb7, 0, 0, 0, 16}, [5]int{0x95, 0, 0, 0, 0})
	new := prog(t, KindXDP, values, [5]int{0xb7, 0, 3, 0, 2}, [5]int{0x18, 1, 2, 0, 0}, [5]int{0, 0, 0, 0, 0}, call, [5]int{0x57, 0, 0, 0, 0}, [5]int{0x95, 0, 0, 0, 0})
	refused(t, old, new)
}

// A register that may hold a pointer takes no bitwise operator, even one whose
// result is 0 whatever it holds.
func TestNoBitsOfWhatMayBeAPointer(t *testing.T) {
	a := analyse(prog(t, KindXDP, nil, [5]int{0x61, 1, 2, 0, 0}, [5]int{0x57, 0, 2, 0, 0}, [5]int{0xbf, 2, 0, 0, 0}, [5]int{0x95, 0, 0, 0, 0}))
	if len(a.problems) != 1 {
		t.Errorf("problems %q", a.problems)
	}
	p := prog(t, KindXDP, nil, [5]int{0x79, 1, 2, 0, 0}, [5]int{0x57, 0, 2, 0, 0}, [5]int{0xb7, 0, 0, 0, 0}, [5]int{0x95, 0, 0, 0, 0})
	p.Sub = true // r1 is anything
	if a := analyse(p); len(a.problems) != 1 {
		t.Errorf("problems %q", a.problems)
	}
}

// A function that is only called knows what its callers hand it.
func TestCalleeFacts(t *testing.T) {
	p := prog(t, KindXDP, nil,
		[5]int{0x85, 1, 0, 0, 1}, // call +1
		[5]int{0x95, 0, 0, 0, 0}, // exit
		[5]int{0x61, 1, 2, 0, 0}, // r2 = data
		[5]int{0xb7, 0, 0, 0, 1}, // r0 = 1
		[5]int{0x95, 0, 0, 0, 0}) // exit
	if len(p.Entry) != 2 {
		t.Fatalf("entries %v", p.Entry)
	}
	a := analyse(p)
	if k := a.in[2].r[1].kind; k != kCtx {
		t.Errorf("r1 of the callee is %s", kindNames[k])
	}
	if k := a.in[3].r[2].kind; k != kPkt {
		t.Errorf("r2 of the callee is %s", kindNames[k])
	}
}

// A value of one map or another may be read where packets are written, and
// copies of it merge; where a map is written in between they do not.
func TestSomeMap(t *testing.T) {
	needZ3(t)
	two := append(values[:1:1], values[0])
	head := [][5]int{
		{0x61, 1, 7, 0, 0}, {0x61, 1, 3, 4, 0}, {0xbf, 7, 2, 0, 0}, {0x07, 0, 2, 0, 14}, {0x2d, 3, 2, 23, 0}, // bounds
		{0x62, 0, 10, -4, 0}, {0xbf, 10, 2, 0, 0}, {0x07, 0, 2, 0, -4},
		{0x18, 1, 1, 0, 0}, {0, 0, 0, 0, 0}, {0x85, 0, 0, 0, 1}, {0x55, 0, 0, 6, 0},
		{0xbf, 10, 2, 0, 0}, {0x07, 0, 2, 0, -4}, {0x18, 1, 1, 0, 1}, {0, 0, 0, 0, 0}, {0x85, 0, 0, 0, 1}, {0x15, 0, 0, 10, 0},
	}
	body := func(between ...[5]int) *Prog {
		c := append(append([][5]int(nil), head...), [5]int{0x69, 0, 1, 0, 0}, [5]int{0x6b, 1, 7, 0, 0})
		if len(between) > 0 {
			c = append(c, between...)
		} else {
			c = append(c, [5]int{0xb7, 0, 4, 0, 0}, [5]int{0xbf, 4, 5, 0, 0}) // as long, and dead
		}
		c = append(c, [5]int{0x69, 0, 1, 2, 0}, [5]int{0x6b, 1, 7, 2, 0})
		for len(c) < 28 {
			c = append(c, [5]int{0xbf, 1, 4, 0, 0})
		}
		return prog(t, KindXDP, two, append(c, [5]int{0xb7, 0, 0, 0, 2}, [5]int{0x95, 0, 0, 0, 0})...)
	}
	count := func(p *Prog) (words int) {
		r, err := Optimize(t.Context(), p, &Options{Layers: "p"})
		if err != nil {
			t.Fatal(err)
		}
		for _, in := range r.Prog.Insts {
			if in.Class() == ebpf.ClassLDX && in.Size() == 4 && in.Src == 0 {
				words++
			}
		}
		t.Logf("%s\n%s", r.Whole, r.Prog)
		return words
	}
	if n := count(body()); n != 1 {
		t.Errorf("%d loads of a word, want the two halves merged", n)
	}
	if n := count(body([5]int{0x7a, 0, 0, 0, 5}, [5]int{0xbf, 1, 5, 0, 0})); n != 0 { // the value itself is written
		t.Errorf("%d loads of a word over a store to the value", n)
	}
}
