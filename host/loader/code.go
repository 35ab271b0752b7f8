package loader

import (
	"fmt"

	"jitnic/host/ebpf"
	"jitnic/host/maps"

	cilium "github.com/cilium/ebpf"
)

// FromCode makes an object of one XDP program out of code that didn't come
// from an object file: text formats, generated programs. Map loads carry an
// index into specs; functions are found by what is called.
func FromCode(name string, code []ebpf.Insn, specs []*maps.Spec) (*Object, error) {
	if err := ebpf.Validate(code); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	start := make([]bool, len(code))
	start[0] = true
	for pc := 0; pc < len(code); pc++ {
		in := code[pc]
		if c, ok := ebpf.Callee(code, pc); ok {
			start[c] = true
		}
		if in.IsWide() {
			if (in.Src == ebpf.PseudoMapFD || in.Src == ebpf.PseudoMapValue) && (in.Imm < 0 || int(in.Imm) >= len(specs)) {
				return nil, fmt.Errorf("%s: insn %d: map %d of %d", name, pc, in.Imm, len(specs))
			}
			pc++
		}
	}
	p := &Program{Name: "main", Section: "xdp", File: name, License: "Dual BSD/GPL", Type: cilium.XDP, Insns: code, Maps: specs}
	for pc := range code {
		if start[pc] {
			fn := p.Name
			if pc > 0 {
				fn = fmt.Sprintf("f%d", pc)
			}
			p.Funcs = append(p.Funcs, Func{Name: fn, Start: pc})
		}
		p.Funcs[len(p.Funcs)-1].End = pc + 1
	}
	return &Object{File: name, License: p.License, Programs: []*Program{p}, Maps: specs}, nil
}
