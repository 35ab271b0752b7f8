package kernel

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"

	"jitnic/host/ebpf"
	"jitnic/host/loader"
	"jitnic/host/maps"

	cilium "github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/btf"
)

// Options say how programs are loaded.
type Options struct {
	// Latch answers clock and random helpers from what Maps.Latch was given.
	Latch bool
	// Plain loads programs for entries of devmaps and cpumaps as ordinary XDP
	// programs: BPF_PROG_TEST_RUN refuses the others. Those that read the
	// egress interface can't be loaded so.
	Plain bool
	// As loads programs so in place of as what they are; nil: as what they are.
	As *Way
	// Wipe has every function begin by zeroing what it uses of its stack, so
	// that programs that read what nobody wrote read the same.
	Wipe bool
	// Missing is told of a program named by a program array that the kernel
	// refuses, and says whether the entry may stay empty; nil: it may not.
	Missing func(name string, err error) bool
	// Context, where set, ends the wait for the verifier: the error is its own then,
	// no [LoadError].
	Context context.Context
}

// Way is what a program is loaded as.
type Way struct {
	Type   cilium.ProgramType
	Attach cilium.AttachType
	To     string // what it is attached to, by name
	Flags  uint32
}

func (w Way) String() string {
	if w.Attach != 0 {
		return fmt.Sprintf("%s (%s)", w.Type, w.Attach)
	}
	return w.Type.String()
}

// LoadError is a program that the kernel refused. Error is one line, the
// verifier's last word; %+v is its whole log.
type LoadError struct {
	Program string
	Err     error
}

func (e *LoadError) Error() string {
	return fmt.Sprintf("program %q: the kernel refuses it: %s", e.Program, Said(e.Err))
}

// memlock is what the eBPF library adds to every EPERM. Where other programs
// load, locked memory is not what the kernel lacks.
const memlock = " (MEMLOCK may be too low, consider rlimit.RemoveMemlock)"

// Said is the first line of what the kernel said, without a hint that can't be
// right here.
func Said(err error) string {
	msg, _, _ := strings.Cut(err.Error(), "\n")
	if strings.Contains(msg, memlock) && Available() == nil {
		msg = strings.ReplaceAll(msg, memlock, "")
	}
	return strings.TrimSpace(msg)
}

func (e *LoadError) Unwrap() error { return e.Err }

// Format prints the verifier's log for %+v.
func (e *LoadError) Format(f fmt.State, verb rune) {
	var v *cilium.VerifierError
	if verb == 'v' && f.Flag('+') && errors.As(e.Err, &v) {
		fmt.Fprintf(f, "program %q: the kernel refuses it: %+v", e.Program, v)
		return
	}
	io.WriteString(f, e.Error())
}

// Load makes an object's maps in the kernel, with their contents, and loads the
// program, and whatever programs those contents name.
func Load(obj *loader.Object, entry *loader.Program, opt Options) (*Prog, error) {
	ms, err := NewMaps(obj.Maps)
	if err != nil {
		return nil, err
	}
	if err := ms.Fill(obj, opt); err != nil {
		ms.Close()
		return nil, err
	}
	p, err := LoadWith(entry, ms, opt)
	if err != nil {
		ms.Close()
		return nil, err
	}
	return p, nil
}

// Fill puts the contents of the object file into fresh maps: plain values
// first, so that the verifier knows what is read-only when programs follow.
func (ms *Maps) Fill(obj *loader.Object, opt Options) error {
	if err := ms.fill(obj, opt, false); err != nil {
		return err
	}
	return ms.fill(obj, opt, true)
}

func (ms *Maps) fill(obj *loader.Object, opt Options, named bool) error {
	for i, s := range obj.Maps {
		m := ms.maps[i]
		for _, e := range s.Contents {
			if (e.Name != "") != named {
				continue
			}
			value := e.Value
			if e.Name != "" {
				fd, done, err := ms.named(obj, s, e.Name, opt)
				if err != nil && s.Type == cilium.ProgramArray && opt.Missing != nil && opt.Missing(e.Name, err) {
					continue
				}
				if err != nil {
					return err
				}
				value = binary.LittleEndian.AppendUint32(nil, uint32(fd))
				defer done()
			}
			if maps.IsPerCPU(s) {
				one := append(bytes.Clone(value), make([]byte, maps.ValueStride(s)-len(value))...)
				value = bytes.Repeat(one, m.cpus)
			}
			if err := m.Update(e.Key, value, 0); err != nil {
				return err
			}
		}
		if s.ReadOnly && !named {
			if err := m.Freeze(); err != nil {
				return fmt.Errorf("map %q: freeze: %w", s.Name, err)
			}
		}
	}
	return nil
}

