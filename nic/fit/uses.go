package fit

import (
	"fmt"

	"jitnic/host/ebpf"
	"jitnic/host/points"
	"jitnic/pathcond"
	"jitnic/pathcond/bv"
	"jitnic/trace"
)

// use is one thing a trace or condition asks of the device.
type use struct {
	what  useKind
	name  string // helper or instruction class
	m     int32  // map, -1: none, or not known
	place Place
}

type useKind uint8

const (
	useHelper useKind = iota
	useInsn           // an instruction of a class
	useMap            // a map, however it is used
	useStore          // a store into a map's value
	useAtomic         // an atomic add to a map's value
	useUpdate         // a helper that changes a map
)

// usesOf walks a trace. What a store touches is known from where its address
// comes from; where that is lost, from the recording, if the trace still has
// it.
func usesOf(t *trace.Trace, path int32) []use {
	var out []use
	var f points.Flow
	f.Enter(nil)
	meta := t.Meta
	if len(meta) != len(t.Code) {
		meta = nil
	}
	var classes []string
	for i := 0; i < len(t.Code); i++ {
		in := t.Code[i]
		at := Place{Path: path, Slot: i, Prog: -1, Insn: -1}
		var hint points.Hint
		if meta != nil {
			at.Prog, at.Insn = meta[i].Prog, meta[i].PC
			if meta[i].Mem == trace.MemMap {
				hint = points.Hint{Region: points.InValue, Map: meta[i].Map}
			}
		}
		if in.Dst > 10 || in.Src > 10 && in.Class() != ebpf.ClassLD {
			continue // no instruction: nic/exec refuses the trace
		}
		classes = classesOf(in, classes[:0])
		for _, c := range classes {
			out = append(out, use{useInsn, c, -1, at})
		}
		step := points.InsnAt(t.Code, i)
		switch {
		case in.IsWide():
			if in.Src == ebpf.PseudoMapValue {
				out = append(out, use{useMap, "", in.Imm, at})
			}
			i++
		case in.IsStore():
			out = append(out, storeUses(in, f.R[in.Dst], hint, at)...)
		case in.Op == ebpf.OpCall:
			m := int32(-1)
			if meta != nil {
				m = meta[i].Map
			}
			out = append(out, callUses(in, &f, m, at)...)
		}
		f.Step(&step, hint)
		f.Acc = f.Acc[:0]
	}
	return out
}

// storeUses are those of a store through base.
func storeUses(in ebpf.Insn, base points.Value, hint points.Hint, at Place) []use {
	m := base.Map
	if base.Kind != points.MapValue {
		if base.IsPointer() || hint.Region != points.InValue {
			return nil
		}
		m = hint.Map
	}
	switch {
	case in.IsAtomic() && in.Imm == ebpf.AtomicLoadAcq:
		return nil // reads only
	case in.IsAtomic() && in.Imm == ebpf.AtomicAdd:
		return []use{{useAtomic, "", m, at}}
	}
	return []use{{useStore, "", m, at}}
}

// callUses are those of a call; m is the map that the recording saw, or -1.
func callUses(in ebpf.Insn, f *points.Flow, m int32, at Place) []use {
	h := in.Called()
	if r := mapArg(h); m < 0 && r > 0 && f.R[r].Kind == points.Map {
		m = f.R[r].Map
	}
	out := []use{{useHelper, helperName(in.Imm), m, at}}
	if m >= 0 {
		out = append(out, use{useMap, "", m, at})
	}
	if updates(h) {
		out = append(out, use{useUpdate, h.Name, m, at})
	}
	return out
}

// mapArg is the register that names a call's map, or 0.
func mapArg(h *ebpf.Helper) uint8 {
	if h == nil {
		return 0
	}
	return h.MapArg()
}

// updates says whether a helper changes what entries a map has: not a ring
// buffer's, which nothing is found in.
func updates(h *ebpf.Helper) bool {
	return h != nil && h.Writes&ebpf.MapKeys != 0 && h.Writes&ebpf.Rings == 0
}

