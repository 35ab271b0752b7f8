package proof

import (
	"errors"
	"fmt"
	"slices"
	"sort"
	"sync"
	"sync/atomic"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"

	"jitnic/host/points"
	"jitnic/pathcond/bv"
	"jitnic/pcaps/splitmix"
	"jitnic/superopt/internal/dataflow"
	"jitnic/superopt/internal/ir"
	"jitnic/superopt/internal/sample"
	"jitnic/superopt/z3"
	"jitnic/trace"
)

// Prover answers whether two fragments do the same. Cheap answers come first:
// equal normal forms, then concrete tests, then the cache of verdicts, then
// the solver. It isn't safe for concurrent use; make one for each worker.
type Prover struct {
	Accel  Accel
	RLimit uint32 // solver resources for one proof
	// NoSolver: terms and tests alone decide.
	NoSolver bool
	Seed     uint32

	Proved, Refuted, Unknown        int // verdicts given
	ByTerms, ByTests, ByCache, ByZ3 int // who gave them
	Spent                           int // questions that outran the solver's budget
	Faults                          int // questions at which the solver itself failed
	// FailLimit is how many questions to the solver may lead to nothing; then it
	// is asked no more. One that outran its budget counts for failUnknown. 0: any.
	FailLimit int
	failed    int

	mu      sync.Mutex // of the next: an interrupt comes from anywhere
	z       *z3.Context
	err     error // why there is no solver
	closed  bool
	forks   []*Prover
	stopped *atomic.Bool // interrupted; forks share it
	bvs     *z3.Solver
	ufs     *z3.Solver
	cache   *lru.Cache[string, Verdict]
	// models are the solver's last counterexamples: what refuted one rewrite
	// often refutes the next, and under a narrow precondition random inputs
	// seldom hold at all.
	models []map[uint64]uint64
	// base is one assignment under which what is assumed holds.
	base map[uint64]uint64
}

// maxModels are kept.
const maxModels = 24

// NewProver makes a prover; without libz3 it still proves what normal forms
// and refutes what tests decide, and says what to install for the rest.
func NewProver(seed uint32) *Prover {
	p := &Prover{Accel: AllAccel(), RLimit: 2_000_000, Seed: seed, stopped: new(atomic.Bool)}
	p.cache, _ = lru.New[string, Verdict](1 << 14)
	return p
}

// Fork makes a prover like p as it began, for another goroutine; an interrupt of p
// reaches it too.
func (p *Prover) Fork(seed uint32) *Prover {
	f := NewProver(seed)
	f.Accel, f.RLimit, f.stopped = p.Accel, p.RLimit, p.stopped
	p.mu.Lock()
	p.forks = append(p.forks, f)
	p.mu.Unlock()
	return f
}

// solver is the solver's context, made when the first question goes there: most
// provers need none.
func (p *Prover) solver() (*z3.Context, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.z == nil && p.err == nil {
		if p.stopped.Load() {
			return nil, errInterrupted
		}
		p.z, p.err = z3.NewContext(&z3.Config{Seed: p.Seed})
	}
	return p.z, p.err
}

// Close gives the solver back.
func (p *Prover) Close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	if p.z != nil {
		p.z.Close()
		p.z, p.err = nil, errors.New("the prover is closed")
	}
}

// Forget drops what earlier questions left behind, so that the next answers
// depend on nothing but themselves.
func (p *Prover) Forget() {
	p.models = nil
	p.cache.Purge()
	for _, s := range []**z3.Solver{&p.bvs, &p.ufs} {
		if *s != nil {
			(*s).Close()
			*s = nil
		}
	}
}

// Interrupt makes a running proof give up, and those that come after it. It comes
// back when the prover is closed or resumed: the solver hears nothing of an
// interrupt that comes just before it begins.
func (p *Prover) Interrupt() {
	p.stopped.Store(true)
	for p.giveUp() {
		time.Sleep(20 * time.Millisecond)
	}
}

// giveUp interrupts the solver; it says whether one may still begin that is to be
// interrupted.
func (p *Prover) giveUp() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.z != nil {
		p.z.Interrupt()
	}
	for _, f := range p.forks {
		f.giveUp()
	}
	return !p.closed && p.stopped.Load()
}

