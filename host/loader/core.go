package loader

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/btf"
)

// coreTargets is what CO-RE relocations of one object are resolved against,
// read when the first is met: programs without any need no kernel types.
type coreTargets struct {
	specs []*btf.Spec
	cache *btf.Cache // of the running kernel, as long as its modules aren't among specs
	local btf.Builder
}

// poisoned says whether a relocation has no answer.
func poisoned(f btf.COREFixup) bool { return strings.HasSuffix(f.String(), "=poison") }

// addModules adds the types of the running kernel's modules.
func (c *coreTargets) addModules() {
	cache := c.cache
	c.cache = nil
	modules, err := cache.Modules()
	if err != nil {
		return // a kernel without module types
	}
	for _, m := range modules {
		if s, err := cache.Module(m); err == nil {
			c.specs = append(c.specs, s)
		}
	}
}

// kernelStruct is a struct of the types that relocations are resolved against,
// or else of the object's own; nil where neither have it.
func (l *linker) kernelStruct(name string) *btf.Struct {
	var s *btf.Struct
	if l.core == nil && l.opt.BTF != LocalBTF {
		if core, err := l.kernelTypes(); err == nil {
			l.core = core
		}
	}
	look := func(specs []*btf.Spec) bool {
		return slices.ContainsFunc(specs, func(spec *btf.Spec) bool { return spec.TypeByName(name, &s) == nil })
	}
	switch c := l.core; {
	case c != nil && look(c.specs):
	case c != nil && c.cache != nil:
		if c.addModules(); look(c.specs) {
			break
		}
		fallthrough
	default:
		if l.spec.Types != nil {
			look([]*btf.Spec{l.spec.Types})
		}
	}
	return s
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
		core, err := l.kernelTypes()
		if err != nil {
			return fmt.Errorf("CO-RE relocation (%s): %w", relos[0], err)
		}
		l.core = core
	}
	fixups, err := btf.CORERelocate(relos, l.core.specs, binary.LittleEndian, l.core.local.Add)
	if err == nil && l.core.cache != nil && slices.ContainsFunc(fixups, poisoned) {
		// Reading the types of all modules takes long; few programs need any.
		l.core.addModules()
		fixups, err = btf.CORERelocate(relos, l.core.specs, binary.LittleEndian, l.core.local.Add)
	}
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

// kernelTypes reads the types named by --btf, or the running kernel's.
func (l *linker) kernelTypes() (*coreTargets, error) {
	if l.opt.BTF != "" {
		data, err := os.ReadFile(l.opt.BTF)
		if err != nil {
			return nil, fmt.Errorf("--btf: %w", err)
		}
		spec, err := btf.LoadSpecFromReader(bytes.NewReader(data))
		if err != nil {
			return nil, fmt.Errorf("--btf %s: %s", l.opt.BTF, oneLine(err.Error()))
		}
		return &coreTargets{specs: []*btf.Spec{spec}}, nil
	}
	cache := btf.NewCache()
	kernel, err := cache.Kernel()
	if err != nil {
		if errors.Is(err, os.ErrNotExist) || errors.Is(err, btf.ErrNotFound) || errors.Is(err, btf.ErrNotSupported) {
			return nil, errNoKernelBTF
		}
		return nil, fmt.Errorf("BTF of the running kernel: %s", oneLine(err.Error()))
	}
	return &coreTargets{specs: []*btf.Spec{kernel}, cache: cache}, nil
}

// isPoisoned says whether cilium/ebpf replaced an instruction whose relocation
// has no answer in the kernel's types.
func isPoisoned(ins *asm.Instruction) bool {
	s, ok := ins.Source().(asm.Comment)
	return ok && strings.HasPrefix(string(s), "instruction poisoned by CO-RE")
}
