package z3

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// Config is what a context is made with. The zero value, or nil, is good.
type Config struct {
	Seed   uint32            // of the SMT and SAT engines
	Params map[string]string // further parameters, as in z3 -p
}

// Context owns all sorts, terms and solvers made in it.
type Context struct {
	h   uintptr
	err error
}

// Sort is the type of a term.
type Sort struct{ h uintptr }

// AST is a term of the context it was made in.
type AST struct{ h uintptr }

// NewContext loads libz3 and makes a context.
func NewContext(cfg *Config) (*Context, error) {
	if err := Open(); err != nil {
		return nil, err
	}
	h := c.MkConfig()
	defer c.DelConfig(h)
	if cfg != nil {
		c.GlobalParamSet("smt.random_seed", strconv.Itoa(int(cfg.Seed)))
		c.GlobalParamSet("sat.random_seed", strconv.Itoa(int(cfg.Seed)))
		for k, v := range cfg.Params {
			c.SetParamValue(h, k, v)
		}
	}
	x := &Context{h: c.MkContext(h)}
	if x.h == 0 {
		return nil, &FatalError{"no context could be made"}
	}
	c.SetErrorHandler(x.h, 0) // none: the default one ends the process
	return x, nil
}

// Close gives everything made in the context back.
func (x *Context) Close() {
	if x.h != 0 {
		c.DelContext(x.h)
		x.h = 0
	}
}

// Err is the first error since the last call, or nil.
func (x *Context) Err() error {
	x.note()
	err := x.err
	x.err = nil
	return err
}

func (x *Context) note() {
	if x.err != nil {
		return
	}
	switch code := c.GetErrorCode(x.h); code {
	case 0:
	case codeMemory, codeInternal:
		x.err = &FatalError{c.GetErrorMsg(x.h, code)}
	default:
		x.err = fmt.Errorf("libz3: %s", c.GetErrorMsg(x.h, code))
	}
}

// Z3_MEMOUT_FAIL and Z3_INTERNAL_FATAL (z3_api.h).
const (
	codeMemory   = 7
	codeInternal = 9
)

// FatalError says that the library itself failed, out of memory for one; what was
// made in the context is no more good.
type FatalError struct{ What string }

// Error is the library's line.
func (e *FatalError) Error() string { return "libz3: " + e.What }

// Interrupt makes a Check that runs in another goroutine give up.
func (x *Context) Interrupt() { c.Interrupt(x.h) }

// ast notes an error of the call that made h.
func (x *Context) ast(h uintptr) AST {
	if h == 0 {
		x.note()
	}
	return AST{h}
}

// BV is the sort of bit-vectors of n bits, Bool that of truth values, Array
// that of functions from dom to rng.
func (x *Context) BV(n int) Sort             { return Sort{c.MkBVSort(x.h, uint32(n))} }
func (x *Context) Bool() Sort                { return Sort{c.MkBoolSort(x.h)} }
func (x *Context) Array(dom, rng Sort) Sort  { return Sort{c.MkArraySort(x.h, dom.h, rng.h)} }
func (x *Context) BVVal(v uint64, n int) AST { return x.ast(c.MkUnsignedInt64(x.h, v, x.BV(n).h)) }

// Const makes a free constant, the thing a solver finds a value for.
func (x *Context) Const(name string, s Sort) AST {
	return x.ast(c.MkConst(x.h, c.MkStringSymbol(x.h, name), s.h))
}

