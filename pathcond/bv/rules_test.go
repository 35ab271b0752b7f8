package bv_test

import (
	"math/rand/v2"
	"testing"

	"jitnic/pathcond/bv"
	"jitnic/pathcond/bv/bvtest"
)

// inputs answers for the inputs of random terms.
type inputs []uint64

func (in inputs) Input(id uint64) uint64        { return in[id] }
func (in inputs) Apply(uint64, []uint64) uint64 { return 0 }

// facts are random facts of a value of w bits, and such a value.
func facts(r *rand.Rand, w int) (bv.Fact, uint64) {
	m := bv.Mask(w)
	v := constant(r, w)
	f := bv.Fact{Max: m}
	switch r.IntN(4) {
	case 0:
		f.Min, f.Max = v-upTo(r, v), v+upTo(r, m-v)
	case 1:
		f.Zeros = ^v & m & r.Uint64()
	case 2:
		f.Min, f.Max = v-min(v, r.Uint64N(3)), v+min(m-v, r.Uint64N(3))
	}
	if f.Max == 0 { // which says nothing
		f.Min, f.Zeros = 0, m
	}
	return f, v
}

func upTo(r *rand.Rand, n uint64) uint64 {
	if n == ^uint64(0) {
		return r.Uint64()
	}
	return r.Uint64N(n + 1)
}

// constant is a constant of w bits of the kinds rules look for.
func constant(r *rand.Rand, w int) uint64 {
	k := r.Uint64()
	switch r.IntN(6) {
	case 0:
		k = r.Uint64N(4)
	case 1:
		k = 1 << r.IntN(64)
	case 2:
		k = ^uint64(0) >> r.IntN(64)
	case 3:
		k = ^uint64(0) << r.IntN(64)
	case 4:
		k >>= r.IntN(64)
	}
	return k & bv.Mask(w)
}

// Each rule fires, makes what its equation says wherever it fires, and does so
// only where its condition is known to hold.
func TestRulesDoWhatTheirEquationsSay(t *testing.T) {
	const want, tries = 20, 10000
	names := map[string]bool{}
	for i, rule := range bv.Rules() {
		if names[rule.Name] {
			t.Errorf("two rules %s", rule.Name)
		}
		names[rule.Name] = true
		e, err := bvtest.Read(rule)
		if err != nil {
			t.Error(err)
			continue
		}
		for _, op := range e.Ops() {
			r := rand.New(rand.NewPCG(uint64(i), uint64(op)))
			fired := 0
			for n := 0; n < tries && fired < want; n++ {
				e.Each(func(values []int) []int {
					k := r.IntN(len(values))
					if r.IntN(2) == 0 {
						k = min(k, r.IntN(4)) // small widths meet conditions by chance
					}
					return values[k : k+1]
				}, func(s bvtest.Sizes) {
					if instance(t, e, r, op, s) {
						fired++
					}
				})
				if t.Failed() {
					return
				}
			}
			if fired < want {
				t.Errorf("rule %s fired %d times for %v", rule.Name, fired, op)
			}
		}
	}
}

// instance makes one random instance of the equation and says whether the rule
// fired on it.
func instance(t *testing.T, e *bvtest.Equation, r *rand.Rand, op bv.Op, s bvtest.Sizes) bool {
	b := bv.NewBuilder()
	in := inputs{}
	d := &bvtest.Bind{B: b, Sizes: s, Op: op, Vars: map[string]bv.Term{}}
	for _, v := range e.Vars {
		w := v.Width(s)
		if v.Const {
			d.Vars[v.Name] = b.Const(constant(r, w), w)
			continue
		}
		if r.IntN(8) == 0 { // of a sum with a constant term either is the constant: this one is 0
			d.Vars[v.Name] = b.Const(0, w)
			continue
		}
		f, val := facts(r, w)
		x := b.Input(uint64(len(in)), w, f)
		in = append(in, val)
		if r.IntN(8) == 0 {
			x = b.Bin(bv.OpSRem, x, b.Fun(1, w, bv.Fact{})) // an operation that no rule knows
		}
		d.Vars[v.Name] = x
	}
	args := e.From.Args(d)
	lo, n := 0, 0
	switch nums := e.From.Numbers(s); len(nums) {
	case 1:
		n = nums[0]
	case 2:
		lo, n = nums[0], nums[1]
		if n == b.Width(args[0]) {
			return false // the whole: no extract at all
		}
	}
	constants := 0
	for _, a := range args {
		if _, ok := b.IsConst(a); ok {
			constants++
		}
	}
	if constants == len(args) {
		return false // folded before any rule is asked
	}
	if name, got := bv.Fired(b, op, lo, n, args...); name == e.Rule.Name {
		holds(t, e, d, in, got)
		return true
	}
	return false
}

// holds checks what the rule made against the equation: the condition is
// certain, and both sides are one term, or at least one value.
func holds(t *testing.T, e *bvtest.Equation, d *bvtest.Bind, in inputs, got bv.Term) {
	b := d.B
	if e.When != nil {
		if k, ok := b.IsConst(e.When.Term(d)); !ok || k != 1 {
			t.Errorf("rule %s fired though %s is not known: %v %v", e.Rule.Name, e.Rule.When, d.Sizes, d.Vars)
		}
	}
	want := e.To.Term(d)
	if got == want {
		return
	}
	ev := bv.NewEvaluator(b, in)
	if g, w := ev.Eval(got), ev.Eval(want); g != w || b.Width(got) != b.Width(want) {
		t.Errorf("rule %s: %s = %#x, by its equation %s = %#x (inputs %#x)", e.Rule.Name, b.String(got), g, b.String(want), w, in)
	}
	t.Errorf("rule %s: %s, by its equation %s", e.Rule.Name, b.String(got), b.String(want))
}
