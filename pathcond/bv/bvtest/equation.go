// Package bvtest reads the equations of the simplifier's rules, for the tests
// that hold them: as terms, which shows that a rule does what its equation says,
// and as SMT-LIB, which shows that the equation is true.
package bvtest

import (
	"fmt"
	"strconv"
	"strings"

	"jitnic/pathcond/bv"
)

// Equation is a rule's equation, read.
type Equation struct {
	Rule     bv.Rule
	From, To *Expr
	When     *Expr // nil: always
	Vars     []Var
	dims     []dim
}

// Var is a variable of an equation.
type Var struct {
	Name  string
	Const bool // stands for constants only
	width natural
}

// Width is the variable's width in bits.
func (v Var) Width(s Sizes) int { return v.width.at(s) }

// Sizes gives the widths and positions of an equation their values.
type Sizes map[string]int

// Expr is a term of an equation: a variable, a number, or an operation.
type Expr struct {
	head string    // operation, or the name of a variable; "" for a number
	nums []natural // widths and positions of the operation; a number's value and width
	ones bool      // the number has all bits set
	args []*Expr
}

// natural is a sum of widths, positions and numbers, each added or taken away.
type natural []struct {
	minus bool
	name  string
	k     int
}

func (n natural) at(s Sizes) (sum int) {
	for _, t := range n {
		v := t.k
		if t.name != "" {
			v = s[t.name]
		}
		if t.minus {
			v = -v
		}
		sum += v
	}
	return sum
}

// dim is what Sizes says of one name: a list, or a range in steps.
type dim struct {
	name   string
	list   []natural
	lo, hi natural
	step   int
}

// Read reads the equation of a rule.
func Read(r bv.Rule) (e *Equation, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("rule %s: %v", r.Name, p)
		}
	}()
	e = &Equation{Rule: r, From: readExpr(r.From), To: readExpr(r.To)}
	if r.When != "" {
		e.When = readExpr(r.When)
	}
	for _, f := range strings.Fields(r.Vars) {
		name, w, _ := strings.Cut(f, ":")
		e.Vars = append(e.Vars, Var{Name: name, Const: strings.Contains("ijk", name), width: readNatural(w)})
	}
	for _, f := range strings.Fields(r.Sizes) {
		name, v, _ := strings.Cut(f, "=")
		d := dim{name: name, step: 1}
		if lo, hi, ok := strings.Cut(v, ".."); ok {
			hi, step, ok := strings.Cut(hi, ":")
			if ok {
				d.step = readNatural(step).at(nil)
			}
			d.lo, d.hi = readNatural(lo), readNatural(hi)
		} else {
			for _, k := range strings.Split(v, ",") {
				d.list = append(d.list, readNatural(k))
			}
		}
		e.dims = append(e.dims, d)
	}
	return e, nil
}

func readNatural(s string) (n natural) {
	for s != "" {
		minus := s[0] == '-'
		s = strings.TrimLeft(s, "+-")
		i := strings.IndexAny(s, "+-")
		if i < 0 {
			i = len(s)
		}
		w := s[:i]
		s = s[i:]
		k, err := strconv.Atoi(w)
		if err != nil {
			k = 0
		} else {
			w = ""
		}
		n = append(n, struct {
			minus bool
			name  string
			k     int
		}{minus, w, k})
	}
	return n
}

// naturals is how many numbers stand between an operation and its arguments.
var naturals = map[string]int{"extract": 2, "zext": 1, "sext": 1}

func readExpr(text string) *Expr {
	toks := strings.Fields(strings.NewReplacer("(", " ( ", ")", " ) ").Replace(text))
	pos := 0
	var read func() *Expr
	read = func() *Expr {
		t := toks[pos]
		pos++
		if t != "(" {
			if v, w, ok := strings.Cut(t, ":"); ok {
				return &Expr{ones: v == "ones", nums: []natural{readNatural(v), readNatural(w)}}
			}
			return &Expr{head: t}
		}
		x := &Expr{head: toks[pos]}
		pos++
		for range naturals[x.head] {
			x.nums = append(x.nums, readNatural(toks[pos]))
			pos++
		}
		for toks[pos] != ")" {
			x.args = append(x.args, read())
		}
		pos++
		return x
	}
	x := read()
	if pos != len(toks) {
		panic(fmt.Sprintf("%q: %q left over", text, toks[pos:]))
	}
	return x
}

// Each calls f with sizes the rule serves. pick chooses from a list of values of
// one name; all of them where it is nil.
func (e *Equation) Each(pick func(values []int) []int, f func(Sizes)) {
	s := Sizes{}
	var walk func(d []dim)
	walk = func(d []dim) {
		if len(d) == 0 {
			f(s)
			return
		}
		values := d[0].values(s)
		if pick != nil && len(values) > 0 {
			values = pick(values)
		}
		for _, v := range values {
			s[d[0].name] = v
			walk(d[1:])
		}
		delete(s, d[0].name)
	}
	walk(e.dims)
}

func (d dim) values(s Sizes) (out []int) {
	for _, n := range d.list {
		out = append(out, n.at(s))
	}
	if d.list == nil {
		for v := d.lo.at(s); v <= d.hi.at(s); v += d.step {
			out = append(out, v)
		}
	}
	return out
}

// Ops lists the operations the rule is asked for; "op" stands for each.
func (e *Equation) Ops() (out []bv.Op) {
	for o := bv.OpInvalid; o.String() != fmt.Sprintf("op%d", uint8(o)); o++ {
		if e.Rule.Ops.Has(o) {
			out = append(out, o)
		}
	}
	return out
}
