package fastpath

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"

	"jitnic/host/diff"
	"jitnic/host/vm"
	"jitnic/nic/flower"
)

// Offload is what a NIC that offloads flower rules could take.
type Offload struct {
	Rules    *flower.Rules
	Paths    int    // chosen paths that have a rule
	Packets  uint64 // packets of the captures that a rule other than trap takes
	Edited   uint64 // of these, changed by it
	NotPlain uint64 // packets that the parser hands to software (flower.Plain)
	Long     uint64 // packets that a rule leaves to software, since the program finds them in pieces
	NoRun    uint64 // packets left out: no program runs on them (vm.ErrShort, vm.ErrLong)
	Differs  string // the first difference between rules and software together, and the program alone; "": none
}

// Flower makes rules of the chosen paths (Options.Rules must be set), and holds
// them against the program: rules and, for what they leave, the program on maps of
// its own must do to every packet of the captures what the program alone does, and
// with the rules' statistics leave the same maps.
func (p *Plan) Flower(ctx context.Context, by flower.Parser) (*Offload, error) {
	r := p.Session.Runtime
	var paths []flower.Path
	for _, x := range p.Paths {
		paths = append(paths, flower.Path{ID: x.ID, Path: r.Paths()[x.ID].Path})
	}
	o := &Offload{Rules: flower.Of(r.Comp, paths, flower.Options{Parser: by, Frozen: p.opt.Frozen})}
	has := map[int32]bool{}
	for _, x := range o.Rules.List {
		if x.Path >= 0 {
			has[x.Path] = true
		}
	}
	o.Paths = len(has)
	whole, err := p.Session.Machine(p.Session.Obj, p.Session.Entry)
	if err != nil {
		return nil, err
	}
	defer whole.S.Close()
	rest, err := p.Session.Machine(p.Session.Obj, p.Session.Entry)
	if err != nil {
		return nil, err
	}
	defer rest.S.Close()
	var want, soft vm.Output
	err = p.each(ctx, func(pkt *vm.Input) error {
		whole.Run(pkt, &want)
		if errors.Is(want.Err, vm.ErrShort) || errors.Is(want.Err, vm.ErrLong) {
			o.NoRun++
			return nil
		}
		rule := o.Rules.Take(pkt.Data)
		said := ""
		if rule == nil || rule.Action == flower.Trap {
			o.left(rule, pkt.Data)
			rest.Run(pkt, &soft)
			if d := diff.Outputs(&want, &soft); d != nil {
				said = "software: " + d.Error()
			}
		} else {
			o.Packets++
			if rule.Edits() {
				o.Edited++
			}
			add(rest.S, rule, len(pkt.Data))
			said = o.unlike(rule, pkt.Data, &want)
		}
		if said != "" && o.Differs == "" {
			o.Differs = fmt.Sprintf("packet %d: %s", pkt.Packet+1, said)
		}
		return nil
	})
	if d := diff.Maps(whole.S.Maps, rest.S.Maps); err == nil && d != nil && o.Differs == "" {
		o.Differs = "after the run: " + d.Error()
	}
	return o, err
}

// left counts a packet that goes to software by its parser or its length.
func (o *Offload) left(r *flower.Rule, packet []byte) {
	switch {
	case r != nil:
	case o.Rules.Parser == flower.Plain && !flower.IsPlain(packet):
		o.NotPlain++
	case o.Rules.InPieces(packet):
		o.Long++
	}
}

// unlike says where a rule does another thing than the program.
func (o *Offload) unlike(r *flower.Rule, packet []byte, want *vm.Output) string {
	switch {
	case want.Err != nil:
		return fmt.Sprintf("rule %d says %v, the program fails: %v", r.Priority, r.Action, want.Err)
	case r.Action.Verdict() != want.Verdict:
		return fmt.Sprintf("rule %d says %v, the program's verdict is %d", r.Priority, r.Action, want.Verdict)
	case r.Action == flower.Drop:
		return ""
	}
	if got := r.Apply(packet); !bytes.Equal(got, want.Data) {
		return fmt.Sprintf("rule %d makes %x of it, the program %x", r.Priority, got[:min(len(got), 64)], want.Data[:min(len(want.Data), 64)])
	}
	if r.Action == flower.Out {
		if t := o.Rules.Ports[r.Port]; want.Redirect.Index != t.Index || t.Map >= 0 && int(want.Redirect.Map) != t.Map {
			return fmt.Sprintf("rule %d sends it to %s, the program to %+v", r.Priority, t.Name, want.Redirect)
		}
	}
	return ""
}

// add puts a rule's statistics where the program counts.
func add(s *vm.State, r *flower.Rule, n int) {
	for _, c := range r.Counts {
		v := c.Add
		if c.Bytes {
			v += uint64(n)
		}
		var b [8]byte
		at := s.Mem.B[c.Addr : c.Addr+uint64(c.Size)]
		copy(b[:], at)
		binary.LittleEndian.PutUint64(b[:], binary.LittleEndian.Uint64(b[:])+v)
		copy(at, b[:])
	}
}
