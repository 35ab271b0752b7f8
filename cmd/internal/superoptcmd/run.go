package superoptcmd

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"os"
	"slices"
	"time"

	"jitnic/cmd/internal/report"
	"jitnic/superopt"
)

// job is a function that is being optimised.
type job struct {
	*Program
	at   int // its place among the units
	work *superopt.Work
}

// run optimises the units that entry names: the cheap layers of all of them,
// then enumeration, then the search, each where the work has gained most so
// far. A limit of time, or an interrupt, leaves every function with the best it
// had.
func run(ctx context.Context, in *input, opt *superopt.Options, entry string, limit time.Duration, stderr io.Writer) (*Report, []*superopt.Prog, error) {
	r := &Report{File: report.Name(in.path), Seed: opt.Seed}
	if st, err := os.Stat(in.path); err == nil {
		r.Bytes.Before = int(st.Size())
	}
	began := time.Now()
	looking := ctx // until when something is looked for; what was found is proved as a whole beyond it
	if limit > 0 {
		var stop context.CancelFunc
		looking, stop = context.WithTimeout(ctx, limit)
		defer stop()
		r.Irreproducible = fmt.Sprintf("--seconds %g: how far it comes is the machine's affair", limit.Seconds())
	}
	b := batch{in: in, opt: opt, news: newLine(stderr)}
	defer b.close()
	if err := b.open(looking, r, entry); err != nil {
		return nil, nil, err
	}
	for _, p := range []phase{{"passes and rules", (*superopt.Work).Cheap}, {"enumeration", (*superopt.Work).Enumerate}, {"search", (*superopt.Work).Search}} {
		if err := b.run(looking, p); err != nil {
			return nil, nil, err
		}
	}
	progs, err := b.finish(ctx, r)
	if err != nil {
		return nil, nil, err
	}
	r.Seconds = time.Since(began).Seconds()
	return r, progs, nil
}

// batch is all functions of a file on their way.
type batch struct {
	in   *input
	opt  *superopt.Options
	jobs []*job
	news *line
}

// phase is a part of the work that is done for all functions before the next.
type phase struct {
	name string
	do   func(*superopt.Work, context.Context) error
}

func (b *batch) close() {
	for _, j := range b.jobs {
		j.work.Close()
	}
	b.news.end()
}

// failed is what becomes of a function that can't be optimised: the others of
// an object are worth their while.
func (b *batch) failed(p *Program, err error) error {
	if !b.in.object {
		return fmt.Errorf("%s: %w", b.in.path, err)
	}
	p.Skipped = err.Error()
	return nil
}

// open begins with every function asked for.
func (b *batch) open(ctx context.Context, r *Report, entry string) error {
	for i, u := range b.in.units {
		p := &Program{Name: u.name, Section: u.section}
		r.Programs = append(r.Programs, p)
		if !u.is(entry) {
			p.Skipped = "not asked for"
			continue
		}
		if u.err != nil {
			p.Skipped = u.err.Error()
			continue
		}
		for _, w := range b.opt.Windows {
			if w[1] > u.prog.Slots() {
				return fmt.Errorf("%s: --windows %d:%d: %s has %d slots", b.in.path, w[0], w[1]-1, u.name, u.prog.Slots())
			}
		}
		o := *b.opt
		o.Progress, o.Log = b.news.progress(), p.step
		w, err := superopt.Open(ctx, u.prog, &o)
		if err != nil {
			if err := b.failed(p, err); err != nil {
				return err
			}
			continue
		}
		b.jobs = append(b.jobs, &job{Program: p, at: i, work: w})
	}
	return nil
}

// run runs a phase over all functions, those first whose work has gained most.
func (b *batch) run(ctx context.Context, p phase) error {
	order := slices.Clone(b.jobs)
	gain := map[*job]float64{}
	for _, j := range order {
		now, before := j.work.Slots()
		gain[j] = float64(before-now) / float64(1+j.work.Units())
	}
	slices.SortStableFunc(order, func(x, y *job) int { return cmp.Compare(gain[y], gain[x]) })
	for k, j := range order {
		if ctx.Err() != nil {
			return nil
		}
		b.news.at(fmt.Sprintf("%s, function %d of %d: %s", p.name, k+1, len(order), j.Name))
		if err := p.do(j.work, ctx); err != nil {
			if err := b.failed(j.Program, err); err != nil {
				return err
			}
			j.work.Close()
			b.jobs = slices.DeleteFunc(b.jobs, func(x *job) bool { return x == j })
		}
	}
	return nil
}

// finish proves each function as a whole and adds up.
func (b *batch) finish(ctx context.Context, r *Report) ([]*superopt.Prog, error) {
	progs := make([]*superopt.Prog, len(b.in.units))
	var walked, search float64
	for k, j := range b.jobs {
		b.news.at(fmt.Sprintf("proof of the whole, function %d of %d: %s", k+1, len(b.jobs), j.Name))
		res, err := j.work.Finish(ctx)
		j.work.Close()
		if err != nil {
			if err := b.failed(j.Program, err); err != nil {
				return nil, err
			}
			continue
		}
		j.Result, progs[j.at] = res, res.Prog
		for k := range res.Prog.Insts {
			j.Code = append(j.Code, res.Prog.Insts[k].String())
		}
		r.add(res)
		walked += res.PerSecond * res.SearchSeconds
		search += res.SearchSeconds
	}
	if search > 0 {
		r.PerSecond = walked / search
	}
	return progs, nil
}

// add adds a function's result to the sums.
func (r *Report) add(res *superopt.Result) {
	r.Before += res.Before
	r.After += res.After
	r.CostBefore += res.CostBefore
	r.CostAfter += res.CostAfter
	r.LatBefore += res.LatBefore
	r.LatAfter += res.LatAfter
	r.Proposals += res.Proposals
	r.Proved += res.Proved
	r.Refuted += res.Refuted
	r.Unknown += res.Unknown
	r.Faults += res.Faults
	for _, h := range res.RuleHits {
		r.RuleHits += h.Hits
	}
	r.RulesFound += len(res.RulesFound)
}
