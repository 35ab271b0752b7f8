package proof

import (
	"fmt"
	"sort"

	"jitnic/pathcond/bv"
	"jitnic/pcaps/splitmix"
	"jitnic/superopt/internal/sample"
)

// modelOf finds inputs that make t 1; nil where none are found.
func (p *Prover) modelOf(m *Machine, t bv.Term) map[uint64]uint64 {
	if _, ok := m.B.IsConst(t); ok {
		return nil
	}
	text, inputs, uf := smtText(m.B, t, false)
	if len(text) > maxText {
		return nil
	}
	if _, ok := p.solve(m, text, inputs, uf).(Refuted); !ok || len(p.models) == 0 {
		return nil
	}
	last := len(p.models) - 1
	found := p.models[last]
	p.models = p.models[:last]
	return found
}

func inputKey(id uint64) uint64 { return splitmix.Mix(id) ^ 0xabcdef }

// inputName says what an input of a proof is, for counterexamples.
func (m *Machine) inputName(t bv.Term) string {
	k := m.B.K(t)
	if m.B.Op(t) == bv.OpFun {
		rg := []string{"stack", "ctx", "pkt"}
		n := "f"
		if k>>32 == memFun>>32 {
			r := int(k & 0xffffffff)
			if r < len(rg) {
				n = rg[r]
			} else {
				n = fmt.Sprintf("map%d", r-rgMap)
			}
			off, _ := m.B.IsConst(m.B.Args(t)[0])
			return fmt.Sprintf("%s[%d]", n, int64(off))
		}
		return fmt.Sprintf("f%x", k)
	}
	switch {
	case k >= inReg && k < inReg+11:
		return fmt.Sprintf("r%d", k-inReg)
	case k == inStack:
		return "r10"
	case k == inCtx:
		return "ctx"
	case k == inPkt:
		return "data"
	case k == inPktEnd:
		return "data_end"
	case k == inWorld:
		return "world"
	}
	return fmt.Sprintf("in%x", k)
}

// testEnv gives inputs and functions values from a seed; every fourth vector
// takes boundary values.
type testEnv struct {
	b    *bv.Builder
	seed uint64
	ids  map[uint64]bv.Term
	know map[uint64]uint64 // of a model, by key
	base map[uint64]uint64 // where know says nothing
	drop uint64            // one in so many of base is left out; 0: none
}

func (e *testEnv) given(h uint64) (uint64, bool) {
	if v, ok := e.know[h]; ok {
		return v, true
	}
	if e.drop != 0 && splitmix.Mix(h+e.seed)%e.drop == 0 {
		return 0, false
	}
	v, ok := e.base[h]
	return v, ok
}

func (e *testEnv) raw(h uint64) uint64 {
	h = splitmix.Mix(h + e.seed*splitmix.Step)
	if e.seed%4 == 3 || h>>61 == 0 {
		return sample.Boundary(h)
	}
	if e.seed%4 == 1 {
		return h >> 32 & 0xff
	}
	return splitmix.Mix(h)
}

// Input gives the input of that number a value within its facts.
func (e *testEnv) Input(id uint64) uint64 {
	if v, ok := e.given(inputKey(id)); ok {
		return v
	}
	v := e.raw(splitmix.Mix(id))
	t := e.ids[id]
	lo, hi := e.b.Bounds(t)
	z := e.b.Zeros(t)
	v &^= z
	if v < lo || v > hi {
		if hi-lo == ^uint64(0) {
			return v
		}
		v = lo + v%(hi-lo+1)
		v &^= z
		if v < lo || v > hi {
			v = lo
		}
	}
	return v
}

// Apply gives a function's result a value, the same for the same arguments.
func (e *testEnv) Apply(id uint64, args []uint64) uint64 {
	h := splitmix.Mix(id + 0x1234567)
	for _, a := range args {
		h = splitmix.Mix(h ^ splitmix.Mix(a+0x51ed27))
	}
	if v, ok := e.given(h); ok {
		return v
	}
	return e.raw(h)
}

// test evaluates diff on concrete inputs; it can only refute.
func (p *Prover) test(b *bv.Builder, diff bv.Term) (Verdict, bool) {
	env := &testEnv{b: b, ids: map[uint64]bv.Term{}}
	collectInputs(b, diff, env.ids)
	ev := bv.NewEvaluator(b, env)
	n := uint64(len(p.models))
	for k := uint64(0); k < 48+n; k++ {
		env.seed = k + uint64(p.Seed)<<8
		env.know, env.base, env.drop = nil, p.base, 0
		switch {
		case k < n:
			env.know = p.models[n-1-k]
		case k%4 == 0:
			env.base = nil
		case k%4 == 1:
			env.drop = 8
		}
		ev.Reset()
		if ev.Eval(diff) == 0 {
			continue
		}
		legal := true
		for id, t := range env.ids { // an input outside its facts is no counterexample
			v := env.Input(id)
			lo, hi := b.Bounds(t)
			if v < lo || v > hi || v&b.Zeros(t) != 0 {
				legal = false
			}
		}
		if !legal {
			continue
		}
		v := Refuted{By: "tests"}
		m := &Machine{B: b}
		for id, t := range env.ids {
			v.Counterexample = append(v.Counterexample, Assignment{Name: m.inputName(t), Value: env.Input(id), Width: b.Width(t)})
		}
		for _, t := range memoryBytes(b, diff) {
			v.Counterexample = append(v.Counterexample, Assignment{Name: m.inputName(t), Value: ev.Eval(t), Width: b.Width(t)})
		}
		sort.Slice(v.Counterexample, func(i, j int) bool { return v.Counterexample[i].Name < v.Counterexample[j].Name })
		return v, true
	}
	return nil, false
}

func collectInputs(b *bv.Builder, t bv.Term, into map[uint64]bv.Term) {
	seen := map[bv.Term]bool{}
	var walk func(bv.Term)
	walk = func(t bv.Term) {
		if seen[t] {
			return
		}
		seen[t] = true
		if b.Op(t) == bv.OpInput {
			into[b.K(t)] = t
		}
		for _, a := range b.Args(t) {
			walk(a)
		}
	}
	walk(t)
}

// memoryBytes lists the bytes at known places, as they were before anything was
// written, that t depends on.
func memoryBytes(b *bv.Builder, t bv.Term) (out []bv.Term) {
	seen := map[bv.Term]bool{}
	var walk func(bv.Term)
	walk = func(t bv.Term) {
		if seen[t] {
			return
		}
		seen[t] = true
		a := b.Args(t)
		if b.Op(t) == bv.OpFun && b.K(t)>>32 == memFun>>32 && len(a) == 2 {
			_, place := b.IsConst(a[0])
			if v, first := b.IsConst(a[1]); place && first && v == 0 {
				out = append(out, t)
			}
		}
		for _, x := range a {
			walk(x)
		}
	}
	walk(t)
	return out
}

// TestOnly says whether some concrete input makes t 1.
func (p *Prover) TestOnly(b *bv.Builder, t bv.Term) bool {
	if k, ok := b.IsConst(t); ok {
		return k == 1
	}
	_, ok := p.test(b, t)
	return ok
}
