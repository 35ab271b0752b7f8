package shadow

import (
	"encoding/binary"

	"jitnic/host/ebpf"
	"jitnic/host/maps"
	"jitnic/host/vm"

	cilium "github.com/cilium/ebpf"
)

// helper is what a call of a helper or kernel function does to the marks: what
// its row says, and what the row can't say of a few.
func (s *Shadow) helper(rec *vm.Recording, i int, h *ebpf.Helper) {
	st := &rec.Steps[i]
	c := &rec.Calls[st.Addr]
	args := [5]lanes(s.r[1:6])
	if h == nil {
		s.result(0)
		return
	}
	switch h.Flow {
	case ebpf.TailCalls:
		s.depends(args[2].first(4).union())
		if c.Ret != ^uint64(0) {
			s.openFrame(int(st.Frame))
			s.r = [11]lanes{1: all(Other), 10: all(Stack)}
		} else {
			s.result(0)
		}
		return
	case ebpf.CallsBack:
		s.callback(rec, i, args)
		return
	}
	if special, ok := specials[h.ID]; ok && h.ID != 0 {
		special(s, rec, c, args)
		return
	}
	s.byRow(rec, h, c, args)
}

// result is what is in the registers after a call.
func (s *Shadow) result(w lanes) {
	s.r[0] = w
	clear(s.r[1:6])
}

// byRow reads the arguments' marks and writes the buffers' and the result's.
func (s *Shadow) byRow(rec *vm.Recording, h *ebpf.Helper, c *vm.Call, args [5]lanes) {
	failed := h.Fails == ebpf.FailsNegative && int64(c.Ret) < 0 || h.Fails == ebpf.FailsNull && c.Ret == 0
	var in Mark // what result and buffers depend on
	told := h.Writes&^(ebpf.Output|ebpf.Rings) == 0 && h.Writes != 0
	for i, a := range h.Args {
		switch a.Kind {
		case ebpf.NoArg, ebpf.Context, ebpf.ConstMap, ebpf.Variadic:
		case ebpf.Scalar, ebpf.MemSize, ebpf.MemSizeZero, ebpf.ConstSize:
			m := args[i].union()
			if h.Writes != 0 || a.Kind != ebpf.Scalar {
				s.depends(m)
			} else {
				in |= m
			}
		default:
			s.depends(args[i].union() &^ pointer)
			if a.Kind == ebpf.MapKey {
				s.key(rec, c)
			} else if a.Reads && !told && a.Kind != ebpf.Dynptr {
				in |= s.mem.any(c.Args[i], s.size(h, c, i))
			}
		}
	}
	for i, a := range h.Args {
		if !a.Writes || c.Args[i] == 0 {
			continue
		}
		fill := a.Done
		if failed {
			fill = a.Failed
		}
		switch n := s.size(h, c, i); fill {
		case ebpf.Filled:
			s.mem.fill(c.Args[i], n, in)
		case ebpf.Cleared:
			s.mem.fill(c.Args[i], n, 0)
		}
	}
	switch h.Ret {
	case ebpf.RetScalar:
		s.result(all(in))
	case ebpf.RetNothing:
		s.result(0)
	default:
		w := lanes(0)
		if c.Ret != 0 {
			w = all(s.class(c.Ret))
		}
		s.result(w | all(in))
	}
}

// size is how many bytes argument i points to.
func (s *Shadow) size(h *ebpf.Helper, c *vm.Call, i int) uint64 {
	a := h.Args[i]
	var key, value uint32
	if m := s.mapOf(c); m != nil {
		key, value = m.Spec().KeySize, m.Spec().ValueSize
	}
	if n := a.Bytes(key, value); n > 0 {
		return uint64(n)
	}
	if a.Kind == ebpf.Dynptr {
		return 16
	}
	if i+1 < len(h.Args) {
		switch h.Args[i+1].Kind {
		case ebpf.MemSize, ebpf.MemSizeZero, ebpf.ConstSize:
			return uint64(uint32(c.Args[i+1]))
		}
	}
	return 0
}

