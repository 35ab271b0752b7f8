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
	var w strings.Builder
	// Functions applied to constants only become plain constants.
	var order []bv.Term
	seen := map[bv.Term]int{}
	var visit func(t bv.Term)
	visit = func(t bv.Term) {
		if _, ok := seen[t]; ok {
			return
		}
		seen[t] = -1
		for _, a := range b.Args(t) {
			visit(a)
		}
		seen[t] = len(order)
		order = append(order, t)
	}
	visit(t)
	constOnly := map[uint64]bool{}
	for _, t := range order {
		if b.Op(t) != bv.OpFun {
			continue
		}
		all := true
		for _, a := range b.Args(t) {
			if _, ok := b.IsConst(a); !ok {
				all = false
			}
		}
		if old, ok := constOnly[b.K(t)]; ok {
			all = all && old
		}
		constOnly[b.K(t)] = all
	}
	declared := map[string]bool{}
	name := func(t bv.Term) string { return fmt.Sprintf("n%d", seen[t]) }
	lit := func(v uint64, width int) string {
		if width%4 == 0 {
			return fmt.Sprintf("#x%0*x", width/4, v)
		}
		return fmt.Sprintf("#b%0*b", width, v)
	}
	ref := func(t bv.Term) string {
		if v, ok := b.IsConst(t); ok {
			return lit(v, b.Width(t))
		}
		if b.Op(t) == bv.OpInput {
			return fmt.Sprintf("i%x", b.K(t))
		}
		return name(t)
	}
	for _, t := range order {
		width := b.Width(t)
		args := b.Args(t)
		var body string
		two := func(op string) string { return fmt.Sprintf("(%s %s %s)", op, ref(args[0]), ref(args[1])) }
		pred := func(op string) string {
			return fmt.Sprintf("(ite (%s %s %s) #b1 #b0)", op, ref(args[0]), ref(args[1]))
		}
		if abstract && hard(b, t) {
			uf = true
			f := fmt.Sprintf("h%d_%d", b.Op(t), width)
			if !declared[f] {
				declared[f] = true
				fmt.Fprintf(&w, "(declare-fun %s ((_ BitVec %d) (_ BitVec %d)) (_ BitVec %d))\n", f, width, width, width)
			}
			fmt.Fprintf(&w, "(declare-const %s (_ BitVec %d))\n(assert (= %s %s))\n", name(t), width, name(t), two(f))
			continue
		}
		switch b.Op(t) {
		case bv.OpConst:
			continue
		case bv.OpInput:
			n := ref(t)
			fmt.Fprintf(&w, "(declare-const %s (_ BitVec %d))\n", n, width)
			inputs = append(inputs, smtInput{name: n, width: width, term: t})
			if lo, hi := b.Bounds(t); lo != 0 || hi != bv.Mask(width) {
				fmt.Fprintf(&w, "(assert (and (bvule %s %s) (bvule %s %s)))\n", lit(lo, width), n, n, lit(hi, width))
			}
			if z := b.Zeros(t); z != 0 {
				fmt.Fprintf(&w, "(assert (= (bvand %s %s) %s))\n", n, lit(z, width), lit(0, width))
			}
			continue
		case bv.OpFun:
			var f strings.Builder
			if constOnly[b.K(t)] {
				fmt.Fprintf(&f, "f%x", b.K(t))
				for _, a := range args {
					fmt.Fprintf(&f, "_%x", b.K(a))
				}
				if !declared[f.String()] {
					declared[f.String()] = true
					fmt.Fprintf(&w, "(declare-const %s (_ BitVec %d))\n", f.String(), width)
					inputs = append(inputs, smtInput{name: f.String(), width: width, term: t})
				}
				body = f.String()
			} else {
				uf = true
				fmt.Fprintf(&f, "f%x_%d", b.K(t), len(args))
				for _, a := range args { // one name for each signature
					fmt.Fprintf(&f, "_%d", b.Width(a))
				}
				if !declared[f.String()] {
					declared[f.String()] = true
					fmt.Fprintf(&w, "(declare-fun %s (", f.String())
					for _, a := range args {
						fmt.Fprintf(&w, "(_ BitVec %d)", b.Width(a))
					}
					fmt.Fprintf(&w, ") (_ BitVec %d))\n", width)
				}
				body = "(" + f.String()
				for _, a := range args {
					body += " " + ref(a)
				}
				body += ")"
				in := smtInput{name: name(t), width: width, term: t, app: true}
				for _, a := range args {
					in.args = append(in.args, ref(a))
				}
				inputs = append(inputs, in)
			}
		case bv.OpAdd:
			body = two("bvadd")
		case bv.OpSub:
			body = two("bvsub")
		case bv.OpMul:
			body = two("bvmul")
		case bv.OpUDiv:
			body = two("bvudiv")
		case bv.OpURem:
			body = two("bvurem")
		case bv.OpSDiv:
			body = two("bvsdiv")
		case bv.OpSRem:
			body = two("bvsrem")
		case bv.OpAnd:
			body = two("bvand")
		case bv.OpOr:
			body = two("bvor")
		case bv.OpXor:
			body = two("bvxor")
		case bv.OpShl:
			body = two("bvshl")
		case bv.OpLShr:
			body = two("bvlshr")
		case bv.OpAShr:
			body = two("bvashr")
		case bv.OpConcat:
			body = two("concat")
		case bv.OpNot:
			body = fmt.Sprintf("(bvnot %s)", ref(args[0]))
		case bv.OpBSwap:
			body = "(concat"
			for i := 0; i < width; i += 8 {
				body += fmt.Sprintf(" ((_ extract %d %d) %s)", i+7, i, ref(args[0]))
			}
			body += ")"
		case bv.OpExtract:
			body = fmt.Sprintf("((_ extract %d %d) %s)", int(b.K(t))+width-1, b.K(t), ref(args[0]))
		case bv.OpZExt:
			body = fmt.Sprintf("((_ zero_extend %d) %s)", width-b.Width(args[0]), ref(args[0]))
		case bv.OpSExt:
			body = fmt.Sprintf("((_ sign_extend %d) %s)", width-b.Width(args[0]), ref(args[0]))
		case bv.OpEq:
			body = pred("=")
		case bv.OpULt:
			body = pred("bvult")
		case bv.OpULe:
			body = pred("bvule")
		case bv.OpSLt:
			body = pred("bvslt")
		case bv.OpSLe:
			body = pred("bvsle")
		case bv.OpIte:
			body = fmt.Sprintf("(ite (= %s #b1) %s %s)", ref(args[0]), ref(args[1]), ref(args[2]))
		}
		fmt.Fprintf(&w, "(declare-const %s (_ BitVec %d))\n(assert (= %s %s))\n", name(t), width, name(t), body)
	}
	fmt.Fprintf(&w, "(assert (= %s #b1))\n", ref(t))
	return w.String(), inputs, uf
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
