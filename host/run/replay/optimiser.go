package replay

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"jitnic/host/ebpf"
	"jitnic/host/run/jit"
	"jitnic/pathcond"
	"jitnic/superopt"
	"jitnic/superopt/memo"
	"jitnic/trace"
)

// Optimiser says how traces are superoptimized before they are installed. A nil
// one, or one that isn't On, does nothing.
type Optimiser struct {
	On   bool
	Tier Tier
	// Tier2After is how many hits make a trace hot: then it is searched, with
	// Tiers; 0: DefaultTier2After.
	Tier2After uint64
	Layers     string
	Proposals  int
	Cost       string
	NIC        string // profile that the cost "nic" is of
	Latency    string // calibrate.json with the table of the cost "latency"; "" the cited one
	Rules      string // file of a store of rules that grows; "" none
	Memo       string // file of answers that are kept for the next run; "" none: of this run alone
	MemoCheck  bool   // find all that it keeps anew, and fail where that differs
	Solver     int    // megabytes that the solver takes at most; 0: superopt.DefaultSolverMemory
	// Say is told in a line what there is to say of the memo; nil: nobody is.
	Say func(line string)

	memo  *memo.Memo
	store *superopt.Store
	nic   *NICCost
	table *superopt.Latency
}

// Optimised counts what the superoptimizer did to the traces of a run.
type Optimised struct {
	Traces      int    `json:"traces"`
	Failed      int    `json:"failed,omitempty"`       // traces that stay at their tier, as the optimiser failed
	Faults      int    `json:"faults,omitempty"`       // questions at which the solver failed, out of memory for one
	Why         string `json:"why_failed,omitempty"`   // of the first
	Segments    int    `json:"segments,omitempty"`     // traces that are segments of a path
	WithSelects int    `json:"with_selects,omitempty"` // traces that had selects before
	Before      int    `json:"before"`                 // instructions, all traces
	After       int    `json:"after"`
	Shorter     int    `json:"shorter"` // traces that became so
	Proposals   int64  `json:"proposals"`
	RuleHits    int    `json:"rule_hits"`   // rewrites that rules made
	Found       int    `json:"rules_found"` // rules found, for the store
	// With the cost "nic": the cycles of all traces on that device.
	NIC          string  `json:"nic,omitempty"`
	CyclesBefore int     `json:"cycles_before,omitempty"`
	CyclesAfter  int     `json:"cycles_after,omitempty"`
	Proved       int     `json:"proved"`
	Refuted      int     `json:"refuted"`
	Unknown      int     `json:"unknown"`
	Seconds      float64 `json:"-"` // of this machine, so not part of a report
	// Units are what tier 1 cost in counted work, with tiers alone.
	Units int64                     `json:"units,omitempty"`
	units map[*pathcond.Path]uint64 // of each
	// Paid says of each tier whose work is counted when that has paid.
	Paid     []Paid                    `json:"paid,omitempty"`
	searched map[*pathcond.Path]uint64 // units of tier 2
	first    int                       // tier before the install
	several  bool                      // traces of a path, one after the other
	// Hot is what became of hot traces, with tiers alone.
	Hot *Hot `json:"tier2,omitempty"`
}

// Open makes ready what the settings name: the device that prices code, the
// store of rules, each of which is proved again, and the memo.
func (o *Optimiser) Open(ctx context.Context) error {
	if o == nil {
		return nil
	}
	if o.Cost == "nic" {
		var err error
		if o.nic, err = NewNICCost(o.NIC); err != nil {
			return setting("cost-nic", "", err)
		}
	}
	var err error
	if o.table, err = LatencyTable(o.Latency); err != nil {
		return err
	}
	if o.On && o.Solver > 0 {
		superopt.LimitSolver(o.Solver)
	}
	if err := o.openMemo(ctx); err != nil {
		return err
	}
	switch {
	case o.Rules == "":
		return nil
	case !o.On:
		return setting("rules", "", errors.New("goes with --superopt"))
	}
	if o.store, err = superopt.OpenStore(o.Rules); err != nil {
		var pe *fs.PathError
		if errors.As(err, &pe) {
			return setting("rules", o.Rules, pe.Err)
		}
		return err
	}
	return nil
}

