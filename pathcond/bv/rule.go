package bv

// Rule is one rewriting of the simplifier. Its meaning is said twice: as a
// function of the term asked for, which is what runs, and as an equation, which
// is what is proved for all values; tests hold the two together.
//
// The equation is written in S-expressions. Sizes lists the widths and positions
// it is meant for: "w=1..64 n=1..w-1", "w=16,32,64" or, in steps of 8, "l=0..w-n:8". Vars gives each variable
// its width: a, b, c, … stand for any terms, i, j and k for constants. "s:w" is
// the number s of w bits, "ones:w" has all bits set; (min a), (max a) and
// (zeros a) are what is known of a whatever the inputs. The rule holds where
// When is 1. "op" stands for each of Ops.
type Rule struct {
	Name  string
	Ops   OpSet  // what is asked for
	On    OpSet  // operation of the first argument; none: any
	With  OpSet  // operation of the second argument; none: any
	Sizes string // widths it serves
	Vars  string
	From  string // the term asked for
	When  string // "": always
	To    string // the term made

	fire rewrite // gives 0 where the rule doesn't apply
}

// ask is a term asked for: op of x, y and z.
type ask struct {
	op      Op
	w       int // width of x
	n       int // width of the result, of what widens or cuts
	lo      int // lowest bit of an extract
	x, y, z Term
	k       uint64 // y's value, where it is a constant
}

// OpSet is a set of operations, one bit each.
type OpSet uint32

func opSet(ops ...Op) (s OpSet) {
	for _, o := range ops {
		s |= 1 << o
	}
	return s
}

// Has says whether the operation is in the set.
func (s OpSet) Has(o Op) bool { return s>>o&1 == 1 }

type rewrite func(b *Builder, q ask) Term

// index names, by what is asked for and the operations of the first and the
// second argument (OpInvalid where there is none), the list of the rules that
// could apply, in the order of the table.
var (
	index [opCount][opCount][opCount]uint16
	lists [][]rewrite
)

func init() {
	all := Rules()
	for op := range opCount {
		var rules []Rule
		for _, r := range all {
			if r.Ops.Has(op) {
				rules = append(rules, r)
			}
		}
		known := map[uint64]uint16{}
		for on := range opCount {
			for with := range opCount {
				index[op][on][with] = listOf(rules, on, with, known)
			}
		}
	}
}

// listOf numbers the list of those rules, at most 64, that could apply to
// arguments of the two operations. Equal lists share a number: known has it by
// the set of the rules.
func listOf(rules []Rule, on, with Op, known map[uint64]uint16) uint16 {
	var set uint64
	for i := range rules {
		if rules[i].On.Has(on) && rules[i].With.Has(with) {
			set |= 1 << i
		}
	}
	if id, ok := known[set]; ok {
		return id
	}
	var list []rewrite
	for i := range rules {
		if set>>i&1 == 1 {
			list = append(list, rules[i].fire)
		}
	}
	id := uint16(len(lists))
	known[set] = id
	lists = append(lists, list)
	return id
}

// Rules lists the simplifier's rules in the order they are tried; of a term the
// first that applies makes the answer.
func Rules() []Rule {
	var all []Rule
	for _, t := range [][]Rule{sumRules, productRules, bitRules, shiftRules, compareRules, equalRules, belowRules, shapeRules, cutRules} {
		all = append(all, t...)
	}
	for i := range all {
		if all[i].On == 0 {
			all[i].On = ^OpSet(0)
		}
		if all[i].With == 0 {
			all[i].With = ^OpSet(0)
		}
	}
	return all
}

// simpler is what the rules make of the term asked for, or 0.
func (b *Builder) simpler(q ask) Term {
	for _, f := range lists[index[q.op][b.nodes[q.x].op][b.nodes[q.y].op]] {
		if t := f(b, q); t != 0 {
			return t
		}
	}
	return 0
}
