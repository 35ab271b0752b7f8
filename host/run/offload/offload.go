package offload

import (
	"cmp"
	"context"
	"fmt"

	"jitnic/cache"
	"jitnic/host/run/replay"
	"jitnic/host/vm"
	"jitnic/nic/designs"
	"jitnic/nic/feasibility"
	"jitnic/nic/match"
	"jitnic/nic/price"
	"jitnic/nic/profile"
	"jitnic/nic/vliw"
	"jitnic/nic/workload"
)

// A Run is a program's run over captures, with all that studies of devices ask
// of it: the workload, what matching its conditions takes, and what the whole
// program costs on each device.
type Run struct {
	Session  *replay.Session
	Workload *workload.Workload
	Match    *match.Analysis
	Superopt *replay.Optimised // nil without an optimiser that is on

	whole wholePrograms
}

// Options say what is observed.
type Options struct {
	replay.Remedies                   // how traces are made
	Optimiser       *replay.Optimiser // nil: traces as recorded
	// Packets are those of the longest run that a study will make; 0: what
	// feasibility.Options' Packets then is. What hits often in it is hot.
	Packets int
	Caches  []cache.Config // that say into how many tables paths are cut, where Remedies leaves it to them; nil: some of usual sizes
}

// Observe runs the program over the captures once, for studies on these devices.
// An interrupt (ctx) ends the run early: Session.Partial is set then. A capture
// without packets is an error.
func Observe(ctx context.Context, in replay.Input, opt Options, nics ...*profile.NIC) (*Run, error) {
	r := &Run{whole: wholePrograms{nics: nics}}
	var err error
	if r.Workload, r.Session, r.Superopt, err = replay.Workload(ctx, in, opt.Remedies, opt.Optimiser, cmp.Or(opt.Packets, feasibility.LeastPackets), opt.Caches, r.whole.shape); err != nil {
		return nil, err
	}
	if err = r.whole.err; err == nil && len(r.Workload.Packets) == 0 {
		err = fmt.Errorf("%s: no packets", r.Workload.Capture)
	}
	if err == nil {
		r.Match, err = match.Analyse(r.Workload, match.Options{Queue: in.Queues > 1, Parser: true})
	}
	if err != nil {
		r.Close()
		return nil, err
	}
	return r, nil
}

// Close gives everything back.
func (r *Run) Close() { r.Session.Close() }

// Study asks whether the offload pays on one of the devices that the run was
// observed for, beside a host. What opt says of whole programs (Static, Program,
// Prefix) is filled in.
func (r *Run) Study(ctx context.Context, n *profile.NIC, host *profile.Host, opt feasibility.Options) (*feasibility.Study, error) {
	i := r.whole.index(n)
	if i < 0 {
		return nil, fmt.Errorf("%s: the run was not observed for this device", n.Name)
	}
	opt.Static, opt.Prefix = r.whole.sched[i], r.whole.prefix
	opt.Program = func(shape uint32) (uint32, bool) { return r.whole.cycles[i][shape], true }
	s, err := feasibility.Run(ctx, r.Workload, r.Match, r.Session.Runtime.Tables(), n, host, opt)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", n.Name, err)
	}
	return s, nil
}

// wholePrograms prices whole programs on each device while the capture runs.
type wholePrograms struct {
	nics   []*profile.NIC
	sched  []*vliw.ProgramSchedule // by device; nil before the first shape
	cycles [][]uint32              // by device, then shape
	prefix []uint32                // by shape
	err    error
}

func (p *wholePrograms) index(n *profile.NIC) int {
	for i, x := range p.nics {
		if x == n {
			return i
		}
	}
	return -1
}

// shape prices the first run of a shape.
func (p *wholePrograms) shape(s *replay.Session, id uint32, rec *vm.Recording) {
	if p.err != nil {
		return
	}
	if p.sched == nil {
		for _, n := range p.nics {
			x, err := vliw.Program(s.Obj, s.Entry, price.Machine(s.Runtime.Comp, n))
			if err != nil {
				p.err = err
				return
			}
			p.sched = append(p.sched, x)
		}
		p.cycles = make([][]uint32, len(p.nics))
	}
	for i, n := range p.nics {
		p.cycles[i] = append(p.cycles[i], p.sched[i].Cycles(rec.Steps)+uint32(n.Dispatch))
	}
	p.prefix = append(p.prefix, designs.Stateless(rec, s.Obj, s.Runtime.S))
}
