package superopt

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"jitnic/pathcond/bv"
	"jitnic/superopt/z3"
)

// Options of Optimize. The zero value is the default setting.
type Options struct {
	Cost      string   // name in Costs; "count"
	CostFunc  CostFunc // instead of Cost
	Table     *Latency // prices of the cost "latency" and of the reports; nil: DefaultLatency
	Seed      uint64
	Proposals int      // budget of the stochastic search for each window; 0: 20000, <0: none
	Windows   [][2]int // slots [s, e); nil: found automatically
	RLimit    uint32   // solver resources for one proof; 0: 2,000,000
	Dear      int      // questions to the solver that may lead to nothing (Prover.Dear); 0: any, of a trace 32
	Accel     *Accel   // nil: all on
	Rules     []*Rule  // beside the built-in ones
	Store     *Store   // rules that are used too, and where what is found goes; nil: nothing is kept
	Layers    string   // letters of the layers to run: p passes, r rules, e enumeration, s search; "" all
	Workers   int      // of the search; 0: as many as there are processors
	Top       int      // how many results are wanted; 0 and 1: the best alone
	Progress  func(Progress)
	Log       func(format string, args ...any)

	tamper func(p *Prog) *Prog // a test's rewrite, taken without a proof after the first passes
}

func (o *Options) table() *Latency {
	if o.Table != nil {
		return o.Table
	}
	return &DefaultLatency
}

// Progress is one line of news.
type Progress struct {
	Best            float64
	Proposals       int64
	Proved, Refuted int
	Unknown         int
}

// PassStats counts what one pass or move did.
type PassStats struct {
	Name     string `json:"name"`
	Proposed int    `json:"proposed"`
	Unsafe   int    `json:"unsafe"`
	Accepted int    `json:"accepted"`
	Better   int    `json:"better"`
}

// Stats is what a run did.
type Stats struct {
	Passes    []*PassStats `json:"passes"`
	Proposals int64        `json:"proposals"`
	byName    map[string]*PassStats
	searched  int64         // proposals of the stochastic search
	walking   time.Duration // its time in all chains together: moves and tests
	asking    time.Duration // and in the questions about what passed all tests
}

func (s *Stats) pass(name string) *PassStats {
	if p := s.byName[name]; p != nil {
		return p
	}
	p := &PassStats{Name: name}
	if s.byName == nil {
		s.byName = map[string]*PassStats{}
	}
	s.byName[name] = p
	s.Passes = append(s.Passes, p)
	return p
}

// RuleHit says how often a rule fired.
type RuleHit struct {
	Rule string `json:"rule"`
	Hits int    `json:"hits"`
}

// Kernel is what the running kernel said of the result.
type Kernel struct {
	Loaded      bool   `json:"loaded"`
	Runs        int    `json:"runs"`
	Differences int    `json:"differences"`
	Reason      string `json:"reason,omitempty"` // why not loaded, or not asked
}

// Result of one program's optimisation.
type Result struct {
	Name       string  `json:"name"`
	Before     int     `json:"before"` // slots
	After      int     `json:"after"`
	CostBefore float64 `json:"cost_before"`
	CostAfter  float64 `json:"cost_after"`
	LatBefore  float64 `json:"latency_before_ns"`
	LatAfter   float64 `json:"latency_after_ns"`
	Proposals  int64   `json:"proposals"`
	// PerSecond is how many proposals of the stochastic search the tests decided
	// in a second of one core: of the time in its chains, all workers' together,
	// with the making of tests and without the questions asked of the verifier's
	// rules and the solver about what passed all tests. These took AskingSeconds,
	// the rest SearchSeconds.
	PerSecond     float64        `json:"proposals_per_s"`
	SearchSeconds float64        `json:"search_seconds"`
	AskingSeconds float64        `json:"asking_seconds"`
	Seconds       float64        `json:"seconds"`
	SecondsBest   float64        `json:"seconds_to_best"`
	Proved        int            `json:"proved"`
	Refuted       int            `json:"refuted"`
	Unknown       int            `json:"unknown"`
	ByTerms       int            `json:"decided_by_terms"`
	ByTests       int            `json:"decided_by_tests"`
	ByCache       int            `json:"decided_by_cache"`
	ByZ3          int            `json:"decided_by_z3"`
	Whole         string         `json:"whole_program"`    // the verdict over the whole program
	Undone        int            `json:"undone,omitempty"` // rewrites taken back, as that verdict was against them
	RuleHits      []RuleHit      `json:"rule_hits"`
	RulesFound    []string       `json:"rules_found,omitempty"` // added to the store
	Interrupted   bool           `json:"interrupted,omitempty"`
	Kernel        *Kernel        `json:"kernel,omitempty"`
	Stats         Stats          `json:"stats"`
	Top           []*Alternative `json:"top,omitempty"` // with Options.Top > 1: Prog first, then what comes next
	spent         int            // questions that outran the solver's budget
	Prog          *Prog          `json:"-"`
	Original      *Prog          `json:"-"`
}

type assumption func(m *machine, st *symState) bv.Term

func (o *optimizer) assumption(s int) func(m *machine, st *symState) bv.Term {
	if o.assume == nil || s != 0 {
		return nil
	}
	return o.assume
}

