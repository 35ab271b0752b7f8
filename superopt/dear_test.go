package superopt

import (
	"strings"
	"testing"

	"jitnic/superopt/z3"
)

// When too many questions have led to nothing the solver is asked no more, and
// that answer isn't kept: without the bound the same question is proved.
func TestDear(t *testing.T) {
	needZ3(t)
	pr := NewProver(1)
	defer pr.Close()
	old := rows(t, KindConst, [5]int{0xbf, 1, 0, 0, 0}, [5]int{0x27, 0, 0, 0, 5}, [5]int{0x27, 0, 0, 0, 3}, [5]int{0x95, 0, 0, 0, 0})
	new := rows(t, KindConst, [5]int{0xbf, 1, 0, 0, 0}, [5]int{0x27, 0, 0, 0, 15}, [5]int{0x05, 0, 0, 0, 0}, [5]int{0x95, 0, 0, 0, 0})
	f := old.entryFacts(0)
	ask := func() z3.Verdict {
		return pr.Equivalent(&task{old: old, new: new, s: 0, e: 4, pre: &f, loopFree: true, out: func(int) *live { return &live{regs: 1} }})
	}
	pr.Dear, pr.dear = 1, 1
	if v, ok := ask().(z3.Unknown); !ok || !strings.Contains(v.Reason, "led to nothing") {
		t.Fatalf("%+v", v)
	}
	pr.Dear = 0
	if v, ok := ask().(z3.Proved); !ok {
		t.Fatalf("%+v", v)
	}
}
