package observe

import (
	"encoding/binary"
	"hash/fnv"
	"slices"

	"jitnic/host/ebpf"
	"jitnic/host/maps"
	"jitnic/host/mem"
	"jitnic/host/vm"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
)

// effects makes of a packet's run a number that is the same for runs that do the
// same to packets of a flow: by verdict, target of a redirect, bytes changed, and
// writes to maps.
//
// Packets of a flow differ, and so does what is written into them without being
// another outcome. Checksums and lengths of IP, UDP and TCP headers are left out,
// since they follow from the rest; a value written to a map counts by what it
// adds where the run has read the word before, and where it is the time that
// a clock told it, or the packet's length, as that. What two runs write otherwise is another outcome.
type effects struct {
	buf    []byte
	regs   [16]uint64 // what the run's steps say of them
	loaded []word
	clocks []uint64 // what clocks told the run
	skip   []int    // bytes of the packet after the run that are left out

	eth  layers.Ethernet
	vlan layers.Dot1Q
	ip4  layers.IPv4
	ip6  layers.IPv6
}

// word is one that the run has read.
type word struct{ addr, val uint64 }

// Kinds of what is in buf.
const (
	effByte = iota
	effWord
	effAdds
	effTime
	effLength
	effCall
)

func (e *effects) put(v ...uint64) {
	for _, x := range v {
		e.buf = binary.LittleEndian.AppendUint64(e.buf, x)
	}
}

// of is a run's number.
func (o *Observer) effect(in *vm.Input, out *vm.Output) uint32 {
	e := &o.effects
	e.buf, e.loaded, e.clocks = e.buf[:0], e.loaded[:0], e.clocks[:0]
	if out.Err != nil {
		e.put(^uint64(0))
	} else {
		e.put(uint64(out.Verdict), uint64(out.Redirect.Kind), uint64(out.Redirect.Map), out.Redirect.Index, out.Redirect.Flags)
		e.packet(in.Data, out.Data)
	}
	o.mapEffects(in)
	h := fnv.New32a()
	h.Write(e.buf)
	return h.Sum32()
}

// packet puts what was changed: the packets are laid beside each other by their
// ends, where that leaves less changed, or by their starts.
func (e *effects) packet(before, after []byte) {
	if len(before) == len(after) && string(before) == string(after) {
		return
	}
	front := len(after) - len(before)
	if changed(before, after, front) > changed(before, after, 0) {
		front = 0
		e.put(uint64(len(after) - len(before)))
	}
	e.put(uint64(front))
	e.skip = e.skip[:0]
	e.derived(after)
	for i, b := range after {
		if j := i - front; j >= 0 && j < len(before) && before[j] == b || front == 0 && i >= len(before) {
			continue
		}
		if !slices.Contains(e.skip, i) {
			e.put(effByte, uint64(i), uint64(b))
		}
	}
}

// changed counts the bytes of after that aren't before's, so many further on.
func changed(before, after []byte, front int) (n int) {
	for i, b := range after {
		if j := i - front; j < 0 || j >= len(before) || before[j] != b {
			n++
		}
	}
	return n
}

// derived finds the bytes of headers that follow from others.
func (e *effects) derived(data []byte) {
	at := 0
	leave := func(offsets ...int) {
		for _, o := range offsets {
			e.skip = append(e.skip, at+o, at+o+1)
		}
	}
	f := gopacket.NilDecodeFeedback
	if e.eth.DecodeFromBytes(data, f) != nil {
		return
	}
	at, data = 14, e.eth.Payload
	next := e.eth.NextLayerType()
	for range 8 {
		var size int
		switch next {
		case layers.LayerTypeDot1Q:
			if e.vlan.DecodeFromBytes(data, f) != nil {
				return
			}
			size, data, next = 4, e.vlan.Payload, e.vlan.NextLayerType()
		case layers.LayerTypeIPv4:
			if e.ip4.DecodeFromBytes(data, f) != nil {
				return
			}
			leave(2, 4, 10) // total length, identification, header checksum
			size, data, next = int(e.ip4.IHL)*4, e.ip4.Payload, e.ip4.NextLayerType()
		case layers.LayerTypeIPv6:
			if e.ip6.DecodeFromBytes(data, f) != nil {
				return
			}
			leave(4)
			size, data, next = 40, e.ip6.Payload, e.ip6.NextLayerType()
		case layers.LayerTypeUDP:
			leave(4, 6)
			return
		case layers.LayerTypeTCP:
			leave(16)
			return
		case layers.LayerTypeICMPv4, layers.LayerTypeICMPv6:
			leave(2)
			return
		default:
			return
		}
		at += size
	}
}

