package native

import (
	"unsafe"

	"jitnic/host/ebpf"
	"jitnic/host/maps"
	"jitnic/host/points"
	"jitnic/host/vm"
	"jitnic/nic/native/asm"
	"jitnic/pathcond"
)

// Maps of programs, maps, interfaces, CPUs and sockets are cells of eight bytes
// (maps.Cells), which code reads where they stand.

// redirect writes bpf_redirect and bpf_redirect_map, as vm has them, into the
// State's Redirect; false where that is left to Go. An entry with a program of its
// own is Go's always: the program has the packet next.
func (c *compiler) redirect(k *known, pc int, in ebpf.Insn) (ok bool) {
	if in.Src != ebpf.CallHelper || c.line != nil && c.line.held {
		return false
	}
	defer func() { c.sends = c.sends || ok }()
	switch in.Imm {
	case ebpf.FnRedirect:
		if v := k.R[2]; !v.IsConst() || v.Known != 0 {
			return false
		}
		c.relies(pc, 2, 0)
		c.Zext(4, asm.R0, asm.R1)
		c.redirectTo(vm.RedirectIf, 0, asm.R0)
		return true
	case ebpf.FnRedirectMap:
		return c.redirectMap(k, pc)
	}
	return false
}

func (c *compiler) redirectMap(k *known, pc int) bool {
	m, flags := k.R[1], k.R[3]
	const verdicts = vm.XDPAborted | vm.XDPDrop | vm.XDPPass | vm.XDPTx
	if m.Kind != points.Map || !flags.IsConst() || flags.Known&^verdicts != 0 {
		return false
	}
	to := c.a.s.Maps[m.Map]
	at, ok := maps.CellsOf(to)
	if _, redirects := to.(maps.Redirects); !ok || !redirects {
		return false
	}
	c.relies(pc, 1, vm.MapPtr(int(m.Map)))
	c.relies(pc, 3, flags.Known)
	none, end := c.NewLabel(), c.NewLabel()
	cell := loadCell(c.Backend, at, asm.R2, none)
	c.BrK(asm.EQ, false, asm.R0, 0, none)
	cell.Disp += 4 // its program
	c.Load(4, asm.T0, cell)
	c.BrK(asm.NE, true, asm.T0, 0, c.bail(pc))
	c.redirectTo(vm.RedirectMap, m.Map, asm.R2)
	c.Bind(end)
	c.later(func() {
		c.Bind(none)
		c.redirectTo(vm.RedirectNone, 0, 0)
		c.Imm(asm.R0, flags.Known)
		c.Jmp(end)
	})
	return true
}

// redirectTo sets the State's Redirect, to an index in a register unless there is
// none, and makes the verdict XDP_REDIRECT. It uses T1.
func (c *compiler) redirectTo(kind vm.RedirectKind, m int32, index asm.Reg) {
	to := &c.a.s.Redirect
	field := func(off uintptr) asm.Mem { return asm.At(asm.T1, int32(off)) }
	c.Imm(asm.T1, uint64(uintptr(unsafe.Pointer(to))))
	c.StoreK(1, int32(kind), field(unsafe.Offsetof(to.Kind)))
	c.StoreK(4, m, field(unsafe.Offsetof(to.Map)))
	if kind == vm.RedirectNone {
		c.StoreK(8, 0, field(unsafe.Offsetof(to.Index)))
	} else {
		c.Store(8, index, field(unsafe.Offsetof(to.Index)))
	}
	c.StoreK(8, 0, field(unsafe.Offsetof(to.Flags)))
	c.Imm(asm.R0, vm.XDPRedirect)
}

// loadCell loads the first word of a cell into register 0; beyond the last control
// goes to none, with 0 there. It uses T0 and T1; the cell it returns stands until one
// of them is changed.
func loadCell(b asm.Backend, at maps.Cells, index asm.Reg, none asm.Label) asm.Mem {
	b.Zext(4, asm.T0, index)
	b.Imm(asm.R0, 0)
	b.Imm(asm.T1, uint64(at.Max))
	b.Br(asm.GE, true, asm.T0, asm.T1, none)
	b.OpK(asm.Lsh, true, asm.T0, 3)
	addK(b, asm.T0, at.Addr)
	m := asm.Mem{Base: asm.Base, Index: asm.T0}
	b.Load(4, asm.R0, m)
	return m
}

// cell is what a map of cells has at an index, as Env.Apply says it: the program
// plus 1, the map, or that there is something. It is false where the function is
// another one, else the result is in register 0.
func (c *treeCompiler) cell(fun uint64, args []uint16) bool {
	m, at, ok := cellsOf(c.s, fun, len(args))
	if !ok {
		return false
	}
	_, redirects := m.(maps.Redirects)
	none := c.NewLabel()
	loadCell(c.Backend, at, c.get(args[0], asm.T0), none)
	_, ofMaps := m.(maps.OfMaps)
	if redirects || ofMaps {
		c.BrK(asm.EQ, true, asm.R0, 0, none)
	}
	switch {
	case redirects:
		c.Imm(asm.R0, 1)
	case ofMaps:
		c.Imm(asm.T1, vm.MapPtr(0)-1)
		c.Op(asm.Add, true, asm.R0, asm.T1)
	}
	c.Bind(none)
	return true
}

// cellsOf are the cells that a function of so many arguments asks.
func cellsOf(s *vm.State, fun uint64, args int) (m maps.Map, at maps.Cells, ok bool) {
	id, arg := pathcond.FunParts(fun)
	if id != pathcond.FunLookup && id != pathcond.FunPresent || args != 1 {
		return nil, at, false
	}
	m = s.Maps[arg]
	at, ok = maps.CellsOf(m)
	_, redirects := m.(maps.Redirects)
	return m, at, ok && redirects == (id == pathcond.FunPresent)
}
