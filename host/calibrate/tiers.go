package calibrate

import (
	"context"
	"fmt"
	"math"
	"time"

	"jitnic/pathcond"

	"golang.org/x/sys/unix"
)

// A Tiered optimiser makes the trace of a path cheaper, at tier 1 or 2, and says
// what that took in units of counted work. It is timed.
type Tiered func(ctx context.Context, p *pathcond.Path, c *pathcond.Compiler, tier int) (units uint64, err error)

// What tiers times: of each sample so many paths whose traces have so many slots at
// least (a trace of two slots takes no work, and an optimiser made ready all the
// same), tier 1 so many times, of which the shortest counts.
const (
	tierSlots  = 10
	tier1Paths = 16
	tier1Times = 3
)

// tiers times a unit of the optimiser's counted work, by tier: the device model
// has compilers take so long for so many.
func tiers(b *bench) error {
	if b.opt.Tiered == nil {
		return nil
	}
	all, err := samples(b.ctx, tier1Paths, b.opt.Seed)
	if err != nil {
		return err
	}
	began := time.Now()
	left := 0
	var per [3][]float64
	for _, s := range all {
		r, err := runtimeOf(s)
		if err != nil {
			return err
		}
		searched := 0
		for i, p := range r.Paths() {
			if p.Path.Trace.Len() < tierSlots {
				continue
			}
			b.progress(fmt.Sprintf("units of work: %s, path %d", s.name, i))
			t, err := b.unit(p.Path, r.Comp, 1, tier1Times)
			if err == nil {
				per[1] = append(per[1], t)
				switch {
				case searched == max(1, b.opt.OptimisePaths):
				case time.Since(began) > optimiseAll:
					left++
				default:
					searched++
					if t, err = b.unit(p.Path, r.Comp, 2, 1); err == nil {
						per[2] = append(per[2], t)
					}
				}
			}
			if err != nil {
				r.Close()
				return err
			}
		}
		r.Close()
	}
	for tier, what := range []struct{ name, work string }{1: {"unit", "instructions followed, and a question"}, 2: {"search", "proposals tried, nearly all of it"}} {
		if len(per[tier]) == 0 {
			continue
		}
		f := of(per[tier])
		f.Group, f.Name, f.Ops = "compile", what.name, 1
		f.Note = fmt.Sprintf("a unit of tier %d's counted work (%s): median over %d paths of the samples", tier, what.work, len(per[tier]))
		if tier == 2 && left > 0 {
			f.Note += fmt.Sprintf(", %d more not begun after %v", left, optimiseAll)
		}
		b.note(f)
	}
	return nil
}

// busy is how long cores have worked for this process, in ns: others that have the
// machine don't count, as they do in a time of day.
func busy() int64 {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_PROCESS_CPUTIME_ID, &t); err != nil {
		panic(err) // unreachable: Linux has this clock
	}
	return t.Nano()
}

// unit is what a unit takes in ns, on one path.
func (b *bench) unit(p *pathcond.Path, c *pathcond.Compiler, tier, times int) (float64, error) {
	least := math.Inf(1)
	for range times {
		start := busy()
		units, err := b.opt.Tiered(b.ctx, p, c, tier)
		t := busy() - start
		if err == nil {
			err = b.ctx.Err()
		}
		if err != nil {
			return 0, err
		}
		least = min(least, float64(t)/float64(max(1, units)))
	}
	return least, nil
}
