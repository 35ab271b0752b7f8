package ladder

import (
	"context"
	"fmt"

	"jitnic/superopt"
	"jitnic/superopt/format"
)

// Rung is one program.
type Rung struct {
	Name string
	Prog *superopt.Prog
	Want int // slots it should come down to under the cost "count"; 0: not said
}

// Rungs are the built-in ones, in order: the optimiser's own steps, then more.
func Rungs() ([]*Rung, error) {
	var out []*Rung
	for _, s := range append(superopt.Ladder[:len(superopt.Ladder):len(superopt.Ladder)], more...) {
		var maps, desc []byte
		if s.Maps != "" {
			maps = []byte(s.Maps)
		}
		if s.Desc != "" {
			desc = []byte(s.Desc)
		}
		f, err := format.Parse(s.Name+".k2", []byte(s.Code), maps, desc)
		if err != nil {
			return nil, err
		}
		p, err := f.Prog()
		if err != nil {
			return nil, fmt.Errorf("%s: %w", s.Name, err)
		}
		out = append(out, &Rung{s.Name, p, s.Want})
	}
	return out, nil
}

// Row is what became of a rung.
type Row struct {
	Name string `json:"name"`
	Want int    `json:"want,omitempty"`
	*superopt.Result
}

// Reached says whether the rung is as short as it should be.
func (r *Row) Reached() bool { return r.Want == 0 || r.After <= r.Want }

// Run optimises the rungs in order; done, where not nil, is given each row as
// it is made. An interrupt ends it with the rows so far.
func Run(ctx context.Context, rungs []*Rung, opt *superopt.Options, done func(*Row)) ([]*Row, error) {
	var rows []*Row
	for _, g := range rungs {
		if ctx.Err() != nil {
			return rows, ctx.Err()
		}
		o := *opt
		r, err := superopt.Optimize(ctx, g.Prog, &o)
		if err != nil {
			return rows, fmt.Errorf("%s: %w", g.Name, err)
		}
		row := &Row{g.Name, g.Want, r}
		rows = append(rows, row)
		if done != nil {
			done(row)
		}
	}
	return rows, nil
}
