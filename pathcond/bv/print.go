package bv

import (
	"fmt"
	"strings"
)

// String gives the term as an S-expression: inputs as in0, functions as
// (fun1 args). Shared parts are written out each time.
func (b *Builder) String(t Term) string {
	var sb strings.Builder
	b.write(&sb, t)
	return sb.String()
}

func (b *Builder) write(sb *strings.Builder, t Term) {
	n := &b.nodes[t]
	switch n.op {
	case OpInvalid:
		sb.WriteString("?")
		return
	case OpConst:
		fmt.Fprintf(sb, "%#x", n.k)
		return
	case OpInput:
		fmt.Fprintf(sb, "in%d", n.k)
		return
	case OpFun:
		fmt.Fprintf(sb, "(fun%d", n.k)
	case OpExtract:
		fmt.Fprintf(sb, "(extract %d %d", n.k, n.width)
	case OpZExt, OpSExt:
		fmt.Fprintf(sb, "(%v %d", n.op, n.width)
	default:
		fmt.Fprintf(sb, "(%v", n.op)
	}
	for _, a := range b.Args(t) {
		sb.WriteByte(' ')
		b.write(sb, a)
	}
	sb.WriteByte(')')
}