// errInterrupted is why a proof that was interrupted is none.
var errInterrupted = errors.New("interrupted")

// Resume makes an interrupted prover one that answers again: what it gave up on
// is forgotten, and its solver made anew.
func (p *Prover) Resume() {
	if !p.stopped.Swap(false) {
		return
	}
	p.Forget()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.z != nil {
		p.z.Close()
		p.z = nil
	}
}

// Task is one question: do the same instructions [s, e) of two programs of one
// length, which are equal everywhere else, do the same?
//
// On a trail (onTrail) pre, LoopFree and assume say nothing.
type Task struct {
	Old, New *ir.Prog
	S, E     int
	Pre      *points.Facts
	Out      func(label int) *dataflow.Live // what must agree where control leaves to label; -1 the end
	LoopFree bool
	// Assume holds before the fragment: a trace's path condition.
	Assume   Assumption
	NoSafety bool
	split    bool // output by output
}

// Equivalent answers the question; it never panics on odd programs.
func (p *Prover) Equivalent(t *Task) Verdict {
	v := p.equivalent(t)
	p.count(v)
	return v
}

func (p *Prover) count(v Verdict) {
	switch v.(type) {
	case Proved:
		p.Proved++
	case Refuted:
		p.Refuted++
	default:
		p.Unknown++
	}
}

// machine is one that gives up at an interrupt.
func (p *Prover) machine(q *ir.Prog) *Machine {
	m := NewMachine(q, p.Accel)
	m.stopped = p.stopped
	return m
}

func (p *Prover) equivalent(t *Task) Verdict {
	m := p.machine(t.Old)
	start := m.Entry(t.Pre, t.LoopFree)
	if t.Assume != nil {
		start.PC = t.Assume(m, start)
	}
	a, accA, err := m.Run(t.Old, t.S, t.E, start.Clone())
	if err != nil {
		return Unknown{Reason: "original: " + err.Error()}
	}
	b, accB, err := m.Run(t.New, t.S, t.E, start.Clone())
	if err != nil {
		return rewriteError(err)
	}
	if !t.NoSafety {
		if why := m.newAccess(accA, accB); why != "" {
			return Refuted{By: "terms", What: why}
		}
	}
	diff, why := m.differ(a, b, t.Out)
	if why != "" {
		return Refuted{By: "terms", What: why}
	}
	return p.Decide(m, m.B.AndB(start.PC, diff))
}

// rewriteError is the verdict on a rewrite that can't be followed where the
// original can.
func rewriteError(err error) Verdict {
	var r *refusedError
	if errors.As(err, &r) {
		return Refuted{By: "terms", What: err.Error()}
	}
	return Unknown{Reason: "rewrite: " + err.Error()}
}

// Decide says whether diff can be 1.
func (p *Prover) Decide(m *Machine, diff bv.Term) Verdict {
	v := p.decided(m, diff)
	if _, ok := v.(Refuted); ok && m.vague {
		return Unknown{Reason: "helpers see memory written in too many ways to compare"}
	}
	return v
}

func (p *Prover) decided(m *Machine, diff bv.Term) Verdict {
	if p.stopped.Load() {
		return Unknown{Reason: errInterrupted.Error()}
	}
	if k, ok := m.B.IsConst(diff); ok {
		p.ByTerms++
		if k == 0 {
			return Proved{By: "terms"}
		}
		return Refuted{By: "terms", What: "differs for every input"}
	}
	if v, ok := p.test(m.B, diff); ok {
		p.ByTests++
		return v
	}
	if p.NoSolver {
		return Unknown{Reason: "terms and tests don't decide it"}
	}
	text, inputs, uf := smtText(m.B, diff, false)
	if v, ok := p.cache.Get(text); ok { // keyed on the whole text: a hash can't lie
		p.ByCache++
		return v
	}
	if p.FailLimit > 0 && p.failed >= p.FailLimit {
		return Unknown{Reason: "too many questions have led to nothing"} // and none is kept: another program may ask it
	}
	if len(text) > maxText {
		return Unknown{Reason: fmt.Sprintf("query of %d bytes", len(text))}
	}
	v := p.ask(m, diff, text, inputs, uf)
	p.cache.Add(text, v)
	p.ByZ3++
	return v
}

