package vm

import (
	"cmp"
	"encoding/binary"
	"slices"

	"jitnic/host/maps"

	cebpf "github.com/cilium/ebpf"
)

// Delivery is what the program of a devmap's or cpumap's entry did with a
// packet that was redirected to the entry.
type Delivery struct {
	Program int    // index into Object.Programs
	Map     int32  // the map and
	Key     uint32 // key of the entry
	Verdict uint32 // XDP_ABORTED where it faulted
	Err     error  // a *Fault
}

// maxHops bounds how often programs of cpumaps redirect a packet further: one
// that goes round in a circle is dropped in the kernel when a queue is full.
const maxHops = 8

// Deliver hands the packet that has just ended with XDP_REDIRECT to the
// programs of the entries it was redirected to, and tells each of every run:
// one for each target of a broadcast that has a program. In the kernel they run
// after the program's verdict, on another CPU or at the device's queue
// (kernel/bpf/cpumap.c: cpu_map_bpf_prog_run_xdp, kernel/bpf/devmap.c:
// dev_map_bpf_prog_run); what they write to maps stays, what they do to the
// packet isn't seen in out. it must be an interpreter on the State that the
// packet ran on, by whatever engine.
func (it *Interp) Deliver(out *Output, each func(d *Delivery)) {
	if out.Verdict == XDPRedirect && out.Err == nil && out.Redirect.Kind >= RedirectMap {
		it.deliver(out.Redirect, each, 0)
	}
}

// entryOf is a target of a redirection that has a program.
type entryOf struct {
	key, value uint32
	prog       int
}

func (it *Interp) deliver(to Redirect, each func(d *Delivery), hops int) {
	m, ok := it.S.Maps[to.Map].(maps.Redirects)
	if !ok || hops == maxHops {
		return
	}
	if to.Kind == RedirectBcast {
		for _, e := range it.S.targets(m, to.Flags) {
			it.handTo(m, to.Map, e, each, hops)
		}
		return
	}
	key := uint32(to.Index)
	if value, prog, ok := m.Target(key); ok && prog > 0 {
		it.handTo(m, to.Map, entryOf{key, value, int(prog) - 1}, each, hops)
	}
}

// handTo hands the packet to one entry's program and on to where that says.
func (it *Interp) handTo(m maps.Redirects, index int32, e entryOf, each func(d *Delivery), hops int) {
	before := it.S.packet()
	d := Delivery{Program: e.prog, Map: index, Key: e.key}
	on := it.runEntry(m.Spec().Type, e, &d)
	each(&d)
	if on.Kind >= RedirectMap {
		it.deliver(on, each, hops+1)
	}
	it.S.restore(before)
}

// targets are the entries of a broadcast that have a program, by key.
func (s *State) targets(m maps.Redirects, flags uint64) []entryOf {
	const exclude = 1 << 4 // BPF_F_EXCLUDE_INGRESS
	var out []entryOf
	m.Range(func(key, _ []byte) bool {
		k := binary.LittleEndian.Uint32(key)
		if value, prog, ok := m.Target(k); ok && prog > 0 && (flags&exclude == 0 || value != s.If) {
			out = append(out, entryOf{k, value, int(prog) - 1})
		}
		return true
	})
	slices.SortFunc(out, func(a, b entryOf) int { return cmp.Compare(a.key, b.key) })
	return out
}

// runEntry runs the program of one entry and returns where it redirects to, if it
// may.
func (it *Interp) runEntry(kind cebpf.MapType, e entryOf, d *Delivery) Redirect {
	s := it.S
	if e.prog >= len(it.code) {
		d.Err = fault(BadArg, "the map names no program of the object")
		return Redirect{}
	}
	device := kind != cebpf.CPUMap
	if device {
		s.Egress = e.value
	}
	s.Rx = 0 // neither keeps the queue the packet came from
	s.Redirect = Redirect{}
	s.Depth, s.frame = 0, s.Stack
	clear(s.Mem.B[s.Stack : s.Stack+StackSize])
	s.iter, s.lent = s.iter[:0], s.lent[:0]
	it.r = [16]uint64{1: s.CtxPtr(), 10: s.FrameTop(0)}
	entry := it.entry
	it.entry = e.prog
	it.begin()
	r0, _, f := it.loop(nil, never)
	it.entry = entry
	d.Verdict = uint32(r0)
	if f != nil {
		d.Verdict, d.Err = XDPAborted, f
		s.dropPending()
		return Redirect{}
	}
	if device || d.Verdict != XDPRedirect {
		return Redirect{}
	}
	return s.Redirect
}

// held is a packet with its place in the buffer.
type held struct {
	bytes                   []byte // from low to the end
	low                     uint64
	dataMeta, data, dataEnd uint64
	frags, fragPages        uint64
	rx, egress              uint32
	redirect                Redirect
}

// packet keeps the packet at hand.
func (s *State) packet() held {
	end := s.DataEnd + s.Frags
	return held{
		bytes: slices.Clone(s.Mem.B[s.low:end]), low: s.low, dataMeta: s.DataMeta, data: s.Data, dataEnd: s.DataEnd,
		frags: s.Frags, fragPages: s.fragPages, rx: s.Rx, egress: s.Egress, redirect: s.Redirect,
	}
}

// restore puts a packet back as it was.
func (s *State) restore(h held) {
	clear(s.Mem.B[s.low:h.low]) // headroom that was touched since
	copy(s.Mem.B[h.low:], h.bytes)
	s.low, s.DataMeta, s.Data, s.DataEnd = h.low, h.dataMeta, h.data, h.dataEnd
	s.Frags, s.fragPages = h.frags, h.fragPages
	s.Rx, s.Egress, s.Redirect = h.rx, h.egress, h.redirect
}
