package vliw

import "jitnic/host/ebpf"

// effect is what a helper touches, as host/vm implements it
// (uapi/linux/bpf.h).
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

var unknownEffect = effect{args: 5, all: true}

var clock = effect{args: 0}

// effects are listed by helper number; what isn't here is a barrier.
var effects = [256]*effect{
	1:   {args: 2, mem: [3]span{{reg: 2, from: keySize}}, reads: onMap, look: true, mapIn: 1},
	2:   {args: 4, mem: [3]span{{reg: 2, from: keySize}, {reg: 3, from: valueSize}}, reads: onMap, write: onMap | onValues, mapIn: 1},
	3:   {args: 2, mem: [3]span{{reg: 2, from: keySize}}, reads: onMap, write: onMap | onValues, mapIn: 1},
	5:   &clock,
	7:   {args: 0, write: onDraws},
	8:   &clock,
	23:  {args: 2, write: onRedirect},
	25:  {args: 5, mem: [3]span{{reg: 4, from: 5}}, reads: onPacket | onGeometry, write: onOutput, mapIn: 2},
	28:  {args: 5, mem: [3]span{{reg: 1, from: 2}, {reg: 3, from: 4}}},
	42:  &clock,
	44:  {args: 2, reads: onPacket | onGeometry, write: onPacket | onGeometry},
	51:  {args: 3, reads: onMap, write: onRedirect, mapIn: 1},
	54:  {args: 2, reads: onPacket | onGeometry, write: onPacket | onGeometry},
	65:  {args: 2, reads: onPacket | onGeometry, write: onPacket | onGeometry},
	69:  {args: 4, mem: [3]span{{reg: 2, from: 3, write: true}}, reads: onGeometry},
	87:  {args: 3, mem: [3]span{{reg: 2, from: valueSize}}, reads: onMap, write: onMap, mapIn: 1},
	88:  {args: 2, mem: [3]span{{reg: 2, from: valueSize, write: true}}, reads: onMap, write: onMap, mapIn: 1},
	89:  {args: 2, mem: [3]span{{reg: 2, from: valueSize, write: true}}, reads: onMap, mapIn: 1},
	118: &clock,
	125: &clock,
	130: {args: 4, mem: [3]span{{reg: 2, from: 3}}, reads: onMap | onRing, write: onMap | onRing | onOutput, mapIn: 1},
	134: {args: 2, reads: onMap | onRing, mapIn: 1},
	160: &clock,
	163: {args: 5, mem: [3]span{{reg: 3, size: 4, write: true}}, reads: onGeometry},
	188: {args: 1, reads: onGeometry},
	189: {args: 4, mem: [3]span{{reg: 3, from: 4, write: true}}, reads: onPacket | onGeometry},
	190: {args: 4, mem: [3]span{{reg: 3, from: 4}}, reads: onGeometry, write: onPacket},
	195: {args: 3, mem: [3]span{{reg: 2, from: keySize}}, reads: onMap, look: true, mapIn: 1},
	208: &clock,
}

func effectOf(id int32) *effect {
	if uint32(id) < uint32(len(effects)) && effects[id] != nil {
		return effects[id]
	}
	return &unknownEffect
}

// isUpdate says whether a call changes a map's entries.
func isUpdate(in ebpf.Insn) bool { return in.Imm == 2 || in.Imm == 3 }

// isLookup says whether a call finds a map's entry.
func isLookup(in ebpf.Insn) bool { return in.Imm == 1 || in.Imm == 195 }