// ask goes to the solver: first, where there are products and quotients, with
// functions in their place.
func (p *Prover) ask(m *Machine, diff bv.Term, text string, inputs []smtInput, uf bool) Verdict {
	if !anyHard(m.B, diff) {
		return p.solve(m, text, inputs, uf)
	}
	simple, in, _ := smtText(m.B, diff, true)
	switch v := p.solve(m, simple, in, true).(type) {
	case Proved:
		return v
	case Refuted: // by what may be no product at all: its inputs are tried
		if v, ok := p.test(m.B, diff); ok {
			return v
		}
	}
	saved := p.RLimit
	p.RLimit = saved / 8
	defer func() { p.RLimit = saved }()
	return p.solve(m, text, inputs, uf)
}

// failUnknown is how many refutations by the solver a question counts for that
// outran its budget: about what it costs.
const failUnknown = 4

// maxText is the longest query handed to the solver, in bytes: its parser
// alone would take longer than any budget allows.
const maxText = 1 << 20

func (p *Prover) solve(m *Machine, text string, inputs []smtInput, uf bool) Verdict {
	z, err := p.solver()
	if err != nil {
		if fatal := (*z3.FatalError)(nil); errors.As(err, &fatal) {
			p.Faults++
		}
		return Unknown{Reason: err.Error()}
	}
	s := &p.bvs
	logic := "QF_BV"
	if uf {
		s, logic = &p.ufs, "QF_UFBV"
	}
	if *s == nil {
		*s = z.NewSolver(logic)
	}
	(*s).Reset()
	(*s).SetBudget(p.RLimit, p.Seed)
	if err := (*s).AddText(text); err != nil {
		return p.fault(err)
	}
	r, err := (*s).Check()
	switch {
	case err != nil:
		return p.fault(err)
	case r == z3.Unsat:
		return Proved{By: "z3"}
	case r == z3.Undef:
		p.Spent++
		p.failed += failUnknown
		return Unknown{Reason: (*s).Reason()}
	}
	mod, err := (*s).Model()
	if err != nil {
		return p.fault(fmt.Errorf("satisfiable, but %w", err))
	}
	defer mod.Close()
	p.failed++
	v := Refuted{By: "z3"}
	found := map[uint64]uint64{}
	values := map[string]uint64{}
	value := func(name string, width int) (uint64, error) {
		if x, ok := values[name]; ok {
			return x, nil
		}
		x, err := mod.Uint64(z.Const(name, z.BV(width)))
		values[name] = x
		return x, err
	}
	for _, in := range inputs {
		x, err := value(in.name, in.width)
		if err != nil {
			return Unknown{Reason: "satisfiable, but " + err.Error()}
		}
		if !in.app {
			v.Counterexample = append(v.Counterexample, Assignment{Name: m.inputName(in.term), Value: x, Width: in.width})
		}
		if m.B.Op(in.term) == bv.OpInput {
			found[inputKey(m.B.K(in.term))] = x
			continue
		}
		h := splitmix.Mix(m.B.K(in.term) + 0x1234567)
		for i, a := range m.B.Args(in.term) {
			k, ok := m.B.IsConst(a)
			if !ok {
				if k, err = value(in.args[i], m.B.Width(a)); err != nil {
					return Unknown{Reason: "satisfiable, but " + err.Error()}
				}
			}
			h = splitmix.Mix(h ^ splitmix.Mix(k+0x51ed27))
		}
		found[h] = x
	}
	if p.models = append(p.models, found); len(p.models) > maxModels {
		p.models = p.models[1:]
	}
	return v
}

// fault is the answer of a solver that failed. The next question gets another one.
func (p *Prover) fault(err error) Verdict {
	p.Faults++
	var fatal *z3.FatalError
	if errors.As(err, &fatal) {
		p.bvs, p.ufs = nil, nil // they end with their context
		p.mu.Lock()
		p.z.Close()
		p.z = nil
		p.mu.Unlock()
	}
	return Unknown{Reason: err.Error()}
}

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

