package proof

import (
	"fmt"
	"strings"

	"jitnic/pathcond/bv"
)

// smtText prints the assertion "t is 1" as SMT-LIB 2: a constant and an
// equation for each node, one assert. (define-fun would say the same, but
// libz3 4.8.12 takes seconds to expand what it parses in milliseconds so.) The same terms give the same
// text, so the text is the verdict cache's key. inputs lists what a model has
// to be asked for.
//
// abstract makes functions nothing is known of from products and quotients of
// variables: what is unsatisfiable so is so in truth, and found in no time.
func smtText(b *bv.Builder, t bv.Term, abstract bool) (text string, inputs []smtInput, uf bool) {
	w := &smtWriter{b: b, abstract: abstract, number: map[bv.Term]int{}, declared: map[string]bool{}}
	w.visit(t)
	w.functions()
	for _, t := range w.order {
		w.node(t)
	}
	fmt.Fprintf(&w.out, "(assert (= %s #b1))\n", w.ref(t))
	return w.out.String(), w.inputs, w.uf
}

// smtWriter is a text on its way.
type smtWriter struct {
	b        *bv.Builder
	abstract bool
	out      strings.Builder
	order    []bv.Term // all nodes, arguments first
	number   map[bv.Term]int
	// constOnly: functions that are applied to constants only, and become plain
	// constants.
	constOnly map[uint64]bool
	declared  map[string]bool
	inputs    []smtInput
	uf        bool
}

func (w *smtWriter) visit(t bv.Term) {
	if _, ok := w.number[t]; ok {
		return
	}
	w.number[t] = -1
	for _, a := range w.b.Args(t) {
		w.visit(a)
	}
	w.number[t] = len(w.order)
	w.order = append(w.order, t)
}

// functions finds which are applied to constants only.
func (w *smtWriter) functions() {
	w.constOnly = map[uint64]bool{}
	for _, t := range w.order {
		if w.b.Op(t) != bv.OpFun {
			continue
		}
		all := true
		for _, a := range w.b.Args(t) {
			if _, ok := w.b.IsConst(a); !ok {
				all = false
			}
		}
		if old, ok := w.constOnly[w.b.K(t)]; ok {
			all = all && old
		}
		w.constOnly[w.b.K(t)] = all
	}
}

func smtLiteral(v uint64, width int) string {
	if width%4 == 0 {
		return fmt.Sprintf("#x%0*x", width/4, v)
	}
	return fmt.Sprintf("#b%0*b", width, v)
}

func (w *smtWriter) name(t bv.Term) string { return fmt.Sprintf("n%d", w.number[t]) }

// ref is how other nodes speak of t.
func (w *smtWriter) ref(t bv.Term) string {
	if v, ok := w.b.IsConst(t); ok {
		return smtLiteral(v, w.b.Width(t))
	}
	if w.b.Op(t) == bv.OpInput {
		return fmt.Sprintf("i%x", w.b.K(t))
	}
	return w.name(t)
}

// first says whether a name is new.
func (w *smtWriter) first(name string) bool {
	old := w.declared[name]
	w.declared[name] = true
	return !old
}

// node writes the constant and the equation of t.
func (w *smtWriter) node(t bv.Term) {
	width := w.b.Width(t)
	var body string
	switch op := w.b.Op(t); {
	case w.abstract && hard(w.b, t):
		w.uf = true
		f := fmt.Sprintf("h%d_%d", op, width)
		if w.first(f) {
			fmt.Fprintf(&w.out, "(declare-fun %s ((_ BitVec %d) (_ BitVec %d)) (_ BitVec %d))\n", f, width, width, width)
		}
		body = w.two(f, t)
	case op == bv.OpConst:
		return
	case op == bv.OpInput:
		w.input(t)
		return
	case op == bv.OpFun && w.constOnly[w.b.K(t)]:
		body = w.constant(t)
	case op == bv.OpFun:
		body = w.function(t)
	default:
		body = w.operation(op, t)
	}
	fmt.Fprintf(&w.out, "(declare-const %s (_ BitVec %d))\n(assert (= %s %s))\n", w.name(t), width, w.name(t), body)
}

// input declares an input with what is known of it.
func (w *smtWriter) input(t bv.Term) {
	n, width := w.ref(t), w.b.Width(t)
	fmt.Fprintf(&w.out, "(declare-const %s (_ BitVec %d))\n", n, width)
	w.inputs = append(w.inputs, smtInput{name: n, width: width, term: t})
	if lo, hi := w.b.Bounds(t); lo != 0 || hi != bv.Mask(width) {
		fmt.Fprintf(&w.out, "(assert (and (bvule %s %s) (bvule %s %s)))\n", smtLiteral(lo, width), n, n, smtLiteral(hi, width))
	}
	if z := w.b.Zeros(t); z != 0 {
		fmt.Fprintf(&w.out, "(assert (= (bvand %s %s) %s))\n", n, smtLiteral(z, width), smtLiteral(0, width))
	}
}

