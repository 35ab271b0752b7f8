package comparecmd

import (
	"cmp"
	"fmt"
	"slices"

	"jitnic/host/run/jit"
	"jitnic/pathcond"
	"jitnic/pathcond/text"
)

// mostPaths is how many paths stand in the tree and the list of conditions: the
// most popular ones. A page of more is not read by anyone.
const mostPaths = 300

// A PathRow is a path and its condition.
type PathRow struct {
	Path         int      `json:"path"` // number in the stream; -1: it can't be a trace
	Packets      uint64   `json:"packets"`
	Instructions int      `json:"instructions,omitempty"` // of the trace as installed
	Slots        uint32   `json:"slots,omitempty"`
	Abort        string   `json:"abort,omitempty"` // why it can't be a trace
	Condition    []string `json:"condition"`       // one predicate each
	At           []string `json:"condition_at"`    // where the program asks it: source lines, else function and instruction
	path         *pathcond.Path
}

// A Node is one stretch of the trace tree: predicates that all paths below have
// in common.
type Node struct {
	Predicates []string `json:"predicates,omitempty"`
	At         []string `json:"predicates_at,omitempty"` // where the program asks them: source lines, else function and instruction
	Packets    uint64   `json:"packets"`
	Paths      int      `json:"paths"`
	Path       *int     `json:"path,omitempty"` // of a leaf, as in PathRow
	Abort      string   `json:"abort,omitempty"`
	Slots      uint32   `json:"slots,omitempty"`
	Children   []Node   `json:"children,omitempty"` // most packets first
}

// conditions lists the paths, most packets first, and the tree they form: paths
// of one program agree on their next predicate as long as they have agreed.
func conditions(rt *jit.Runtime) ([]PathRow, []Node) {
	var rows []PathRow
	for i, p := range rt.Paths() {
		slots, _ := rt.Price(int32(i))
		rows = append(rows, PathRow{Path: i, Packets: p.Packets, Instructions: p.Trace.Len(), Slots: slots, path: p.Path})
	}
	for _, d := range rt.Dead() {
		r := PathRow{Path: -1, Packets: d.Packets, path: d.Path}
		if d.Abort != nil {
			r.Abort = d.Abort.Reason.String()
		}
		if r.path == nil {
			continue // it was given up before it had a condition
		}
		rows = append(rows, r)
	}
	slices.SortStableFunc(rows, func(a, b PathRow) int { return cmp.Compare(b.Packets, a.Packets) })
	if len(rows) > mostPaths {
		rows = rows[:mostPaths]
	}
	all := make([]int, len(rows))
	for i := range rows {
		r := &rows[i]
		all[i] = i
		voice := text.In(rt.Comp, r.path.Cond)
		for _, p := range r.path.Cond {
			r.Condition = append(r.Condition, voice.Line(p))
			r.At = append(r.At, rt.Comp.Obj.Programs[p.Prog].Place(int(p.PC)))
		}
	}
	return rows, grow(rows, all, 0)
}

// grow makes the nodes of the paths in which, which agree on their first depth
// predicates.
func grow(rows []PathRow, which []int, depth int) []Node {
	var order []pathcond.Pred
	groups := map[pathcond.Pred][]int{}
	var out []Node
	for _, i := range which {
		c := rows[i].path.Cond
		if depth == len(c) {
			n := Node{Packets: rows[i].Packets, Paths: 1, Path: &rows[i].Path, Abort: rows[i].Abort, Slots: rows[i].Slots}
			out = append(out, n)
			continue
		}
		key := pathcond.Pred{Term: c[depth].Term, Want: c[depth].Want}
		if groups[key] == nil {
			order = append(order, key)
		}
		groups[key] = append(groups[key], i)
	}
	for _, key := range order {
		g := groups[key]
		to := depth + 1
		for same(rows, g, to) {
			to++
		}
		n := Node{Predicates: rows[g[0]].Condition[depth:to], At: rows[g[0]].At[depth:to], Paths: len(g)}
		for _, i := range g {
			n.Packets += rows[i].Packets
		}
		n.Children = grow(rows, g, to)
		if len(n.Children) == 1 && n.Children[0].Predicates == nil {
			leaf := n.Children[0]
			n.Path, n.Abort, n.Slots, n.Children = leaf.Path, leaf.Abort, leaf.Slots, nil
		}
		out = append(out, n)
	}
	slices.SortStableFunc(out, func(a, b Node) int { return cmp.Compare(b.Packets, a.Packets) })
	return out
}

// same reports whether the paths all have a predicate number depth, the same.
func same(rows []PathRow, which []int, depth int) bool {
	first := rows[which[0]].path.Cond
	if depth >= len(first) {
		return false
	}
	for _, i := range which {
		c := rows[i].path.Cond
		if depth >= len(c) || c[depth].Term != first[depth].Term || c[depth].Want != first[depth].Want {
			return false
		}
	}
	return true
}

// title is the one line of a node.
func (n *Node) title() string {
	s := fmt.Sprintf("%d paths", n.Paths)
	if n.Path != nil {
		s = fmt.Sprintf("path %d", *n.Path)
		if n.Abort != "" {
			s = "no trace: " + n.Abort
		}
	}
	return s
}
