package search

import (
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"sync"
	"time"

	"jitnic/pcaps/splitmix"
	"jitnic/superopt/internal/dataflow"
	"jitnic/superopt/internal/ir"
	"jitnic/superopt/internal/passes"
	"jitnic/superopt/internal/proof"
	"jitnic/superopt/internal/rewrite"
	"jitnic/superopt/internal/rules"
)

// Params is one of K2's parameter sets of the stochastic search: how an error
// is measured, whether it is averaged over the tests, and the weights of error
// and performance in the cost (K2, sections 3.2 and appendix F).
type Params struct {
	Name        string
	Form        string // "abs" or "pop"
	Average     bool
	ErrorWeight float64
	PerfWeight  float64
}

// paramSets are the sets the chains take in turn.
var paramSets = []Params{
	{"pop", "pop", false, 0.5, 5},
	{"abs", "abs", false, 0.5, 5},
	{"pop-avg", "pop", true, 1.5, 5},
	{"abs-avg", "abs", true, 1.5, 1.5},
}

func (p *Params) form() errForm {
	if p.Form == "abs" {
		return errAbs
	}
	return errPop
}

// chainResult is the best code a chain has proved.
type chainResult struct {
	code      []ir.Inst
	cost      float64
	proposals int64
	stats     []rewrite.PassStats
	proved    int
	refuted   int
	unknown   int
	busy      time.Duration // the whole walk
	asking    time.Duration // of which the verifier's and the solver's questions
}

// lnTable turns a random byte pair into how much worse a proposal may be:
// accepted with probability min(1, 2^-Δ), so Δ <= -log2(u).
var lnTable = func() (t [4096]float64) {
	for i := range t {
		t[i] = -math.Log2((float64(i) + 0.5) / 4096)
	}
	return
}()

