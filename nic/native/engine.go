package native

import (
	"errors"
	"fmt"
	"runtime"
	"slices"
	"unsafe"

	"jitnic/host/ebpf"
	"jitnic/host/loader"
	"jitnic/host/vm"
	"jitnic/nic/native/asm"
	"jitnic/nic/native/code"
)

// Engine runs the programs of an object as machine code on one State. It is a
// vm.Engine: what it has no code for, faults among them, the interpreter does.
// Not safe for concurrent use.
type Engine struct {
	s     *vm.State
	obj   *loader.Object
	mem   *code.Memory
	units []*unit
	block []*code.Block
	ctx   *context
	kept  int        // steps left that code wasn't given
	ins   []vm.Input // of the batch at hand, held here while code reads them
	outs  []uint32   // likewise, while it writes them
	// flat says that register 1 doesn't hold the context at the start
	// (vm.Interp.RunFlat).
	flat bool

	Runs   uint64 // stretches run
	Leaves uint64 // of these, how many left to the interpreter
}

// NewEngine compiles every program of obj, which s was made from. The error is
// of a machine without a backend, or one that lets no page become executable;
// a program that can't be compiled is left to the interpreter, and Refused
// says why.
func NewEngine(s *vm.State, obj *loader.Object, mem *code.Memory) (*Engine, error) {
	return newEngine(s, obj, mem, true)
}

// NewFlatEngine is NewEngine for programs that find anything in register 1.
func NewFlatEngine(s *vm.State, obj *loader.Object, mem *code.Memory) (*Engine, error) {
	return newEngine(s, obj, mem, false)
}

func newEngine(s *vm.State, obj *loader.Object, mem *code.Memory, withCtx bool) (*Engine, error) {
	e := &Engine{s: s, obj: obj, mem: mem, ctx: new(context), flat: !withCtx,
		units: make([]*unit, len(obj.Programs)), block: make([]*code.Block, len(obj.Programs))}
	if _, err := asm.New(runtime.GOARCH); err != nil {
		return nil, err
	}
	nested := slices.ContainsFunc(obj.Programs, func(p *loader.Program) bool { return nests(p.Insns) })
	for i, p := range obj.Programs {
		u, _, err := compileProgram(new(work), s, p, withCtx, nested)
		if errors.Is(err, ErrReadBack) {
			e.Close()
			return nil, fmt.Errorf("program %q: %w", p.Name, err)
		}
		if err != nil {
			continue // the interpreter runs it
		}
		if e.block[i], err = mem.Put(u.code); err != nil {
			e.Close()
			return nil, fmt.Errorf("program %q: %w", p.Name, err)
		}
		if err := e.block[i].Name("program " + p.Name); err != nil {
			e.Close()
			return nil, err
		}
		u.moves(e.block[i].Addr())
		e.units[i] = u
	}
	return e, nil
}

// Close frees the code.
func (e *Engine) Close() {
	for _, b := range e.block {
		b.Free()
	}
	clear(e.units)
}

// Run is vm.Engine's.
func (e *Engine) Run(c *vm.Control) vm.Stop {
	if uint(c.Prog) >= uint(len(e.units)) || e.units[c.Prog] == nil {
		return vm.StopOff
	}
	u := e.units[c.Prog]
	if uint(c.PC) >= uint(len(u.always)) || u.f.second[c.PC] {
		return vm.StopLeave // a fault
	}
	if !e.trusted(u, c) {
		return vm.StopOff
	}
	if u.always[c.PC] {
		return vm.StopLeave
	}
	x := e.ctx
	left := e.gives(c.Left, stretchSteps)
	if !u.f.counts[c.PC] {
		if left -= int64(u.f.rest[c.PC]); left < 0 {
			return vm.StopLeave
		}
	}
	x.load(e.s)
	x.next = u.ret
	x.left = left
	copy(x.r[:], c.R[:11])
	flat := uintptr(unsafe.Pointer(&e.s.Mem.B[0]))
	if u.inPlace {
		x.r[pkt] = uint64(flat) + e.s.Buf + vm.Headroom
	}
	base := e.block[c.Prog].Addr()
	x.resume = base + uintptr(u.place[c.PC])
	e.Runs++
	code.Enter(base+uintptr(u.enter), unsafe.Pointer(x), flat)
	if x.pc == done {
		c.R[0], c.Left = x.r[0], int(x.left)+e.kept
		return vm.StopDone
	}
	return e.left(u, c)
}

// trusted says whether what was assumed of the instruction at PC holds: it does
// where control came to it along an edge that the analysis knows.
func (e *Engine) trusted(u *unit, c *vm.Control) bool {
	if c.First {
		return c.PC == 0 && (e.flat || c.R[1] == e.s.Ctx)
	}
	last := e.obj.Programs[c.FromProg].Insns[c.From]
	call := last.Op == ebpf.OpCall || last.Op == ebpf.OpCallX
	switch {
	case c.Prog == c.FromProg && !call && last.Op != ebpf.OpExit && last.Class() != ebpf.ClassLD:
		return true // the next instruction, or a jump's target
	case c.Prog == c.FromProg && c.PC == u.f.after(c.From):
		return true
	case call && c.PC < len(u.f.root) && u.f.root[c.PC]:
		return true // nothing is known at a root
	case last.Op == ebpf.OpExit || last.Class() == ebpf.ClassLD:
		return u.f.back[c.PC] // from a frame that a call opened
	}
	// A tail call goes on at the beginning, with the context at hand.
	return call && c.PC == 0 && (e.flat || c.R[1] == e.s.Ctx)
}
