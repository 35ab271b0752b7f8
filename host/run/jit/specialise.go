package jit

import (
	"slices"

	"jitnic/host/maps"
	"jitnic/host/vm"
	"jitnic/nic"
	"jitnic/pathcond"
	"jitnic/trace"

	"github.com/cilium/ebpf"
)

// specialisation keeps account of what specialised paths depend on: which path
// folded which map entry, guarded by the entry's version counter. A write to an
// entry ends the paths that folded it, as versions only grow. An entry that
// changes again and again is barred for a while (trace.Blacklist): paths made
// meanwhile read it as generic ones do.
type specialisation struct {
	s        *vm.State
	versions *pathcond.Versions
	from     dropper

	folded  map[int][]nic.Path // by version counter: paths that folded its entry
	generic map[int][]nic.Path // by version counter: paths that read its entry while it was barred
	changed []int              // counters that have grown since the last invalidation
	barred  trace.Blacklist    // by version counter

	// vacant has the numbers of ended paths, by the route to the look-up whose
	// entry changed (pathcond.Path.Ways): a path that takes the same route takes
	// such a number, so that the device sees one path whose trace was
	// invalidated, not an old and a new one.
	vacant map[uint64][]nic.Path
}

// dropper is where paths are dropped from.
type dropper interface {
	// drop takes paths out of tree and device. during says that a packet being
	// processed is the cause.
	drop(paths []nic.Path, during bool) error
	// dropDead takes out the paths that can't be traces and depend on such a
	// counter.
	dropDead(of func(counter int) bool)
	// ended says that the path's condition can never hold again.
	ended(p nic.Path) bool
	// pathOf is the path of that number.
	pathOf(p nic.Path) *pathcond.Path
}

func newSpecialisation(s *vm.State, v *pathcond.Versions, from dropper) *specialisation {
	sp := &specialisation{s: s, versions: v, from: from,
		folded: map[int][]nic.Path{}, generic: map[int][]nic.Path{}, vacant: map[uint64][]nic.Path{}}
	for i, m := range s.Maps { // changes that helpers or the control plane make
		if n, ok := m.(maps.Notifier); ok {
			n.OnWrite(func(key []byte) { sp.wrote(i, key) })
		}
	}
	return sp
}

// number is the vacant number a new path may take, and the route it was left on.
func (sp *specialisation) number(p *pathcond.Path) (id nic.Path, route uint64, ok bool) {
	for _, route := range p.Ways {
		if ids := sp.vacant[route]; len(ids) > 0 {
			return ids[0], route, true
		}
	}
	return 0, 0, false
}

// take gives a vacant number to another path than old.
func (sp *specialisation) take(id nic.Path, route uint64, old *pathcond.Path) {
	is := func(p nic.Path) bool { return p == id }
	for _, w := range old.Watched {
		sp.folded[w] = slices.DeleteFunc(sp.folded[w], is)
	}
	for _, w := range old.Plain {
		sp.generic[w] = slices.DeleteFunc(sp.generic[w], is)
	}
	if sp.vacant[route] = sp.vacant[route][1:]; len(sp.vacant[route]) == 0 {
		delete(sp.vacant, route)
	}
}

// add notes what a path depends on.
func (sp *specialisation) add(id nic.Path, p *pathcond.Path) {
	for _, w := range p.Watched {
		sp.folded[w] = append(sp.folded[w], id)
	}
	for _, w := range p.Plain {
		sp.generic[w] = append(sp.generic[w], id)
	}
}

// written takes a map out of specialisation: the program turned out to write it.
func (sp *specialisation) written(m int) error {
	for _, w := range sp.versions.WatchedOf(m) {
		for _, of := range []map[int][]nic.Path{sp.folded, sp.generic} {
			paths := of[w]
			delete(of, w)
			if err := sp.from.drop(paths, false); err != nil {
				return err
			}
		}
	}
	sp.from.dropDead(func(w int) bool {
		i, _ := sp.versions.Key(w)
		return i == m
	})
	return nil
}

// wrote counts up the versions that a write to a map's key touches.
func (sp *specialisation) wrote(m int, key []byte) {
	v := sp.versions
	if !v.Watching(m) {
		return
	}
	if sp.s.Maps[m].Spec().Type == ebpf.LPMTrie {
		// A prefix answers for all keys below it: every entry may have changed.
		for _, w := range v.WatchedOf(m) {
			v.Counter[w]++
			sp.changed = append(sp.changed, w)
		}
		return
	}
	for _, k := range [][]byte{key, nil} { // the entry, and that there is none
		if w := v.Wrote(m, k); w >= 0 {
			sp.changed = append(sp.changed, w)
		}
	}
}

// stored counts up the versions that the packet's stores through value pointers
// touch; helpers notify by themselves.
func (sp *specialisation) stored() {
	for _, w := range sp.s.Writes {
		if sp.s.WriteKey(w) != nil || w.Size == 0 {
			continue
		}
		m := int(w.Map)
		if !sp.versions.Watching(m) {
			continue
		}
		if o, ok := sp.s.Maps[m].(maps.Owner); ok {
			if key := o.KeyOf(w.Addr); key != nil {
				sp.wrote(m, key)
			}
		}
	}
}

// invalidate drops the paths whose entries have changed, at packet number now.
func (sp *specialisation) invalidate(now uint64, during bool) error {
	if len(sp.changed) == 0 {
		return nil
	}
	sp.from.dropDead(func(w int) bool { return slices.Contains(sp.changed, w) })
	for _, w := range sp.changed {
		paths := sp.folded[w]
		if len(paths) == 0 {
			continue
		}
		sp.barred.Fail(uint64(w), now)
		for _, p := range paths {
			if sp.from.ended(p) {
				continue
			}
			k := sp.from.pathOf(p)
			route := k.Ways[slices.Index(k.Watched, w)]
			sp.vacant[route] = append(sp.vacant[route], p)
		}
		delete(sp.folded, w)
		if err := sp.from.drop(paths, during); err != nil {
			return err
		}
	}
	sp.changed = sp.changed[:0]
	return nil
}

// isBarred says whether the entry behind a version counter has changed so often
// of late that folding it isn't worth a trace. Once its penalty is over, the
// paths made meanwhile make room for specialised ones.
func (sp *specialisation) isBarred(w int, now uint64) bool {
	if sp.barred.Barred(uint64(w), now) {
		return true
	}
	if paths := sp.generic[w]; len(paths) > 0 {
		sp.from.dropDead(func(v int) bool { return v == w })
		delete(sp.generic, w)
		if err := sp.from.drop(paths, false); err != nil {
			return true
		}
	}
	return false
}
