package vliw

import "jitnic/host/ebpf"

// effect is what a helper touches, in the scheduler's terms; it is made of the
// helper's row ([ebpf.Helper]).
type effect struct {
	args  uint8 // registers read from r1 on
	mem   [3]span
	reads set
	write set
	look  bool  // a look-up: r0 is a value of the map in mapIn
	mapIn uint8 // register that names the map, 0: none
	all   bool  // anything may happen: ordered with everything
}

// span is memory that an argument points to.
type span struct {
	reg   uint8 // register holding the address, 0: no span
	size  int32 // bytes; 0: what sizeReg says
	from  uint8 // register holding the size, or keySize, valueSize
	write bool
}

const (
	keySize   = 20
	valueSize = 21
)

// set is a set of things without addresses that calls read and change.
type set uint16

const (
	onMap      set = 1 << iota // the keys of the map in mapIn
	onValues                   // all values of that map
	onPacket                   // all of the packet
	onGeometry                 // data, data_end, data_meta
	onRedirect                 // the redirect target
	onDraws                    // the count of random draws
	onOutput                   // what goes out beside the packet: events, prints
	onRing                     // records of ring buffers
)

// sets says which set stands for what a row speaks of. The world outside
// doesn't change while a packet is on its way, and the order of use of an LRU
// map is noted at the look-up.
var sets = []struct {
	thing ebpf.Things
	set   set
}{
	{ebpf.MapKeys, onMap},
	{ebpf.MapValues, onValues},
	{ebpf.Packet, onPacket},
	{ebpf.Bounds, onGeometry},
	{ebpf.RedirectTarget, onRedirect},
	{ebpf.Draws, onDraws},
	{ebpf.Output, onOutput},
	{ebpf.Rings, onRing},
}

// beyond are things whose place isn't known: a call that touches them is a
// barrier.
const beyond = ebpf.Locks | ebpf.Timers | ebpf.Stack | ebpf.AnyMemory

var unknownEffect = effect{args: 5, all: true}

// effects are listed by helper number; what isn't here is a barrier.
var effects = func() (table [256]*effect) {
	for _, h := range ebpf.Helpers() {
		table[h.ID], _ = effectOfRow(&h)
	}
	return table
}()

// Barrier says why the scheduler keeps a call of a helper in its place, ordered
// with everything; "" where it knows what the call touches.
func Barrier(h *ebpf.Helper) string {
	_, why := effectOfRow(h)
	return why
}

// effectOfRow is nil for a barrier, and says why.
func effectOfRow(h *ebpf.Helper) (e *effect, why string) {
	switch {
	case h.ID == 0:
		return nil, "a kernel function, told by its name alone"
	case h.Unknown:
		return nil, "nobody wrote down what it does"
	case h.Flow != ebpf.Returns:
		return nil, "control goes on in other code"
	case (h.Reads|h.Writes|h.OnFail)&beyond != 0 || h.Writes&ebpf.World != 0:
		return nil, "it touches what has no place"
	}
	switch h.Ret {
	case ebpf.RetScalar, ebpf.RetNothing, ebpf.RetMapValue:
	default:
		return nil, "its result points to memory that can't be told apart"
	}
	e = &effect{args: uint8(h.NumArgs()), mapIn: h.MapArg(), look: h.Ret == ebpf.RetMapValue}
	n := 0
	for i, a := range h.Args {
		s := span{reg: uint8(i + 1), write: a.Writes, size: int32(a.Size)}
		switch a.Kind {
		case ebpf.NoArg, ebpf.Scalar, ebpf.Context, ebpf.ConstMap, ebpf.MemSize, ebpf.MemSizeZero:
			continue
		case ebpf.MapKey:
			s.from = keySize
		case ebpf.MapValue:
			s.from = valueSize
		case ebpf.Mem:
			s.from = h.SizeArg(s.reg)
		default:
			return nil, "an argument points to what the scheduler can't follow"
		}
		e.mem[n] = s
		n++
	}
	for _, x := range sets {
		if h.Reads&x.thing != 0 {
			e.reads |= x.set
		}
		if (h.Writes|h.OnFail)&x.thing != 0 {
			e.write |= x.set
		}
	}
	return e, ""
}

func effectOf(id int32) *effect {
	if uint32(id) < uint32(len(effects)) && effects[id] != nil {
		return effects[id]
	}
	return &unknownEffect
}

// isUpdate says whether a call changes the entries of a map with keys.
func isUpdate(in ebpf.Insn) bool {
	h := in.Called()
	return h != nil && h.Writes&ebpf.MapValues != 0
}

// isLookup says whether a call finds a map's entry.
func isLookup(in ebpf.Insn) bool {
	h := in.Called()
	return h != nil && h.Ret == ebpf.RetMapValue
}