// named finds what a name in the contents of a map stands for.
func (ms *Maps) named(obj *loader.Object, s *maps.Spec, name string, opt Options) (fd int, done func(), err error) {
	if s.Type != cilium.ProgramArray {
		for i, o := range obj.Maps {
			if o.Name == name {
				return ms.maps[i].FD(), func() {}, nil
			}
		}
		return 0, nil, fmt.Errorf("map %q: no map %q to put in", s.Name, name)
	}
	p := obj.Named(name)
	if p == nil {
		return 0, nil, fmt.Errorf("map %q: no program %q to put in", s.Name, name)
	}
	k, err := LoadWith(p, ms, opt)
	if err != nil {
		return 0, nil, err
	}
	return k.FD(), func() { k.Close() }, nil // the array keeps it alive
}

// LoadWith loads a program onto maps that are there.
func LoadWith(p *loader.Program, ms *Maps, opt Options) (*Prog, error) {
	r := Raw{
		Name: p.Name, Insns: p.Insns, Funcs: p.Funcs, Type: p.Type, AttachType: p.AttachType, AttachTo: p.AttachTo,
		Flags: p.LoadFlags, License: p.License, Unsupported: p.Unsupported,
	}
	if r.Type == cilium.UnspecifiedProgram {
		r.Type = cilium.XDP // what it runs as in the VM
	}
	if opt.Plain && r.Type == cilium.XDP {
		r.AttachType = 0
	}
	if opt.As != nil {
		r.Type, r.AttachType = opt.As.Type, opt.As.Attach
		r.AttachTo, r.Flags = opt.As.To, opt.As.Flags
	}
	return LoadRaw(r, ms, opt)
}

// Raw is code for the kernel in the form of a [loader.Program]: map loads
// carry an index into the maps given with it.
type Raw struct {
	Name       string
	Insns      []ebpf.Insn
	Funcs      []loader.Func // nil: callbacks and calls are found in the code
	Type       cilium.ProgramType
	AttachType cilium.AttachType
	AttachTo   string
	Flags      uint32
	License    string // "": Dual BSD/GPL
	// Unsupported names kernel functions by their slot, as in loader.Program.
	Unsupported map[int]string
}

