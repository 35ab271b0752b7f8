package pair

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"

	"jitnic/host/diff"
	"jitnic/host/kernel"
	"jitnic/host/vm"
)

// Two originals may agree by chance in what they don't decide: the context lies at
// one of 64 places on the kernel's stack, and a program may put a few bits of that
// into a key. So where the result differs, the original runs again and again from the
// same beginning; where it differs from itself nothing can be asked of the result.

// again is how many times: a chance of one half is less than one in a thousand then.
const again = 10

// difference is one that was found: in a run, or in a map after all of them.
type difference struct {
	run  int // or -1
	in   int // the map
	what string
	out  vm.Output // the original's
}

type differences struct{ all []difference }

func (d *differences) add(o *Outcome, x difference) {
	d.all = append(d.all, x)
	o.Differences++
	if o.Reason == "" {
		o.Reason = x.what
	}
}

// run adds a difference of a run, with what the original has done.
func (d *differences) run(o *Outcome, run int, what string, input []byte, out *vm.Output) {
	what = fmt.Sprintf("run %d: %s", run, what)
	if input != nil {
		what += fmt.Sprintf(" (packet %x)", input)
	}
	kept := *out
	kept.Data, kept.Meta = bytes.Clone(out.Data), bytes.Clone(out.Meta)
	d.add(o, difference{run: run, what: what, out: kept})
}

// again runs the original of a again, and takes differences away in which it isn't
// like itself.
func (d *differences) again(ctx context.Context, o *Outcome, a *side, opt Options, load func() (*side, error)) error {
	for range again {
		if len(d.all) == 0 {
			break
		}
		c, err := load()
		if err != nil {
			return err
		}
		err = d.once(ctx, o, a, c, opt)
		c.close()
		if err != nil {
			return err
		}
	}
	o.Differences, o.Reason = len(d.all), ""
	if len(d.all) > 0 {
		o.Reason = d.all[0].what
	}
	return nil
}

// once compares with one more original, c.
func (d *differences) once(ctx context.Context, o *Outcome, a, c *side, opt Options) error {
	rng := rand.New(rand.NewPCG(opt.Seed, 9))
	if opt.Fill == nil {
		fill(rng, c.maps)
	} else if err := opt.Fill(c.maps); err != nil {
		return err
	}
	at := 0 // of the runs that differ; those of maps come behind them
	var kept []difference
	for i := range opt.Runs {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := c.maps.Latch(latched(opt.Seed, i)); err != nil {
			return err
		}
		out, err := oneRun(a.prog.Type, rng).on(c.prog)
		out.Err = err
		if at == len(d.all) || d.all[at].run != i {
			continue
		}
		if err == nil && diff.Outputs(&d.all[at].out, &out) == nil {
			kept = append(kept, d.all[at])
		} else {
			o.Unsteady++
			o.Runs--
		}
		at++
	}
	for _, x := range d.all[at:] {
		steady, err := kernel.SameEntries(ctx, a.maps.Map(x.in), c.maps.Map(x.in))
		if err != nil {
			return err
		}
		if steady == "" {
			kept = append(kept, x)
		} else {
			o.Maps--
		}
	}
	d.all = kept
	return nil
}
