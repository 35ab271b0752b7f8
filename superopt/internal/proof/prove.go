package proof

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"

	"jitnic/host/points"
	"jitnic/pathcond/bv"
	"jitnic/pcaps/splitmix"
	"jitnic/superopt/internal/dataflow"
	"jitnic/superopt/internal/ir"
	"jitnic/superopt/z3"
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

// Forget drops what earlier questions left behind, the solver's context too, so that
// the next answers depend on nothing but themselves.
func (p *Prover) Forget() {
	p.models = nil
	p.cache.Purge()
	for _, s := range []**z3.Solver{&p.bvs, &p.ufs} {
		if *s != nil {
			(*s).Close()
			*s = nil
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.z != nil { // the order of its terms is that of all it was asked
		p.z.Close()
		p.z = nil
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
	if p.stopped.Swap(false) {
		p.Forget()
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
	defer m.Release()
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
