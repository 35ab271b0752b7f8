package passes

import (
	"testing"

	"jitnic/host/ebpf"
	"jitnic/superopt/internal/dataflow"
	"jitnic/superopt/internal/ir"
	"jitnic/superopt/internal/rewrite"
	"jitnic/superopt/internal/rewrite/rewritetest"
	"jitnic/superopt/internal/rules"
	"jitnic/superopt/internal/superopttest"
)

// Each rule fires at least once, on an instance of its own left side.
func TestRulesFire(t *testing.T) {
	superopttest.NeedZ3(t)
	for _, r := range rules.Builtin() {
		fired := false
		r.Instances(12, func(x *rules.Instance) bool {
			o := firing(t, r, x)
			fired = passRules(o) && o.Stats.Pass("rule-"+r.Name).Accepted > 0
			return !fired
		})
		if !fired {
			t.Errorf("%s never fired", r.Line)
		}
	}
}

// firing sets the stage for an instance of r: a place where that is known and
// dead which must be, inside some program.
func firing(t *testing.T, r *rules.Rule, x *rules.Instance) *rewrite.Gate {
	t.Helper()
	p := &ir.Prog{Name: r.Name, Kind: ir.KindConst, Entry: []int32{0}, Insts: append([]ir.Inst(nil), x.Code...)}
	p.Insts = append(p.Insts, ir.MovImm(0, 0), ir.Inst{Insn: ebpf.Insn{Op: ebpf.OpExit}, To: -1, Slot: -1})
	o := rewritetest.Open(t, p)
	o.Options.Rules = []*rules.Rule{r}
	n := len(x.Code)
	for i := range n {
		g := x.Before
		if i > 0 {
			g = *o.Known.In[i-1]
			dataflow.Step(o.Prog, i-1, &g, nil)
		}
		o.Known.In[i] = &g
		o.Known.Live[i].Regs = 0x3ff
	}
	o.Known.Live[n-1].Regs &^= x.Dead
	o.Known.Before[n] = o.Known.Live[n-1]
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