// LoadRaw loads code as it stands.
func LoadRaw(r Raw, ms *Maps, opt Options) (*Prog, error) {
	p := &Prog{Name: r.Name, Type: r.Type, Maps: ms, xdp: r.Type == cilium.XDP}
	code := append([]ebpf.Insn(nil), r.Insns...)
	funcs := append([]loader.Func(nil), r.Funcs...)
	if len(funcs) == 0 {
		funcs = findFuncs(code)
	}
	wrap := func(err error) error { return &LoadError{Program: r.Name, Err: err} }
	var missing error
	for i := 0; i < len(code); i++ {
		in := &code[i]
		what := r.Unsupported[i]
		switch {
		case what != "" && (in.Op != ebpf.OpCall || in.Src != ebpf.CallKfunc):
			// As libbpf does it: a call that no kernel takes, which matters
			// only if the verifier gets there.
			if missing == nil {
				missing = fmt.Errorf("insn %d: %s can't be linked", i, what)
			}
			if in.IsWide() {
				code[i+1] = ebpf.Insn{Op: ebpf.OpCall, Imm: noHelper}
				i++
			}
			*in = ebpf.Insn{Op: ebpf.OpCall, Imm: noHelper}
		case in.IsWide():
			if in.Src == ebpf.PseudoMapFD || in.Src == ebpf.PseudoMapValue {
				if in.Imm < 0 || int(in.Imm) >= ms.Len() {
					return nil, wrap(fmt.Errorf("insn %d: map %d of %d", i, in.Imm, ms.Len()))
				}
				in.Imm = int32(ms.Map(int(in.Imm)).FD())
			}
			i++
		case in.Op == ebpf.OpCall && in.Src == ebpf.CallKfunc:
			name, ok := strings.CutPrefix(what, "kfunc ")
			if !ok {
				return nil, wrap(fmt.Errorf("insn %d: kernel function without a name", i))
			}
			id, err := kfuncID(name)
			if err != nil {
				// It matters only if the verifier gets there: weak ones stand
				// behind a test for their existence.
				if missing == nil {
					missing = fmt.Errorf("insn %d: %w", i, err)
				}
				*in = ebpf.Insn{Op: ebpf.OpCall, Imm: noHelper}
				continue
			}
			in.Imm = id
		}
	}
	if opt.Wipe {
		code, funcs = wipeStacks(code, funcs)
	}
	if opt.Latch {
		var err error
		if code, funcs, err = ms.latchCalls(code, funcs); err != nil {
			return nil, wrap(err)
		}
	}
	insns, err := asm.AppendInstructions(nil, bytes.NewReader(ebpf.Encode(code)), binary.LittleEndian, "linux")
	if err != nil {
		return nil, wrap(err)
	}
	addFuncInfo(insns, code, funcs)
	spec := &cilium.ProgramSpec{
		Name: mapName(r.Name), Type: r.Type, AttachType: r.AttachType, AttachTo: r.AttachTo, Flags: r.Flags,
		License: r.License, Instructions: insns, ByteOrder: binary.LittleEndian,
	}
	if spec.License == "" {
		spec.License = "Dual BSD/GPL"
	}
	ctx := opt.Context
	if ctx == nil {
		ctx = context.Background()
	}
	p.prog, err = Answered(ctx, func() (*cilium.Program, error) { return cilium.NewProgram(spec) })
	switch {
	case err != nil && err == ctx.Err():
		return nil, err
	case err != nil && missing != nil:
		return nil, wrap(missing)
	case err != nil:
		return nil, wrap(err)
	}
	return p, nil
}

// noHelper is a helper number that no kernel has.
const noHelper = 0xdedc0de

// findFuncs cuts code at what is called.
func findFuncs(code []ebpf.Insn) []loader.Func {
	start := map[int]bool{0: true}
	for pc := 0; pc < len(code); pc++ {
		if c, ok := ebpf.Callee(code, pc); ok && c > 0 && c < len(code) {
			start[c] = true
		}
		if code[pc].IsWide() {
			pc++
		}
	}
	var out []loader.Func
	for pc := range code {
		if start[pc] {
			out = append(out, loader.Func{Start: pc})
		}
		out[len(out)-1].End = pc + 1
	}
	return out
}

// addFuncInfo gives functions their BTF. The kernel wants it of all or of
// none, and of all as soon as the address of one is taken; what has no type is
// called a static function of one pointer, which says nothing to the verifier.
func addFuncInfo(insns asm.Instructions, code []ebpf.Insn, funcs []loader.Func) {
	need := false
	for pc := 0; pc < len(code); pc++ {
		if code[pc].IsWide() {
			need = need || code[pc].Src == ebpf.PseudoFunc
			pc++
		}
	}
	for _, f := range funcs {
		need = need || f.Proto != nil
	}
	if !need {
		return
	}
	at := map[int]*btf.Func{}
	for i, f := range funcs {
		if at[f.Start] = f.Proto; f.Proto == nil {
			at[f.Start] = &btf.Func{Name: fmt.Sprintf("f%d", i), Linkage: btf.StaticFunc, Type: &btf.FuncProto{
				Return: &btf.Int{Name: "int", Size: 4, Encoding: btf.Signed},
				Params: []btf.FuncParam{{Name: "a", Type: &btf.Pointer{Target: &btf.Void{}}}},
			}}
		}
	}
	slot := 0
	for i := range insns {
		if f := at[slot]; f != nil {
			insns[i] = btf.WithFuncMetadata(insns[i], f)
		}
		slot += int(insns[i].Width())
	}
}

// kfuncID is the BTF id of a function of the kernel proper.
func kfuncID(name string) (int32, error) {
	kernel, err := btf.LoadKernelSpec()
	if err != nil {
		return 0, fmt.Errorf("kernel function %q: %w", name, err)
	}
	var f *btf.Func
	if err := kernel.TypeByName(name, &f); err != nil {
		return 0, fmt.Errorf("kernel function %q: %w", name, err)
	}
	id, err := kernel.TypeID(f)
	return int32(id), err
}
