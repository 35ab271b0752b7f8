package superopt

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"jitnic/superopt/internal/dataflow"
	"jitnic/superopt/internal/ir"
	"jitnic/superopt/internal/passes"
	"jitnic/superopt/internal/proof"
	"jitnic/superopt/internal/rewrite"
	"jitnic/superopt/internal/search"
	"jitnic/superopt/internal/straight"
)

// Work is one program on its way to a cheaper one, in parts, so that who has
// many can do the cheap part of all before the dear part of any. Between the
// parts it holds the best proved so far. Open begins it; Cheap, Dear (or
// Enumerate and Search) and Finish follow in that order, and Close ends it.
type Work struct {
	o        *rewrite.Gate
	opt      *rewrite.Options
	original *ir.Prog
	res      *rewrite.Result
	best     float64
	spent    time.Duration // in the parts so far
	began    time.Time     // of the part that runs
	memory
	given
}

// given is what is not for everyone to set.
type given struct {
	cond   *proof.Condition          // a trace's path
	tamper func(p *ir.Prog) *ir.Prog // a test's rewrite, taken without a proof after the first passes
	// restore puts back what was changed without a gain, for who reads the
	// difference; nobody reads a trace's.
	restore bool
}

// Open takes a program in.
func Open(ctx context.Context, p *ir.Prog, opt *rewrite.Options) (*Work, error) {
	return open(ctx, p, opt, given{restore: true})
}

func open(ctx context.Context, p *ir.Prog, opt *rewrite.Options, g given) (w *Work, err error) {
	if opt == nil {
		opt = &rewrite.Options{}
	}
	w = &Work{opt: opt, given: g}
	if err := w.ask(p); err != nil || w.known != nil {
		return w, err
	}
	var assume proof.Assumption
	if g.cond != nil {
		assume = g.cond.Assumption()
	}
	err = w.part(ctx, p.Name, func() error {
		if w.o, err = rewrite.New(ctx, p, w.opt, assume); err != nil {
			return err
		}
		cost := w.o.Cost
		w.res = &rewrite.Result{Name: p.Name, Before: p.Slots(), CostBefore: cost(p), LatBefore: opt.Prices().Cost(p), Original: p}
		w.original = w.o.Prog.Clone()
		w.best = cost(w.o.Prog)
		return nil
	})
	if err != nil {
		w.Close()
		return nil, err
	}
	return w, nil
}

// part runs a part of the work. An odd program is never our crash: its user
// gets a line, and keeps it as it is.
func (w *Work) part(ctx context.Context, name string, f func() error) (err error) {
	w.began = time.Now()
	defer func() {
		w.spent += time.Since(w.began)
		w.cut = w.cut || ctx.Err() != nil
		if r := recover(); r != nil {
			err = fmt.Errorf("program %q: internal error: %v", name, r)
		}
	}()
	if w.o != nil {
		if st := w.opt.Store; st != nil {
			known := st.Learnt()
			defer func() {
				for _, r := range st.Since(known) {
					w.res.RulesFound = append(w.res.RulesFound, r.Line)
				}
			}()
		}
		w.o.Ctx = ctx
		w.o.Prover.Resume()
		stop := context.AfterFunc(ctx, w.o.Prover.Interrupt)
		defer stop()
	}
	return f()
}

// Close gives up the solver. It may be called more than once.
func (w *Work) Close() {
	if w.o != nil {
		w.o.Prover.Close()
	}
}

// Slots is how many the program has as it is now, and how many it had.
func (w *Work) Slots() (now, before int) {
	if w.known != nil {
		return w.known.After, w.known.Before
	}
	return w.o.Prog.Slots(), w.res.Before
}

// Units is what the work cost so far (see Result.Units).
func (w *Work) Units() uint64 {
	if w.known != nil {
		return w.known.Units()
	}
	return w.tally().Units()
}

// Cheap runs the walks and passes to a fixed point.
func (w *Work) Cheap(ctx context.Context) error {
	return w.layer(ctx, func() {
		if w.opt.Tier != 1 {
			w.o.Keep(w.original)
		}
		if w.opt.Tier > 0 {
			straight.Run(w.o)
			if w.opt.Tier == 2 {
				w.o.Refresh()
			}
		}
		if w.opt.Tier != 1 {
			w.passes()
		}
		w.note()
	})
}

// layer runs one of the three parts, unless their outcome is known.
func (w *Work) layer(ctx context.Context, f func()) error {
	if w.known != nil {
		return nil
	}
	w.layers++
	return w.part(ctx, w.res.Name, func() error { f(); return nil })
}

// Enumerate tries all short sequences in the place of others.
func (w *Work) Enumerate(ctx context.Context) error {
	return w.layer(ctx, w.enumerate)
}

// Search is the stochastic one.
func (w *Work) Search(ctx context.Context) error {
	return w.layer(ctx, w.search)
}

// Dear is Enumerate, then Search.
func (w *Work) Dear(ctx context.Context) error {
	if err := w.Enumerate(ctx); err != nil {
		return err
	}
	return w.Search(ctx)
}

