package pathcond

import (
	"fmt"
	"slices"

	"jitnic/host/ebpf"
	"jitnic/host/maps"
	"jitnic/pathcond/bv"

	cebpf "github.com/cilium/ebpf"
)

// Effect is what a path does, as terms over what was there before the run
// (Compiler.Effects).
type Effect struct {
	Verdict bv.Term  // r0 at the end, 64 bits
	Data    uint64   // address at which the packet begins at the end
	End     bv.Term  // and at which its linear part ends
	Packet  []Stored // stores into the packet, in order
	Values  []Stored // stores into values of maps
	Sent    *Sent    // the last redirect that was asked for
	Other   string   // what else it does that others see, in words: the first such thing
}

// Stored is a store of N bytes at Base + Off; Base 0: at a constant address.
type Stored struct {
	Map  int // of a value
	Base bv.Term
	Off  uint64
	N    int
	Val  bv.Term // of width 8N
	Cond bv.Term // it is done where this holds; 0: always
}

// Sent is where a packet is redirected: to a key of a map, or to an interface
// (Map -1).
type Sent struct {
	Map int
	To  bv.Term
}

// harmless are helpers that leave nothing behind, or only what Effect tells.
var harmless = map[int32]bool{ebpf.FnRedirect: true, ebpf.FnRedirectMap: true, ebpf.FnXdpAdjustHead: true, ebpf.FnXdpStoreBytes: true}

// note keeps what a helper does beside its result.
func (x *exec) note(c *call) {
	if !x.c.Effects {
		return
	}
	e := x.effect()
	switch c.rec.Helper {
	case ebpf.FnRedirect:
		e.Sent = &Sent{Map: -1, To: x.r[1]}
	case ebpf.FnRedirectMap:
		e.Sent = &Sent{Map: c.m, To: x.b.Extract(x.r[2], 0, 32)}
	}
	h := ebpf.HelperByID(c.rec.Helper)
	if e.Other != "" || harmless[c.rec.Helper] || h == nil {
		return
	}
	quiet := ebpf.Things(0)
	if h.Writes&ebpf.MapOrder != 0 && c.m >= 0 && !maps.Ordered(x.s.Maps[c.m].Spec().Type) {
		quiet = ebpf.MapOrder
	}
	if h.Writes&^(quiet|ebpf.Draws) == 0 {
		return
	}
	e.Other = "it calls " + ebpf.HelperName(c.rec.Helper)
	if c.m >= 0 {
		e.Other += fmt.Sprintf(" on map %q", x.s.Maps[c.m].Spec().Name)
	}
}

func (x *exec) effect() *Effect {
	if x.path.Effect == nil {
		x.path.Effect = &Effect{}
	}
	return x.path.Effect
}

// effects gathers what the path has done.
func (x *exec) effects() {
	e := x.effect()
	e.Verdict, e.End = x.r[0], x.dataEnd
	e.Data, _ = x.b.IsConst(x.data)
	for _, s := range x.packet.stores {
		e.Packet = append(e.Packet, s.told(-1))
	}
	for i := range x.s.Maps {
		m := x.maps[i]
		if m == nil {
			continue
		}
		for _, s := range m.log.stores {
			e.Values = append(e.Values, s.told(i))
		}
		if (len(m.events) > 0 || m.poisoned || m.ring.ops != nil || m.unsettled != nil || m.queue.changed()) && e.Other == "" {
			e.Other = fmt.Sprintf("it changes map %q", x.s.Maps[i].Spec().Name)
		}
	}
}

func (s *store) told(m int) Stored {
	return Stored{Map: m, Base: s.base, Off: s.off, N: s.n, Val: s.val, Cond: s.cond}
}

// Settled says whether a term asks only for what no program changes: versions of
// keys, programs at fixed places of program arrays, and, with present, whether a
// redirect map holds a fixed key.
func (c *Compiler) Settled(t bv.Term, present bool) bool {
	any := false
	ok := true
	c.B.Walk(t, map[bv.Term]bool{}, func(t bv.Term) bool {
		switch c.B.Op(t) {
		case bv.OpInput:
			any = true
			ok = ok && c.B.K(t) >= InVersion
		case bv.OpFun:
			any = true
			id, m := FunParts(c.B.K(t))
			fixed := !slices.ContainsFunc(c.B.Args(t), func(a bv.Term) bool { _, k := c.B.IsConst(a); return !k })
			ok = ok && fixed && (id == FunLookup && c.S.Maps[m].Spec().Type == cebpf.ProgramArray || id == FunPresent && present)
		}
		return ok
	})
	return ok && any
}
