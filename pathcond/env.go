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
	key      [MaxAsked]byte
	fib      [64]byte
	behind   [MaxValues][]byte
}

// put writes runs of bytes, of the lengths given and each in chunks of 8, into the
// scratch buffer, one after the other from at.
func (e *Env) put(at int, args []uint64, lengths ...int) {
	for _, n := range lengths {
		for end := at + n; at < end; args = args[1:] {
			var b [8]byte
			binary.LittleEndian.PutUint64(b[:], args[0])
			at += copy(e.key[at:end], b[:])
		}
	}
}

// text answers FunText.
func (e *Env) text(arg int, args []uint64) uint64 {
	word, n, values, size := TextParts(arg)
	e.put(0, args, n)
	args = args[(n+7)/8:]
	kinds := vm.ArgKinds(e.key[:n])
	var vals [MaxValues]uint64
	at := n
	for i := range values {
		k := 0
		if i < len(kinds) {
			k = kinds[i].Bytes()
		}
		e.behind[i] = nil
		if k <= 0 {
			vals[i], args = args[0], args[1:]
		}
		if k < 0 {
			k = int(min(vals[i], MaxText))
		}
		e.put(at, args, k)
		args = args[(k+7)/8:]
		e.behind[i] = e.key[at : at+k]
		at += k
	}
	if size < 0 {
		return e.S.TextLen(e.key[:n], vals[:values], e.behind[:])
	}
	e.put(at, args, size)
	dst := e.key[at : at+size]
	r0 := e.S.Text(dst, e.key[:n], vals[:values], e.behind[:])
	if word == 0 {
		return r0
	}
	var b [8]byte
	copy(b[:], dst[8*(word-1):])
	return binary.LittleEndian.Uint64(b[:])
}

// word is the k-th 8 bytes of b, with zeros behind it.
func word(b []byte, k uint64) uint64 {
	var w [8]byte
	if k < uint64(len(b)+7)/8 {
		copy(w[:], b[8*k:])
	}
	return binary.LittleEndian.Uint64(w[:])
}

// asked says whether a bloom filter has the value that the first arguments are, once
// it has those behind it.
func (e *Env) asked(m maps.Map, args []uint64) bool {
	n := int(m.Spec().ValueSize)
	each := (n + 7) / 8
	at := 0
	for ; len(args) >= each && each > 0 && at+n <= len(e.key); at += n {
		e.put(at, args, n)
		args = args[each:]
	}
	return at > 0 && maps.HasAfter(m, e.key[:n], e.key[n:at])
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
	case InTag:
		return s.TagWord()
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
		if _, ok := m.(maps.Queue); ok { // a bloom filter
			return bv.Bit(e.asked(m, args))
		}
		_, ok := m.(maps.Redirects)
		if !ok {
			return 0
		}
		return bv.Bit(s.RedirectTarget(m, args[0]))
	case FunRoom:
		return maps.Room(s.Maps[arg], args[0], args[1:])
	case FunElem:
		return word(s.Maps[arg].(maps.Elements).Elem(args[0]), args[1])
	case FunKeyAt:
		return word(maps.KeyAt(s.Maps[arg], args[0]), args[1])
	case FunTimer:
		return s.TimerState(args[0])
	case FunLookupOn:
		m := s.Maps[arg]
		last := len(args) - 1
		e.put(0, args[:last], int(m.Spec().KeySize))
		if args[last] >= uint64(s.Opt.CPUs) {
			return 0
		}
		return m.Peek(e.key[:m.Spec().KeySize], int(args[last]))
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
	case FunCookie:
		gen, v6, n := CookieParts(arg)
		size := CookieAddrs(v6)
		e.put(0, args[1:], size, n)
		return s.Cookie(gen, e.key[:size], e.key[size:size+n])
	case FunQuery:
		return maps.QueryAfter(s.Maps[arg], args[0], args[1:])
	case FunText:
		return e.text(arg, args)
	case FunConn:
		answer, tuple, opts := ConnParts(arg)
		n, m := ConnBytes(tuple, opts)
		e.put(0, args, n, m)
		at, dir, errno := s.FindConn(e.key[:tuple], e.key[n:n+opts])
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
