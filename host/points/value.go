package points

import (
	"fmt"

	"jitnic/host/ebpf"
)

// Kind is what a register or a spilled value is.
type Kind uint8

const (
	Unreadable Kind = iota // nobody wrote it, or a call left nothing in it
	Scalar                 // a number
	Stack
	Ctx
	Packet
	PacketEnd // data_end: an address behind the packet
	Map       // a map itself
	MapValue  // an address in a value, or 0
	Record    // an address in a reserved record of a ring buffer, or 0
	Anything  // a number or a pointer, not known which
)

var kindNames = [...]string{"unreadable", "a number", "a stack pointer", "the context", "a packet pointer", "the packet's end", "a map", "a map value pointer", "a record", "unknown"}

// String is the kind in the words of a message.
func (k Kind) String() string { return kindNames[k] }

// Value is what is known of a register (or spill slot) wherever it is reached.
type Value struct {
	Kind Kind
	Null bool // MapValue, Record: may still be 0
	//lint:ignore U1000 without a hole in it, values are compared as plain memory
	hole [2]byte
	// Base of pointers: 0, or the number (+1) of the instruction that added a variable; -1 not
	// known. Two of one Kind and Base differ by their Offs.
	Base int32
	Site int32 // MapValue, Record: the call that made it, [Direct] or -1 unknown; Anything: its source
	Map  int32 // Map, MapValue: its index, -1 where it may be one of several
	Off  int64 // pointers: constant offset (beside the variable)
	// Range of Packet: bytes from the (variable) base that were checked against
	// the end; of Record: how many there are.
	Range  int64
	Number // of a number
}

// Direct is the Site of an address in a map's value that a wide load gave.
const Direct = -2

// Sources of what may be a number or a pointer: two of one source are either
// both numbers or both pointers of one kind.
const (
	sourceMixed  = 1 << (20 + iota) // of several sources, or computed from some
	sourceArg                       // plus the register: of a function's caller
	sourceLost                      // plus its kind: a packet pointer before a call that may have moved the packet
	sourceStack                     // plus the slot: bytes that a callee or a store somewhere may have changed
	sourceResult                    // plus the slot of the call or address load that gave it
	sourceMemory                    // plus a number made of the address it was loaded from
)

var mixed = Value{Kind: Anything, Site: sourceMixed}

// given is what an instruction gives that may be a number or a pointer; slot is
// where it stood in the program, -1 nowhere.
func given(slot int32) Value {
	if slot < 0 {
		return mixed
	}
	return Value{Kind: Anything, Site: sourceResult + slot}
}

// loaded is what memory at base+off holds where that may be a number or a
// pointer: the same wherever it is loaded, by whichever instruction.
func loaded(base Value, off int64) Value {
	h := uint64(base.Kind)<<56 ^ uint64(uint32(base.Map))<<40 ^ uint64(uint32(base.Site))<<16 ^ uint64(base.Off+off)
	return Value{Kind: Anything, Site: sourceMemory + int32(h*0x9e3779b97f4a7c15>>44)} // 20 bits
}

// String names the value in what the verifier would say of it.
func (v Value) String() string {
	if v.Kind != Anything {
		return v.Kind.String()
	}
	return fmt.Sprintf("what may be a pointer (%#x)", v.Site)
}

func number(n Number) Value { return Value{Kind: Scalar, Number: n} }

// Top is a number nothing is known of.
func Top() Value { return number(upTo(64)) }

// AtMost is a number up to n.
func AtMost(n uint64) Value { return number(Number{Unknown: ^uint64(0), Max: n}.Norm()) }

// Constant is the number v.
func Constant(v uint64) Value { return number(exactly(v)) }

// IsConst says whether v is one number.
func (v Value) IsConst() bool { return v.Kind == Scalar && v.Unknown == 0 }

// IsPointer says whether v is an address, or a map's.
func (v Value) IsPointer() bool { return v.Kind >= Stack && v.Kind <= Record }

// numberOf is what is known of v as a number.
func (v Value) numberOf() Number {
	if v.Kind == Scalar {
		return v.Number
	}
	return upTo(64)
}

// Join is what holds of either of two values.
func Join(a, b Value) Value {
	if a == b {
		return a
	}
	if a.Kind == Unreadable || b.Kind == Unreadable {
		return Value{}
	}
	if a.Kind == Scalar && b.Kind == Scalar {
		return number(a.Number.or(b.Number))
	}
	if b.Kind == MapValue {
		a, b = b, a
	}
	// A value pointer or 0, which need not be that look-up's: where the pointer stands
	// elsewhere too, the two may differ.
	if a.Kind == MapValue && b.IsConst() && b.Known == 0 {
		a.Null, a.Site = true, -1
		return a
	}
	if a.Kind == b.Kind && a.IsPointer() && a.Map == b.Map {
		a.Null = a.Null || b.Null
		if a.Site != b.Site {
			a.Site = -1
		}
		if a.Off != b.Off || a.Base != b.Base {
			a.Range = max(0, min(a.Range-a.Off, b.Range-b.Off))
			a.Base, a.Off = -1, 0
		}
		a.Range = min(a.Range, max(0, b.Range))
		return a
	}
	if a.Kind == MapValue && b.Kind == MapValue { // of some map
		return Value{Kind: MapValue, Null: a.Null || b.Null, Map: -1, Site: -1, Base: -1}
	}
	return mixed
}

// joinSlots is Join for bytes of the stack: where one path left a pointer and
// another did not, they may be either.
func joinSlots(a, b Value) Value {
	may := func(v Value) bool { return v.IsPointer() || v.Kind == Anything }
	if a.Kind == Unreadable && may(b) || b.Kind == Unreadable && may(a) {
		return mixed
	}
	return Join(a, b)
}

// unnamed is a pointer whose base nobody knows any more: how far it may be read, of
// Packet, still is.
func (v Value) unnamed() Value {
	v.Range = max(0, v.Range-v.Off)
	v.Base, v.Off = -1, 0
	return v
}

// added is what instruction at leaves of a pointer to which it added n.
func (v Value) added(n Number, at int32) Value {
	if !n.exact() {
		v.Base, v.Off, v.Range = at+1, 0, 0
		return v
	}
	v.Off += int64(n.Known)
	if v.Base == -1 {
		v.Range = max(0, v.Range-max(v.Off, 0))
		if v.Off < 0 { // nothing is known of what stands before
			v.Range = 0
		}
		v.Base, v.Off = at+1, 0
	}
	return v
}

// packetField is what a load of n bytes at off of the context gives, if that is
// an address.
func packetField(k ebpf.ContextKind, off int64, n int) (Kind, bool) {
	switch k.Field(off, n) {
	case ebpf.FieldData:
		return Packet, true
	case ebpf.FieldEnd:
		return PacketEnd, true
	case ebpf.FieldMeta:
		return Anything, true
	}
	return 0, false
}
