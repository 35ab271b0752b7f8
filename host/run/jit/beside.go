package jit

import (
	"jitnic/nic"
	"jitnic/pathcond"
	"jitnic/pathcond/tree"
)

// beside makes the paths of a run in another way too, from the same recordings:
// which of its paths would be one then. Nothing of it is installed.
type beside struct {
	r     *Runtime
	how   Remedies
	tree  *tree.Tree
	paths []*pathcond.Path
	of    []int32 // by path of the run: the path it is in the other way; -1: not known
	now   int32   // that of the packet at hand
}

// mostBeside bounds the paths that are made beside: each takes some milliseconds.
const mostBeside = 256

func newBeside(r *Runtime, how Remedies) *beside {
	return &beside{r: r, how: how, tree: tree.New(r.Comp.B, &pathcond.Env{S: r.S, Versions: r.Comp.Versions})}
}

// before looks at a packet that has begun and is about to be recorded.
func (b *beside) before() {
	if b != nil {
		b.now = b.tree.Match()
	}
}

// learn takes the run just recorded, which became a path.
func (b *beside) learn(id nic.Path, length int) {
	if b == nil {
		return
	}
	for int(id) >= len(b.of) {
		b.of = append(b.of, -1)
	}
	if b.now < 0 && len(b.paths) < mostBeside {
		p := b.r.Comp.Otherwise(b.how.Merge, b.how.Predicate, &b.r.rec, length)
		if at := int32(len(b.paths)); p.Abort == nil && b.tree.Insert(p, at) == nil {
			b.now = at
			b.paths = append(b.paths, p)
		}
	}
	b.of[id] = b.now
}

// Beside tells, by path, which path it would be in the way of Options.Beside (-1: not
// known), and those paths.
func (r *Runtime) Beside() (of []int32, paths []*pathcond.Path) {
	if r.beside == nil {
		return nil, nil
	}
	return r.beside.of, r.beside.paths
}
