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
// The pieces, one idea a file: a program is a list of [Inst] with jumps by
// index (prog.go). Dataflow says what is known before an instruction and what
// is live after it (analysis.go, liveness.go). A proof follows two fragments
// symbolically (symbolic.go), compares what leaves them (prove.go), and asks
// normal forms, then concrete tests, then the cache of verdicts, then Z3. A
// trace is proved along its trail (trail.go): window by window, after all it did
// so far, under what its condition says of the same inputs. What a rewrite makes
// unsafe is looked for in the run it changes (recheck.go).
// Passes stand in a table (passes.go), moves in another (move.go), rules in
// rules.txt, and a [Store] grows with what is found: rules_learn.go cuts a find
// down and makes letters of its registers and constants, rules_prove.go proves
// the rule for all of them at once, pass_rules.go fires it. The cost may be any
// function of a program, a sum over instructions (cost.go) or not, as the length
// of a schedule is none. Options.Top gives the best few results instead of one
// (top.go). testdata/goldens shows rewrites beside their bad twins, with what
// refutes them. Package format has K2's text forms, package object the .o files.
//
// The rate of the search is of the time in which the tests decide: its chains'
// and the making of their tests, not the questions asked about what passed all
// of them; Result gives both times.
//
// At the end the result is proved once more against the input over the whole
// program, where it has no loops and nothing outside the model: a second net.
// Where that proof finds a difference, the rewrite that made it is found by
// bisection, taken back, and the layers go on without it (undo.go).
package superopt
