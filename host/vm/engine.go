package vm

import "math"

// Engine runs stretches of a program faster than the interpreter does, and
// leaves to it whatever it has no code for: the interpreter then runs that one
// instruction and asks again. So an engine need not know any helper, fault or
// limit; what it does run must be what the interpreter would have done.
type Engine interface {
	// Start is Run from slot 0 of c.Prog on the packet that has begun, with the
	// registers and the frame that a packet finds: it sets them itself. At
	// StopDone only register 0 is set, at StopOff nothing was done.
	Start(c *Control) Stop
	// Run goes on from where control stands in c and says how it ended.
	Run(c *Control) Stop
}

// Batcher is an Engine that goes from packet to packet by itself.
type Batcher interface {
	Engine
	// Batch runs packets of in from the first on, each as after Start, and says how
	// many have run to their end and what their verdicts were. At StopDone nothing
	// speaks against another batch, at StopOff the next packet hasn't begun and has to
	// be run by itself, at StopLeave it has, and control stands in c. Of the others'
	// bytes nothing is left on the State.
	Batch(c *Control, in []Input, verdicts []uint32) (n int, stop Stop)
}

// Stop says how a stretch ended.
type Stop uint8

// The ways a stretch ends.
const (
	StopDone  Stop = iota // the exit of frame 0; register 0 has its value
	StopLeave             // the interpreter has to run the instruction at Prog, PC
	StopOff               // the interpreter has to run the rest of the packet
)

// Control is where a run stands between two instructions.
type Control struct {
	Prog, PC int // program and slot of the next instruction
	Left     int // steps the run may still take
	R        *[16]uint64

	// The instruction that the interpreter ran last: what PC was before it.
	// First says that there is none, and register 1 holds what the run
	// begins with.
	FromProg, From int
	First          bool
}

// started runs a packet that has begun with the engine's help.
func (it *Interp) started() (uint64, *Fault) {
	c := it.entered()
	switch stop := it.Engine.Start(c); stop {
	case StopDone:
		it.steps = it.Limit - c.Left
		return it.r[0], nil
	case StopOff:
		it.r = it.fresh()
		return it.accelerated()
	default:
		return it.goOn(stop)
	}
}

// Verdicts runs packets one after the other, as Run does, and gives the verdict of each;
// verdicts is as long as in. It stops at one that Run has an error for: n packets have run
// before. What became of their bytes isn't to be had. It allocates nothing unless a
// packet faults.
func (it *Interp) Verdicts(in []Input, verdicts []uint32) (n int, err error) {
	e, _ := it.Engine.(Batcher)
	for n < len(in) {
		stop := StopOff
		if e != nil {
			var k int
			if k, stop, err = it.batch(e, in[n:], verdicts[n:]); err != nil {
				return n + k, err
			}
			n += k
		}
		if stop != StopOff {
			continue
		}
		it.packet(&in[n], &it.out, nil)
		if it.out.Err != nil {
			return n, it.out.Err
		}
		verdicts[n] = it.out.Verdict
		n++
	}
	return n, nil
}

// batch runs packets before which no timer is due, and ends the one that the engine has
// left.
func (it *Interp) batch(e Batcher, in []Input, verdicts []uint32) (n int, stop Stop, err error) {
	for next, k := it.S.NextTimer(), 0; next != math.MaxUint64 && k < len(in); k++ {
		if in[k].TimeNS >= next {
			in = in[:k]
		}
	}
	n, stop = e.Batch(it.entered(), in, verdicts)
	if stop != StopLeave {
		return n, stop, nil
	}
	r0, f := it.goOn(stop)
	if f != nil {
		return n, stop, f
	}
	verdicts[n] = uint32(r0)
	return n + 1, stop, nil
}

// Entry is the program that packets begin in, by its place in the object.
func (it *Interp) Entry() int { return it.entry }

// Ends runs a packet to its end that code of the engine's has begun and left: left puts
// into c where control stands, of a run that may take c.Left steps.
func (it *Interp) Ends(left func(c *Control) Stop) (verdict uint32, err error) {
	r0, f := it.goOn(left(it.entered()))
	if f != nil {
		return XDPAborted, f
	}
	return uint32(r0), nil
}

// entered is control at a packet's beginning.
func (it *Interp) entered() *Control {
	c := &it.control
	it.tails, it.mayGo = 0, MaxLoops
	c.Prog, c.Left, c.R = it.entry, it.Limit, &it.r
	return c
}

// accelerated runs from the entry to the exit of frame 0 with the engine's
// help.
func (it *Interp) accelerated() (uint64, *Fault) {
	it.begin()
	it.control = Control{Prog: it.prog, PC: it.pc, Left: it.Limit, R: &it.r, First: true}
	return it.goOn(it.Engine.Run(&it.control))
}

// goOn runs on from where the engine has stopped.
func (it *Interp) goOn(stop Stop) (uint64, *Fault) {
	c := &it.control
	for {
		it.prog, it.pc, it.steps = c.Prog, c.PC, it.Limit-c.Left
		pause := it.steps + 1
		switch stop {
		case StopDone:
			return it.r[0], nil
		case StopOff:
			pause = never
		}
		if r0, done, f := it.loop(nil, pause); done {
			return r0, f
		}
		*c = Control{Prog: it.prog, PC: it.pc, Left: it.Limit - it.steps, R: &it.r, FromProg: c.Prog, From: c.PC}
		stop = it.Engine.Run(c)
	}
}

// MapAccess says what a program may do with the values of map i in flat
// memory: their size, 0 where it has none there, and whether it may load from
// and store to them.
func (s *State) MapAccess(i int) (size uint64, load, store bool) {
	if i < 0 || i >= len(s.Maps) {
		return 0, false, false
	}
	if i >= len(s.tables) {
		s.sync()
	}
	t := &s.tables[i]
	if t.owner == nil {
		return 0, false, false
	}
	return t.size, !t.noLoad, !t.noSt
}

// Frame is the bottom of the stack frame in use.
func (s *State) Frame() uint64 { return s.frame }
