package proof

import (
	"strings"
	"testing"

	"jitnic/host/ebpf"
	"jitnic/host/hosttest/must"
	"jitnic/superopt/internal/dataflow"
	"jitnic/superopt/internal/ir"
	"jitnic/superopt/internal/superopttest"
)

// When too many questions have led to nothing the solver is asked no more, and
// that answer isn't kept: without the bound the same question is proved.
func TestFailLimit(t *testing.T) {
	superopttest.NeedZ3(t)
	pr := NewProver(1)
	defer pr.Close()
	old := superopttest.Rows(t, ir.KindConst, [5]int{0xbf, 1, 0, 0, 0}, [5]int{0x27, 0, 0, 0, 5}, [5]int{0x27, 0, 0, 0, 3}, [5]int{0x95, 0, 0, 0, 0})
	new := superopttest.Rows(t, ir.KindConst, [5]int{0xbf, 1, 0, 0, 0}, [5]int{0x27, 0, 0, 0, 15}, [5]int{0x05, 0, 0, 0, 0}, [5]int{0x95, 0, 0, 0, 0})
	f := dataflow.EntryFacts(old, 0)
	ask := func() Verdict {
		return pr.Equivalent(&Task{Old: old, New: new, S: 0, E: 4, Pre: &f, LoopFree: true, Out: func(int) *dataflow.Live { return &dataflow.Live{Regs: 1} }})
	}
	pr.FailLimit, pr.failed = 1, 1
	if v, ok := ask().(Unknown); !ok || !strings.Contains(v.Reason, "led to nothing") {
		t.Fatalf("%+v", v)
	}
	pr.FailLimit = 0
	if v, ok := ask().(Proved); !ok {
		t.Fatalf("%+v", v)
	}
}

// The verdict cache is keyed on the whole question.
func TestDefectCacheCollision(t *testing.T) {
	superopttest.NeedZ3(t)
	pr := NewProver(1)
	defer pr.Close()
	for k := int32(1); k < 200; k++ {
		old := superopttest.Rows(t, ir.KindConst, [5]int{0xbf, 1, 0, 0, 0}, [5]int{0x27, 0, 0, 0, int(k)}, [5]int{0x27, 0, 0, 0, 3}, [5]int{0x95, 0, 0, 0, 0})
		good := superopttest.Rows(t, ir.KindConst, [5]int{0xbf, 1, 0, 0, 0}, [5]int{0x27, 0, 0, 0, int(3 * k)}, [5]int{0x05, 0, 0, 0, 0}, [5]int{0x95, 0, 0, 0, 0})
		bad := superopttest.Rows(t, ir.KindConst, [5]int{0xbf, 1, 0, 0, 0}, [5]int{0x27, 0, 0, 0, int(3*k + 1)}, [5]int{0x05, 0, 0, 0, 0}, [5]int{0x95, 0, 0, 0, 0})
		f := dataflow.EntryFacts(old, 0)
		ask := func(q *ir.Prog) Verdict {
			return pr.Equivalent(&Task{Old: old, New: q, S: 0, E: 4, Pre: &f, LoopFree: true, Out: func(int) *dataflow.Live { return &dataflow.Live{Regs: 1} }})
		}
		if k < 8 {
			if v, ok := ask(good).(Proved); !ok {
				t.Fatalf("times %d: %+v", k, v)
			}
		}
		if v, ok := ask(bad).(Refuted); !ok {
			t.Fatalf("times %d: %+v", k, v)
		}
	}
}

// Where a way doesn't count, a selected address leads to the scratch slot in the
// frame above. What lies between the frames is reached by r10 alone: an executor
// refuses any other access there, though nobody wants what it gives.
func TestSelectedAddressStrays(t *testing.T) {
	made := func(scratch string) *ir.Prog {
		code := must.Get(ebpf.Parser{}.Code(strings.ReplaceAll("r6 = *(u32 *)(r1 +0); r2 = *(u8 *)(r6 +0); *(u64 *)(r10 +8) = r6; r3 = r10; r3 += "+scratch+
			"; r3 = r6 if r2; r4 = *(u8 *)(r3 +8); r0 = 0; r0 = r4 if r2; exit", "; ", "\n")))(t)
		p := must.Get(ir.FromTrace(code, nil))(t)
		p.Trace = true
		return p
	}
	old := made("512")
	for _, c := range []struct{ scratch, why string }{
		{"512", ""},
		{"-8", "offset 0,"},    // r10 itself: above the frame
		{"-16", ""},            // in the frame
		{"0", "offset 8,"},     // what the original writes there, it writes by r10
		{"508", "offset 516,"}, // in the frame above, where the original has nothing
	} {
		pr := NewProver(1)
		l := pr.Line(old, dataflow.Line(old).In[0], nil)
		v := pr.Rewritten(l, made(c.scratch), func(int) uint16 { return 0x3ff })
		pr.Close()
		if r, refuted := v.(Refuted); refuted != (c.why != "") || !strings.Contains(r.What, c.why) {
			t.Errorf("by r10 + %s: %+v", c.scratch, v)
		}
	}
}
