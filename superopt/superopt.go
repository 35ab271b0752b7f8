package superopt

import (
	"context"
	"fmt"
	"math"
	"strings"
	"time"

	"jitnic/superopt/internal/ir"
	"jitnic/superopt/internal/passes"
	"jitnic/superopt/internal/proof"
	"jitnic/superopt/internal/rewrite"
	"jitnic/superopt/internal/search"
	"jitnic/superopt/internal/straight"
)

// Optimize makes a program cheaper. What it returns is proved equal, window by
// window; an interrupt (ctx) keeps the best proved so far.
func Optimize(ctx context.Context, p *ir.Prog, opt *rewrite.Options) (*rewrite.Result, error) {
	return optimize(ctx, p, opt, given{restore: true})
}

// given is what is not for everyone to set.
type given struct {
	assume proof.Assumption          // a trace's path condition
	tamper func(p *ir.Prog) *ir.Prog // a test's rewrite, taken without a proof after the first passes
	// restore puts back what was changed without a gain, for who reads the
	// difference; nobody reads a trace's.
	restore bool
}

func optimize(ctx context.Context, p *ir.Prog, opt *rewrite.Options, g given) (res *rewrite.Result, err error) {
	defer func() { // an odd program is never our crash: its user gets a line, and keeps it as it is
		if r := recover(); r != nil {
			res, err = nil, fmt.Errorf("program %q: internal error: %v", p.Name, r)
		}
	}()
	if opt == nil {
		opt = &rewrite.Options{}
	}
	began := time.Now()
	o, err := rewrite.New(ctx, p, opt, g.assume)
	if err != nil {
		return nil, err
	}
	defer o.Prover.Close()
	table, cost := opt.Prices(), o.Cost
	res = &rewrite.Result{Name: p.Name, Before: p.Slots(), CostBefore: cost(p), LatBefore: table.Cost(p), Original: p}
	stop := context.AfterFunc(ctx, o.Prover.Interrupt)
	defer stop()
	known := 0
	if opt.Store != nil {
		known = opt.Store.Learnt()
	}
	original := o.Prog.Clone()
	best := cost(o.Prog)
	note := func() {
		if c := cost(o.Prog); c < best {
			best, res.SecondsBest = c, time.Since(began).Seconds()
		}
	}
	spent := 0
	if opt.Tier == 1 {
		straight.Run(o)
		note()
		res.Whole = rewrite.Whole{Verdict: proof.Proved{By: "terms"}}
	} else {
		o.Keep(original)
		if opt.Tier == 2 {
			straight.Run(o)
			o.Refresh()
		}
		layers(o, original, note, g)
		note()
		spent = o.Prover.Spent
		o.Prover.FailLimit = 0 // the whole program's proof is worth its price
		res.Whole = o.Settle(original, func() {
			best = math.Inf(1)
			layers(o, original, note, g)
			note()
		})
	}
	res.Undone = o.Undone
	res.Prog = o.Prog
	if opt.Top > 1 {
		res.Top = top(o, original, res.Whole)
	}
	res.After, res.CostAfter, res.LatAfter = o.Prog.Slots(), cost(o.Prog), table.Cost(o.Prog)
	res.Stats = *o.Stats
	res.Seconds = time.Since(began).Seconds()
	res.Proposals = res.Stats.Proposals
	if d := o.Stats.Walking; d > 0 {
		res.PerSecond = float64(o.Stats.Searched) / d.Seconds()
	}
	res.SearchSeconds, res.AskingSeconds = o.Stats.Walking.Seconds(), o.Stats.Asking.Seconds()
	pr := o.Prover
	res.Proved, res.Refuted, res.Unknown = pr.Proved, pr.Refuted, pr.Unknown
	res.ByTerms, res.ByTests, res.ByCache, res.ByZ3 = pr.ByTerms, pr.ByTests, pr.ByCache, pr.ByZ3
	res.Spent = spent
	res.Interrupted = ctx.Err() != nil
	for _, s := range res.Stats.Passes {
		if name, ok := strings.CutPrefix(s.Name, "rule-"); ok && s.Accepted > 0 {
			res.RuleHits = append(res.RuleHits, rewrite.RuleHit{Rule: name, Hits: s.Accepted})
		}
	}
	ir.SortBy(res.RuleHits, func(a, b rewrite.RuleHit) bool { return a.Rule < b.Rule })
	if opt.Store != nil {
		for _, r := range opt.Store.Since(known) {
			res.RulesFound = append(res.RulesFound, r.Line)
		}
	}
	return res, nil
}

// layers runs the cheap ones to a fixed point before each dear one.
func layers(o *rewrite.Gate, original *ir.Prog, note func(), g given) {
	if o.Options.Tier != 2 { // there the walks have been
		passes.Run(o)
	}
	if g.tamper != nil {
		if q := g.tamper(o.Prog.Clone()); o.Unsafe(q) == "" {
			o.Prog = q
			o.Refresh()
			passes.Run(o)
		}
	}
	note()
	if o.Options.Runs('e') {
		search.Enumerate(o)
		note()
	}
	if o.Options.Runs('s') {
		search.Search(o)
		note()
	}
	if g.restore && o.Options.Runs('p') {
		passes.Restore(o, original)
	}
}
