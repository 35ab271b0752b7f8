package pathcond

import (
	"encoding/binary"

	"jitnic/host/maps"
	"jitnic/host/vm"
	"jitnic/pathcond/bv"
)

// Env answers for the inputs and functions of conditions from a State at which
// a packet has begun and no program has run. It writes nothing.
type Env struct {
	S        *vm.State
	Versions *Versions
	key      [512]byte
	fib      [64]byte
}

// putBytes writes the low bytes of v, as many as there is room for, 8 at most.
func putBytes(b []byte, v uint64) {
	for i := range b[:min(8, len(b))] {
		b[i] = byte(v >> (8 * i))
	}
}

// Input is the value of an input.
func (e *Env) Input(id uint64) uint64 {
	s := e.S
	switch id {
	case InLen:
		return s.DataEnd - s.Data
	case InTime:
		return s.TimeNS
	case InCoarse:
		return vm.Coarse(s.TimeNS)
	case InJiffies:
		return vm.Jiffies(s.TimeNS)
	case InCPU:
		return uint64(s.CPU)
	case InIfindex:
		return uint64(s.If)
	case InQueue:
		return uint64(s.Rx)
	case InFrags:
		return s.Frags
	}
	switch {
	case id >= InVersion:
		return e.Versions.Counter[id-InVersion]
	case id >= InRand && id < InRand+MaxRand:
		return uint64(vm.Random(s.Opt.Seed, s.Packet, id-InRand))
	}
	return 0
}

// Apply is the value of a function.
func (e *Env) Apply(k uint64, args []uint64) uint64 {
	s := e.S
	id, arg := FunParts(k)
	switch id {
	case FunLoad:
		a := args[0]
		if a+8 > uint64(len(s.Mem.B)) || a+8 < a {
			return 0
		}
		return binary.LittleEndian.Uint64(s.Mem.B[a:])
	case FunLookup:
		m := s.Maps[arg]
		n := int(m.Spec().KeySize)
		for i, v := range args {
			binary.LittleEndian.PutUint64(e.key[8*i:], v)
		}
		switch m := m.(type) {
		case maps.OfMaps:
			if i := m.Inner(e.key[:n]); i >= 0 {
				return vm.MapPtr(i)
			}
			return 0
		case interface{ Program(i uint32) int }:
			return uint64(m.Program(uint32(args[0])) + 1)
		}
		return m.Peek(e.key[:n], s.CPU)
	case FunCount:
		return uint64(s.Maps[arg].Len())
	case FunPresent:
		m := s.Maps[arg]
		if f, ok := m.(maps.Queue); ok { // a bloom filter
			n := int(m.Spec().ValueSize)
			for i, v := range args {
				binary.LittleEndian.PutUint64(e.key[8*i:], v)
			}
			return bv.Bit(f.PeekElem(e.key[:n]) == maps.OK)
		}
		_, ok := m.(maps.Redirects)
		if !ok {
			return 0
		}
		return bv.Bit(s.RedirectTarget(m, args[0]))
	case FunRoom:
		return maps.Room(s.Maps[arg], args[0])
	case FunNumber:
		signed, left, n := NumberParts(arg)
		for i, v := range args[1:] {
			binary.LittleEndian.PutUint64(e.key[8*i:], v)
		}
		r0, v := vm.ParseNumber(e.key[:n], args[0], signed)
		if left {
			return v
		}
		return r0
	case FunConn:
		answer, tuple, opts := ConnParts(arg)
		n, m := ConnBytes(tuple, opts)
		b, c := e.key[:tuple], e.key[tuple:tuple+opts]
		for i, v := range args {
			if at := 8 * i; at < n {
				putBytes(b[at:], v)
			} else {
				putBytes(c[at-(n+7)&^7:m], v)
			}
		}
		at, dir, errno := s.FindConn(b, c)
		return [...]uint64{ConnAddr: at, ConnError: uint64(errno), ConnDir: uint64(dir)}[answer]
	case FunFib:
		for i := 0; i < 8; i++ {
			binary.LittleEndian.PutUint64(e.fib[8*i:], args[i])
		}
		rc := s.Fib(e.fib[:], uint32(args[8]))
		if arg == 0 {
			return uint64(rc)
		}
		return binary.LittleEndian.Uint64(e.fib[8*(arg-1):])
	}
	return 0
}
