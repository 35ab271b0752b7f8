package ladder

import (
	"context"
	"embed"
	"fmt"
	"strings"

	"jitnic/superopt"
	"jitnic/superopt/format"
)

// Rung is one program.
type Rung struct {
	Name string
	Prog *superopt.Prog
	Want int // slots it should come down to under the cost "count"; 0: not said
}

//go:embed rungs
var files embed.FS

// Rungs are the built-in ones, from three instructions to programs like the
// kernel's samples, in the order of rungs/order.txt.
func Rungs() ([]*Rung, error) {
	order, err := files.ReadFile("rungs/order.txt")
	if err != nil {
		return nil, err
	}
	var out []*Rung
	for _, l := range strings.Split(strings.TrimSpace(string(order)), "\n") {
		if strings.HasPrefix(l, "#") {
			continue
		}
		g := &Rung{}
		if _, err := fmt.Sscan(l, &g.Name, &g.Want); err != nil {
			return nil, fmt.Errorf("rungs/order.txt: %q: want a name and a number", l)
		}
		if g.Prog, err = read(g.Name); err != nil {
			return nil, err
		}
		out = append(out, g)
	}
	return out, nil
}

// read gives the program of a rung; what K2 has beside it, maps and a
// description, need not be there.
func read(name string) (*superopt.Prog, error) {
	code, err := files.ReadFile("rungs/" + name + ".k2")
	if err != nil {
		return nil, err
	}
	maps, _ := files.ReadFile("rungs/" + name + ".maps")
	desc, _ := files.ReadFile("rungs/" + name + ".desc")
	f, err := format.Parse(name+".k2", code, maps, desc)
	if err != nil {
		return nil, err
	}
	return f.Prog()
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
