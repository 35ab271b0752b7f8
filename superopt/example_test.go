package superopt

import (
	"context"
	"fmt"

	"jitnic/host/ebpf"
	"jitnic/superopt/internal/ir"
)

func ExampleOptimize() {
	in := []ebpf.Insn{
		{Op: ebpf.ClassALU64 | ebpf.ALUMov, Dst: 0, Imm: 1},             // r0 = 1
		{Op: ebpf.ClassALU64 | ebpf.ALUAdd | ebpf.SrcX, Dst: 0, Src: 0}, // r0 += r0
		{Op: ebpf.OpExit},
	}
	p, _ := ir.FromSlots("double", ir.KindConst, in, nil)
	r, _ := Optimize(context.Background(), p, nil)
	fmt.Print(r.Before, " -> ", r.After, "\n", r.Prog)
	// Output:
	// 3 -> 2
	//    0: r0 = 2
	//    1: exit
}
