package bvtest

import (
	"fmt"
	"strings"

	"jitnic/pathcond/bv"
)

// SMT is the question, in SMT-LIB 2, whether the equation fails for some values
// at these sizes: unsat is the proof. What is known of a variable (its bounds
// and bits that are 0) are variables themselves, true of it and else free.
func (e *Equation) SMT(s Sizes, op bv.Op) string {
	w := &strings.Builder{}
	q := smt{s: s, op: op, width: map[string]int{}}
	for _, v := range e.Vars {
		n := v.Width(s)
		q.width[v.Name] = n
		for _, suffix := range []string{"", "-min", "-max", "-zeros"} {
			fmt.Fprintf(w, "(declare-const %s%s (_ BitVec %d))\n", v.Name, suffix, n)
		}
		fmt.Fprintf(w, "(assert (and (bvule %[1]s-min %[1]s) (bvule %[1]s %[1]s-max) (= (bvand %[1]s %[1]s-zeros) %[2]s)))\n", v.Name, number(0, n))
	}
	if e.When != nil {
		text, _ := q.expr(e.When)
		fmt.Fprintf(w, "(assert (= %s #b1))\n", text)
	}
	from, n := q.expr(e.From)
	to, m := q.expr(e.To)
	if n != m {
		panic(fmt.Sprintf("rule %s: %d bits made of %d", e.Rule.Name, m, n))
	}
	fmt.Fprintf(w, "(assert (not (= %s %s)))\n", from, to)
	return w.String()
}

type smt struct {
	s     Sizes
	op    bv.Op
	width map[string]int
}

func number(k uint64, width int) string { return fmt.Sprintf("(_ bv%d %d)", k, width) }

var smtNames = map[bv.Op]string{bv.OpAdd: "bvadd", bv.OpSub: "bvsub", bv.OpMul: "bvmul", bv.OpUDiv: "bvudiv", bv.OpURem: "bvurem",
	bv.OpSDiv: "bvsdiv", bv.OpSRem: "bvsrem", bv.OpAnd: "bvand", bv.OpOr: "bvor", bv.OpXor: "bvxor", bv.OpShl: "bvshl",
	bv.OpLShr: "bvlshr", bv.OpAShr: "bvashr", bv.OpULt: "bvult", bv.OpULe: "bvule", bv.OpSLt: "bvslt", bv.OpSLe: "bvsle", bv.OpEq: "="}

// expr gives the expression and its width.
func (q *smt) expr(x *Expr) (text string, width int) {
	if x.head == "" {
		w := x.nums[1].at(q.s)
		if x.ones {
			return number(bv.Mask(w), w), w
		}
		return number(uint64(x.nums[0].at(q.s)), w), w
	}
	if len(x.args) == 0 {
		return x.head, q.width[x.head]
	}
	a, n := q.expr(x.args[0])
	switch x.head {
	case "min", "max", "zeros":
		return a + "-" + x.head, n
	case "not":
		return "(bvnot " + a + ")", n
	case "bswap":
		parts := ""
		for lo := 0; lo < n; lo += 8 {
			parts += fmt.Sprintf(" ((_ extract %d %d) %s)", lo+7, lo, a)
		}
		if n == 8 {
			return a, n
		}
		return "(concat" + parts + ")", n
	case "extract":
		lo, w := x.nums[0].at(q.s), x.nums[1].at(q.s)
		return fmt.Sprintf("((_ extract %d %d) %s)", lo+w-1, lo, a), w
	case "zext", "sext":
		w := x.nums[0].at(q.s)
		name := map[string]string{"zext": "zero_extend", "sext": "sign_extend"}[x.head]
		return fmt.Sprintf("((_ %s %d) %s)", name, w-n, a), w
	}
	c, m := q.expr(x.args[1])
	switch x.head {
	case "concat":
		return "(concat " + a + " " + c + ")", n + m
	case "ite":
		d, _ := q.expr(x.args[2])
		return "(ite (= " + a + " #b1) " + c + " " + d + ")", m
	}
	op := x.op(q.op)
	text = "(" + smtNames[op] + " " + a + " " + c + ")"
	if op >= bv.OpEq {
		return "(ite " + text + " #b1 #b0)", 1
	}
	return text, n
}
