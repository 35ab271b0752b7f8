// Package z3 is a small binding to the system's libz3, loaded at run time.
//
// It keeps the shape Go users know from go-z3 (Config, Context, Sort, AST,
// Solver, Model) and adds what an eBPF instruction needs: bit-vectors, arrays,
// budgets in solver resources (rlimit), interrupts, and SMT-LIB text. No C
// compiler and no header is needed to build it; [Open] says which package to
// install where the library is missing.
//
// A bound C call costs about a microsecond, so big terms are handed over as
// SMT-LIB text in one call ([Solver.AddText]) and small ones are built by hand:
//
//	ctx, err := z3.NewContext(nil)       // loads libz3 once
//	x := ctx.Const("x", ctx.BV(64))
//	s := ctx.NewSolver("QF_BV")
//	s.Assert(ctx.Not(ctx.Eq(ctx.Add(x, x), ctx.Shl(x, ctx.BVVal(1, 64)))))
//	s.Check()                            // Unsat: x+x is x<<1
//
// A context's error handler is set to none before anything else happens with
// it: libz3's own handler prints a line and ends the process. Errors are kept
// in the context, and the first of them is what [Context.Err] and every Check
// returns. A Context isn't safe for concurrent use, but [Context.Interrupt]
// may be called from anywhere.
package z3
