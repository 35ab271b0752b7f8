package jit

import (
	"fmt"

	"jitnic/host/vm"
	"jitnic/nic"
	"jitnic/pathcond"
	"jitnic/pathcond/tree"
	"jitnic/trace"
)

// MaxTables bounds the tables that paths may be cut into.
const MaxTables = 32

// segmented cuts the runtime's paths where Options.Cuts says: a tree for each
// table, and a device that walks through them.
func (r *Runtime) segmented() error {
	if len(r.opt.Cuts) >= MaxTables {
		return fmt.Errorf("segments: %d cuts: at most %d", len(r.opt.Cuts), MaxTables-1)
	}
	if err := r.Comp.SetCuts(r.Entry.Name, r.opt.Cuts); err != nil {
		return err
	}
	tables := []nic.Table{r.parts.first}
	for len(r.trees) < r.Comp.Tables() {
		t := tree.New(r.Comp.B, r.Tree.Env())
		table := r.parts.table(t)
		if r.prof != nil {
			table.Match = &sampler{table.Match, r.prof}
		}
		r.trees, tables = append(r.trees, t), append(tables, table)
	}
	r.NIC.Segment(tables, (*slowPath)(r))
	return nil
}

// Engine is what traces run on: native, go.
func (r *Runtime) Engine() string { return r.parts.is }

// treeOf is the tree that a path's condition stands in.
func (r *Runtime) treeOf(p *pathcond.Path) *tree.Tree { return r.trees[p.Table] }

// Tables are the guard trees, one for each table that segments stand in: where
// paths aren't cut, one.
func (r *Runtime) Tables() []*tree.Tree { return r.trees }

// Next is the table behind a segment; 0: it ends in a verdict.
func (h *slowPath) Next(p nic.Path) int { return h.info[p].Path.Next }

// Rest processes a packet wholly on the host of whose segments the first are known:
// what isn't known of the others is learnt from it.
func (h *slowPath) Rest(in *vm.Input, out *vm.Output, known []nic.Path, path nic.Path) ([]nic.Path, *trace.Abort) {
	r := (*Runtime)(h)
	dead, why := r.unlearnt(in, out, path)
	if why != nil {
		return nil, why
	}
	ways := known
	for i, p := range r.compile(in, out) {
		if i < len(known) {
			continue
		}
		if p.Abort != nil {
			if i > len(known) {
				dead = -1
			}
			return nil, r.bury(p, dead)
		}
		id, why := r.place(in, p, i == len(known))
		if why != nil {
			return nil, why
		}
		ways = append(ways, id)
	}
	return ways, nil
}

// place gives a segment its number: that of the one the table has, or a new one. Of
// one that no condition of the table held for (missed), the table can't have any.
func (r *Runtime) place(in *vm.Input, p *pathcond.Path, missed bool) (nic.Path, *trace.Abort) {
	id, ok := r.treeOf(p).Find(p)
	if !ok || id >= nic.Untraceable {
		return r.add(in, p)
	}
	if missed || !sameCond(r.info[id].Path, p) || r.info[id].Path.Next != p.Next {
		p.Abort = r.internal(fmt.Errorf("segment %d of table %d was met by a packet that its condition doesn't hold for", id, p.Table))
		r.noteOverlap(p.Abort, p)
		r.Aborts[p.Abort.Reason]++
		return nic.NoPath, p.Abort
	}
	return id, nil
}

// sameCond says whether two paths ask the same.
func sameCond(a, b *pathcond.Path) bool {
	if len(a.Cond) != len(b.Cond) {
		return false
	}
	for i := range a.Cond {
		if a.Cond[i].Term != b.Cond[i].Term || a.Cond[i].Want != b.Cond[i].Want {
			return false
		}
	}
	return true
}

func (r *Runtime) internal(err error) *trace.Abort {
	return &trace.Abort{Reason: trace.ReasonInternal, Program: r.Entry.Name, Detail: err.Error()}
}