// key notes that the run depends on the bytes of a key.
func (s *Shadow) key(rec *vm.Recording, c *vm.Call) {
	s.depends(s.mem.any(s.keyAddr(c), uint64(len(rec.Key(c)))))
}

// keyAddr is where a call's key lies: map helpers have it in register 2.
func (s *Shadow) keyAddr(c *vm.Call) uint64 { return c.Args[1] }

// specials are the helpers whose effect on marks no row can tell.
var specials = map[int32]func(s *Shadow, rec *vm.Recording, c *vm.Call, args [5]lanes){
	ebpf.FnMapLookupElem:       (*Shadow).lookup,
	ebpf.FnMapLookupPercpuElem: (*Shadow).lookup,
	ebpf.FnMapUpdateElem:       (*Shadow).update,
	ebpf.FnMapPushElem:         (*Shadow).push,
	ebpf.FnMapPopElem:          (*Shadow).pop,
	ebpf.FnMapPeekElem:         (*Shadow).pop,
	ebpf.FnRedirectMap:         (*Shadow).redirectMap,
	ebpf.FnXdpLoadBytes:        (*Shadow).loadBytes,
	ebpf.FnXdpStoreBytes:       (*Shadow).storeBytes,
	ebpf.FnXdpAdjustHead:       (*Shadow).adjustHead,
	ebpf.FnRingbufOutput:       (*Shadow).ringOutput,
	ebpf.FnRingbufQuery:        (*Shadow).ringOutput,
	ebpf.FnRingbufReserve:      (*Shadow).reserve,
	ebpf.FnFibLookup:           (*Shadow).fib,
	ebpf.FnSnprintf:            (*Shadow).snprintf,
}

func (s *Shadow) lookup(rec *vm.Recording, c *vm.Call, args [5]lanes) {
	s.depends((args[0].union() | args[1].union()) &^ pointer)
	s.key(rec, c)
	key, m := rec.Key(c), s.mapOf(c)
	w := lanes(0)
	if c.Ret != 0 {
		w = all(s.class(c.Ret))
	}
	if m != nil {
		switch s.foreign(c.Map, key) {
		case Absent:
			w |= all(Foreign)
		case Changed:
			if c.Ret != 0 {
				s.mem.fill(c.Ret, uint64(m.Spec().ValueSize), Foreign)
			}
		}
	}
	s.result(w)
}

func (s *Shadow) update(rec *vm.Recording, c *vm.Call, args [5]lanes) {
	s.depends((args[0].union() | args[1].union() | args[2].union()) &^ pointer)
	s.depends(args[3].union())
	s.key(rec, c)
	defer s.result(0)
	m := s.mapOf(c)
	if m == nil || int64(c.Ret) < 0 {
		return
	}
	n := uint64(m.Spec().ValueSize)
	if m.Spec().Type == cilium.LPMTrie {
		// A look-up may find another prefix; it doesn't when this one is there.
		if mark := s.mem.any(c.Args[2], n); mark == 0 {
			if to := m.Peek(rec.Key(c), s.state.CPU); to != 0 {
				s.mem.fill(to, n, 0)
			}
			return
		}
	}
	to := m.Peek(rec.Key(c), s.state.CPU)
	if to == 0 {
		return // deleted since
	}
	if maps.IsPerCPU(m.Spec()) { // a new element is zero on the other CPUs
		for cpu := range s.state.Opt.CPUs {
			if a := m.Peek(rec.Key(c), cpu); a != 0 {
				s.mem.fill(a, n, 0)
			}
		}
	}
	s.mem.copy(to, c.Args[2], n)
}

func (s *Shadow) push(rec *vm.Recording, c *vm.Call, args [5]lanes) {
	s.depends(args[1].union() &^ pointer)
	s.depends(args[2].union())
	if m := s.mapOf(c); m != nil {
		mark := s.mem.any(c.Args[1], uint64(m.Spec().ValueSize))
		if isQueue(m.Spec().Type) {
			s.queue[int(c.Map)] |= mark
		} else {
			s.depends(mark) // a bloom filter: the bytes are its key
		}
	}
	s.result(0)
}

