package vm

import (
	"fmt"
	"math"

	"jitnic/host/ebpf"
	"jitnic/host/loader"
)

// Limits of a run.
const (
	MaxSteps     = 1_000_000
	MaxTailCalls = 33      // MAX_TAIL_CALL_CNT
	MaxLoops     = 8 << 20 // BPF_MAX_LOOPS
)

// Interp runs programs of an object on a State, instruction by instruction. It
// is the one concrete semantics that traces, optimised code and native code are
// compared with. Not safe for concurrent use.
type Interp struct {
	S     *State
	Limit int // steps a run may take: MaxSteps

	// Kfunc answers calls of kernel functions; nil makes them faults. imm is
	// the instruction's constant, r[0] takes the result.
	Kfunc func(imm int32, r *[11]uint64) *Fault

	// Engine, where set, runs what it can of every run that isn't recorded.
	Engine Engine

	obj   *loader.Object
	code  [][]op // of each program
	entry int
	at    int // slot of the entry where control begins: 0 but for callbacks of timers

	r        [16]uint64 // 11 registers; the rest keeps indexes in bounds
	frames   [MaxFrames]frame
	tails    int
	mayGo    uint64
	steps    int
	prog, pc int // where calls and exits leave control and take it up
	control  Control
	out      Output // of packets of Verdicts
}

// frame is one call in progress: where it returns to, and what it gives back.
type frame struct {
	prog  int32 // program and slot to go on at in the caller
	pc    int32
	saved [4]uint64 // the caller's registers 6 to 9
	loop  loop
}

// NewInterp prepares every program of obj, and starts packets at entry, which
// must be one of them. s must have been made from obj.
func NewInterp(s *State, obj *loader.Object, entry *loader.Program) (*Interp, error) {
	it := &Interp{S: s, Limit: MaxSteps, obj: obj, entry: -1}
	for i, p := range obj.Programs {
		if p == entry {
			it.entry = i
		}
		it.code = append(it.code, decode(s, p, i))
	}
	if it.entry < 0 {
		return nil, fmt.Errorf("program %q: not in object %s", entry.Name, obj.File)
	}
	return it, nil
}

// Run runs the program on one packet. It allocates nothing unless it faults.
func (it *Interp) Run(in *Input, out *Output) { it.packet(in, out, nil) }

// RunRecorded is Run and fills rec, whose buffers it reuses.
func (it *Interp) RunRecorded(in *Input, out *Output, rec *Recording) {
	rec.Reset()
	it.packet(in, out, rec)
}

func (it *Interp) packet(in *Input, out *Output, rec *Recording) {
	if len(it.S.timers) > 0 {
		if _, err := it.RunTimers(in.TimeNS); err != nil {
			*out = Output{Err: err}
			return
		}
	}
	if err := it.S.Begin(in); err != nil {
		*out = Output{Err: err}
		return
	}
	var r0 uint64
	var err *Fault
	if it.Engine != nil && rec == nil {
		r0, err = it.started()
	} else {
		it.r = it.fresh()
		r0, err = it.run(rec)
	}
	it.S.End(uint32(r0), out)
	out.Steps = it.steps
	if err != nil {
		out.Verdict, out.Redirect = XDPAborted, Redirect{}
		out.Err = err
	}
}

// fresh are the registers that a packet finds.
func (it *Interp) fresh() [16]uint64 { return [16]uint64{1: it.S.CtxPtr(), 10: it.S.FrameTop(0)} }

// RunFlat runs the program with register 1 at the first byte of data and
// register 2 its length, as the conformance suite wants it, and returns all of
// register 0. data may be empty, and of up to MaxLinear bytes.
func (it *Interp) RunFlat(data []byte) (uint64, error) {
	if len(data) > MaxLinear {
		return 0, fmt.Errorf("memory of %d bytes: more than %d", len(data), MaxLinear)
	}
	it.S.load(&Input{Data: data})
	it.r = [16]uint64{1: it.S.Data, 2: uint64(len(data)), 10: it.S.FrameTop(0)}
	if len(data) == 0 {
		it.r[1] = 0
	}
	r0, err := it.run(nil)
	if err != nil {
		return 0, err
	}
	return r0, nil
}

// RunXDP is RunFlat with register 1 at the context, for data of any length.
func (it *Interp) RunXDP(data []byte) (uint64, error) {
	if len(data) > MaxPacket {
		return 0, ErrLong
	}
	it.S.load(&Input{Data: data})
	it.r = it.fresh()
	r0, err := it.run(nil)
	if err != nil {
		return 0, err
	}
	return r0, nil
}

// run interprets from the entry to the exit of frame 0.
func (it *Interp) run(rec *Recording) (uint64, *Fault) {
	if it.Engine != nil && rec == nil {
		return it.accelerated()
	}
	it.begin()
	r0, _, f := it.loop(rec, never)
	return r0, f
}

// never is a pause that doesn't come.
const never = math.MaxInt

// begin stands control at the entry.
func (it *Interp) begin() {
	// A program finds its frame zero. A trace writes before it reads.
	clear(it.S.Mem.B[it.S.Stack : it.S.Stack+StackSize])
	it.tails, it.mayGo, it.steps = 0, MaxLoops, 0
	it.prog, it.pc = it.entry, it.at
}

