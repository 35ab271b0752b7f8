package loader

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/btf"
)

// coreTargets is what CO-RE relocations of one object are resolved against,
// read when the first is met: programs without any need no kernel types.
type coreTargets struct {
	specs []*btf.Spec
	local btf.Builder
}

// relocateCORE resolves the CO-RE relocations of a function in place.
func (l *linker) relocateCORE(insns asm.Instructions) error {
	var relos []*btf.CORERelocation
	var where []*asm.Instruction
	for i := range insns {
		if r := btf.CORERelocationMetadata(&insns[i]); r != nil {
			relos = append(relos, r)
			where = append(where, &insns[i])
		}
	}
	if len(relos) == 0 || l.opt.BTF == LocalBTF {
		return nil
	}
	if l.core == nil {
		specs, err := l.kernelTypes()
		if err != nil {
			return fmt.Errorf("CO-RE relocation (%s): %w", relos[0], err)
		}
		l.core = &coreTargets{specs: specs}
	}
	fixups, err := btf.CORERelocate(relos, l.core.specs, binary.LittleEndian, l.core.local.Add)
	if err != nil {
		return fmt.Errorf("CO-RE: %s", oneLine(err.Error()))
	}
	for i := range fixups {
		if err := fixups[i].Apply(where[i]); err != nil {
			return fmt.Errorf("CO-RE: %s: %s", relos[i], oneLine(err.Error()))
		}
	}
	return nil
}

// kernelTypes reads the types named by --btf, or the running kernel's with
// those of its modules.
func (l *linker) kernelTypes() ([]*btf.Spec, error) {
	if l.opt.BTF != "" {
		data, err := os.ReadFile(l.opt.BTF)
		if err != nil {
			return nil, fmt.Errorf("--btf: %w", err)
		}
		spec, err := btf.LoadSpecFromReader(bytes.NewReader(data))
		if err != nil {
			return nil, fmt.Errorf("--btf %s: %s", l.opt.BTF, oneLine(err.Error()))
		}
		return []*btf.Spec{spec}, nil
	}
	cache := btf.NewCache()
	kernel, err := cache.Kernel()
	if err != nil {
		if errors.Is(err, os.ErrNotExist) || errors.Is(err, btf.ErrNotFound) || errors.Is(err, btf.ErrNotSupported) {
			return nil, errNoKernelBTF
		}
		return nil, fmt.Errorf("BTF of the running kernel: %s", oneLine(err.Error()))
	}
	specs := []*btf.Spec{kernel}
	modules, err := cache.Modules()
	if err != nil {
		return specs, nil // a kernel without module types
	}
	for _, m := range modules {
		if s, err := cache.Module(m); err == nil {
			specs = append(specs, s)
		}
	}
	return specs, nil
}

// isPoisoned says whether cilium/ebpf replaced an instruction whose relocation
// has no answer in the kernel's types.
func isPoisoned(ins *asm.Instruction) bool {
	s, ok := ins.Source().(asm.Comment)
	return ok && strings.HasPrefix(string(s), "instruction poisoned by CO-RE")
}
