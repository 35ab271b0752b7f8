package bv

// Fired says which rule answers for the term asked for, and what it makes of
// it: op of the arguments, of an extract n bits from bit lo up, of an extension
// n bits.
func Fired(b *Builder, op Op, lo, n int, args ...Term) (rule string, t Term) {
	q := ask{op: op, w: b.Width(args[0]), n: n, lo: lo, x: args[0]}
	if len(args) > 1 {
		q.y = args[1]
		q.k, _ = b.IsConst(q.y)
	}
	if len(args) > 2 {
		q.z = args[2]
	}
	if op == OpConcat {
		q.n = q.w + b.Width(q.y)
	}
	for _, r := range Rules() {
		if r.Ops.Has(op) && r.On.Has(b.Op(q.x)) && r.With.Has(b.Op(q.y)) {
			if t := r.fire(b, q); t != 0 {
				return r.Name, t
			}
		}
	}
	return "", 0
}
