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
	pr.RLimit = ruleBudget
	for _, r := range Builtin {
		if v := r.Prove(pr); !IsProved(v) {
			t.Errorf("%s\n  %+v", r.Line, v)
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

// Each rule fires at least once, on an instance of its own left side.
func TestRulesFire(t *testing.T) {
	needZ3(t)
	pr := NewProver(1)
	defer pr.Close()
	for _, r := range Builtin {
		fired := false
		r.instances(12, func(code []Inst, b *binding, f *facts) bool {
			o := firing(t, pr, r, code, b, f)
			o.opt.Rules = []*Rule{r}
			fired = passRules(o) && o.stats.pass("rule-"+r.Name).Accepted > 0
			return !fired
		})
		if !fired {
			t.Errorf("%s never fired", r.Line)
		}
	}
}

// firing sets the stage for code where what f says of its registers is known,
// and r's dead registers are dead.
func firing(t *testing.T, pr *Prover, r *Rule, code []Inst, b *binding, f *facts) *optimizer {
	t.Helper()
	p := &Prog{Name: r.Name, Kind: KindConst, Entry: []int32{0}, Insts: append([]Inst(nil), code...)}
	p.Insts = append(p.Insts, movImm(0, 0), Inst{Insn: ebpf.Insn{Op: ebpf.OpExit}, To: -1, Slot: -1})
	o := &optimizer{ctx: context.Background(), p: p, cost: CountCost, opt: &Options{}, banned: map[string]bool{}, bad: map[string]bool{}, stats: &Stats{}, pr: pr}
	o.a = analyse(p)
	o.a.liveness()
	o.free = true
	pointers := &ruleTask{r: r, regs: map[byte]uint8{}}
	for l := byte('a'); l <= 'j'; l++ {
		if b.has>>(l-'a')&1 != 0 {
			pointers.regs[l] = b.reg[l-'a']
		}
	}
	pointers.pointers()
	for i := range code { // facts and liveness of a place inside some program
		g := *f
		if i > 0 {
			g = o.a.in[i-1]
			p.step(i-1, &g, nil)
		} else {
			for k, is := range pointers.ptr {
				if is {
					g.r[k] = val{kind: kPkt, off: 1 << 16, rng: 1 << 20}
				}
			}
		}
		o.a.in[i] = g
		o.a.live[i].regs = 0x3ff
	}
	for _, d := range r.Dead {
		o.a.live[len(code)-1].regs &^= 1 << b.reg[d-'a']
	}
	o.a.before[len(code)] = o.a.live[len(code)-1]
	for _, x := range analyse(p).problems {
		o.bad[problemText(x)] = true
	}
	return o
}

func TestRuleErrors(t *testing.T) {
	for _, bad := range []string{"noname", "x: add64 a, 1", "x: add65 a, 1 => nothing", "x: add64 z, 1 => nothing", "x: add64 a, 1 => add64 a, 1; add64 a, 2", "x: add64 a, I => nothing if I ~ 3", "x: add64 a, I+1 => nothing", "x: add64 a, 1 => mov64 a, I", "x: add64 a, 1 => mov64 a, b", "x: st64 [a, 1 => nothing", "x: ldx8 a, [b+I => nothing", "x: mov64 a, ((1 => nothing", "x: mov64 a, 1 => nothing dead q", "x: mov64 a, 1 => nothing if b <= 3", "x y: mov64 a, 1 => nothing"} {
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