// loop interprets from where control stands until the exit of frame 0, a
// fault, or pause steps of the run; done is false at a pause, with the next
// instruction in it.prog and it.pc.
func (it *Interp) loop(rec *Recording, pause int) (r0 uint64, done bool, f *Fault) {
	s := it.S
	r := &it.r
	prog, pc := it.prog, it.pc
	code := it.code[prog]
	steps, limit := it.steps, it.Limit
	for {
		if steps >= pause {
			it.prog, it.pc, it.steps = prog, pc, steps
			return 0, false, nil
		}
		at := pc
		var addr, val uint64 // for the recording
		if rec == nil {
			var left int
			stop := min(limit, pause)
			pc, left, _, _, f = it.straight(code, pc, stop-steps)
			at, steps = pc, stop-left
			if f != nil {
				break
			}
			if steps >= pause {
				continue
			}
		} else if steps < limit && uint(pc) < uint(len(code)) && code[pc].kind <= lastStraight {
			pc, _, addr, val, f = it.straight(code, pc, 1)
			steps++
			rec.Steps = append(rec.Steps, Step{Prog: int32(prog), PC: int32(at), Frame: int32(s.Depth), Addr: addr, Val: val})
			if f != nil {
				break
			}
			continue
		}
		if uint(pc) >= uint(len(code)) {
			f = fault(BadPC, "")
			break
		}
		if steps >= limit {
			f = fault(TooManySteps, "")
			break
		}
		steps++
		in := &code[pc]
		pc++
		if rec != nil {
			rec.Steps = append(rec.Steps, Step{Prog: int32(prog), PC: int32(at), Frame: int32(s.Depth)})
		}
		switch in.kind {
		case kAtomic:
			addr, val, f = it.atomic(in)
		case kCall:
			it.prog, it.pc = prog, pc
			addr, val, f = it.helper(in, rec)
			prog, pc = it.prog, it.pc
			code = it.code[prog]
		case kLocal:
			addr = uint64(in.target)
			f = it.enter(prog, pc)
			pc = int(in.target)
		case kExit:
			val = r[0]
			if s.Depth == 0 {
				if rec != nil {
					rec.done(0, val)
				}
				it.steps = steps
				return val, true, nil
			}
			addr = it.leave(rec)
			prog, pc = it.prog, it.pc
			code = it.code[prog]
		case kMayGo:
			if it.mayGo == 0 {
				pc, addr = int(in.target), 1
			} else {
				it.mayGo--
			}
			val = it.mayGo
		case kPacket:
			var ok bool
			if addr, val, ok = it.packetLoad(in); !ok {
				// The program ends with 0 (RFC 9669, section 5.5 and
				// kernel/bpf/verifier.c, gen_ld_abs).
				r[0] = 0
				if s.Depth == 0 {
					if rec != nil {
						rec.done(addr, 0)
					}
					it.steps = steps
					return 0, true, nil
				}
				it.leave(rec)
				prog, pc = it.prog, it.pc
				code = it.code[prog]
			}
		case kKfunc:
			addr, val, f = it.kfunc(in, rec)
		case kCallX:
			it.prog, it.pc = prog, pc
			addr, val, f = it.callx(in, rec)
			prog, pc = it.prog, it.pc
			code = it.code[prog]
		case kUnlinked:
			f = &Fault{Reason: NotSupported, Helper: -1, Name: it.obj.Programs[prog].Unsupported[at]}
		case kHigh:
			f = fault(BadPC, "second slot of a lddw")
		default:
			f = bad(in)
		}
		if rec != nil {
			rec.done(addr, val)
		}
		if f != nil {
			pc = at
			break
		}
	}
	it.steps = steps
	f.Program, f.PC = it.obj.Programs[prog].Name, pc
	if f.Reason == BadAccess && it.S.IsConn(f.Addr) {
		f.Detail = "of a connection that was looked up, a field its file doesn't tell of"
	}
	return 0, true, f
}

// bad says what an instruction looks like that is none.
func bad(in *op) *Fault {
	f := fault(BadInsn, "")
	for i, b := range ebpf.Encode([]ebpf.Insn{in.raw}) {
		f.Insn |= uint64(b) << (8 * i)
	}
	return f
}

// atomic runs an atomic instruction: its address and the word before it.
func (it *Interp) atomic(in *op) (addr, old uint64, f *Fault) {
	s, r := it.S, &it.r
	base, n := in.dst, uint64(in.size)
	if in.raw.Imm == ebpf.AtomicLoadAcq {
		base = in.src
	}
	addr = r[base&15] + uint64(int64(in.off))
	if write := in.raw.Imm != ebpf.AtomicLoadAcq; !s.Reach(addr, n, write) || write && !s.Reach(addr, n, false) {
		return addr, 0, badAccess(addr, n, write)
	}
	old = s.Load(addr, int(n))
	stored, write, reg, back := Atomic(in.raw, int(n), old, r[in.src&15], r[0])
	if write {
		s.Store(addr, int(n), stored)
	}
	if reg >= 0 {
		r[reg&15] = back
	}
	return addr, old, nil
}

// packetLoad is LD_ABS or LD_IND: a big-endian load from the packet into
// register 0. It is false where the packet is too short.
func (it *Interp) packetLoad(in *op) (off, val uint64, ok bool) {
	s := it.S
	o := int64(in.raw.Imm)
	if in.raw.Mode() == ebpf.ModeIND {
		o = int64(int32(uint32(o) + uint32(it.r[in.src&15])))
	}
	n := uint64(in.size)
	if o < 0 || uint64(o)+n > s.Len() {
		return ^uint64(0), 0, false
	}
	for _, b := range s.Mem.B[s.Data+uint64(o):][:n] {
		val = val<<8 | uint64(b)
	}
	it.r[0] = val
	return uint64(o), val, true
}
