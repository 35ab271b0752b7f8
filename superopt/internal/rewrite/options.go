package rewrite

import (
	"fmt"
	"strings"
	"time"

	"jitnic/superopt/internal/ir"
	"jitnic/superopt/internal/proof"
	"jitnic/superopt/internal/rules"
)

// Options of Optimize. The zero value is the default setting.
type Options struct {
	Cost      string      // name in Costs; "count"
	CostFunc  ir.CostFunc // instead of Cost
	CostName  string      // what CostFunc is, parameters and all: the memo's answers are by it
	Table     *ir.Latency // prices of the cost "latency" and of the reports; nil: DefaultLatency
	Seed      uint64
	Proposals int           // budget of the stochastic search for each window; 0: 28000, <0: none
	Windows   [][2]int      // slots [s, e); nil: found automatically
	RLimit    uint32        // solver resources for one proof; 0: 2,000,000
	FailLimit int           // questions to the solver that may lead to nothing (Prover.FailLimit); 0: any, of a trace 32
	Accel     *proof.Accel  // nil: all on
	Rules     []*rules.Rule // beside the built-in ones
	Store     *rules.Store  // rules that are used too, and where what is found goes; nil: nothing is kept
	Tier      int           // of a trace: 1 the walks over straight code alone, 2 the search behind them; 0 all layers
	Layers    string        // letters of the layers to run: p passes, r rules, e enumeration, s search; "" all
	Workers   int           // of the search; 0: as many as there are processors
	Top       int           // how many results are wanted; 0 and 1: the best alone
	Memo      Memo          // answers to what was asked before; nil: none
	Progress  func(Progress)
	Log       func(format string, args ...any)
}

// Memo keeps answers under whole questions.
type Memo interface {
	Get(question []byte) (answer []byte, ok bool)
	Put(question, answer []byte)
}

// costOf is what is to be made small of p: a cost made of sums, or else any
// function.
func (o *Options) costOf(p *ir.Prog) (*ir.Summed, ir.CostFunc, error) {
	if o.CostFunc != nil {
		return nil, o.CostFunc, nil
	}
	name := o.Cost
	if name == "" {
		name = "count"
	}
	if c := ir.CostNamed(name, p, *o.Prices()); c != nil {
		return c, c.Cost, nil
	}
	return nil, nil, fmt.Errorf("cost %q: not one of %s", name, strings.Join(ir.CostNames(), ", "))
}

// Prices gives the prices of the cost "latency" and of the reports.
func (o *Options) Prices() *ir.Latency {
	if o.Table != nil {
		return o.Table
	}
	l := ir.DefaultLatency()
	return &l
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
	Steps     int           `json:"-"` // instructions followed for proofs of straight code
	Searched  int64         `json:"-"` // proposals of the stochastic search
	Walking   time.Duration `json:"-"` // its time in all chains together: moves and tests
	Asking    time.Duration `json:"-"` // and in the questions about what passed all tests
}

// Pass is the count of the pass or move of that name.
func (s *Stats) Pass(name string) *PassStats {
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
	// Status is one of "loaded and compared", "not checked", "original refused", "result refused"
	// and "differs"; "" of a sum over programs.
	Status      string      `json:"status,omitempty"`
	Loaded      bool        `json:"loaded"`
	Runs        int         `json:"runs"`
	Differences int         `json:"differences"`
	Reason      string      `json:"reason,omitempty"` // why not loaded, or not asked
	Time        *KernelTime `json:"time,omitempty"`
}

// KernelTime is how long the result runs in the kernel beside the original:
// medians of one run, and quartiles of their ratio over rounds in turns.
type KernelTime struct {
	OldNS  float64 `json:"old_ns"`
	NewNS  float64 `json:"new_ns"`
	Ratio  float64 `json:"ratio"` // new/old, the median
	Q1     float64 `json:"ratio_q1"`
	Q3     float64 `json:"ratio_q3"`
	Rounds int     `json:"rounds"`
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
	Whole         Whole          `json:"whole_program"`    // the verdict over the whole program
	Undone        int            `json:"undone,omitempty"` // rewrites taken back, as that verdict was against them
	RuleHits      []RuleHit      `json:"rule_hits"`
	RulesFound    []string       `json:"rules_found,omitempty"` // added to the store
	Interrupted   bool           `json:"interrupted,omitempty"`
	Kernel        *Kernel        `json:"kernel,omitempty"`
	Stats         Stats          `json:"stats"`
	Top           []*Alternative `json:"top,omitempty"`           // with Options.Top > 1: Prog first, then what comes next
	Spent         int            `json:"-"`                       // questions that outran the solver's budget
	Faults        int            `json:"solver_faults,omitempty"` // questions at which the solver failed
	Prog          *ir.Prog       `json:"-"`
	Original      *ir.Prog       `json:"-"`
}

// Units is what the run cost in counted work, the same on every machine: an
// instruction followed, or a proposal tried, is one; a question that terms or
// tests decide about a hundred, one to the solver about five thousand.
func (r *Result) Units() uint64 {
	return uint64(r.Stats.Steps) + uint64(r.Proposals) + 100*uint64(r.ByTerms+r.ByTests) + 5000*uint64(r.ByZ3)
}

// Runs says whether the layer of that letter is to run.
func (o *Options) Runs(layer byte) bool {
	return o.Layers == "" || strings.IndexByte(o.Layers, layer) >= 0
}
