package native

import "jitnic/host/ebpf"

// Which registers something may still read. Code sets no others at a packet's
// beginning and keeps no others over a look-up; the interpreter, to which it leaves
// them, reads no others either, as it goes the same ways.

// all are a program's registers.
const all = ebpf.Regs(1<<11 - 1)

// nests says whether a program may open a frame above its own: what is read there of
// its registers, or by whoever called, isn't known then.
func nests(code []ebpf.Insn) bool {
	for _, in := range code {
		if in.Op == ebpf.OpCallX || in.Op == ebpf.OpCall && in.Src == ebpf.CallLocal || in.IsWide() && in.Src == ebpf.PseudoFunc {
			return true
		}
	}
	return false
}

// alive finds what is live before each slot; nested says that frames may stand above
// one another, so that everything is. Places outside of the program are faults.
func (c *compiler) alive(nested bool) {
	n := len(c.code)
	c.live = cleared(c.live, n+1)
	if nested {
		for pc := range c.live {
			c.live[pc] = all
		}
		return
	}
	at := func(pc int) ebpf.Regs {
		if pc < 0 || pc > n {
			return 0
		}
		return c.live[pc]
	}
	for changed := true; changed; {
		changed = false
		for pc := n - 1; pc >= 0; pc-- {
			in := c.code[pc]
			var before ebpf.Regs
			switch next := at(c.f.after(pc)); {
			case c.f.second[pc]:
				continue
			case in.Op == ebpf.OpExit:
				before = 1
			case in.IsGoto():
				before = at(target(in, pc))
			case in.Op == ebpf.OpMayGo, in.IsCondJump():
				before = (next | at(target(in, pc))).Before(in.Reads(), 0)
			case in.Op == ebpf.OpCall:
				before = next.Before(in.Reads(), 1)
				if h := in.Called(); h == nil || h.Flow != ebpf.Returns {
					before = all // another program may go on with them
				}
			case in.Class() == ebpf.ClassLD && !in.IsWide():
				before = next.Before(in.Reads()|1, 0) // r0 is set, or the program ends
			default:
				before = next.Before(in.Reads(), in.Writes())
			}
			if before != c.live[pc] {
				c.live[pc], changed = before, true
			}
		}
	}
}

// keeps are the registers that something behind the instruction at pc may read.
func (c *compiler) keeps(pc int) ebpf.Regs {
	if c.line != nil {
		return c.line.info[pc].live
	}
	return c.live[c.f.after(pc)]
}
