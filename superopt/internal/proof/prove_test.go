package proof

import (
	"strings"
	"testing"

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