// value puts a word that is written: what it adds to the one read before, the
// packet's time or length, or itself.
func (e *effects) value(in *vm.Input, addr, val uint64) {
	adds := val
	kind := uint64(effWord)
	for i := len(e.loaded) - 1; i >= 0; i-- {
		if e.loaded[i].addr == addr {
			kind, adds = effAdds, val-e.loaded[i].val
			break
		}
	}
	e.amount(in, kind, adds)
}

func (e *effects) amount(in *vm.Input, kind, v uint64) {
	switch {
	case slices.Contains(e.clocks, v):
		e.put(effTime)
	case v == uint64(len(in.Data)):
		e.put(kind, effLength)
	default:
		e.put(kind, effWord, v)
	}
}

// mapEffects puts what the run wrote to maps.
func (o *Observer) mapEffects(in *vm.Input) {
	e, rec := &o.effects, o.r.Recording()
	for i := range rec.Steps {
		s := &rec.Steps[i]
		x := o.r.Obj.Programs[s.Prog].Insns[s.PC]
		switch x.Class() {
		case ebpf.ClassALU, ebpf.ClassALU64, ebpf.ClassLD:
			e.regs[x.Dst&15] = s.Val
		case ebpf.ClassLDX:
			e.regs[x.Dst&15] = s.Val
			e.loaded = append(e.loaded, word{s.Addr, s.Val})
		case ebpf.ClassST, ebpf.ClassSTX:
			reg := o.r.S.Mem.Find(s.Addr, 1)
			if reg == nil || reg.Kind != mem.KindMap {
				continue
			}
			own, ok := o.r.S.Maps[reg.Owner].(maps.Owner)
			if !ok {
				continue
			}
			base := own.ValueOf(s.Addr)
			entry, _ := o.seen(base)
			e.put(uint64(x.Op), uint64(entry), s.Addr-base)
			if x.IsAtomic() {
				e.put(uint64(x.Imm))
				e.amount(in, effAdds, e.regs[x.Src&15])
				continue
			}
			e.value(in, s.Addr, s.Val)
		case ebpf.ClassJMP:
			if x.Op != ebpf.OpCall {
				continue
			}
			e.regs[0] = s.Val
			if x.Src != 0 {
				continue
			}
			c := &rec.Calls[s.Addr]
			switch c.Helper {
			case ebpf.FnKtimeGetNs, ebpf.FnKtimeGetBootNs, ebpf.FnKtimeGetCoarseNs, ebpf.FnJiffies64:
				e.clocks = append(e.clocks, s.Val)
				continue
			case ebpf.FnMapUpdateElem, ebpf.FnMapDeleteElem:
			default:
				continue
			}
			if c.Map < 0 || c.KeyLen == 0 {
				continue
			}
			e.put(effCall, uint64(c.Helper), uint64(o.entry(int(c.Map), rec.Key(c))))
			for v := rec.Value(c); len(v) > 0; {
				var w [8]byte
				n := copy(w[:], v)
				e.amount(in, effWord, binary.LittleEndian.Uint64(w[:]))
				v = v[n:]
			}
		}
	}
}
