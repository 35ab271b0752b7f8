package rewrite

import (
	"jitnic/superopt/internal/dataflow"
	"jitnic/superopt/internal/ir"
	"jitnic/superopt/internal/proof"
)

// LineProved says whether q does what the line's program does. wants is which
// registers q reads after its instruction i.
func (o *Gate) LineProved(l *proof.Line, q *ir.Prog, wants func(i int) uint16) bool {
	v := o.Prover.Rewritten(l, q, wants)
	if _, ok := v.(proof.Proved); !ok {
		if o.log != nil {
			o.log("straight: %+v", v)
		}
		return false
	}
	if why := o.unsafeLine(q); why != "" {
		if o.log != nil {
			o.log("straight: proved, but %s", why)
		}
		return false
	}
	return true
}

// unsafeLine is Unsafe of straight code.
func (o *Gate) unsafeLine(q *ir.Prog) string {
	if why := o.malformed(q, 0, len(q.Insts)); why != "" {
		return why
	}
	for _, p := range dataflow.Line(q).Problems {
		if !o.Bad[p.Kind()] {
			return p.String()
		}
	}
	return ""
}

// TakeLine is LineProved, and takes q where it costs no more.
func (o *Gate) TakeLine(l *proof.Line, q *ir.Prog, wants func(i int) uint16) bool {
	st := o.Stats.Pass("straight")
	st.Proposed++
	before, after := o.Cost(o.Prog), o.Cost(q)
	if after > before || !o.InWindows(q) {
		return true // nothing is gained by asking
	}
	if !o.LineProved(l, q, wants) {
		return false
	}
	st.Accepted++
	if after < before {
		st.Better++
	}
	o.Prog = q
	return true
}