// Optimize makes a program cheaper. What it returns is proved equal, window by
// window; an interrupt (ctx) keeps the best proved so far.
func Optimize(ctx context.Context, p *Prog, opt *Options) (*Result, error) {
	return optimize(ctx, p, opt, nil)
}

func optimize(ctx context.Context, p *Prog, opt *Options, assume assumption) (*Result, error) {
	if opt == nil {
		opt = &Options{}
	}
	table := opt.table()
	cost := opt.CostFunc
	if cost == nil {
		name := opt.Cost
		if name == "" {
			name = "count"
		}
		if cost = Costs[name]; name == "latency" {
			cost = table.Cost
		}
		if cost == nil {
			return nil, fmt.Errorf("cost %q: not one of count, count-no-atomics, latency", name)
		}
	}
	began := time.Now()
	o := &optimizer{ctx: ctx, p: p.Clone(), cost: cost, opt: opt, rng: rand.New(rand.NewPCG(opt.Seed, 0x5eed)),
		banned: map[string]bool{}, bad: map[string]bool{}, assume: assume, log: opt.Log}
	o.pr = NewProver(uint32(opt.Seed))
	o.pr.Dear = opt.Dear
	defer o.pr.Close()
	if opt.Accel != nil {
		o.pr.Accel = *opt.Accel
	}
	if opt.RLimit != 0 {
		o.pr.RLimit = opt.RLimit
	}
	stop := context.AfterFunc(ctx, o.pr.Interrupt)
	defer stop()
	res := &Result{Name: p.Name, Before: p.Slots(), CostBefore: cost(p), LatBefore: table.Cost(p), Original: p}
	o.stats = &res.Stats
	known := 0
	if opt.Store != nil {
		known = len(opt.Store.log)
	}
	o.refresh()
	o.learnCost()
	for _, b := range o.a.problems {
		o.bad[problemText(b)] = true
	}
	original := o.p.Clone()
	best := cost(o.p)
	note := func() {
		if c := cost(o.p); c < best {
			best, res.SecondsBest = c, time.Since(began).Seconds()
		}
	}
	o.keep(original)
	o.layers(note)
	note()
	spent := o.pr.Spent
	o.pr.Dear = 0 // the whole program's proof is worth its price
	res.Whole = o.settle(original, func() {
		best = math.Inf(1)
		o.layers(note)
		note()
	})
	res.Undone = o.undone
	res.Prog = o.p
	if opt.Top > 1 {
		res.Top = o.top(original, res.Whole)
	}
	res.After, res.CostAfter, res.LatAfter = o.p.Slots(), cost(o.p), table.Cost(o.p)
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
		for _, r := range opt.Store.log[known:] {
			if slices.Contains(opt.Store.found, r) {
				res.RulesFound = append(res.RulesFound, r.Line)
			}
		}
	}
	return res, nil
}

// layers runs the cheap ones to a fixed point before each dear one.
func (o *optimizer) layers(note func()) {
	o.passes()
	if f := o.opt.tamper; f != nil {
		if q := f(o.p.Clone()); o.unsafe(q) == "" {
			o.p = q
			o.refresh()
			o.passes()
		}
	}
	note()
	if o.on('e') {
		o.enumerate()
		note()
	}
	if o.on('s') {
		o.search()
		note()
	}
}

// on says whether the layer of that letter is to run.
func (o *optimizer) on(layer byte) bool {
	return o.opt.Layers == "" || strings.IndexByte(o.opt.Layers, layer) >= 0
}

func (o *optimizer) progress() {
	o.opt.Progress(Progress{Best: o.cost(o.p), Proposals: o.stats.Proposals, Proved: o.pr.Proved, Refuted: o.pr.Refuted, Unknown: o.pr.Unknown})
}

// wholeVerdict proves the result against the original over the whole program
// where it can be: a second net under the proofs of windows.
func (o *optimizer) wholeVerdict(original *Prog) string {
	if !original.modelled() || !o.p.modelled() {
		return "not asked: loops, calls of subprograms or helpers outside the model"
	}
	n := max(len(original.Insts), len(o.p.Insts))
	pad := func(p *Prog) *Prog {
		q := p.Clone()
		for len(q.Insts) < n {
			q.Insts = append(q.Insts, nop())
		}
		return q
	}
	f := original.entryFacts(0)
	t := &task{old: pad(original), new: pad(o.p), s: 0, e: n, pre: &f, loopFree: true, out: func(int) *live { return &live{regs: 1} }, noSafety: true}
	saved := o.pr.RLimit
	defer func() { o.pr.RLimit = saved }()
	var v z3.Verdict
	if o.assume != nil {
		t.assume = o.assume
	}
	o.pr.RLimit = saved / 2 // for each output
	v = o.wholeTrail(t.old, t.new, t.out)
	if v == nil {
		o.pr.RLimit = 4 * saved
		v = o.pr.Equivalent(t)
	}
	switch v := v.(type) {
	case z3.Proved:
		return "proved"
	case z3.Refuted:
		return fmt.Sprintf("refuted: %s %v", v.What, v.Counterexample)
	case z3.Unknown:
		return "unknown: " + v.Reason
	}
	return ""
}
