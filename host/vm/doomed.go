package vm

import "jitnic/host/ebpf"

// Doomed is the fault that every run of the program ends in, whatever packet
// comes: the first instruction in program order that can't be run, where control
// can't reach the exit of frame 0, nor a tail call, without meeting such a one.
// nil: some run may end well. Branches on constants count as branches.
func (it *Interp) Doomed() *Fault {
	d := doom{it: it, code: it.code[it.entry], returns: map[int]bool{}}
	for {
		d.again, d.first = false, nil
		d.seen = make([]bool, len(d.code))
		d.function(0)
		if d.left || d.returns[0] || d.first == nil {
			return nil
		}
		if !d.again { // nothing new is known of which functions return
			return d.first
		}
	}
}

// doom follows control through a program.
type doom struct {
	it      *Interp
	code    []op
	insns   []ebpf.Insn
	returns map[int]bool // functions, by first slot, whose exit can be reached
	seen    []bool
	first   *Fault
	left    bool // for another program, by a tail call
	again   bool // a function turned out to return
}

// function follows control from a function's first slot.
func (d *doom) function(start int) {
	d.insns = d.it.obj.Programs[d.it.entry].Insns
	work := []int{start}
	for len(work) > 0 {
		pc := work[len(work)-1]
		work = work[:len(work)-1]
		if pc < 0 || pc >= len(d.code) || d.seen[pc] {
			continue
		}
		d.seen[pc] = true
		in := &d.code[pc]
		if f := d.it.refuses(in, pc); f != nil {
			if d.first == nil || pc < d.first.PC {
				d.first = f
			}
			continue
		}
		switch {
		case in.kind == kExit:
			if !d.returns[start] {
				d.returns[start], d.again = true, true
			}
			continue
		case in.kind == kLocal:
			callee := int(in.target)
			if callee >= 0 && callee < len(d.code) && !d.seen[callee] {
				d.function(callee)
			}
			if !d.returns[callee] {
				continue
			}
		case in.kind == kCall && in.raw.Imm == ebpf.FnTailCall:
			d.left = true
			return
		}
		work = ebpf.Next(d.insns, pc, work)
	}
}

// refuses is the fault of an instruction that can't be run at all.
func (it *Interp) refuses(in *op, pc int) *Fault {
	var f *Fault
	switch in.kind {
	case kCall:
		if !Supported(in.raw.Imm) {
			f = &Fault{Reason: NotSupportedFn, Helper: in.raw.Imm}
		}
	case kKfunc:
		if in.target < 0 && it.Kfunc == nil {
			f = &Fault{Reason: NotSupported, Helper: -1, Name: it.obj.Programs[it.entry].Unsupported[pc]}
		}
	case kUnlinked:
		f = &Fault{Reason: NotSupported, Helper: -1, Name: it.obj.Programs[it.entry].Unsupported[pc]}
	case kBad:
		f = bad(in)
	}
	if f != nil {
		f.Program, f.PC = it.obj.Programs[it.entry].Name, pc
	}
	return f
}
