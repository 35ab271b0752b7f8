package superopt

import (
	"testing"

	"jitnic/host/ebpf"
)

// Each rule fires at least once, on an instance of its own left side.
func TestRulesFire(t *testing.T) {
	NeedZ3(t)
	for _, r := range Builtin {
		fired := false
		r.Instances(12, func(x *Instance) bool {
			o := firing(t, r, x)
			fired = passRules(o) && o.stats.pass("rule-"+r.Name).Accepted > 0
			return !fired
		})
		if !fired {
			t.Errorf("%s never fired", r.Line)
		}
	}
}

// firing sets the stage for an instance of r: a place where that is known and
// dead which must be, inside some program.
func firing(t *testing.T, r *Rule, x *Instance) *optimizer {
	t.Helper()
	p := &Prog{Name: r.Name, Kind: KindConst, Entry: []int32{0}, Insts: append([]Inst(nil), x.Code...)}
	p.Insts = append(p.Insts, movImm(0, 0), Inst{Insn: ebpf.Insn{Op: ebpf.OpExit}, To: -1, Slot: -1})
	o := Open(t, p)
	o.opt.Rules = []*Rule{r}
	n := len(x.Code)
	for i := range n {
		g := x.Before
		if i > 0 {
			g = o.a.in[i-1]
			o.p.step(i-1, &g, nil)
		}
		o.a.in[i] = g
		o.a.live[i].regs = 0x3ff
	}
	o.a.live[n-1].regs &^= x.Dead
	o.a.before[n] = o.a.live[n-1]
	return o
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