// LatencyTable reads the table that calibrate measured, nil for no file.
func LatencyTable(file string) (*superopt.Latency, error) {
	if file == "" {
		return nil, nil
	}
	l, err := readLatency(file)
	if err != nil {
		return nil, setting("latency", "", err)
	}
	return &l, nil
}

// Keep saves the rules that were found, and ends the use of the store and the memo.
func (o *Optimiser) Keep() error {
	if o == nil {
		return nil
	}
	o.closeMemo()
	if o.store == nil {
		return nil
	}
	defer o.store.Close()
	if err := o.store.Save(); err != nil {
		return setting("rules", o.Rules, err)
	}
	return nil
}

// Faulty says in a line what the optimiser failed at; "": nothing.
func (s *Optimised) Faulty() string {
	switch {
	case s == nil || s.Failed+s.Faults == 0:
		return ""
	case s.Failed == 0:
		return fmt.Sprintf("%d questions at which the solver failed", s.Faults)
	}
	return fmt.Sprintf("%d traces stay at their tier: %s; %d questions at which the solver failed", s.Failed, s.Why, s.Faults)
}

// optimizeTrace is superopt.OptimizeTrace, but for tests.
var optimizeTrace = superopt.OptimizeTrace

// fail counts a trace that stays as it is: what fails on one is no reason to end
// the run.
func (s *Optimised) fail(err error) {
	if s.Failed++; s.Why == "" {
		s.Why = err.Error()
	}
}

// options are what all tiers share.
func (o *Optimiser) options(seed uint64) *superopt.Options {
	opt := &superopt.Options{Proposals: o.Proposals, Cost: o.Cost, Seed: seed, Store: o.store, Table: o.table}
	if o.memo != nil {
		opt.Memo = o.memo
	}
	if o.nic != nil {
		opt.CostFunc, opt.CostName = o.nic.Cost, o.nic.Key
	}
	return opt
}

// Install makes a runtime superoptimize its traces, and counts in the result
// what became of them. An interrupt keeps the best proved so far.
func (o *Optimiser) Install(ctx context.Context, h *jit.Options, seed uint64) *Optimised {
	if o == nil || !o.On {
		return nil
	}
	sum := &Optimised{units: map[*pathcond.Path]uint64{}, first: o.before(), several: h.Remedies.Specialise || h.Remedies.Auto}
	if o.nic != nil {
		sum.NIC = o.nic.Name
	}
	h.Optimise = func(p *pathcond.Path, c *pathcond.Compiler) (*trace.Trace, error) {
		if ctx.Err() != nil {
			return p.Trace, nil
		}
		if ebpf.HasSelect(p.Trace.Code) {
			sum.WithSelects++
		}
		opt := o.options(seed)
		opt.Layers = o.Layers
		switch {
		case o.all():
		case o.Tier == Tier2:
			opt.Tier = 2
		default:
			opt.Tier = 1
		}
		if p.Table > 0 || p.Next > 0 {
			sum.Segments++
			if opt.Tier, opt.Layers = 1, ""; o.before() == 2 {
				opt.Tier = 2
			}
		}
		t, r, err := optimizeTrace(ctx, p, c, opt, false)
		if err != nil {
			sum.fail(err)
			return p.Trace, nil
		}
		sum.Faults += r.Faults
		if o.nic != nil {
			sum.CyclesBefore += o.nic.Cycles(r.Original)
			sum.CyclesAfter += o.nic.Cycles(r.Prog)
		}
		sum.Traces++
		sum.Before += p.Trace.Len()
		sum.After += t.Len()
		if t.Len() < p.Trace.Len() {
			sum.Shorter++
		}
		sum.Proposals += r.Proposals
		for _, h := range r.RuleHits {
			sum.RuleHits += h.Hits
		}
		sum.Found += len(r.RulesFound)
		sum.Proved += r.Proved
		sum.Refuted += r.Refuted
		sum.Unknown += r.Unknown
		sum.Seconds += r.Seconds
		if opt.Tier > 0 {
			sum.Units += int64(r.Units())
			sum.units[p] = r.Units()
		}
		return t, nil
	}
	// All layers give what they gave before there were tiers, sizes too.
	h.SizeInstalled = !o.all()
	if o.Tier == Tiers && !o.all() {
		h.Tier2 = o.tier2(ctx, h, seed, sum)
	}
	return sum
}
