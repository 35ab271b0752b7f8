package replay

import (
	"encoding/json"
	"sync"

	"jitnic/host/ebpf"
	"jitnic/host/maps"
	"jitnic/nic/profile"
	"jitnic/nic/vliw"
	"jitnic/superopt"
)

// NICCost prices code by the cycles it takes on a device's core: the length of
// its schedule. It may be asked by several chains of a search at once.
type NICCost struct {
	Name string // of the device
	Key  string // all that the cost follows from
	m    *vliw.Machine
	pool sync.Pool // of *nicPricer
}

type nicPricer struct {
	specs []*maps.Spec
	s     *vliw.Scheduler
	buf   []ebpf.Insn
}

// NewNICCost is the cost on the device of a profile, by name or file.
func NewNICCost(name string) (*NICCost, error) {
	n, err := profile.Load(name)
	if err != nil {
		return nil, err
	}
	key, err := json.Marshal(n)
	if err != nil {
		return nil, err
	}
	return &NICCost{Name: n.Name, Key: "nic " + string(key), m: vliw.MachineOf(n)}, nil
}

// Cycles is how long p takes from its first instruction to its last, branches
// not taken.
func (c *NICCost) Cycles(p *superopt.Prog) int {
	x, _ := c.pool.Get().(*nicPricer)
	if x == nil || !same(x.specs, p.Maps) {
		x = &nicPricer{specs: p.Maps, s: vliw.NewScheduler(c.m.For(p.Maps))}
	}
	x.buf = p.AppendSlots(x.buf[:0])
	n := x.s.Cost(x.buf)
	c.pool.Put(x)
	return n
}

func same(a, b []*maps.Spec) bool {
	return len(a) == len(b) && (len(a) == 0 || &a[0] == &b[0])
}

// Cost is a superopt.CostFunc: cycles, and of two programs of as many cycles
// the shorter is the cheaper.
func (c *NICCost) Cost(p *superopt.Prog) float64 {
	return float64(c.Cycles(p)) + float64(p.Slots())/(1<<16)
}
