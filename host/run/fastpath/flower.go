package fastpath

import (
	"context"
	"fmt"

	"jitnic/host/vm"
	"jitnic/nic/flower"
)

// Offload is what a NIC that offloads flower rules could take.
type Offload struct {
	Rules   *flower.Rules
	Paths   int    // chosen paths that have a rule
	Packets uint64 // packets of the captures that a rule other than trap takes
	Differs string // the first packet of which a rule says another thing than the program; "": none
	actions map[flower.Action]uint32
}

// Flower makes rules of the chosen paths, and holds them against the program on
// every packet of the captures, by flower's semantics in Go.
func (p *Plan) Flower(ctx context.Context) (*Offload, error) {
	r := p.Session.Runtime
	var paths []flower.Path
	for _, x := range p.Paths {
		i := r.Paths()[x.ID]
		paths = append(paths, flower.Path{ID: x.ID, Path: i.Path, Trace: i.Path.Trace})
	}
	o := &Offload{Rules: flower.Of(r.Comp, paths), actions: map[flower.Action]uint32{flower.Drop: vm.XDPDrop, flower.Pass: vm.XDPPass, flower.Back: vm.XDPTx}}
	has := map[int32]bool{}
	for _, x := range o.Rules.List {
		if x.Path >= 0 {
			has[x.Path] = true
		}
	}
	o.Paths = len(has)
	it, err := p.Session.Machine(p.Session.Obj, p.Session.Entry)
	if err != nil {
		return nil, err
	}
	defer it.S.Close()
	var out vm.Output
	return o, p.each(ctx, func(pkt *vm.Input) error {
		rule := o.Rules.Take(pkt.Data)
		it.Run(pkt, &out)
		if rule == nil || rule.Action == flower.Trap || out.Err != nil {
			return nil
		}
		o.Packets++
		if o.actions[rule.Action] != out.Verdict && o.Differs == "" {
			o.Differs = fmt.Sprintf("packet %d: rule %d says %v, the program's verdict is %d", pkt.Packet+1, rule.Priority, rule.Action, out.Verdict)
		}
		return nil
	})
}