// helperName is the kernel's name of a helper, or its number.
func helperName(id int32) string {
	if s := ebpf.HelperName(id); s != "helper" {
		return s
	}
	return fmt.Sprintf("helper %d", id)
}

// cookies are the helpers of SYN cookies: made or checked, for IPv6 or IPv4.
var cookies = map[[2]bool]int32{
	{true, false}: ebpf.FnTcpRawGenSyncookieIpv4, {true, true}: ebpf.FnTcpRawGenSyncookieIpv6,
	{false, false}: ebpf.FnTcpRawCheckSyncookieIpv4, {false, true}: ebpf.FnTcpRawCheckSyncookieIpv6,
}

// condUses lists the maps and helpers that deciding a condition needs. Their
// place is the predicate's.
func condUses(b *bv.Builder, cond []pathcond.Pred, path int32) []use {
	var out []use
	seen := map[bv.Term]bool{}
	var at Place
	note := func(t bv.Term) bool {
		switch b.Op(t) {
		case bv.OpFun:
			id, arg := b.K(t)&0xffff, int32(b.K(t)>>16)
			switch id {
			case pathcond.FunLookup:
				out = append(out, use{useHelper, ebpf.HelperName(ebpf.FnMapLookupElem), arg, at}, use{useMap, "", arg, at})
			case pathcond.FunPresent, pathcond.FunCount, pathcond.FunRoom, pathcond.FunElem, pathcond.FunKeyAt:
				out = append(out, use{useMap, "", arg, at})
			case pathcond.FunLookupOn:
				out = append(out, use{useHelper, ebpf.HelperName(ebpf.FnMapLookupPercpuElem), arg, at}, use{useMap, "", arg, at})
			case pathcond.FunTimer:
				out = append(out, use{useHelper, ebpf.HelperName(ebpf.FnTimerInit), -1, at})
			case pathcond.FunQuery:
				out = append(out, use{useHelper, ebpf.HelperName(ebpf.FnRingbufQuery), -1, at}, use{useMap, "", arg, at})
			case pathcond.FunCookie:
				gen, v6, _ := pathcond.CookieParts(int(arg))
				out = append(out, use{useHelper, ebpf.HelperName(cookies[[2]bool{gen, v6}]), -1, at})
			case pathcond.FunText:
				printer := int32(ebpf.FnSnprintf)
				if _, _, _, size := pathcond.TextParts(int(arg)); size < 0 {
					printer = ebpf.FnTracePrintk
				}
				out = append(out, use{useHelper, ebpf.HelperName(printer), -1, at})
			case pathcond.FunConn:
				out = append(out, use{useHelper, "bpf_xdp_ct_lookup", -1, at})
			case pathcond.FunFib:
				out = append(out, use{useHelper, ebpf.HelperName(ebpf.FnFibLookup), -1, at})
			}
		case bv.OpInput:
			if b.K(t) == pathcond.InTag {
				out = append(out, use{useHelper, "bpf_xdp_metadata_rx_vlan_tag", -1, at})
			} else if h := latched(b.K(t)); h != 0 {
				out = append(out, use{useHelper, ebpf.HelperName(h), -1, at})
			}
		}
		return true
	}
	for _, p := range cond {
		at = Place{Path: path, Slot: -1, Prog: p.Prog, Insn: p.PC}
		b.Walk(p.Term, seen, note)
	}
	return out
}

// latched is the number of the helper that gives a program a latched input.
func latched(id uint64) int32 {
	switch {
	case id == pathcond.InTime:
		return ebpf.FnKtimeGetNs
	case id == pathcond.InBoot:
		return ebpf.FnKtimeGetBootNs
	case id == pathcond.InCoarse:
		return ebpf.FnKtimeGetCoarseNs
	case id == pathcond.InJiffies:
		return ebpf.FnJiffies64
	case id == pathcond.InCPU:
		return ebpf.FnGetSmpProcessorId
	case id >= pathcond.InRand && id < pathcond.InVersion:
		return ebpf.FnGetPrandomU32
	}
	return 0 // a field of the context, a version
}
