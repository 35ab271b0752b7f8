package jit

import (
	"slices"

	"jitnic/host/vm"
	"jitnic/nic"
	"jitnic/pathcond"
	"jitnic/trace"
)

// PathInfo is what is known of one path.
type PathInfo struct {
	Path    *pathcond.Path
	Trace   *trace.Trace // what is installed: optimised, if there is an optimiser
	Before  int          // instructions before optimisation
	Packets uint64       // as of the call of Paths
	Misses  uint64
	First   uint64 // packet number of its discovery
	Frame   uint64 // that packet in its capture File; 0: First + 1 of the only one
	File    string
	Swap    *Swap  // of Trace into the place of tier 1's; nil: there was none
	ready   bool   // Trace has been asked for
	slots   uint32 // instructions and predicates
	gone    bool   // its condition can never hold again
}

// Swap is when the better trace of a path took the place of another.
type Swap struct {
	Hits uint64 // of the path before it
	From int    // instructions of the other
}

// DeadPath is a path that can't be a trace.
type DeadPath struct {
	Abort   *trace.Abort
	Path    *pathcond.Path // nil: no longer in the tree
	Packets uint64
}

// Paths gives what is known of each path, by number.
func (r *Runtime) Paths() []*PathInfo {
	for p, i := range r.info {
		i.Packets = i.Misses
		if p < len(r.NIC.Hits) {
			i.Packets += r.NIC.Hits[p]
		}
	}
	return r.info
}

// Dead gives the paths that can't be traces.
func (r *Runtime) Dead() []*DeadPath { return r.dead }

// Leaf tells what a leaf of the guard tree stands for: the number of a path
// that has a trace, or of one that can't be one (dead).
func Leaf(id int32) (number int, dead bool) {
	if id >= nic.Untraceable {
		return int(id - nic.Untraceable), true
	}
	return int(id), false
}

// learn makes a path of the run just recorded. dead is the number of the path
// that can't be a trace which the packet matched, or -1.
func (r *Runtime) learn(in *vm.Input, out *vm.Output, dead nic.Path) (nic.Path, *trace.Abort) {
	p := r.compile(in, out)[0]
	if p.Abort != nil {
		return nic.NoPath, r.bury(p, dead)
	}
	id, why := r.add(in, p)
	if why == nil && r.opt.Learnt != nil {
		r.opt.Learnt(id, &r.rec)
	}
	return id, why
}

// add gives a path that the tree doesn't have its number.
func (r *Runtime) add(in *vm.Input, p *pathcond.Path) (nic.Path, *trace.Abort) {
	id := nic.Path(len(r.info))
	var route uint64
	replaces := false
	if r.spec != nil {
		if k, way, ok := r.spec.number(p); ok {
			id, route, replaces = k, way, true
		}
	}
	if err := r.treeOf(p).Insert(p, id); err != nil {
		p.Abort = r.internal(err)
		r.noteOverlap(err, p)
		r.Aborts[p.Abort.Reason]++
		return nic.NoPath, p.Abort
	}
	info := &PathInfo{Path: p, Trace: p.Trace, Before: p.Trace.Len(), First: in.Packet, Frame: in.Frame, File: in.File,
		slots: Slots(p, p.Trace)}
	if replaces {
		old := r.info[id]
		info.Misses, info.First, info.Frame, info.File = old.Misses, old.First, old.Frame, old.File
		r.spec.take(id, route, old.Path)
		r.info[id] = info
		r.NIC.Forget(id)
	} else {
		r.info = append(r.info, info)
	}
	r.beside.learn(id, len(in.Data))
	if r.spec != nil {
		r.spec.add(id, p)
	}
	return id, nil
}

// compile makes a path of the run just recorded, or its segments; again where it
// turned out that the program writes a map whose entries were folded.
func (r *Runtime) compile(in *vm.Input, out *vm.Output) []*pathcond.Path {
	for {
		p := r.Comp.Segments(&r.rec, len(in.Data), out.Err)
		flipped := r.Comp.Flipped()
		if len(flipped) == 0 || r.spec == nil {
			return p
		}
		for _, m := range flipped {
			err := r.spec.written(m)
			if err == nil && r.prof != nil {
				err = r.prof.written(m)
			}
			if err == nil && (r.opt.Merge || r.opt.Predicate > 0) {
				err = r.anew()
			}
			if err != nil {
				p[0].Abort = r.internal(err)
				return p[:1]
			}
		}
	}
}

// anew drops all paths: a branch was left where a look-up in its ways might have been
// folded, which the paths to come take together with its other side.
func (r *Runtime) anew() error {
	var all []nic.Path
	for i := range r.info {
		all = append(all, nic.Path(i))
	}
	for n := range r.dead {
		r.exhume(nic.Path(n))
	}
	return r.drop(all, false)
}

// bury keeps a path that can't be a trace, in the place of the dead one its
// packet matched, and puts it under a penalty.
func (r *Runtime) bury(p *pathcond.Path, dead nic.Path) *trace.Abort {
	r.Aborts[p.Abort.Reason]++
	if dead < 0 && len(r.trees) > 1 { // a segment may be known where the one before it isn't
		if id, ok := r.treeOf(p).Find(p); ok && id >= nic.Untraceable {
			dead = id - nic.Untraceable
			r.exhume(dead)
		}
	}
	if dead < 0 {
		dead = nic.Path(len(r.dead))
		r.dead = append(r.dead, &DeadPath{})
	}
	d := r.dead[dead]
	d.Abort, d.Path = p.Abort, p
	d.Packets++
	r.blacklist.Fail(uint64(dead), r.Packets)
	if err := r.treeOf(p).Insert(p, nic.Untraceable+dead); err != nil {
		r.noteOverlap(err, p)
	}
	return p.Abort
}

// exhume takes a path that can't be a trace out of the tree, if it is there.
func (r *Runtime) exhume(dead nic.Path) {
	if d := r.dead[dead]; d.Path != nil {
		r.treeOf(d.Path).Remove(d.Path, nic.Untraceable+dead)
		d.Path = nil
	}
}

// overlap is the evidence of two conditions that hold together.
type overlap struct {
	err  error
	cond []pathcond.Pred
}

// noteOverlap keeps the evidence of the first condition that overlaps another.
func (r *Runtime) noteOverlap(err error, p *pathcond.Path) {
	if r.Collision == 0 {
		r.overlap = overlap{err, p.Cond}
	}
	r.Collision++
}

// drop takes paths out of the tree and the device. An error is a trace that
// can't be bound, which an invalidation never asks for.
func (r *Runtime) drop(paths []nic.Path, during bool) error {
	for _, p := range paths {
		i := r.info[p]
		if i.gone {
			continue
		}
		i.gone = true
		for _, f := range r.onInvalidate {
			f(p, during)
		}
		r.treeOf(i.Path).Remove(i.Path, p)
		if err := r.NIC.Invalidate(p); err != nil {
			return err
		}
	}
	return nil
}

// dropDead takes the paths that can't be traces out of the tree where they
// depend on such a version counter.
func (r *Runtime) dropDead(of func(counter int) bool) {
	for i, d := range r.dead {
		if d.Path != nil && (slices.ContainsFunc(d.Path.Watched, of) || slices.ContainsFunc(d.Path.Plain, of)) {
			r.exhume(nic.Path(i))
		}
	}
}

func (r *Runtime) ended(p nic.Path) bool            { return r.info[p].gone }
func (r *Runtime) pathOf(p nic.Path) *pathcond.Path { return r.info[p].Path }