// newAccess says which access of the rewrite the original never makes. Of the
// stack any is good that stays in the frame; where the address is known that is
// the checker's business, but it doesn't follow a selected one.
func (m *Machine) newAccess(a, b []Access) string {
	bt := m.B
	type key struct {
		rg    int
		base  bv.Term
		store bool
	}
	cover := map[key]map[uint64][]bv.Term{} // byte -> guards
	note := func(x *Access, store bool) {
		base, c := bt.SplitAdd(x.off)
		k := key{x.rg, base, store}
		if cover[k] == nil {
			cover[k] = map[uint64][]bv.Term{}
		}
		for i := 0; i < x.n; i++ {
			cover[k][c+uint64(i)] = append(cover[k][c+uint64(i)], x.guard)
		}
	}
	exact := map[Access]bool{}
	for i := range a {
		note(&a[i], false)
		if a[i].store {
			note(&a[i], true)
		}
		e := a[i]
		e.guard, e.top = 0, false
		exact[e] = true
	}
	for i := range b {
		x := &b[i]
		if x.rg == StackRegion {
			if off, strays := m.strays(a, x); strays {
				return fmt.Sprintf("accesses the stack at offset %d, which the original does not", off)
			}
			continue
		}
		base, c := bt.SplitAdd(x.off)
		e := *x
		e.guard, e.top = 0, false
		if (x.rg == ContextRegion || x.rg == -1) && !exact[e] && !m.ctxAllowed(x, c, base) {
			return fmt.Sprintf("accesses %d bytes of the context at %d, which the original does not", x.n, int64(c))
		}
		got := cover[key{x.rg, base, x.store}]
		for k := 0; k < x.n; k++ {
			ok := false
			for _, g := range got[c+uint64(k)] {
				if g == m.One || g == x.guard || m.implies(x.guard, g) {
					ok = true
				}
			}
			if !ok {
				return fmt.Sprintf("accesses a byte at offset %d the original does not", int64(c+uint64(k)))
			}
		}
	}
	return ""
}

// strays says whether an access of the stack may be outside of the frame, where the
// original, which makes those of a, has none, and at which offset. Above the frame
// of a trace stand those of calls, and what is selected from; what the gaps between
// them hold is reached by r10 alone (trace.FrameStride).
func (m *Machine) strays(a []Access, x *Access) (int64, bool) {
	for _, c := range m.places(x.off, nil) {
		last := c + int64(x.n) - 1
		if c >= -trace.FrameSize && last < 0 {
			continue
		}
		if !x.top && (gap(c) || gap(last)) {
			return c, true
		}
		for k := c; k <= last; k++ {
			if !slices.ContainsFunc(a, func(x Access) bool {
				return x.rg == StackRegion && slices.ContainsFunc(m.places(x.off, nil), func(o int64) bool { return o <= k && k < o+int64(x.n) })
			}) {
				return c, true
			}
		}
	}
	return 0, false
}

// gap says whether a byte lies between two frames.
func gap(at int64) bool {
	return at < -trace.FrameSize || at >= 0 && at%trace.FrameStride < trace.FrameStride-trace.FrameSize
}

// places adds to out the constants that off selects from; none where it is no such
// choice.
func (m *Machine) places(off bv.Term, out []int64) []int64 {
	b := m.B
	if k, ok := b.IsConst(off); ok {
		return append(out, int64(k))
	}
	if _, x, y, ok := m.alternatives(off); ok {
		return m.places(y, m.places(x, out))
	}
	return out
}

// implies: x is g and something more.
func (m *Machine) implies(x, g bv.Term) bool {
	if x == g {
		return true
	}
	if m.B.Op(x) == bv.OpAnd {
		for _, a := range m.B.Args(x) {
			if m.implies(a, g) {
				return true
			}
		}
	}
	return false
}

