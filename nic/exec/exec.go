package exec

import (
	"encoding/binary"
	"fmt"
	"math/bits"

	"jitnic/host/ebpf"
	"jitnic/host/vm"
	"jitnic/nic"
	"jitnic/trace"
)

// Engine is a nic.Engine in Go: it makes traces ready on one State and runs them.
type Engine struct {
	s    *vm.State
	r    [16]uint64    // 11 registers; the rest keeps indexes in bounds
	made []*Executable // by path, of the trace that was bound last
}

// New returns an engine on s.
func New(s *vm.State) *Engine { return &Engine{s: s} }

// Bind makes a trace ready to run. It refuses what is no straight-line code, with
// the slot and the cause. What it made is read back and compared with the trace.
// A trace that was evicted and comes back is as it was made: traces don't change.
func (e *Engine) Bind(p nic.Path, t *trace.Trace) (nic.Code, error) { return e.BindHeld(p, t, nil) }

// BindHeld is Bind for a trace whose stores can be taken back: h is told what they
// overwrite.
func (e *Engine) BindHeld(p nic.Path, t *trace.Trace, h *nic.Held) (nic.Code, error) {
	for int(p) >= len(e.made) {
		e.made = append(e.made, nil)
	}
	if x := e.made[p]; x != nil && x.of == t && x.held == h {
		return x, nil
	}
	x, err := e.bind(t)
	if err != nil {
		return nil, err
	}
	if err := x.readBack(t); err != nil {
		return nil, err
	}
	x.held = h
	e.made[p] = x
	return x, nil
}

// Free has nothing to do: what was made is kept for when the trace comes back.
func (x *Executable) Free() {}