// constant is a function of constants.
func (w *smtWriter) constant(t bv.Term) string {
	f := fmt.Sprintf("f%x", w.b.K(t))
	for _, a := range w.b.Args(t) {
		f += fmt.Sprintf("_%x", w.b.K(a))
	}
	if w.first(f) {
		fmt.Fprintf(&w.out, "(declare-const %s (_ BitVec %d))\n", f, w.b.Width(t))
		w.inputs = append(w.inputs, smtInput{name: f, width: w.b.Width(t), term: t})
	}
	return f
}

// function is an application of a function of which nothing is known.
func (w *smtWriter) function(t bv.Term) string {
	args, width := w.b.Args(t), w.b.Width(t)
	w.uf = true
	f := fmt.Sprintf("f%x_%d", w.b.K(t), len(args))
	for _, a := range args { // one name for each signature
		f += fmt.Sprintf("_%d", w.b.Width(a))
	}
	if w.first(f) {
		fmt.Fprintf(&w.out, "(declare-fun %s (", f)
		for _, a := range args {
			fmt.Fprintf(&w.out, "(_ BitVec %d)", w.b.Width(a))
		}
		fmt.Fprintf(&w.out, ") (_ BitVec %d))\n", width)
	}
	in := smtInput{name: w.name(t), width: width, term: t, app: true}
	body := "(" + f
	for _, a := range args {
		body += " " + w.ref(a)
		in.args = append(in.args, w.ref(a))
	}
	w.inputs = append(w.inputs, in)
	return body + ")"
}

// smtOps are operations of two arguments; smtRelations give a truth, which is a
// bit here.
var (
	smtOps = map[bv.Op]string{
		bv.OpAdd: "bvadd", bv.OpSub: "bvsub", bv.OpMul: "bvmul", bv.OpUDiv: "bvudiv", bv.OpURem: "bvurem", bv.OpSDiv: "bvsdiv",
		bv.OpSRem: "bvsrem", bv.OpAnd: "bvand", bv.OpOr: "bvor", bv.OpXor: "bvxor", bv.OpShl: "bvshl", bv.OpLShr: "bvlshr",
		bv.OpAShr: "bvashr", bv.OpConcat: "concat",
	}
	smtRelations = map[bv.Op]string{bv.OpEq: "=", bv.OpULt: "bvult", bv.OpULe: "bvule", bv.OpSLt: "bvslt", bv.OpSLe: "bvsle"}
)

func (w *smtWriter) two(op string, t bv.Term) string {
	args := w.b.Args(t)
	return fmt.Sprintf("(%s %s %s)", op, w.ref(args[0]), w.ref(args[1]))
}

func (w *smtWriter) operation(op bv.Op, t bv.Term) string {
	if name, ok := smtOps[op]; ok {
		return w.two(name, t)
	}
	if name, ok := smtRelations[op]; ok {
		return "(ite " + w.two(name, t) + " #b1 #b0)"
	}
	args, width := w.b.Args(t), w.b.Width(t)
	x := w.ref(args[0])
	switch op {
	case bv.OpNot:
		return fmt.Sprintf("(bvnot %s)", x)
	case bv.OpBSwap:
		body := "(concat"
		for i := 0; i < width; i += 8 {
			body += fmt.Sprintf(" ((_ extract %d %d) %s)", i+7, i, x)
		}
		return body + ")"
	case bv.OpExtract:
		return fmt.Sprintf("((_ extract %d %d) %s)", int(w.b.K(t))+width-1, w.b.K(t), x)
	case bv.OpZExt:
		return fmt.Sprintf("((_ zero_extend %d) %s)", width-w.b.Width(args[0]), x)
	case bv.OpSExt:
		return fmt.Sprintf("((_ sign_extend %d) %s)", width-w.b.Width(args[0]), x)
	case bv.OpIte:
		return fmt.Sprintf("(ite (= %s #b1) %s %s)", x, w.ref(args[1]), w.ref(args[2]))
	}
	return ""
}

// hard: an operation that costs the solver dearly, as its circuit is large.
func hard(b *bv.Builder, t bv.Term) bool {
	a := b.Args(t)
	constant := func(x bv.Term) bool { _, ok := b.IsConst(x); return ok }
	switch b.Op(t) {
	case bv.OpMul:
		return b.Width(t) > 16 && !constant(a[0]) && !constant(a[1])
	case bv.OpUDiv, bv.OpURem, bv.OpSDiv, bv.OpSRem:
		return b.Width(t) > 16
	}
	return false
}

// anyHard says whether t holds such an operation.
func anyHard(b *bv.Builder, t bv.Term) bool {
	seen := map[bv.Term]bool{}
	var walk func(t bv.Term) bool
	walk = func(t bv.Term) bool {
		if seen[t] {
			return false
		}
		seen[t] = true
		if hard(b, t) {
			return true
		}
		for _, a := range b.Args(t) {
			if walk(a) {
				return true
			}
		}
		return false
	}
	return walk(t)
}

// smtInput is what a model has to be asked for: an input, or a function's
// value where it was applied, with the names of its arguments.
type smtInput struct {
	name  string
	width int
	term  bv.Term
	app   bool
	args  []string
}
