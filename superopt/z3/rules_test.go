package z3_test

import (
	"os"
	"strings"
	"testing"

	"jitnic/host/hosttest/must"
	"jitnic/pathcond/bv"
	"jitnic/pathcond/bv/bvtest"
	"jitnic/superopt/z3"
)

// decide is how a question is decided: sums of 64 bits that are to be compared
// take the default tactic minutes, and this one seconds.
const decide = "(check-sat-using (then simplify propagate-values solve-eqs bit-blast aig sat))\n"

// slow are rules whose proofs take seconds from 12 bits up. All inputs at up to
// 4 bits are tried in pathcond/bv's own test.
var slow = map[string]bool{"ult-common-left": true, "ult-common-right": true, "ult-summand-left": true, "ult-summand-right": true, "urem-below": true}

// Each rule of the simplifier is proved for all values at the widths it serves:
// here at the least, a middle and the greatest (slow ones at 8 bits), with
// JITNIC_HEAVY=1 at all of them (slow ones up to 12 bits, and at 16, 32 and 64;
// of more than two widths and positions, at six values of each).
func TestSimplifierRules(t *testing.T) {
	ctx, err := z3.NewContext(nil)
	if err != nil {
		t.Skip(err)
	}
	defer ctx.Close()
	heavy := os.Getenv("JITNIC_HEAVY") != ""
	proofs := 0
	for _, rule := range bv.Rules() {
		e := must.Get(bvtest.Read(rule))(t)
		pick := func(values []int) []int {
			return sample(values, heavy, slow[rule.Name], len(strings.Fields(rule.Sizes)) > 2)
		}
		var script strings.Builder
		var asked []string
		for _, op := range e.Ops() {
			e.Each(pick, func(s bvtest.Sizes) {
				text := e.SMT(s, op)
				script.WriteString("(push)\n" + text + decide + "(pop)\n")
				asked = append(asked, text)
				if len(asked) == 100 {
					proofs += ask(t, ctx, rule.Name, script.String(), asked)
					script.Reset()
					asked = asked[:0]
				}
			})
		}
		proofs += ask(t, ctx, rule.Name, script.String(), asked)
	}
	t.Logf("%d proofs of %d rules", proofs, len(bv.Rules()))
}

// sample chooses the widths a rule is proved at.
func sample(values []int, heavy, slow, many bool) (out []int) {
	n := len(values)
	for i, v := range values {
		at := i == 0 || i == n/2-1 || i == n-1
		switch {
		case slow:
			at = v == 8 || heavy && (v <= 12 || v == 16 || v == 32 || v == 64)
		case heavy && many:
			at = at || i == 1 || i == n/4 || i == n-2
		case heavy:
			at = true
		}
		if at {
			out = append(out, v)
		}
	}
	return out
}

// ask runs the questions of a rule, all of which must be unsatisfiable.
func ask(t *testing.T, ctx *z3.Context, rule, script string, asked []string) int {
	t.Helper()
	out, err := ctx.EvalText(script)
	answers := strings.Fields(out)
	if err != nil || len(answers) != len(asked) {
		t.Fatalf("rule %s: %v: %s", rule, err, out)
	}
	for i, a := range answers {
		if a != "unsat" {
			t.Errorf("rule %s: %s:\n%s", rule, a, asked[i])
		}
	}
	return len(asked)
}

// A wrong equation is refuted: each of these is a rule with a slip in it.
func TestWrongRulesAreRefuted(t *testing.T) {
	ctx, err := z3.NewContext(nil)
	if err != nil {
		t.Skip(err)
	}
	defer ctx.Close()
	for _, r := range []bv.Rule{
		{Name: "sub-constant", Sizes: "w=8", Vars: "a:w k:w", From: "(sub a k)", To: "(add a k)"},
		{Name: "urem-below", Sizes: "w=8", Vars: "a:w k:w", From: "(urem a k)", When: "(ule (max a) k)", To: "a"},
		{Name: "eq-zext", Sizes: "w=64 n=8", Vars: "a:n k:w", From: "(eq (zext w a) k)", To: "(eq a (extract 0 n k))"},
		{Name: "ult-summand-left", Sizes: "w=16", Vars: "a:w b:w j:w k:w", From: "(ult (add (add a b) k) (add a j))",
			When: "(and (ule (max a) (sub ones:w (max b))) (ule k (sub (sub ones:w (max b)) (max a))))", To: "(ult (add b k) j)"},
		{Name: "extract-shl-low", Sizes: "w=32 s=8 n=3..3", Vars: "a:w", From: "(extract 0 n (shl a s:w))", To: "(shl (extract 0 n a) 0:n)"},
		{Name: "slt-positive", Sizes: "w=64", Vars: "a:w b:w", From: "(slt a b)", When: "(not (extract w-1 1 (max a)))", To: "(ult a b)"},
	} {
		e := must.Get(bvtest.Read(r))(t)
		e.Each(nil, func(s bvtest.Sizes) {
			out, err := ctx.EvalText("(push)\n" + e.SMT(s, bv.OpInvalid) + decide + "(pop)\n")
			if err != nil || strings.TrimSpace(out) != "sat" {
				t.Errorf("rule %s with a slip: %v: %s", r.Name, err, out)
			}
		})
	}
}