// chain is one Metropolis-Hastings walk over a window. cost0 is the cost of
// the whole program, for candidates the cost of the program with them in.
// each, where not nil, is given every code that passes all tests, instead of
// the chain's own look for a cheaper one.
func chain(o *rewrite.Gate, w *window, prover func() *proof.Prover, seed uint64, set *Params, budget int, each func(code []ir.Inst)) (res chainResult) {
	began := time.Now()
	rng := rand.New(rand.NewPCG(seed, 0xc0ffee))
	c := &candidate{w: w}
	c.load(w.code)
	res = chainResult{cost: o.Cost(o.Prog), stats: make([]rewrite.PassStats, len(moves))}
	defer func() { res.busy = time.Since(began) }()
	for i := range moves {
		res.stats[i].Name = "move-" + moves[i].name
	}
	full := o.Prog.Clone()
	perf := func(code []ir.Inst) float64 {
		copy(full.Insts[w.s:w.e], code)
		return o.Cost(full)
	}
	fast := windowCost(o, w)
	base := fast(w.code)
	known, costs := new(scores), new(scores)
	errOf := func(code []ir.Inst, h uint64, limit float64) float64 {
		if x, whole, ok := known.get(h, w.learnt); ok && (whole || x > limit) {
			return x
		}
		f := set.form()
		var e float64
		for i, t := range w.tests {
			d := w.x.score(code, t, w, f)
			if d > 0 {
				if d > 1e9 {
					d = 1e9
				}
				if set.Average {
					d /= float64(len(w.tests))
				}
				e += set.ErrorWeight * d
				if e > limit {
					if i > 0 { // what failed is asked first next time
						w.tests[0], w.tests[i] = w.tests[i], w.tests[0]
					}
					known.put(h, w.learnt, e, false)
					return e
				}
			}
		}
		known.put(h, w.learnt, e, true)
		return e
	}
	var total int
	for i := range moves {
		total += moves[i].weight
	}
	cur := set.PerfWeight * base // error 0
	rejected := map[string]bool{}
	lastGood := 0
	for n := 0; n < budget; n++ {
		if n&1023 == 0 && o.Ctx.Err() != nil {
			break
		}
		if n-lastGood > budget/4 { // restart from the best
			c.load(w.code)
			if res.code != nil {
				c.load(res.code)
			}
			cur = set.PerfWeight * fast(c.code)
			lastGood = n
		}
		k := rng.IntN(total)
		mi := 0
		for k >= moves[mi].weight {
			k -= moves[mi].weight
			mi++
		}
		ch := moves[mi].apply(c, rng)
		res.proposals++
		if ch.n == 0 {
			continue
		}
		st := &res.stats[mi]
		st.Proposed++
		if ch.same(c.code) { // it drew what stood there
			st.Accepted++
			continue
		}
		pc := set.PerfWeight * fast(c.code)
		limit := cur + lnTable[rng.Uint32()&4095]
		e := 0.0
		if pc <= limit {
			e = errOf(c.code, c.hash, limit-pc)
		}
		if pc+e > limit {
			c.undo(&ch)
			continue
		}
		st.Accepted++
		cur = pc + e
		if each != nil {
			if e == 0 {
				each(c.code)
			}
			continue
		}
		if e > 0 || o.Additive && fast(c.code) >= base {
			continue
		}
		// All tests pass and it is cheaper: is it equal?
		var cost float64
		if o.Additive {
			cost = perf(c.code)
		} else { // dear to ask, and the walk comes by often
			h := c.hash
			var ok bool
			if cost, _, ok = costs.get(h, 0); !ok {
				cost = perf(c.code)
				costs.put(h, 0, cost, true)
			}
		}
		if cost >= res.cost {
			continue
		}
		key := codeKey(c.code)
		if rejected[key] {
			c.undo(&ch)
			cur = limit
			continue
		}
		asked := time.Now()
		q := full.Clone()
		if unsafeWindow(o, w, c.code) || o.Unsafe(q) != "" {
			res.asking += time.Since(asked)
			rejected[key] = true
			c.undo(&ch)
			cur = set.PerfWeight * fast(c.code)
			continue
		}
		v := prover().Equivalent(&proof.Task{Old: o.Prog, New: q, S: w.s, E: w.e, Pre: w.pre, Out: o.LiveAt, LoopFree: o.Free, Assume: o.Assumption(w.s)})
		res.asking += time.Since(asked)
		switch v := v.(type) {
		case proof.Proved:
			res.code = append([]ir.Inst(nil), c.code...)
			res.cost = cost
			st.Better++
			lastGood = n
			continue
		case proof.Refuted:
			w.learn(v, seed+uint64(n), c.code)
		}
		rejected[key] = true
		c.undo(&ch)
		cur = set.PerfWeight*fast(c.code) + errOf(c.code, c.hash, math.Inf(1))
	}
	return res
}

// scores remembers what codes scored on all tests, or at least what they score, the
// last of each place. The walk goes round on plateaus of code that does the same,
// and proposes the same steps off them, so most are found. A hash that two codes
// share sends the walk astray, no more: the proof decides.
type scores [1 << 12]struct {
	hash  uint64
	err   float64
	tests int32 // how many counterexamples had been made tests
	whole bool  // err is of all tests; else of some, and all score no less
}

func (s *scores) get(h uint64, tests int) (err float64, whole, ok bool) {
	x := &s[h%uint64(len(s))]
	return x.err, x.whole, x.hash == h && x.tests == int32(tests)
}

func (s *scores) put(h uint64, tests int, err float64, whole bool) {
	x := &s[h%uint64(len(s))]
	x.hash, x.err, x.tests, x.whole = h, err, int32(tests), whole
}

// unsafeWindow is a short look at what the verifier would refuse, in the window
// alone: most of what unsafe would find, for the hundredth part of its time.
func unsafeWindow(o *rewrite.Gate, w *window, code []ir.Inst) bool {
	w.facts = *w.pre
	bad := false
	q := o.Prog
	say := func(format string, args ...any) {
		if !bad && !o.Bad[fmt.Sprintf(format, args...)] {
			bad = true
		}
	}
	tmp := ir.Prog{Name: q.Name, Kind: q.Kind, Maps: q.Maps, Entry: q.Entry, Sub: q.Sub, Insts: w.around[:]}
	for i := range code {
		tmp.Insts[0] = code[i]
		dataflow.Step(&tmp, 0, &w.facts, say)
		if bad {
			return true
		}
	}
	return false
}

