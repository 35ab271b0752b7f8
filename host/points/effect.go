package points

import "jitnic/host/ebpf"

// Effect is what a helper touches, made of its row ([ebpf.Helper]):
// registers, memory that arguments point to, and things without addresses.
type Effect struct {
	Args   uint8 // registers read from r1 on
	Mem    [3]Span
	Reads  Set
	Writes Set
	Look   bool  // a look-up: r0 is a value of the map in mapIn
	MapIn  uint8 // register that names the map, 0: none
	All    bool  // anything may happen: ordered with everything
	row    *ebpf.Helper
}

// Span is memory that an argument points to.
type Span struct {
	Reg   uint8 // register holding the address, 0: no span
	Size  int32 // bytes; 0: what From says
	From  uint8 // register holding the size, or KeySize, ValueSize
	Write bool
}

const (
	KeySize   = 20
	ValueSize = 21
)

// Set is a set of things without addresses that calls read and change.
type Set uint16

const (
	OnMap      Set = 1 << iota // the keys of the map in mapIn
	OnValues                   // all values of that map
	OnPacket                   // all of the packet
	OnGeometry                 // data, data_end, data_meta
	OnRedirect                 // the redirect target
	OnDraws                    // the count of random draws
	OnOutput                   // what goes out beside the packet: events, prints
	OnRing                     // records of ring buffers
)

// sets says which set stands for what a row speaks of. The world outside
// doesn't change while a packet is on its way, and the order of use of an LRU
// map is noted at the look-up.
var sets = []struct {
	thing ebpf.Things
	set   Set
}{
	{ebpf.MapKeys, OnMap},
	{ebpf.MapValues, OnValues},
	{ebpf.Packet, OnPacket},
	{ebpf.Bounds, OnGeometry},
	{ebpf.RedirectTarget, OnRedirect},
	{ebpf.Draws, OnDraws},
	{ebpf.Output, OnOutput},
	{ebpf.Rings, OnRing},
}

// beyond are things whose place isn't known: a call that touches them is a
// barrier.
const beyond = ebpf.Locks | ebpf.Timers | ebpf.Stack | ebpf.AnyMemory

var unknownEffect = Effect{Args: 5, All: true}

// effects are listed by helper number; what isn't here is a barrier.
var effects = func() (table [256]*Effect) {
	rows := ebpf.Helpers()
	for i := range rows {
		table[rows[i].ID], _ = effectOfRow(&rows[i])
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
func effectOfRow(h *ebpf.Helper) (e *Effect, why string) {
	switch {
	case h.ID == 0:
		return nil, "a kernel function, told by its name alone"
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
	e = &Effect{Args: uint8(h.NumArgs()), MapIn: h.MapArg(), Look: h.Ret == ebpf.RetMapValue, row: h}
	n := 0
	for i, a := range h.Args {
		s := Span{Reg: uint8(i + 1), Write: a.Writes, Size: int32(a.Size)}
		switch a.Kind {
		case ebpf.NoArg, ebpf.Scalar, ebpf.Context, ebpf.ConstMap, ebpf.MemSize, ebpf.MemSizeZero:
			continue
		case ebpf.MapKey:
			s.From = KeySize
		case ebpf.MapValue:
			s.From = ValueSize
		case ebpf.Mem:
			s.From = h.SizeArg(s.Reg)
		default:
			return nil, "an argument points to what the scheduler can't follow"
		}
		e.Mem[n] = s
		n++
	}
	for _, x := range sets {
		if h.Reads&x.thing != 0 {
			e.Reads |= x.set
		}
		if (h.Writes|h.OnFail)&x.thing != 0 {
			e.Writes |= x.set
		}
	}
	return e, ""
}

// EffectOf is what a helper touches; of one that isn't known, anything.
func EffectOf(id int32) *Effect {
	if uint32(id) < uint32(len(effects)) && effects[id] != nil {
		return effects[id]
	}
	return &unknownEffect
}
