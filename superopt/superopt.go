package superopt

import (
	"context"
	"math"
	"strings"
	"time"
)

// Optimize makes a program cheaper. What it returns is proved equal, window by
// window; an interrupt (ctx) keeps the best proved so far.
func Optimize(ctx context.Context, p *Prog, opt *Options) (*Result, error) {
	return optimize(ctx, p, opt, given{})
}

// given is what is not for everyone to set.
type given struct {
	assume assumption          // a trace's path condition
	tamper func(p *Prog) *Prog // a test's rewrite, taken without a proof after the first passes
}

func optimize(ctx context.Context, p *Prog, opt *Options, g given) (*Result, error) {
	if opt == nil {
		opt = &Options{}
	}
	began := time.Now()
	o, err := newOptimizer(ctx, p, opt, g.assume)
	if err != nil {
		return nil, err
	}
	defer o.pr.Close()
	table, cost := opt.table(), o.cost
	res := &Result{Name: p.Name, Before: p.Slots(), CostBefore: cost(p), LatBefore: table.Cost(p), Original: p}
	stop := context.AfterFunc(ctx, o.pr.Interrupt)
	defer stop()
	known := 0
	if opt.Store != nil {
		known = opt.Store.Learnt()
	}
	original := o.p.Clone()
	best := cost(o.p)
	note := func() {
		if c := cost(o.p); c < best {
			best, res.SecondsBest = c, time.Since(began).Seconds()
		}
	}
	o.keep(original)
	o.layers(note, g.tamper)
	note()
	spent := o.pr.Spent
	o.pr.FailLimit = 0 // the whole program's proof is worth its price
	res.Whole = o.settle(original, func() {
		best = math.Inf(1)
		o.layers(note, g.tamper)
		note()
	})
	res.Undone = o.undone
	res.Prog = o.p
	if opt.Top > 1 {
		res.Top = o.top(original, res.Whole)
	}
	res.After, res.CostAfter, res.LatAfter = o.p.Slots(), cost(o.p), table.Cost(o.p)
	res.Stats = *o.stats
	res.Seconds = time.Since(began).Seconds()
	res.Proposals = res.Stats.Proposals
	if d := o.stats.walking; d > 0 {
		res.PerSecond = float64(o.stats.searched) / d.Seconds()
	}
	res.SearchSeconds, res.AskingSeconds = o.stats.walking.Seconds(), o.stats.asking.Seconds()
	pr := o.pr
	res.Proved, res.Refuted, res.Unknown = pr.Proved, pr.Refuted, pr.Unknown
	res.ByTerms, res.ByTests, res.ByCache, res.ByZ3 = pr.ByTerms, pr.ByTests, pr.ByCache, pr.ByZ3
	res.spent = spent
	res.Interrupted = ctx.Err() != nil
	for _, s := range res.Stats.Passes {
		if name, ok := strings.CutPrefix(s.Name, "rule-"); ok && s.Accepted > 0 {
			res.RuleHits = append(res.RuleHits, RuleHit{name, s.Accepted})
		}
	}
	sortBy(res.RuleHits, func(a, b RuleHit) bool { return a.Rule < b.Rule })
	if opt.Store != nil {
		for _, r := range opt.Store.Since(known) {
			res.RulesFound = append(res.RulesFound, r.Line)
		}
	}
	return res, nil
}

// layers runs the cheap ones to a fixed point before each dear one.
func (o *optimizer) layers(note func(), tamper func(p *Prog) *Prog) {
	runPasses(o)
	if tamper != nil {
		if q := tamper(o.p.Clone()); o.unsafe(q) == "" {
			o.p = q
			o.refresh()
			runPasses(o)
		}
	}
	note()
	if o.opt.Runs('e') {
		o.enumerate()
		note()
	}
	if o.opt.Runs('s') {
		o.search()
		note()
	}
}
