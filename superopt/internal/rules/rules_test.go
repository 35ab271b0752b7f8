package rules

import (
	"strings"
	"testing"

	"jitnic/host/hosttest/must"
	"jitnic/superopt/internal/proof"
	"jitnic/superopt/internal/superopttest"
)

// Each rule that ships is proved.
func TestRulesProved(t *testing.T) {
	superopttest.NeedZ3(t)
	pr := proof.NewProver(1)
	defer pr.Close()
	pr.RLimit = ruleBudget
	for _, r := range Builtin() {
		if v := r.Prove(pr); !IsProved(v) {
			t.Errorf("%s\n  %+v", r.Line, v)
		}
	}
}

// Bad twins: a rule that is wrong is refuted, with its counterexample.
func TestBadRulesRefuted(t *testing.T) {
	superopttest.NeedZ3(t)
	bad := must.Get(ParseRules("twin-sign: lsh64 a, 32; arsh64 a, 32 => mov32 a, a\ntwin-shift: lsh64 a, I; rsh64 a, J => mov64 a, a if I == J, 1 <= I\ntwin-bit: mov64 b, 1; mov64 a, 0; sel a, b, c => mov64 a, c dead b\ntwin-select: sel a, b, c => mov64 a, b\n"))(t)
	pr := proof.NewProver(1)
	defer pr.Close()
	for _, r := range bad {
		v, ok := r.Prove(pr).(proof.Refuted)
		if !ok || len(v.Counterexample) == 0 {
			t.Errorf("%s: %+v, want refuted with a counterexample", r.Line, r.Prove(pr))
		}
	}
}

func TestRuleErrors(t *testing.T) {
	for _, bad := range []string{"noname", "x: add64 a, 1", "x: add65 a, 1 => nothing", "x: add64 z, 1 => nothing", "x: add64 a, 1 => add64 a, 1; add64 a, 2", "x: add64 a, I => nothing if I ~ 3", "x: add64 a, I+1 => nothing", "x: add64 a, 1 => mov64 a, I", "x: add64 a, 1 => mov64 a, b", "x: st64 [a, 1 => nothing", "x: ldx8 a, [b+I => nothing", "x: mov64 a, ((1 => nothing", "x: mov64 a, 1 => nothing dead q", "x: mov64 a, 1 => nothing if b <= 3", "x y: mov64 a, 1 => nothing", "x: sel a, b => nothing", "x: sel64 a, b, c => nothing", "x: sel a, b, 1 => nothing"} {
		if _, err := ParseRules(bad); err == nil || !strings.HasPrefix(err.Error(), "line 1: ") {
			t.Errorf("%q: %v", bad, err)
		}
	}
}