func (s *Shadow) pop(rec *vm.Recording, c *vm.Call, args [5]lanes) {
	s.depends(args[1].union() &^ pointer)
	m := s.mapOf(c)
	s.result(0)
	switch {
	case m == nil:
	case !isQueue(m.Spec().Type):
		s.depends(s.mem.any(c.Args[1], uint64(m.Spec().ValueSize)))
		if s.foreign(c.Map, nil) != Same {
			s.r[0] = all(Foreign)
		}
	default:
		mark := s.queue[int(c.Map)]
		if int64(c.Ret) < 0 {
			mark = 0 // filled with zeros
		}
		s.mem.fill(c.Args[1], uint64(m.Spec().ValueSize), mark)
	}
}

func (s *Shadow) redirectMap(rec *vm.Recording, c *vm.Call, args [5]lanes) {
	s.depends(args[0].union() &^ pointer)
	s.depends(args[1].first(4).union() | args[2].union())
	s.result(0)
	const broadcast = 1 << 3 // BPF_F_BROADCAST
	if c.Map >= 0 && c.Args[2]&broadcast == 0 && s.foreign(c.Map, binary.LittleEndian.AppendUint32(nil, uint32(c.Args[1]))) == Absent {
		s.r[0] = all(Foreign)
	}
}

// packetAt is where offset off of the packet lies.
func (s *Shadow) packetAt(off uint64) uint64 { return s.data + uint64(uint32(off)) }

func (s *Shadow) loadBytes(rec *vm.Recording, c *vm.Call, args [5]lanes) {
	s.depends(args[1].union() | args[2].union()&^pointer | args[3].union())
	if int64(c.Ret) >= 0 {
		s.mem.copy(c.Args[2], s.packetAt(c.Args[1]), uint64(uint32(c.Args[3])))
	}
	s.result(0)
}

func (s *Shadow) storeBytes(rec *vm.Recording, c *vm.Call, args [5]lanes) {
	s.depends(args[1].union() | args[2].union()&^pointer | args[3].union())
	if int64(c.Ret) >= 0 {
		s.mem.copy(s.packetAt(c.Args[1]), c.Args[2], uint64(uint32(c.Args[3])))
	}
	s.result(0)
}

func (s *Shadow) reserve(rec *vm.Recording, c *vm.Call, args [5]lanes) {
	s.depends(args[1].union() | args[2].union())
	s.result(0)
	if c.Ret != 0 {
		s.r[0] = all(Value)
		s.mem.fill(c.Ret, c.Args[1], Unset)
	}
	if s.foreign(c.Map, nil) != Same {
		s.r[0] |= all(Foreign)
	}
}

// ringOutput is a call whose result says how full a ring is.
func (s *Shadow) ringOutput(rec *vm.Recording, c *vm.Call, args [5]lanes) {
	s.depends(args[1].union()&^pointer | args[2].union() | args[3].union())
	s.result(0)
	if s.foreign(c.Map, nil) != Same {
		s.r[0] = all(Foreign)
	}
}

// adjustHead moves where offsets into the packet count from.
func (s *Shadow) adjustHead(rec *vm.Recording, c *vm.Call, args [5]lanes) {
	s.depends(args[1].first(4).union())
	if int64(c.Ret) >= 0 {
		s.data += uint64(int64(int32(c.Args[1])))
	}
	s.result(0)
}

// Offsets in struct bpf_fib_lookup (uapi/linux/bpf.h).
const (
	fibIfIndex = 8
	fibMetric  = 12 // tos and flow information before
	fibSrc     = 16
	fibDst     = 32
	fibVLAN    = 48
	fibSize    = 64
	afINET     = 2
)

