package superopt

import (
	"jitnic/host/ebpf"
	"jitnic/host/maps"
	"jitnic/superopt/internal/ir"
	"jitnic/superopt/internal/proof"
	"jitnic/superopt/internal/rewrite"
	"jitnic/superopt/internal/rules"
	"jitnic/superopt/z3"
)

// What a user of the optimiser needs of the rooms behind it.
type (
	// Prog is a program in the optimiser's form.
	Prog = ir.Prog
	// Inst is one instruction of it.
	Inst = ir.Inst
	// Kind is what a program is attached to.
	Kind = ir.Kind
	// CostFunc is what is made small.
	CostFunc = ir.CostFunc
	// Latency is a table of nanoseconds for each kind of instruction.
	Latency = ir.Latency

	// Options of Optimize. The zero value is the default setting.
	Options = rewrite.Options
	// Result of one program's optimisation.
	Result = rewrite.Result
	// Alternative is one of the best results.
	Alternative = rewrite.Alternative
	// Progress is one line of news.
	Progress = rewrite.Progress
	// Kernel is what the running kernel said of the result.
	Kernel = rewrite.Kernel
	// KernelTime is how long the result runs there beside the original.
	KernelTime = rewrite.KernelTime

	// Accel switches K2's four accelerations of a proof.
	Accel = proof.Accel
	// Prover answers whether two fragments do the same.
	Prover = proof.Prover
	// Verdict is one of Proved, Refuted and Unknown.
	Verdict = proof.Verdict
	// Proved says that no input tells the two apart.
	Proved = proof.Proved
	// Refuted says which inputs tell the two apart.
	Refuted = proof.Refuted
	// Unknown says why nothing was decided.
	Unknown = proof.Unknown

	// Rule is one rewrite rule.
	Rule = rules.Rule
	// Store is rules kept for the next run.
	Store = rules.Store
)

// The kinds of program.
const (
	KindOther   = ir.KindOther
	KindXDP     = ir.KindXDP
	KindSKB     = ir.KindSKB
	KindTracing = ir.KindTracing
	KindCgroup  = ir.KindCgroup
	KindConst   = ir.KindConst
)

// FromSlots takes a linked program (kernel slots) apart. Map loads carry an
// index into specs.
func FromSlots(name string, kind Kind, insns []ebpf.Insn, specs []*maps.Spec) (*Prog, error) {
	return ir.FromSlots(name, kind, insns, specs)
}

// FromSlotsFixed is FromSlots with slots that must stay as they are.
func FromSlotsFixed(name string, kind Kind, insns []ebpf.Insn, specs []*maps.Spec, fixed map[int]bool) (*Prog, error) {
	return ir.FromSlotsFixed(name, kind, insns, specs, fixed)
}

// CostNames are the names of all cost functions.
func CostNames() []string { return ir.CostNames() }

// DefaultLatency is the table of prices where none was measured.
func DefaultLatency() Latency { return ir.DefaultLatency() }

// AllAccel has every acceleration on.
func AllAccel() Accel { return proof.AllAccel() }

// NewProver makes a prover; without libz3 it still proves what normal forms
// and refutes what tests decide, and says what to install for the rest.
func NewProver(seed uint32) *Prover { return proof.NewProver(seed) }

// Builtin are the rules that ship.
func Builtin() []*Rule { return rules.Builtin() }

// OpenStore reads the rules of a file, and proves each of them again: what is
// not proved is an error that names its place, "FILE:LINE: …". A file that is
// not there is an empty store, which Save makes.
func OpenStore(path string) (*Store, error) { return rules.OpenStore(path) }

// IsProved says whether a verdict is Proved.
func IsProved(v Verdict) bool { return rules.IsProved(v) }

// Barrier says why proofs don't follow calls of a helper or kernel function, so
// that rewrites stop at it; "" where they do.
func Barrier(h *ebpf.Helper) string {
	if h.ID == 0 {
		return "a kernel function, told by its name alone"
	}
	return ir.Unmodelled(h)
}

// DefaultSolverMemory is how many megabytes the solver takes at most.
const DefaultSolverMemory = z3.DefaultMemory

// LimitSolver sets how many megabytes the solver takes at most, in all of the process;
// a question for which it wants more stays open, and is counted (Result.Faults).
func LimitSolver(megabytes int) { z3.LimitMemory(megabytes) }