// Finish proves the whole and gives the result.
func (w *Work) Finish(ctx context.Context) (*rewrite.Result, error) {
	if w.known != nil {
		return w.known, nil
	}
	err := w.part(ctx, w.res.Name, func() error {
		o, res := w.o, w.res
		if w.opt.Tier == 1 {
			res.Whole = rewrite.Whole{Verdict: proof.Proved{By: "terms"}}
		} else {
			w.putBack()
			w.note()
			res.Spent = o.Prover.Spent
			o.Prover.FailLimit = 0 // the whole program's proof is worth its price
			res.Whole = o.Settle(w.original, func() {
				w.best = math.Inf(1)
				w.passes()
				w.enumerate()
				w.search()
				w.putBack()
				w.note()
			})
		}
		if w.original.Goes || w.original.Resumes {
			w.sealed()
		}
		if w.opt.Top > 1 {
			res.Top = top(o, w.original, res.Whole)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	res := w.tally()
	res.Undone = w.o.Undone
	res.Prog = w.o.Prog
	res.After, res.CostAfter, res.LatAfter = w.o.Prog.Slots(), w.o.Cost(w.o.Prog), w.opt.Prices().Cost(w.o.Prog)
	res.Seconds = w.spent.Seconds()
	if d := w.o.Stats.Walking; d > 0 {
		res.PerSecond = float64(w.o.Stats.Searched) / d.Seconds()
	}
	res.SearchSeconds, res.AskingSeconds = w.o.Stats.Walking.Seconds(), w.o.Stats.Asking.Seconds()
	res.Interrupted = ctx.Err() != nil
	for _, s := range res.Stats.Passes {
		if name, ok := strings.CutPrefix(s.Name, "rule-"); ok && s.Accepted > 0 {
			res.RuleHits = append(res.RuleHits, rewrite.RuleHit{Rule: name, Hits: s.Accepted})
		}
	}
	ir.SortBy(res.RuleHits, func(a, b rewrite.RuleHit) bool { return a.Rule < b.Rule })
	return res, w.remember(res)
}

// sealed keeps what was made of a segment only where it is proved once more from
// beginning to end, with all of the stack memory that it finds and leaves: windows know
// of the frame alone.
func (w *Work) sealed() {
	if w.opt.Tier == 1 { // that is how it was proved
		return
	}
	o := w.o
	q := o.Prog.Clone()
	q.Compact()
	known := dataflow.Analyse(q)
	known.Liveness()
	line := o.Prover.Line(w.original, dataflow.Line(w.original).In[0], o.Assume)
	straight := !slices.ContainsFunc(q.Insts, func(in ir.Inst) bool { return in.Jumps() })
	if line != nil && straight && o.LineProved(line, q, func(i int) uint16 { return known.Live[i].Regs }) {
		w.res.Whole = rewrite.Whole{Verdict: proof.Proved{By: "terms"}}
		return
	}
	o.Prog = w.original.Clone()
	o.Analyse()
	w.res.Whole = rewrite.Whole{Why: "what was found isn't proved from beginning to end: the segment stays as it was"}
}

// tally brings the result's counts up to date.
func (w *Work) tally() *rewrite.Result {
	res, pr := w.res, w.o.Prover
	res.Stats = *w.o.Stats
	res.Proposals = res.Stats.Proposals
	res.Proved, res.Refuted, res.Unknown = pr.Proved, pr.Refuted, pr.Unknown
	res.Faults = pr.Faults
	res.ByTerms, res.ByTests, res.ByCache, res.ByZ3 = pr.ByTerms, pr.ByTests, pr.ByCache, pr.ByZ3
	return res
}

// note takes down when the best so far was found.
func (w *Work) note() {
	if c := w.o.Cost(w.o.Prog); c < w.best {
		w.best, w.res.SecondsBest = c, (w.spent + time.Since(w.began)).Seconds()
	}
}

// passes runs the cheap layers to a fixed point.
func (w *Work) passes() {
	if w.opt.Tier != 2 { // there the walks have been
		passes.Run(w.o)
	}
	if w.tamper != nil {
		if q := w.tamper(w.o.Prog.Clone()); w.o.Unsafe(q) == "" {
			w.o.Prog = q
			w.o.Refresh()
			passes.Run(w.o)
		}
	}
	w.note()
}

// enumerate and search run the cheap layers to a fixed point after each of
// their finds.
func (w *Work) enumerate() {
	if w.opt.Tier != 1 && w.opt.Runs('e') {
		search.Enumerate(w.o)
		w.note()
	}
}

func (w *Work) search() {
	if w.opt.Tier != 1 && w.opt.Runs('s') {
		search.Search(w.o)
		w.note()
	}
}

// putBack undoes what gained nothing: all of it where nothing was gained at all.
func (w *Work) putBack() {
	if !w.restore {
		return
	}
	if w.o.Cost(w.o.Prog) >= w.o.Cost(w.original) {
		w.o.Prog = w.original.Clone()
		w.o.Refresh()
	} else if w.opt.Runs('p') {
		passes.Restore(w.o, w.original)
	}
}
