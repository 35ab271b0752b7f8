package loader

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"sort"
	"strings"

	cilium "github.com/cilium/ebpf"
	"github.com/cilium/ebpf/btf"
)

// LocalBTF keeps, as [Options.BTF], the layouts an object was compiled with.
const LocalBTF = "none"

// Options say what an object is linked against.
type Options struct {
	// BTF names a file with the kernel types (raw BTF, or an ELF file with a
	// .BTF section) that CO-RE relocations are resolved against. Empty: the
	// running kernel's. LocalBTF: the object's own types, so nothing moves.
	BTF string
	// Kconfig gives values to `extern … __kconfig` variables, in the form of
	// a kernel .config (y, n, m, a number, "text"); LINUX_KERNEL_VERSION too.
	// What isn't here is taken from the running kernel.
	Kconfig map[string]string
	// Inner says what outer maps hold whose definitions don't: OUTER=MAP, like another
	// map of the object, or OUTER=TYPE:KEY:VALUE:ENTRIES, sizes in bytes.
	Inner []string
}

// Load reads an object file and links its programs. Errors are one line that
// begins with the file's name.
func Load(file string, opt Options) (*Object, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, err // names the file
	}
	return LoadBytes(file, data, opt)
}

// LoadBytes is Load for an object in memory; name stands for it in messages.
// data is not kept.
func LoadBytes(name string, data []byte, opt Options) (obj *Object, err error) {
	// debug/elf and the BTF reader promise errors, but have been known to
	// panic on damaged files: a damaged file is never our crash.
	defer func() {
		if r := recover(); r != nil {
			obj, err = nil, fmt.Errorf("%s: damaged object: %s", name, oneLine(fmt.Sprint(r)))
		}
	}()
	im, err := openImage(bytes.Clone(data))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if err := im.mend(); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	spec, err := cilium.LoadCollectionSpecFromReader(bytes.NewReader(im.bytes()))
	if err != nil && strings.Contains(err.Error(), "unrecognized field numa_node") && im.renameNUMA() {
		spec, err = cilium.LoadCollectionSpecFromReader(bytes.NewReader(im.bytes()))
	}
	if err != nil && (strings.Contains(err.Error(), "BTF") || strings.Contains(err.Error(), "datasec")) && im.dropBTF() {
		// Type information is a help, not a need: go on without.
		if plain, err2 := cilium.LoadCollectionSpecFromReader(bytes.NewReader(im.bytes())); err2 == nil {
			spec, err = plain, nil
		}
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %s", name, oneLine(err.Error()))
	}
	l := &linker{file: name, opt: opt, im: im, spec: spec}
	obj, err = l.link()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	// An object without CO-RE needs no kernel types; a user who names a file
	// of them still wants to hear that it isn't one.
	if opt.BTF != "" && opt.BTF != LocalBTF && l.core == nil {
		if _, err := l.kernelTypes(); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	}
	return obj, nil
}

// oneLine keeps an error of a library on one line.
func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }

// linker carries what one Load needs from step to step.
type linker struct {
	file string
	opt  Options
	im   *image
	spec *cilium.CollectionSpec

	obj      *Object
	mapIndex map[string]int
	elfID    map[uint32]int // iproute2's map ids: to map index
	foreign  map[string]cilium.MapType
	funcs    map[string]funcAt
	core     *coreTargets
}

// funcAt is where the ELF file has a function.
type funcAt struct {
	place
	local bool
}

func (l *linker) link() (*Object, error) {
	l.obj = &Object{File: l.file}
	l.funcs = map[string]funcAt{}
	for j, s := range l.im.syms {
		if int(s.Shndx) < len(l.im.secs) && s.Info&15 == 2 && l.im.isCode(int(s.Shndx)) { // STT_FUNC
			l.funcs[l.im.symName[j]] = funcAt{place{int(s.Shndx), s.Value}, s.Info>>4 == 0}
		}
	}
	if err := l.linkMaps(); err != nil {
		return nil, err
	}
	names := make([]string, 0, len(l.spec.Programs))
	for n := range l.spec.Programs {
		names = append(names, n)
	}
	sort.Slice(names, func(a, b int) bool { return l.before(names[a], names[b]) })
	called := l.called()
	for _, n := range names {
		// A static function that stands in a program section is a callee;
		// libbpf doesn't take it for a program either. One that nothing calls
		// is there to be tail-called.
		local := l.funcs[n].local && len(names) > 1
		if local && called[n] {
			continue
		}
		p, err := l.linkProgram(n, l.spec.Programs[n])
		if err != nil {
			return nil, err
		}
		p.tail = local
		l.obj.Programs = append(l.obj.Programs, p)
		l.obj.License = p.License
	}
	l.guessTypes()
	l.fillTailCalls()
	return l.obj, nil
}

// called are the functions that code of the object calls, or takes the address
// of.
func (l *linker) called() map[string]bool {
	out := map[string]bool{}
	for _, p := range l.spec.Programs {
		for i := range p.Instructions {
			if in := &p.Instructions[i]; in.IsFunctionReference() && in.Reference() != "" {
				out[in.Reference()] = true
			}
		}
	}
	return out
}

// before orders functions as the file has them.
func (l *linker) before(a, b string) bool {
	x, y := l.funcs[a], l.funcs[b]
	if x.sec != y.sec {
		return x.sec < y.sec
	}
	if x.off != y.off {
		return x.off < y.off
	}
	return a < b
}

// section returns the name of a section as the file had it.
func (l *linker) section(name string) string {
	if old, ok := l.im.renamed[name]; ok {
		return old
	}
	return name
}

// guessTypes gives programs whose section name says nothing their type: by the
// context their function takes, by a name with "xdp" in it, or, of a
// tail-called program, by the others.
func (l *linker) guessTypes() {
	known := cilium.UnspecifiedProgram
	same := true
	note := func(t cilium.ProgramType) {
		if known != cilium.UnspecifiedProgram && known != t {
			same = false
		}
		known = t
	}
	for _, p := range l.obj.Programs {
		switch ctx := contextOf(p.Funcs[0].Proto); {
		case ctx == "xdp_md" && p.Type != cilium.XDP && p.Type != cilium.Extension:
			p.Type, p.AttachType, p.AttachTo, p.LoadFlags = cilium.XDP, 0, "", 0
		case p.Type != cilium.UnspecifiedProgram:
		case ctx == "__sk_buff":
			p.Type = cilium.SchedCLS
		case ctx == "" && (strings.Contains(p.Section, "xdp") || strings.Contains(p.Name, "xdp")):
			p.Type = cilium.XDP
		}
		if p.Type != cilium.UnspecifiedProgram {
			note(p.Type)
		}
	}
	for _, p := range l.obj.Programs {
		if _, _, ok := tailSection(p.Section); ok && p.Type == cilium.UnspecifiedProgram && same {
			p.Type = known
		}
	}
}

// contextOf returns the struct that a program function takes a pointer to, ""
// where that isn't known.
func contextOf(f *btf.Func) string {
	if f == nil {
		return ""
	}
	proto, ok := f.Type.(*btf.FuncProto)
	if !ok || len(proto.Params) != 1 {
		return ""
	}
	ptr, ok := btf.UnderlyingType(proto.Params[0].Type).(*btf.Pointer)
	if !ok {
		return ""
	}
	if s, ok := btf.UnderlyingType(ptr.Target).(*btf.Struct); ok {
		return s.Name
	}
	return ""
}

var errNoKernelBTF = errors.New("no BTF of the running kernel (/sys/kernel/btf/vmlinux): give --btf FILE, or --btf none to keep the layouts it was compiled with")
