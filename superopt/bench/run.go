package bench

import (
	"context"

	"jitnic/host/kernel/pair"
	"jitnic/superopt"
	"jitnic/superopt/kernelcheck"
)

// Row is one program's measurement.
type Row struct {
	Name     string           `json:"name"`
	Source   string           `json:"source,omitempty"`
	Skipped  string           `json:"skipped,omitempty"` // why nothing was measured
	Result   *superopt.Result `json:"result,omitempty"`
	K2Before int              `json:"k2_before,omitempty"`
	K2After  int              `json:"k2_after,omitempty"`
	K2Second float64          `json:"k2_seconds,omitempty"`
	// Comparable: the program has as many slots as K2's had.
	Comparable bool `json:"comparable"`
}

// Options of Run.
type Options struct {
	Opt    superopt.Options
	Dirs   []string // where programs are looked for, in order
	Kernel int      // packets to compare in the kernel, 0: none
	Only   map[string]bool
	// Done, where set, is given each row as it is made.
	Done func(*Row)
}

// Run optimises the programs in order, one after another. An interrupt ends it
// with the rows so far.
func Run(ctx context.Context, programs []Program, o *Options) ([]*Row, error) {
	var rows []*Row
	for i := range programs {
		p := &programs[i]
		if len(o.Only) > 0 && !o.Only[p.Name] {
			continue
		}
		if ctx.Err() != nil {
			return rows, ctx.Err()
		}
		row := &Row{Name: p.Name, K2Before: p.Before, K2After: p.Published(), K2Second: p.Seconds}
		rows = append(rows, row)
		prog, source, err := p.Load(o.Dirs...)
		row.Source = source
		if err != nil {
			row.Skipped = err.Error()
		} else {
			opt := o.Opt
			if row.Result, err = superopt.Optimize(ctx, prog, &opt); err != nil {
				return rows, err
			}
			row.Comparable = row.Result.Before == p.Before
			if o.Kernel > 0 {
				row.Result.Kernel = kernelcheck.Kernel(kernelcheck.Compare(ctx, prog, row.Result.Prog, pair.Options{Runs: o.Kernel, Seed: opt.Seed}))
			}
		}
		if o.Done != nil {
			o.Done(row)
		}
	}
	return rows, nil
}

// Ablation is one setting of the four accelerations of a proof, in the order
// of K2's Table 3: all on, then one after another off, each beside the ones
// before.
type Ablation struct {
	Name  string
	Accel superopt.Accel
}

// Ablations are the settings Ablate goes through.
var Ablations = []Ablation{
	{"all on", superopt.AllAccel()},
	{"without windows", superopt.Accel{Regions: true, Maps: true, Offsets: true}},
	{"and without maps", superopt.Accel{Regions: true, Offsets: true}},
	{"and without regions", superopt.Accel{Offsets: true}},
	{"all off", superopt.Accel{}},
}

// AblationRow is what the proofs of one program cost under one setting.
type AblationRow struct {
	Setting string `json:"setting"`
	*Row
}

// Ablate runs each program under each setting.
func Ablate(ctx context.Context, programs []Program, o *Options) ([]*AblationRow, error) {
	var out []*AblationRow
	for i := range programs {
		for _, a := range Ablations {
			q := *o
			q.Opt.Accel = &a.Accel
			q.Done = nil
			rows, err := Run(ctx, programs[i:i+1], &q)
			for _, r := range rows {
				row := &AblationRow{a.Name, r}
				out = append(out, row)
				if o.Done != nil {
					o.Done(r)
				}
			}
			if err != nil {
				return out, err
			}
			if len(rows) == 0 || rows[0].Skipped != "" {
				break
			}
		}
	}
	return out, nil
}