// fib reads addresses, tos and interface, and on success writes interface,
// metric and link addresses.
func (s *Shadow) fib(rec *vm.Recording, c *vm.Call, args [5]lanes) {
	s.depends(args[1].union()&^pointer | args[2].union() | args[3].union())
	s.result(0)
	p := c.Args[1]
	if uint64(uint32(c.Args[2])) < fibSize || s.state.Mem.Find(p, fibSize) == nil {
		return
	}
	s.depends(s.mem.any(p, fibSrc)) // family, protocol, ports, length, interface, tos
	if s.state.Mem.B[p] == afINET {
		s.depends(s.mem.any(p+fibSrc, 4) | s.mem.any(p+fibDst, 4))
	} else {
		s.depends(s.mem.any(p+fibSrc, fibVLAN-fibSrc))
	}
	if c.Ret == 0 {
		s.mem.fill(p+fibIfIndex, fibSrc-fibIfIndex, 0)
		s.mem.fill(p+fibVLAN, fibSize-fibVLAN, 0)
	}
	const source = 1 << 4 // BPF_FIB_LOOKUP_SRC: see package fib
	if s.Drawn {
		s.mem.fill(p+fibIfIndex, fibSize-fibIfIndex, Foreign)
		s.r[0] = all(Foreign)
	} else if c.Args[3]&source != 0 && s.state.Mem.B[p] != afINET {
		s.mem.fill(p+fibSrc, fibDst-fibSrc, Foreign)
	}
}

func (s *Shadow) snprintf(rec *vm.Recording, c *vm.Call, args [5]lanes) {
	s.depends(args[0].union()&^pointer | args[1].union() | args[4].union())
	var m Mark
	shown := s.shown(c.Args[2])
	for i := uint64(0); i < uint64(uint32(c.Args[4]))/8; i++ {
		at := c.Args[3] + 8*i
		mark := s.mem.any(at, 8)
		if n := uint64(0); int(i) < len(shown) && shown[i] != 0 {
			// What stands there is printed, not where that is.
			to := s.state.Load(at, 8)
			if n = uint64(shown[i]); shown[i] == 's' {
				for n = 1; s.state.Reach(to+n-1, 1, false) && s.state.Load(to+n-1, 1) != 0; n++ {
				}
			}
			if s.state.Reach(to, n, false) {
				mark = mark&^pointer | s.mem.any(to, n)
			}
		}
		m |= mark
	}
	if c.Args[0] != 0 && int64(c.Ret) > 0 {
		s.mem.fill(c.Args[0], min(c.Ret, uint64(uint32(c.Args[1]))), m)
	}
	s.result(all(m)) // how long numbers print
}

// shown says of each conversion of the format at an address which memory it prints:
// 's' a string, 4 or 16 an IP address of so many bytes, 0 none.
func (s *Shadow) shown(at uint64) (out []byte) {
	next := func() byte {
		if !s.state.Reach(at, 1, false) {
			return 0
		}
		at++
		return byte(s.state.Load(at-1, 1))
	}
	for c := next(); c != 0; c = next() {
		if c != '%' {
			continue
		}
		for c = next(); c == '-' || c == '+' || c == ' ' || c == '#' || c >= '0' && c <= '9' || c == 'l'; c = next() {
		}
		switch c {
		case '%':
			continue
		case 's':
			out = append(out, 's')
			continue
		case 'p':
			if s.state.Reach(at, 2, false) && s.state.Load(at, 1)|0x20 == 'i' {
				at++
				if next() == '6' {
					out = append(out, 16)
				} else {
					out = append(out, 4)
				}
				continue
			}
		}
		out = append(out, 0)
	}
	return out
}

// callback begins bpf_loop and bpf_for_each_map_elem: what the callback finds
// in its registers each time.
func (s *Shadow) callback(rec *vm.Recording, i int, args [5]lanes) {
	st := &rec.Steps[i]
	entered := i+1 < len(rec.Steps) && rec.Steps[i+1].Frame > st.Frame
	each := s.obj.Programs[st.Prog].Insns[st.PC].Imm == ebpf.FnForEachMapElem
	s.depends(args[3].union())
	if !each {
		s.depends(args[0].first(4).union())
	}
	if !entered {
		s.result(0)
		return
	}
	f := &s.frames[st.Frame+1]
	if each {
		f.args = [5]lanes{all(Other), all(Value), all(Value), args[2]}
	} else {
		f.args = [5]lanes{0, args[2]}
	}
	s.enter(int(st.Frame)+1, true)
	copy(s.r[1:6], f.args[:])
}
