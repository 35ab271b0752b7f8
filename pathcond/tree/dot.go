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

// Dot writes the tree as a graph for graphviz: a box for each predicate that tells
// paths apart, solid edges where it holds and dashed ones where it doesn't, and an
// ellipse for each path, labelled by leaf. Predicates that all paths below pass alike
// are folded into the edge that leads to them, as their number. words says a
// predicate, given those that lead to it; of a large tree, given none.
func (t *Tree) Dot(w io.Writer, words func(context []pathcond.Pred, p pathcond.Pred) string, leaf func(id int32) string) error {
	d := &drawing{t: t, out: bufio.NewWriter(w), words: words, leaf: leaf, seen: map[int32]bool{}}
	fmt.Fprint(d.out, "digraph guards {\n\tnode [shape=box, fontname=\"monospace\", fontsize=10];\n\tedge [fontname=\"monospace\", fontsize=9];\n")
	if root, passed, context := d.fork(t.root, nil); root != none {
		if passed > 0 {
			fmt.Fprintf(d.out, "\tpackets [shape=plaintext];\n\tpackets -> %s [label=%s];\n", d.name(root), quoteDot(checks(passed)))
		}
		d.walk(root, context)
	}
	fmt.Fprint(d.out, "}\n")
	return d.out.Flush()
}

// drawing is a tree while it is drawn.
type drawing struct {
	t     *Tree
	out   *bufio.Writer
	words func(context []pathcond.Pred, p pathcond.Pred) string
	leaf  func(id int32) string
	seen  map[int32]bool // paths that have their ellipse
}

func (d *drawing) name(r ref) string {
	if r.isLeaf() {
		return fmt.Sprintf("p%d", r.path())
	}
	return fmt.Sprintf("n%d", int32(r))
}

// fork goes down to the next node with two children, or to a leaf: how many it
// passes, and what then led there.
func (d *drawing) fork(r ref, context []pathcond.Pred) (ref, int, []pathcond.Pred) {
	passed := 0
	for r >= 0 {
		n := &d.t.nodes[r]
		if n.yes != none && n.no != none {
			break
		}
		context = d.led(context, r, n.yes != none)
		if n.yes != none {
			r = n.yes
		} else {
			r = n.no
		}
		passed++
	}
	return r, passed, context
}

// led is a context with one predicate more.
func (d *drawing) led(context []pathcond.Pred, r ref, holds bool) []pathcond.Pred {
	if len(d.t.nodes) > dotContext {
		return nil
	}
	return append(context[:len(context):len(context)], pathcond.Pred{Term: d.t.from[r].term, Want: holds})
}

// walk draws a fork, or a leaf, and what is below.
func (d *drawing) walk(r ref, context []pathcond.Pred) {
	if r.isLeaf() {
		if id := r.path(); !d.seen[id] {
			d.seen[id] = true
			fmt.Fprintf(d.out, "\t%s [shape=ellipse, label=%s];\n", d.name(r), quoteDot(d.leaf(id)))
		}
		return
	}
	label := d.words(context, pathcond.Pred{Term: d.t.from[r].term, Want: true})
	if cut := []rune(label); len(cut) > dotLabel {
		label = string(cut[:dotLabel]) + "…"
	}
	fmt.Fprintf(d.out, "\t%s [label=%s];\n", d.name(r), quoteDot(label))
	for _, holds := range []bool{true, false} {
		edge, style := "yes", ""
		if !holds {
			edge, style = "no", ", style=dashed"
		}
		to, passed, led := d.fork(*d.t.child(int32(r), holds), d.led(context, r, holds))
		if to == none {
			continue
		}
		if passed > 0 {
			edge += "\n" + checks(passed)
		}
		fmt.Fprintf(d.out, "\t%s -> %s [label=%s%s];\n", d.name(r), d.name(to), quoteDot(edge), style)
		d.walk(to, led)
	}
}

// checks says how many predicates an edge passes.
func checks(n int) string {
	if n == 1 {
		return "1 check"
	}
	return fmt.Sprintf("%d checks", n)
}

// quoteDot quotes a label; lines end left-justified.
func quoteDot(s string) string {
	s = strings.NewReplacer(`\`, `\\`, `"`, `\"`, "; ", `\l`, "\n", `\l`).Replace(s)
	return `"` + s + `"`
}