func (x *Context) Eq(a, b AST) AST        { return x.ast(c.MkEq(x.h, a.h, b.h)) }
func (x *Context) Not(a AST) AST          { return x.ast(c.MkNot(x.h, a.h)) }
func (x *Context) Ite(i, t, e AST) AST    { return x.ast(c.MkIte(x.h, i.h, t.h, e.h)) }
func (x *Context) Select(a, i AST) AST    { return x.ast(c.MkSelect(x.h, a.h, i.h)) }
func (x *Context) Store(a, i, v AST) AST  { return x.ast(c.MkStore(x.h, a.h, i.h, v.h)) }
func (x *Context) ZExt(a AST, by int) AST { return x.ast(c.MkZeroExt(x.h, uint32(by), a.h)) }
func (x *Context) SExt(a AST, by int) AST { return x.ast(c.MkSignExt(x.h, uint32(by), a.h)) }
func (x *Context) Extract(a AST, hi, lo int) AST {
	return x.ast(c.MkExtract(x.h, uint32(hi), uint32(lo), a.h))
}

// And and Or join any number of truth values.
func (x *Context) And(as ...AST) AST { return x.nary(c.MkAnd, as) }
func (x *Context) Or(as ...AST) AST  { return x.nary(c.MkOr, as) }

func (x *Context) nary(f func(uintptr, uint32, *uintptr) uintptr, as []AST) AST {
	h := make([]uintptr, len(as)+1)
	for i, a := range as {
		h[i] = a.h
	}
	return x.ast(f(x.h, uint32(len(as)), &h[0]))
}

// Bin makes op of two bit-vectors; op is SMT-LIB's name, bvadd to concat.
func (x *Context) Bin(op string, a, b AST) AST {
	f := c.bin[op]
	if f == nil {
		if x.err == nil {
			x.err = fmt.Errorf("libz3: no operation %q", op)
		}
		return AST{}
	}
	return x.ast(f(x.h, a.h, b.h))
}

func (x *Context) Add(a, b AST) AST { return x.Bin("bvadd", a, b) }
func (x *Context) Sub(a, b AST) AST { return x.Bin("bvsub", a, b) }
func (x *Context) Shl(a, b AST) AST { return x.Bin("bvshl", a, b) }
func (x *Context) BVNot(a AST) AST  { return x.ast(c.un["bvnot"](x.h, a.h)) }
func (x *Context) BVNeg(a AST) AST  { return x.ast(c.un["bvneg"](x.h, a.h)) }

// String prints a term as an S-expression.
func (x *Context) String(a AST) string {
	if a.h == 0 {
		return "(no term)"
	}
	return c.AstToString(x.h, a.h)
}

// EvalText runs SMT-LIB 2 commands and gives what they print.
func (x *Context) EvalText(text string) (string, error) {
	out := c.EvalSMTLIB2(x.h, text)
	return out, x.Err()
}

// Result is what a solver says of its assertions.
type Result int8

// The results; Undef is what is left when a budget runs out.
const (
	Unsat Result = -1
	Undef Result = 0
	Sat   Result = 1
)

// String is SMT-LIB's word.
func (r Result) String() string {
	switch r {
	case Unsat:
		return "unsat"
	case Sat:
		return "sat"
	}
	return "unknown"
}

// Solver holds assertions. Make few and reuse them: a fresh one costs
// milliseconds, a Reset or Pop microseconds.
type Solver struct {
	x *Context
	h uintptr
}

// NewSolver makes a solver for an SMT-LIB logic ("QF_BV", "QF_UFBV",
// "QF_AUFBV"), or the all-round one for "".
func (x *Context) NewSolver(logic string) *Solver {
	var h uintptr
	if logic == "" {
		h = c.MkSimpleSolver(x.h)
	} else {
		h = c.MkSolverForLogic(x.h, c.MkStringSymbol(x.h, logic))
	}
	c.SolverIncRef(x.h, h)
	s := &Solver{x, h}
	// Else the solver puts a handler of its own in place of Go's for SIGINT while a
	// check runs: an interrupt would be lost, or end the process.
	s.set(func(p uintptr) { c.ParamsSetBool(x.h, p, c.MkStringSymbol(x.h, "ctrl_c"), false) })
	return s
}

// set sets parameters of the solver.
func (s *Solver) set(to func(params uintptr)) {
	p := c.MkParams(s.x.h)
	c.ParamsIncRef(s.x.h, p)
	to(p)
	c.SolverSetParams(s.x.h, s.h, p)
	c.ParamsDecRef(s.x.h, p)
}

