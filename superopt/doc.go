// Package superopt makes eBPF programs and traces smaller or faster, and
// proves every change.
//
// It does what the K2 compiler does (Xu et al., SIGCOMM 2021), with sound
// proofs and cheap layers before dear ones: dataflow passes, rewrite rules
// kept as data, enumeration of short windows with counterexamples, and a
// stochastic search. What a layer proposes is taken only if it costs less, the
// verifier would take it, and the solver proves it equal.
//
//	p, _ := superopt.FromSlots("double", superopt.KindConst, slots, maps)
//	r, err := superopt.Optimize(ctx, p, nil)
//	fmt.Println(r.Before, "->", r.After, r.Whole)
//
// The rooms, each of which knows only those before it:
//
//	internal/ir        a program as a list of instructions, and its cost
//	internal/dataflow  what is known before an instruction, what is live after it
//	internal/proof     whether two fragments do the same
//	internal/rules     rewrite rules as data: proved, learnt, kept in a [Store]
//	internal/rewrite   the one gate a change goes through, and how it is undone
//	internal/straight  traces: many rewrites in linear walks, one proof
//	internal/passes    rewrites that dataflow suggests, one a file
//	internal/search    enumeration and stochastic search over short windows
//
// and this package in front of them. The cost may be any function of a
// program, a sum over instructions or not, as the length of a schedule is none.
// Options.Top gives the best few results instead of one.
// internal/rewrite/testdata/goldens shows rewrites beside their bad twins, with
// what refutes them. Package format has K2's text forms, package object the .o
// files.
//
// The rate of the search is of the time in which the tests decide: its chains'
// and the making of their tests, not the questions asked about what passed all
// of them; Result gives both times.
//
// At the end the result is proved once more against the input over the whole
// program, where it has no loops and nothing outside the model: a second net.
// Where that proof finds a difference, the rewrite that made it is found by
// bisection, taken back, and the layers go on without it.
package superopt