// ctxAllowed lists context accesses of a width the original need not have
// used, over bytes that it did: the control block of an skb may be written by
// double words (bpf_skb_is_valid_access, net/core/filter.c), and the flat
// contexts of tracing programs are read in any aligned width
// (tp_prog_is_valid_access and others, kernel/trace/bpf_trace.c).
func (m *Machine) ctxAllowed(x *Access, c uint64, base bv.Term) bool {
	if x.rg != ContextRegion || base != 0 {
		return false
	}
	switch m.p.Kind {
	case ir.KindSKB:
		return x.n == 8 && c >= 48 && c+8 <= 68 && c%8 == 0
	case ir.KindTracing:
		return c%uint64(x.n) == 0 && !x.store
	}
	return false
}

// mark is how far a region had been written at one point.
type mark struct {
	ver bv.Term
	n   int
}

// differ is the predicate "the two sets of exits disagree on what matters".
func (m *Machine) differ(a, b map[int]exitState, out func(int) *dataflow.Live) (bv.Term, string) {
	return m.differFrom(a, b, out, nil)
}

// differFrom is differ where both came from one state: what was written up to
// it they share, and the bytes either wrote since are all that may differ.
func (m *Machine) differFrom(a, b map[int]exitState, out func(int) *dataflow.Live, from []mark) (bv.Term, string) {
	t := m.B
	labels := map[int]bool{}
	for l := range a {
		labels[l] = true
	}
	for l := range b {
		labels[l] = true
	}
	var order []int
	for l := range labels {
		order = append(order, l)
	}
	sort.Ints(order)
	diff := m.zero
	for _, l := range order {
		x, okx := a[l]
		y, oky := b[l]
		switch {
		case !okx:
			diff = t.OrB(diff, y.pc)
			continue
		case !oky:
			diff = t.OrB(diff, x.pc)
			continue
		}
		if x.pc != y.pc {
			diff = t.OrB(diff, t.Not(t.Bin(bv.OpEq, x.pc, y.pc)))
		}
		d := m.zero
		ne := func(p, q bv.Term) {
			if p != q {
				d = t.OrB(d, t.Not(t.Bin(bv.OpEq, p, q)))
			}
		}
		lv := out(l)
		for r := 0; r < 11; r++ {
			if lv.Regs>>r&1 == 0 {
				continue
			}
			p, q := x.st.R[r], y.st.R[r]
			if p == 0 { // the original can't read it later on any path
				continue
			}
			if q == 0 {
				return 0, fmt.Sprintf("leaves r%d unreadable", r)
			}
			if l == -1 && r == 0 && !m.p.Sub && len(m.p.Entry) == 1 && m.p.Kind != ir.KindConst { // a verdict has 32 bits (bpf_prog_run)
				p, q = t.Extract(p, 0, 32), t.Extract(q, 0, 32)
			}
			ne(p, q)
		}
		ne(x.st.world, y.st.world)
		for rg := range x.st.mem {
			p, q := &x.st.mem[rg], &y.st.mem[rg]
			if rg != StackRegion {
				ne(p.ver, q.ver)
			}
			seen := map[bv.Term]bool{}
			for _, side := range [2]*region{p, q} {
				since := 0
				if from != nil && side.ver == from[rg].ver {
					since = from[rg].n
				}
				for _, w := range side.writes[since:] {
					if m.stopped != nil && m.stopped.Load() {
						return m.One, "" // nobody asks for it any more
					}
					if seen[w.off] {
						continue
					}
					seen[w.off] = true
					if rg == StackRegion {
						if k, ok := t.IsConst(w.off); ok {
							lo, ok := points.StackBytes(int64(k), 1)
							if ok && lv.Stack[lo>>6]>>(lo&63)&1 == 0 || !ok && (m.line || m.p.Trace) && l == -1 && !m.p.Goes { // frames above end with a trace
								continue
							}
						}
					}
					ne(m.getByte(x.st, rg, w.off), m.getByte(y.st, rg, w.off))
				}
			}
		}
		diff = t.OrB(diff, t.AndB(x.pc, d))
	}
	return diff, ""
}

// TestOnly says whether some concrete input makes t 1.
func (p *Prover) TestOnly(b *bv.Builder, t bv.Term) bool {
	if k, ok := b.IsConst(t); ok {
		return k == 1
	}
	_, ok := p.test(b, t)
	return ok
}