// Run executes the trace on the packet that has begun on the State and returns
// r0. Its condition holds, so nothing can fault; memory is a slice all the
// same, and a slip of ours becomes an error, never a stray write.
func (x *Executable) Run() (r0 uint64, err error) {
	e := x.e
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("trace executor: %v", p)
		}
	}()
	s := e.s
	m := s.Mem.B
	r := &e.r
	*r = [16]uint64{1: s.Ctx, 10: s.FrameTop(0)}
	s.Depth = vm.MaxFrames - 1 // inlined calls use the frames above
	for i := range x.ops {
		o := &x.ops[i]
		d, sr := o.dst&15, o.src&15
		switch o.code {
		case opExit:
			return r[0], nil
		case opMovK:
			r[d] = o.imm
		case opMovX:
			r[d] = r[sr]
		case opMov32X:
			r[d] = uint64(uint32(r[sr]))
		case opAddK:
			r[d] += o.imm
		case opAddX:
			r[d] += r[sr]
		case opSubX:
			r[d] -= r[sr]
		case opMulK:
			r[d] *= o.imm
		case opMulX:
			r[d] *= r[sr]
		case opLshX:
			r[d] <<= r[sr] & 63
		case opRshX:
			r[d] >>= r[sr] & 63
		case opAndK:
			r[d] &= o.imm
		case opAndX:
			r[d] &= r[sr]
		case opOrK:
			r[d] |= o.imm
		case opOrX:
			r[d] |= r[sr]
		case opXorK:
			r[d] ^= o.imm
		case opXorX:
			r[d] ^= r[sr]
		case opLshK:
			r[d] <<= o.imm & 63
		case opRshK:
			r[d] >>= o.imm & 63
		case opArshK:
			r[d] = uint64(int64(r[d]) >> (o.imm & 63))
		case opAdd32K:
			r[d] = uint64(uint32(r[d]) + uint32(o.imm))
		case opAdd32X:
			r[d] = uint64(uint32(r[d]) + uint32(r[sr]))
		case opAnd32K:
			r[d] = uint64(uint32(r[d]) & uint32(o.imm))
		case opAnd32X:
			r[d] = uint64(uint32(r[d]) & uint32(r[sr]))
		case opOr32X:
			r[d] = uint64(uint32(r[d]) | uint32(r[sr]))
		case opLsh32K:
			r[d] = uint64(uint32(r[d]) << (o.imm & 31))
		case opRsh32K:
			r[d] = uint64(uint32(r[d]) >> (o.imm & 31))
		case opBE16:
			r[d] = uint64(bits.ReverseBytes16(uint16(r[d])))
		case opBE32:
			r[d] = uint64(bits.ReverseBytes32(uint32(r[d])))
		case opSelect:
			if r[o.aux&15] != 0 {
				r[d] = r[sr]
			}
		case opALU:
			in := x.raw[o.aux]
			r[d] = vm.ALU(in, r[d], vm.Operand(in, r[sr]))
		case opLd1:
			r[d] = uint64(m[r[sr]+uint64(int64(o.off))])
		case opLd2:
			r[d] = uint64(binary.LittleEndian.Uint16(m[r[sr]+uint64(int64(o.off)):]))
		case opLd4:
			r[d] = uint64(binary.LittleEndian.Uint32(m[r[sr]+uint64(int64(o.off)):]))
		case opLd8:
			r[d] = binary.LittleEndian.Uint64(m[r[sr]+uint64(int64(o.off)):])
		case opLdSX:
			v := s.Load(r[sr]+uint64(int64(o.off)), int(o.size))
			sh := 64 - 8*uint(o.size)
			r[d] = uint64(int64(v<<sh) >> sh)
		case opCtx:
			r[d], _ = s.CtxLoad(s.Ctx+o.imm, 4)
		case opAtomic:
			e.atomic(x, o)
		case opMovAddK:
			r[d] = r[sr] + o.imm
		case opMovAndK:
			r[d] = r[sr] & o.imm
		case opMovLshK:
			r[d] = r[sr] << (o.imm & 63)
		case opMovRshK:
			r[d] = r[sr] >> (o.imm & 63)
		case opLookup:
			l := &x.maps[o.aux]
			k := r[2]
			r[0] = l.m.Lookup(m[k:k+l.size:k+l.size], s.CPU)
		case opCall:
			if f := x.calls[o.aux](s, (*[11]uint64)(r[:11])); f != nil {
				return 0, fmt.Errorf("trace executor: %w", f)
			}
		default:
			a := r[d] + uint64(int64(o.off))
			v := r[sr]
			if o.code <= opSt8K {
				v = o.imm
			}
			if x.held != nil {
				x.held.Keep(a, uint64(o.size))
			}
			switch o.size {
			case 1:
				m[a] = uint8(v)
			case 2:
				binary.LittleEndian.PutUint16(m[a:], uint16(v))
			case 4:
				binary.LittleEndian.PutUint32(m[a:], uint32(v))
			default:
				binary.LittleEndian.PutUint64(m[a:], v)
			}
			if x.track {
				e.note(a, uint64(o.size))
			}
		}
	}
	return 0, fmt.Errorf("trace executor: ran past the end")
}

// note tells the State of a store, which keeps it if it is to a map value.
func (e *Engine) note(addr, n uint64) { e.s.Reach(addr, n, true) }

func (e *Engine) atomic(x *Executable, o *op) {
	s, r := e.s, &e.r
	in := x.raw[o.aux]
	n := int(o.size)
	a := r[o.dst&15] + uint64(int64(o.off))
	if in.Imm == ebpf.AtomicLoadAcq {
		a = r[o.src&15] + uint64(int64(o.off))
	}
	if x.held != nil && in.Imm != ebpf.AtomicLoadAcq {
		x.held.Keep(a, uint64(n))
	}
	stored, write, reg, back := vm.Atomic(in, n, s.Load(a, n), r[o.src&15], r[0])
	if write {
		s.Store(a, n, stored)
		if x.track {
			e.note(a, uint64(n))
		}
	}
	if reg >= 0 {
		r[reg&15] = back
	}
}
