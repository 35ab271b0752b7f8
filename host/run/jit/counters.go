package jit

import (
	"cmp"
	"errors"
	"maps"
	"slices"
	"strings"

	"jitnic/host/vm"
	"jitnic/trace"
)

// Counters count packets.
type Counters struct {
	Packets   uint64
	Checked   uint64                  // compared with the oracle
	Aborts    map[trace.Reason]uint64 // whose path can't be a trace, by reason
	Short     uint64                  // refused: too short or too long, as the kernel refuses them
	Faults    uint64                  // on which the program faulted
	Recorded  uint64                  // whose run was recorded because its path wasn't known
	Collision uint64                  // conditions that overlapped: a bug if ever above 0

	// Delivered counts runs of devmaps' and cpumaps' programs by what they
	// said: apart from the packets' own verdicts, once for each target.
	Delivered map[Delivered]uint64

	causes map[cause]*Cause
	named  [5]uint64         // by verdict: XDP_ABORTED to XDP_REDIRECT
	other  map[uint32]uint64 // by any other verdict
}

// Delivered is a verdict of a program that runs for a map's entry.
type Delivered struct {
	Program string
	Verdict uint32
	Fault   bool // it faulted: XDP_ABORTED
}

// deliver hands a redirected packet to the programs of the entries it goes to.
func (r *Runtime) deliver(out *vm.Output) {
	r.it.Deliver(out, func(d *vm.Delivery) {
		name := "none"
		if d.Program < len(r.Obj.Programs) {
			name = r.Obj.Programs[d.Program].Name
		}
		if r.Delivered == nil {
			r.Delivered = map[Delivered]uint64{}
		}
		r.Delivered[Delivered{name, d.Verdict, d.Err != nil}]++
	})
}

// refused says whether no program ever saw the packet.
func refused(err error) bool { return errors.Is(err, vm.ErrShort) || errors.Is(err, vm.ErrLong) }

// count counts a packet by what became of it.
func (c *Counters) count(out *vm.Output) {
	c.Packets++
	if out.Err != nil {
		if refused(out.Err) {
			c.Short++
			return
		}
		c.Faults++
		c.fault(out.Err)
	}
	c.verdict(out.Verdict)
}

func (c *Counters) verdict(v uint32) {
	if v < uint32(len(c.named)) { // without a map access
		c.named[v]++
	} else {
		c.other[v]++
	}
}

// Cause is why runs ended in a fault.
type Cause struct {
	Packets uint64
	First   error // of the first packet: program, instruction, what went wrong
}

// cause tells causes apart: by place and reason, not by address or packet.
type cause struct {
	reason  vm.Reason
	program string
	pc      int
	helper  int32
	name    string
}

func (c *Counters) fault(err error) {
	var k cause
	var f *vm.Fault
	if errors.As(err, &f) {
		k = cause{f.Reason, f.Program, f.PC, f.Helper, f.Name}
	}
	if c.causes[k] == nil {
		c.causes[k] = &Cause{First: err}
	}
	c.causes[k].Packets++
}

// Causes lists why runs ended in a fault, the most packets first.
func (c *Counters) Causes() []Cause {
	out := make([]Cause, 0, len(c.causes))
	for _, k := range c.causes {
		out = append(out, *k)
	}
	slices.SortFunc(out, func(a, b Cause) int {
		return cmp.Or(cmp.Compare(b.Packets, a.Packets), strings.Compare(a.First.Error(), b.First.Error()))
	})
	return out
}

// Verdicts counts the packets by raw verdict.
func (c *Counters) Verdicts() map[uint32]uint64 {
	out := maps.Clone(c.other)
	for v, n := range c.named {
		if n > 0 {
			out[uint32(v)] = n
		}
	}
	return out
}