func codeKey(code []ir.Inst) string {
	b := make([]byte, 0, 16*len(code))
	for i := range code {
		in := &code[i]
		b = append(b, in.Op, in.Dst, in.Src, byte(in.Off), byte(in.Off>>8), byte(in.Imm), byte(in.Imm>>8), byte(in.Imm>>16), byte(in.Imm>>24), byte(in.Hi))
	}
	return string(b)
}

// windowCost is what code in a window is said to cost while the search walks:
// the sum over its instructions, or where the cost is no sum (the length of a
// schedule, say) the cost of the window alone. Either is only a guide: what is
// taken is decided by the cost of the whole program.
func windowCost(o *rewrite.Gate, w *window) func([]ir.Inst) float64 {
	if !o.Additive {
		one := &ir.Prog{Maps: o.Prog.Maps, Entry: []int32{0}, Kind: o.Prog.Kind}
		return func(code []ir.Inst) float64 {
			one.Insts = code
			return o.Cost(one)
		}
	}
	return func(code []ir.Inst) float64 {
		var s float64
		for i := range code {
			s += o.OpCost[code[i].Op]
		}
		return s
	}
}

// maxWindow is the longest window the search takes, in instructions.
const maxWindow = 10

// windows cuts the straight runs into overlapping windows.
func windows(o *rewrite.Gate) [][2]int {
	o.From = 0
	var out [][2]int
	for b := range o.Blocks() {
		for s := b[0]; s < b[1]; {
			// stop at calls and atomics: the search can't run them
			e := s
			for e < b[1] && e-s < maxWindow && searchable(o, &o.Prog.Insts[e]) {
				e++
			}
			if e-s >= 2 {
				out = append(out, [2]int{s, e})
			}
			if e == s {
				s++
			} else if e-s == maxWindow {
				s += maxWindow / 2
			} else {
				s = e
			}
		}
	}
	return out
}

func searchable(o *rewrite.Gate, in *ir.Inst) bool {
	return in.Op != ir.Nop && !in.Jumps() && !in.IsAtomic() && !in.Fixed && !o.Prog.Barrier(in) && in.Class() != 5 && in.Class() != 6 && !(in.Op == 0x18 && in.Src != 0)
}

// Budgets are where the stages of the search end, in proposals for each window. A
// greater budget begins with all that a smaller one of them does, so that whoever has
// more tried never gets a dearer program for it. The numbers are assumed: each stage
// about three times the one before.
var Budgets = [...]int{2_000, 8_000, 28_000, 78_000, 198_000, 598_000, 1_598_000}

// DefaultBudget is the size where none is asked for.
const DefaultBudget = 28_000 // Budgets[2]

// stages cuts a budget where smaller ones end.
func stages(budget int) (parts []int) {
	done := 0
	for _, b := range Budgets {
		if b < budget {
			parts = append(parts, b-done)
			done = b
		}
	}
	return append(parts, budget-done)
}

// Search runs chains over every window until a round finds nothing, first short
// ones, then longer ones over what these left.
func Search(o *rewrite.Gate) {
	budget := o.Options.Proposals
	if budget < 0 {
		return
	}
	if budget == 0 {
		budget = DefaultBudget
	}
	var provers []*proof.Prover // one for each worker that has asked
	defer func() {
		for _, pr := range provers {
			if pr != nil {
				pr.Close()
			}
		}
	}()
	for stage, budget := range stages(budget) {
		provers = searchStage(o, provers, stage, budget)
	}
}

