package superopt

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"jitnic/host/ebpf"
	"jitnic/superopt/z3"
)

// Each rule that ships is proved.
func TestRulesProved(t *testing.T) {
	needZ3(t)
	pr := NewProver(1)
	defer pr.Close()
	for _, r := range Builtin {
		if v, ok := r.Prove(pr).(z3.Proved); !ok {
			t.Errorf("%s\n  %+v", r.Line, r.Prove(pr))
		} else {
			_ = v
		}
	}
}

// Bad twins: a rule that is wrong is refuted, with its counterexample.
func TestBadRulesRefuted(t *testing.T) {
	needZ3(t)
	bad, err := ParseRules("twin-sign: lsh64 a, 32; arsh64 a, 32 => mov32 a, a\ntwin-shift: lsh64 a, I; rsh64 a, J => mov64 a, a if I == J, 1 <= I\n")
	if err != nil {
		t.Fatal(err)
	}
	pr := NewProver(1)
	defer pr.Close()
	for _, r := range bad {
		v, ok := r.Prove(pr).(z3.Refuted)
		if !ok || len(v.Counterexample) == 0 {
			t.Errorf("%s: %+v, want refuted with a counterexample", r.Line, r.Prove(pr))
		}
	}
}

// Each rule fires at least once, on its own left side.
func TestRulesFire(t *testing.T) {
	needZ3(t)
	pr := NewProver(1)
	defer pr.Close()
	fires := func(r *Rule) bool {
		for _, i := range []int64{0, 1, 3, 8, 32, 48, 56, 255} {
			for _, j := range []int64{0, 1, 3, 8, 32, 48, 56, 255} {
				b := &binding{map[byte]uint8{'a': 0, 'b': 1}, map[string]int64{"I": i, "J": j}}
				p := &Prog{Name: r.Name, Kind: KindConst, Entry: []int32{0}}
				for _, x := range r.Old {
					in := Inst{Insn: ebpf.Insn{Op: x.op, Dst: b.reg[x.dst]}, To: -1, Slot: -1}
					if x.x {
						in.Src = b.reg[x.src]
					} else {
						v, _ := b.eval(x.imm)
						in.Imm = int32(v)
					}
					p.Insts = append(p.Insts, in)
				}
				if _, ok := r.match(p.Insts); !ok {
					continue
				}
				p.Insts = append([]Inst{movReg(0, 1)}, p.Insts...)
				p.Insts = append(p.Insts, Inst{Insn: ebpf.Insn{Op: ebpf.OpExit}, To: -1, Slot: -1})
				o := &optimizer{ctx: context.Background(), p: p, cost: CountCost, opt: &Options{}, banned: map[string]bool{}, bad: map[string]bool{}, stats: &Stats{}, pr: pr}
				o.refresh()
				if passRules(o) {
					return true
				}
			}
		}
		return false
	}
	for _, r := range Builtin {
		if !fires(r) {
			t.Errorf("%s never fired", r.Line)
		}
	}
}

func TestRuleErrors(t *testing.T) {
	for _, bad := range []string{"noname", "x: add64 a, 1", "x: add65 a, 1 => nothing", "x: add64 z, 1 => nothing", "x: add64 a, 1 => add64 a, 1; add64 a, 2", "x: add64 a, I => nothing if I ~ 3"} {
		if _, err := ParseRules(bad); err == nil || !strings.HasPrefix(err.Error(), "line 1: ") {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

func TestPassOrder(t *testing.T) {
	at := map[string]int{}
	for i, p := range passTable {
		if _, dup := at[p.name]; dup {
			t.Errorf("pass %s twice", p.name)
		}
		at[p.name] = i
	}
	for _, c := range passOrder {
		x, ok1 := at[c.before]
		y, ok2 := at[c.after]
		if !ok1 || !ok2 || x >= y {
			t.Errorf("%s must come before %s: %s", c.before, c.after, c.why)
		}
	}
}

func ExampleOptimize() {
	in := []ebpf.Insn{
		{Op: ebpf.ClassALU64 | ebpf.ALUMov, Dst: 0, Imm: 1},             // r0 = 1
		{Op: ebpf.ClassALU64 | ebpf.ALUAdd | ebpf.SrcX, Dst: 0, Src: 0}, // r0 += r0
		{Op: ebpf.OpExit},
	}
	p, _ := FromSlots("double", KindConst, in, nil)
	r, _ := Optimize(context.Background(), p, nil)
	fmt.Print(r.Before, " -> ", r.After, "\n", r.Prog)
	// Output:
	// 3 -> 2
	//    0: r0 = 2
	//    1: exit
}
