package tree

import (
	"bufio"
	"fmt"
	"io"
	"strings"

	"jitnic/pathcond"
)

// Sizes of what Dot writes.
const (
	dotLabel   = 160  // characters of a predicate; the rest is cut
	dotContext = 2000 // nodes up to which predicates are named by what leads to them
)

// Dot writes the tree as a graph for graphviz: a box for each predicate, solid edges where it holds and dashed ones where it
// doesn't, and an ellipse for each path, labelled by leaf. words prints a
// predicate, given those that lead to it; of a large tree, given none.
func (t *Tree) Dot(w io.Writer, words func(context []pathcond.Pred, p pathcond.Pred) string, leaf func(id int32) string) error {
	out := bufio.NewWriter(w)
	fmt.Fprint(out, "digraph guards {\n\tnode [shape=box, fontname=\"monospace\", fontsize=10];\n\tedge [fontname=\"monospace\", fontsize=9];\n")
	seen := map[int32]bool{}
	name := func(r ref) string {
		if r.isLeaf() {
			return fmt.Sprintf("p%d", r.path())
		}
		return fmt.Sprintf("n%d", int32(r))
	}
	var walk func(r ref, context []pathcond.Pred)
	walk = func(r ref, context []pathcond.Pred) {
		if r == none {
			return
		}
		if r.isLeaf() {
			if id := r.path(); !seen[id] {
				seen[id] = true
				fmt.Fprintf(out, "\t%s [shape=ellipse, label=%s];\n", name(r), quoteDot(leaf(id)))
			}
			return
		}
		term := t.from[r].term
		p := pathcond.Pred{Term: term, Want: true}
		if len(t.nodes) > dotContext {
			context = nil
		}
		label := words(context, p)
		if cut := []rune(label); len(cut) > dotLabel {
			label = string(cut[:dotLabel]) + "…"
		}
		fmt.Fprintf(out, "\t%s [label=%s];\n", name(r), quoteDot(label))
		for _, v := range []bool{true, false} {
			edge, style := "yes", ""
			if !v {
				edge, style = "no", ", style=dashed"
			}
			to := *t.child(int32(r), v)
			if to == none {
				continue
			}
			fmt.Fprintf(out, "\t%s -> %s [label=%s%s];\n", name(r), name(to), quoteDot(edge), style)
			walk(to, append(context[:len(context):len(context)], pathcond.Pred{Term: term, Want: v}))
		}
	}
	walk(t.root, nil)
	fmt.Fprint(out, "}\n")
	return out.Flush()
}

// quoteDot quotes a label; lines end left-justified.
func quoteDot(s string) string {
	s = strings.NewReplacer(`\`, `\\`, `"`, `\"`, "; ", `\l`, "\n", `\l`).Replace(s)
	return `"` + s + `"`
}
