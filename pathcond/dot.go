package pathcond

import (
	"bufio"
	"fmt"
	"io"
	"strings"
)

// Sizes of what Dot writes.
const (
	dotLabel   = 160  // characters of a predicate; the rest is cut
	dotContext = 2000 // nodes up to which predicates are named by what leads to them
)

// Dot writes the tree as a graph for graphviz: a box for each predicate in
// header-field words, solid edges where it holds and dashed ones where it
// doesn't, and an ellipse for each path, labelled by leaf. c is the compiler
// whose conditions the tree holds.
func (t *Tree) Dot(w io.Writer, c *Compiler, leaf func(id int32) string) error {
	out := bufio.NewWriter(w)
	fmt.Fprint(out, "digraph guards {\n\tnode [shape=box, fontname=\"monospace\", fontsize=10];\n\tedge [fontname=\"monospace\", fontsize=9];\n")
	seen := map[int32]bool{}
	name := func(r ref) string {
		if r.isLeaf() {
			return fmt.Sprintf("p%d", r.path())
		}
		return fmt.Sprintf("n%d", int32(r))
	}
	var walk func(r ref, context []Pred)
	walk = func(r ref, context []Pred) {
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
		p := Pred{Term: term, Want: true}
		if len(t.nodes) > dotContext {
			context = nil
		}
		// The predicate first, then what its names stand for: the cut takes those.
		ls := c.lines(c.layoutOf(context), []Pred{p}, false)
		words := strings.Join(append(ls[len(ls)-1:], ls[:len(ls)-1]...), "; ")
		if cut := []rune(words); len(cut) > dotLabel {
			words = string(cut[:dotLabel]) + "…"
		}
		fmt.Fprintf(out, "\t%s [label=%s];\n", name(r), quoteDot(words))
		for _, v := range []bool{true, false} {
			to := *t.child(int32(r), v)
			if to == none {
				continue
			}
			style := ""
			if !v {
				style = ", style=dashed"
			}
			fmt.Fprintf(out, "\t%s -> %s [label=%s%s];\n", name(r), name(to), quoteDot(pick(v, "yes", "no")), style)
			walk(to, append(context[:len(context):len(context)], Pred{Term: term, Want: v}))
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
