package jit

import (
	"jitnic/host/vm"
	"jitnic/nic"
	"jitnic/pathcond"
	"jitnic/trace"
)

// slowPath is the host as the NIC sees it.
type slowPath Runtime

func (h *slowPath) Run(in *vm.Input, out *vm.Output, path nic.Path) (nic.Path, *trace.Abort) {
	r := (*Runtime)(h)
	if path >= 0 && path < nic.Untraceable {
		r.run(in, out)
		return path, nil
	}
	dead, why := r.unlearnt(in, out, path)
	if why != nil {
		return nic.NoPath, why
	}
	return r.learn(in, out, dead)
}

// unlearnt records a packet whose path isn't known, or can't be a trace as far as
// is known: its number among those is given, or -1. Where that is no use now, it
// says why, and the packet is run only.
func (r *Runtime) unlearnt(in *vm.Input, out *vm.Output, path nic.Path) (dead nic.Path, why *trace.Abort) {
	if r.S.Frags > 0 && !r.Entry.XDPFrags {
		r.run(in, out)
		r.Aborts[trace.ReasonFragments]++
		return -1, &trace.Abort{Reason: trace.ReasonFragments, Program: r.Entry.Name}
	}
	dead = path - nic.Untraceable
	if dead >= 0 {
		d := r.dead[dead]
		if r.blacklist.Barred(uint64(dead), r.Packets) {
			r.run(in, out)
			d.Packets++
			r.Aborts[d.Abort.Reason]++
			return dead, d.Abort
		}
		// The penalty is over: try it again as if it were new.
		r.exhume(dead)
	}
	r.Comp.Before()
	r.beside.before()
	r.it.RunRecorded(in, out, &r.rec)
	r.Recorded++
	return dead, nil
}

// Trace gives the code to install for a path.
func (h *slowPath) Trace(path nic.Path) (*trace.Trace, error) { return (*Runtime)(h).Trace(path) }

// Price is the entry's size in slots: the trace's instructions and one for
// each predicate; a miss costs what the interpreter would execute.
func (h *slowPath) Price(path nic.Path) (slots, cost uint32) { return (*Runtime)(h).Price(path) }

// run interprets a packet whose path is known; recorded where each is.
func (r *Runtime) run(in *vm.Input, out *vm.Output) {
	if r.opt.Record {
		r.it.RunRecorded(in, out, &r.rec)
		return
	}
	r.it.Run(in, out)
}

// Trace is the code to install for a path, optimised the first time it is asked
// for.
func (r *Runtime) Trace(path nic.Path) (*trace.Trace, error) {
	i := r.info[path]
	if !i.ready {
		if r.opt.Optimise != nil {
			t, err := r.opt.Optimise(i.Path, r.Comp)
			if err != nil {
				return nil, err
			}
			if i.Trace = t; r.opt.SizeInstalled {
				i.slots = Slots(i.Path, t)
			}
		}
		i.ready = true
	}
	return i.Trace, nil
}

// Slots are what a path's entry takes with that trace: its instructions and one for
// each predicate.
func Slots(p *pathcond.Path, t *trace.Trace) uint32 { return uint32(t.Len() + len(p.Cond)) }

// Price is the size of a path's entry in slots and what a miss of it costs, in
// interpreted instructions. Of what is about to be installed the trace is made
// first, where its size is asked for.
func (r *Runtime) Price(path nic.Path) (slots, cost uint32) {
	i := r.info[path]
	if r.opt.SizeInstalled && !i.ready && r.NIC.Cache.Sized() && r.NIC.Cache.Begins(uint32(path)) {
		r.Trace(path) // an error comes again where the trace is put in
	}
	return i.slots, uint32(i.Path.Trace.Raw)
}