// Close gives the solver back.
func (s *Solver) Close() {
	if s.h != 0 {
		c.SolverDecRef(s.x.h, s.h)
		s.h = 0
	}
}

// SetBudget bounds every later Check to rlimit solver resources (0: no bound),
// counted the same on every machine, and sets the seed.
func (s *Solver) SetBudget(rlimit, seed uint32) {
	s.set(func(p uintptr) {
		c.ParamsSetUint(s.x.h, p, c.MkStringSymbol(s.x.h, "rlimit"), rlimit)
		c.ParamsSetUint(s.x.h, p, c.MkStringSymbol(s.x.h, "random_seed"), seed)
	})
}

func (s *Solver) Push()     { c.SolverPush(s.x.h, s.h) }
func (s *Solver) Pop(n int) { c.SolverPop(s.x.h, s.h, uint32(n)) }
func (s *Solver) Reset()    { c.SolverReset(s.x.h, s.h) }
func (s *Solver) Assert(a AST) {
	if a.h == 0 { // a term that failed: its error is kept in the context
		if s.x.err == nil {
			s.x.err = errors.New("libz3: no term to assert")
		}
		return
	}
	c.SolverAssert(s.x.h, s.h, a.h)
}

// AddText adds declarations and assertions in SMT-LIB 2, in one C call. A name
// declared there is the constant of that name and sort in the context.
func (s *Solver) AddText(text string) error {
	c.SolverFromString(s.x.h, s.h, text)
	return s.x.Err()
}

// Check decides whether the assertions can hold together.
func (s *Solver) Check() (Result, error) {
	if err := s.x.Err(); err != nil {
		return Undef, err
	}
	r := Result(c.SolverCheck(s.x.h, s.h))
	if r == Undef {
		// A spent budget is an answer, with Reason; it also leaves an error behind.
		err := s.x.Err()
		if fatal := (*FatalError)(nil); errors.As(err, &fatal) {
			return Undef, fatal
		}
		if why := s.Reason(); strings.Contains(why, "memory") || strings.Contains(why, "memout") {
			return Undef, &FatalError{why}
		}
		return Undef, nil
	}
	return r, s.x.Err()
}

// Reason says why the last Check was Undef.
func (s *Solver) Reason() string { return c.SolverReason(s.x.h, s.h) }

// Model is the assignment found by the last Check, which was Sat.
func (s *Solver) Model() (*Model, error) {
	h := c.SolverGetModel(s.x.h, s.h)
	if h == 0 {
		if err := s.x.Err(); err != nil {
			return nil, err
		}
		return nil, errors.New("libz3: no model")
	}
	c.ModelIncRef(s.x.h, h)
	return &Model{s.x, h}, nil
}

// Model assigns values to constants.
type Model struct {
	x *Context
	h uintptr
}

// Close gives the model back.
func (m *Model) Close() {
	if m.h != 0 {
		c.ModelDecRef(m.x.h, m.h)
		m.h = 0
	}
}

// Uint64 is the value of a bit-vector term of at most 64 bits; constants the
// assertions leave open are 0.
func (m *Model) Uint64(a AST) (uint64, error) {
	var out uintptr
	if a.h == 0 || !c.ModelEval(m.x.h, m.h, a.h, true, &out) || out == 0 {
		if err := m.x.Err(); err != nil {
			return 0, err
		}
		return 0, errors.New("libz3: term has no value in the model")
	}
	var v uint64
	if !c.GetNumeralUint64(m.x.h, out, &v) {
		m.x.Err()
		return 0, fmt.Errorf("libz3: value %s is no number of 64 bits", c.AstToString(m.x.h, out))
	}
	return v, nil
}

// String is libz3's own print of the model.
func (m *Model) String() string { return c.ModelToString(m.x.h, m.h) }
