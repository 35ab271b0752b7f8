package loader

import (
	"bytes"
	"fmt"
	"sort"

	"jitnic/host/ebpf"

	cilium "github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/btf"
)

// xdpHasFrags is BPF_F_XDP_HAS_FRAGS (uapi/linux/bpf.h).
const xdpHasFrags = 1 << 5

// linkProgram lays the functions a program reaches behind one another and
// resolves what they refer to.
func (l *linker) linkProgram(name string, ps *cilium.ProgramSpec) (*Program, error) {
	p := &Program{
		Name: name, Section: l.section(ps.SectionName), File: l.file, License: ps.License,
		Type: ps.Type, AttachType: ps.AttachType, AttachTo: ps.AttachTo, LoadFlags: ps.Flags,
		Maps: l.obj.Maps, XDPFrags: ps.Type == cilium.XDP && ps.Flags&xdpHasFrags != 0,
	}
	fail := func(slot int, format string, args ...any) error {
		return fmt.Errorf("program %q: insn %d: %s", name, slot, fmt.Sprintf(format, args...))
	}
	parts := l.split(ps.Instructions)
	if len(parts) == 0 {
		return nil, fmt.Errorf("program %q: no instructions", name)
	}
	start := map[string]int{}
	slots := 0
	for _, part := range parts {
		start[part.name] = slots
		p.Funcs = append(p.Funcs, Func{Name: part.name, Start: slots, End: slots + part.slots, Proto: btf.FuncMetadata(&part.insns[0])})
		slots += part.slots
	}
	p.Insns = make([]ebpf.Insn, 0, slots)
	var buf bytes.Buffer
	for _, part := range parts {
		at := l.funcs[part.name]
		if err := l.relocateCORE(part.insns); err != nil {
			return nil, fmt.Errorf("program %q: function %q: %w", name, part.name, err)
		}
		for i := range part.insns {
			ins := &part.insns[i]
			slot := len(p.Insns)
			ext, isExtern := l.im.externs[place{at.sec, at.off + uint64(slot-start[part.name])*8}]
			buf.Reset()
			if _, err := ins.Marshal(&buf, le); err != nil {
				return nil, fail(slot, "%v", err)
			}
			raw, err := ebpf.Decode(buf.Bytes())
			if err != nil {
				return nil, fail(slot, "%v", err)
			}
			why, err := l.resolve(ins, raw, slot, start, ext, isExtern)
			if err != nil {
				return nil, fail(slot, "%v", err)
			}
			if why != "" {
				if p.Unsupported == nil {
					p.Unsupported = map[int]string{}
				}
				p.Unsupported[slot] = why
			}
			if line, ok := lineOf(ins); ok {
				p.lines = append(p.lines, lineAt{slot, line})
			}
			p.Insns = append(p.Insns, raw...)
		}
	}
	return p, nil
}

// resolve puts in what an instruction at a slot refers to: a map, a function of start, an
// extern. unsupported says what it is that no run can reach; "" where all is there.
func (l *linker) resolve(ins *asm.Instruction, raw []ebpf.Insn, slot int, start map[string]int, ext extern, isExtern bool) (unsupported string, err error) {
	ref := ins.Reference()
	switch {
	case isPoisoned(ins):
		unsupported = oneLine(fmt.Sprint(ins.Source()))
		raw[0].Dst = 0 // the sentinel writes r10, which no decoder should meet
	case ins.IsKfuncCall() && isExtern:
		if ext.name == "bpf_xdp_ct_lookup" && l.obj.Conn == nil {
			l.obj.Conn = l.kernelStruct("nf_conn")
		}
		raw[0].Imm, raw[0].Off = -1, 0
		unsupported = "kfunc " + ext.name
	case isExtern && raw[0].Op == ebpf.OpLDDW && l.kconfigOffset(ext.name) >= 0:
		raw[0].Src, raw[0].Imm = ebpf.PseudoMapValue, int32(l.mapIndex[".kconfig"])
		raw[1].Imm = int32(l.kconfigOffset(ext.name))
	case isExtern && raw[0].Op == ebpf.OpLDDW:
		// The address of a kernel variable or function; NULL for a
		// weak one, as in a kernel that hasn't it.
		raw[0].Src, raw[0].Imm, raw[1].Imm = 0, 0, 0
		switch {
		case ext.weak:
		case l.im.ksyms == nil || l.im.ksyms[ext.name]:
			unsupported = "kernel symbol " + ext.name
		default:
			unsupported = "map or variable " + ext.name + ", which the object doesn't define (link it first)"
		}
	case isExtern:
		raw[0].Imm = -1
		unsupported = "function " + ext.name + ", which the object doesn't define (link it first)"
	case ins.IsFunctionReference() && ref != "":
		target, ok := start[ref]
		if !ok {
			return "", fmt.Errorf("function %q is not in the object", ref)
		}
		raw[0].Imm = int32(target - slot - 1)
		if len(raw) == 2 {
			raw[1].Imm = 0
		}
	case ins.IsLoadFromMap() && ref != "":
		m, ok := l.mapIndex[ref]
		if typ, no := l.foreign[ref]; no {
			raw[0].Src, raw[0].Imm, raw[1].Imm = 0, 0, 0
			unsupported = fmt.Sprintf("map %s of type %s", ref, typ)
			break
		}
		if !ok {
			return "", fmt.Errorf("map %q is not in the object", ref)
		}
		raw[0].Imm = int32(m)
	case ins.IsLoadFromMap():
		return "", fmt.Errorf("map file descriptor %d in an object file", raw[0].Imm)
	case ref != "":
		return "", fmt.Errorf("reference to %q can't be resolved", ref)
	}
	return unsupported, nil
}

// part is one function of a flattened program.
type part struct {
	name  string
	insns asm.Instructions
	slots int
}

// split cuts cilium/ebpf's flattened stream into functions and orders them:
// the entry first, the callees as the file has them.
func (l *linker) split(insns asm.Instructions) []part {
	var parts []part
	for i := range insns {
		if sym := insns[i].Symbol(); sym != "" || len(parts) == 0 {
			parts = append(parts, part{name: sym})
		}
		p := &parts[len(parts)-1]
		p.insns = append(p.insns, insns[i])
		p.slots += int(insns[i].Width())
	}
	if len(parts) > 2 {
		sort.SliceStable(parts[1:], func(a, b int) bool { return l.before(parts[1+a].name, parts[1+b].name) })
	}
	return parts
}