// searchStage runs chains of half of a budget until a round finds nothing. It gives
// the provers with those it opened.
func searchStage(o *rewrite.Gate, provers []*proof.Prover, stage, budget int) []*proof.Prover {
	tried := map[string]bool{}
	for again := true; again && o.Ctx.Err() == nil; {
		again = false
		ws := windows(o)
		type job struct {
			w   *window // nil: decided without a walk
			set *Params
			k   int
			res chainResult
		}
		var jobs []*job
		for _, x := range ws {
			key := o.Question(x[0], x[1], o.Prog)
			if tried[key] {
				continue
			}
			tried[key] = true
			began := time.Now()
			done := o.Exhausted[key]
			var w *window
			if !done {
				w = newWindow(o, x[0], x[1])
				done = w != nil && w.hopeless(o)
			}
			o.Stats.Walking += time.Since(began)
			for k := range paramSets[:2] {
				switch {
				case done:
					jobs = append(jobs, &job{})
				case w != nil:
					jobs = append(jobs, &job{w: w, set: &paramSets[k], k: k})
					w = w.clone()
				}
			}
		}
		workers := o.Options.Workers
		if workers <= 0 {
			workers = runtime.GOMAXPROCS(0)
		}
		for len(provers) < min(workers, len(jobs)) {
			provers = append(provers, nil)
		}
		// Each chain depends on its window and number alone, so the number of
		// workers changes nothing.
		for at := 0; at < len(jobs) && o.Ctx.Err() == nil; {
			n := min(len(jobs), at+64)
			var wg sync.WaitGroup
			ch := make(chan *job)
			for k := 0; k < min(workers, n-at); k++ {
				wg.Add(1)
				go func() {
					defer wg.Done()
					pr := provers[k]
					defer func() { provers[k] = pr }()
					prover := func() *proof.Prover { // most chains have nothing to prove
						if pr == nil {
							pr = o.Prover.Fork(uint32(o.Options.Seed))
						}
						return pr
					}
					for j := range ch {
						if j.w == nil {
							continue
						}
						var before [3]int
						if pr != nil {
							pr.Forget()
							before = [3]int{pr.Proved, pr.Refuted, pr.Unknown}
						}
						j.res = chain(o, j.w, prover, splitmix.Mix(o.Options.Seed^splitmix.Mix(uint64(j.w.s)<<32|uint64(stage)<<8|uint64(j.k))), j.set, budget/2, nil)
						if pr != nil {
							j.res.proved, j.res.refuted, j.res.unknown = pr.Proved-before[0], pr.Refuted-before[1], pr.Unknown-before[2]
						}
					}
				}()
			}
			for _, j := range jobs[at:n] {
				ch <- j
			}
			close(ch)
			wg.Wait()
			// In order: the best of each window; what overlaps a change waits for the
			// next round.
			end := -1
			q := o.Prog.Clone()
			var taken []*job
			for i := at; i < n; i++ {
				j := jobs[i]
				if j.w == nil {
					o.Stats.Proposals += int64(budget / 2)
					continue
				}
				o.Stats.Proposals += j.res.proposals
				o.Stats.Searched += j.res.proposals
				o.Stats.Walking += j.res.busy - j.res.asking
				o.Stats.Asking += j.res.asking
				o.Prover.Proved += j.res.proved
				o.Prover.Refuted += j.res.refuted
				o.Prover.Unknown += j.res.unknown
				for _, s := range j.res.stats {
					p := o.Stats.Pass(s.Name)
					p.Proposed += s.Proposed
					p.Accepted += s.Accepted
					p.Better += s.Better
				}
				if j.res.code == nil {
					continue
				}
				best := &j.res
				if i+1 < n && jobs[i+1].k > 0 && j.k == 0 && jobs[i+1].res.code != nil && jobs[i+1].res.cost < best.cost {
					continue
				}
				if j.w.s >= end {
					copy(q.Insts[j.w.s:j.w.e], best.code)
					end = j.w.e
					taken = append(taken, j)
				}
			}
			if end >= 0 && o.InWindows(q) && o.Unsafe(q) == "" && o.Cost(q) < o.Cost(o.Prog) {
				for _, j := range taken {
					rules.Learn(o.Options.Store, o.Prog, o.Known, j.w.s, j.res.code)
				}
				o.Prog = q
				o.Refresh()
				again = true
				break
			}
			at = n
		}
		if again {
			passes.Run(o)
		}
		if o.Options.Progress != nil {
			o.Progress()
		}
	}
	return provers
}
