package vm

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"sync"
	"syscall"
	"testing"

	"jitnic/host/ebpf"
	"jitnic/host/hosttest/must"
	"jitnic/host/loader"
	"jitnic/host/maps"

	cebpf "github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/btf"
)

// A rowCase is one call of a helper or kernel function that succeeds or fails
// in a known way. Programs talk to the test through the one value of array io:
// r0 goes to its start, buffers lie in it. The context is in r6, the value's
// address in r7.
type rowCase struct {
	id     int32  // helper, or
	kfunc  string // kernel function
	what   string // which success or failure
	args   []rowArg
	pre    func(b *rowProg)                               // before the arguments
	post   func(b *rowProg)                               // after r0 is kept
	set    map[int][]byte                                 // bytes of the value, before
	pkt    int                                            // bytes of the packet; 0: 64
	kind   cebpf.ProgramType                              // 0: XDP
	flags  uint32                                         // of the program: frags
	fails  bool                                           // it must fail, as the row says failures look
	maybe  bool                                           // whether it fails depends on the machine
	low    bool                                           // the low half of r0 is secret
	mine   int                                            // where the program itself writes 16 bytes that differ between kernels
	varies bool                                           // what it fills differs from call to call
	alone  bool                                           // the VM has no such thing to ask: its answers depend on the machine
	noted  map[int]ebpf.Fill                              // argument (from 1): what a call of this very kind leaves, where the row says Partly
	ready  func(t *testing.T, maps map[string]*cebpf.Map) // makes the kernel's maps ready
	reads  bool                                           // the VM is asked with Options.Readers
}

// rowArg puts an argument into a register.
type rowArg struct {
	emit func(b *rowProg, r uint8)
	off  int // a buffer: where in the value; else -1
	n    int // of a constant: its value
	m    string
}

const (
	rowValue = 1024
	buf0     = 64
	buf1     = 256
	buf2     = 512
)

func argCtx() rowArg { return rowArg{func(b *rowProg, r uint8) { b.mov(r, 6) }, -1, 0, ""} }
func at(off int) rowArg {
	return rowArg{func(b *rowProg, r uint8) { b.value(r, int32(off)) }, off, 0, ""}
}
func num(n int) rowArg { return rowArg{func(b *rowProg, r uint8) { b.imm(r, int32(n)) }, -1, n, ""} }
func wide(v uint64) rowArg {
	return rowArg{func(b *rowProg, r uint8) {
		b.add(ebpf.Insn{Op: ebpf.OpLDDW, Dst: r, Imm: int32(v)}, ebpf.Insn{Imm: int32(v >> 32)})
	}, -1, int(v), ""}
}
func of(name string) rowArg {
	return rowArg{func(b *rowProg, r uint8) { b.mapPtr(r, b.use(name)) }, -1, 0, name}
}
func reg(from uint8) rowArg { return rowArg{func(b *rowProg, r uint8) { b.mov(r, from) }, -1, 0, ""} }

// field is the number at byte off of the value, which the verifier can't know.
func field(off int16) rowArg { return rowArg{func(b *rowProg, r uint8) { b.in(r, off) }, -1, 0, ""} }

// stack is memory of the stack, off bytes from r10.
func stack(off int32) rowArg {
	return rowArg{func(b *rowProg, r uint8) { b.mov(r, 10); b.plus(r, off) }, -1, 0, ""}
}

// callback is the function behind the program, which does nothing.
func callback() rowArg {
	return rowArg{func(b *rowProg, r uint8) {
		b.calls = append(b.calls, len(b.insns))
		b.add(ebpf.Insn{Op: ebpf.OpLDDW, Dst: r, Src: ebpf.PseudoFunc}, ebpf.Insn{})
	}, -1, 0, ""}
}

// text is a constant string: the value of a frozen map that programs only read.
func text(s string) rowArg {
	return rowArg{func(b *rowProg, r uint8) {
		i := b.use("text:" + s)
		b.add(ebpf.Insn{Op: ebpf.OpLDDW, Dst: r, Src: ebpf.PseudoMapValue, Imm: i}, ebpf.Insn{})
	}, -1, 0, ""}
}

// rowProg builds one program and notes which maps it names.
type rowProg struct {
	prog
	maps  []string
	t     *testing.T
	calls []int // slots that load the address of the callback
}

func (b *rowProg) use(name string) int32 {
	i := slices.Index(b.maps, name)
	if i < 0 {
		i = len(b.maps)
		b.maps = append(b.maps, name)
	}
	return int32(i)
}

// helper calls a helper with arguments.
func (b *rowProg) helper(id int32, args ...rowArg) {
	for i, a := range args {
		a.emit(b, uint8(i+1))
	}
	b.call(id)
}

// kernel calls a kernel function with arguments.
func (b *rowProg) kernel(name string, args ...rowArg) {
	for i, a := range args {
		a.emit(b, uint8(i+1))
	}
	b.add(ebpf.Insn{Op: ebpf.OpCall, Src: ebpf.CallKfunc, Imm: rowKfunc(b.t, name)})
}

// keep puts r0 into r9, and ends the program where it is NULL.
func (b *rowProg) keep() {
	b.unless(ebpf.JmpNE, 0, 0, func() {
		b.imm(0, 2)
		b.add(ebpf.Insn{Op: ebpf.OpExit})
	})
	b.mov(9, 0)
}

// unless jumps over what body adds, if the condition holds.
func (b *rowProg) unless(op, r uint8, imm int32, body func()) {
	at := len(b.insns)
	b.add(ebpf.Insn{Op: ebpf.ClassJMP | op, Dst: r, Imm: imm})
	body()
	b.insns[at].Off = int16(len(b.insns) - at - 1)
}

// rowMap is a map of the tests with its first contents.
type rowMap struct {
	spec maps.Spec
	fill [][2]uint64 // key (of a queue: none), value
	typ  btf.Type    // of its values
}

func rowMapOf(name string) rowMap {
	hash := func(t cebpf.MapType, max uint32, keys ...uint64) rowMap {
		m := rowMap{spec: maps.Spec{Name: "m", Type: t, KeySize: 4, ValueSize: 8, Max: max}}
		for _, k := range keys {
			m.fill = append(m.fill, [2]uint64{k, 0x1111111111111111 * k})
		}
		return m
	}
	queue := func(t cebpf.MapType, elems ...uint64) rowMap {
		m := rowMap{spec: maps.Spec{Name: "m", Type: t, ValueSize: 8, Max: 2}}
		for _, v := range elems {
			m.fill = append(m.fill, [2]uint64{0, v})
		}
		return m
	}
	if s, ok := bytes.CutPrefix([]byte(name), []byte("text:")); ok {
		v := append(s, 0)
		return rowMap{spec: maps.Spec{Name: ".rodata", Type: cebpf.Array, KeySize: 4, ValueSize: uint32(len(v)), Max: 1, ReadOnly: true,
			Flags: 1 << 7, Contents: []maps.Entry{{Key: make([]byte, 4), Value: v}}}}
	}
	switch name {
	case "io":
		return rowMap{spec: *ioSpec(rowValue)}
	case "full":
		return hash(cebpf.Hash, 2, 1, 2)
	case "hash":
		return hash(cebpf.Hash, 4, 1)
	case "array":
		return hash(cebpf.Array, 4, 1)
	case "lru":
		return hash(cebpf.LRUHash, 64, 1)
	case "percpu":
		return hash(cebpf.PerCPUArray, 4)
	case "lpm":
		return rowMap{spec: maps.Spec{Name: "m", Type: cebpf.LPMTrie, KeySize: 8, ValueSize: 8, Max: 1, Flags: 1}, fill: [][2]uint64{{32 | 0x01020304<<32, 7}}}
	case "queue":
		return queue(cebpf.Queue, 5)
	case "stack":
		return queue(cebpf.Stack, 5)
	case "fullqueue":
		return queue(cebpf.Queue, 5, 6)
	case "fullstack":
		return queue(cebpf.Stack, 5, 6)
	case "noqueue":
		return queue(cebpf.Queue)
	case "nostack":
		return queue(cebpf.Stack)
	case "bloom":
		m := queue(cebpf.BloomFilter, 5)
		m.spec.Max = 8
		return m
	case "ring":
		return rowMap{spec: maps.Spec{Name: "m", Type: cebpf.RingBuf, Max: 4096}}
	case "perf":
		return rowMap{spec: maps.Spec{Name: "m", Type: cebpf.PerfEventArray, KeySize: 4, ValueSize: 4, Max: 4}}
	case "dev":
		return rowMap{spec: maps.Spec{Name: "m", Type: cebpf.DevMap, KeySize: 4, ValueSize: 4, Max: 4}, fill: [][2]uint64{{1, 1}}}
	case "cpu":
		return rowMap{spec: maps.Spec{Name: "m", Type: cebpf.CPUMap, KeySize: 4, ValueSize: 4, Max: 4}, fill: [][2]uint64{{0, 64}}}
	case "progs":
		return rowMap{spec: maps.Spec{Name: "m", Type: cebpf.ProgramArray, KeySize: 4, ValueSize: 4, Max: 4}}
	case "cgroups":
		return rowMap{spec: maps.Spec{Name: "m", Type: cebpf.CGroupArray, KeySize: 4, ValueSize: 4, Max: 4}}
	case "lock":
		return holding("bpf_spin_lock", 4)
	case "timer":
		return holding("bpf_timer", 16)
	case "traces":
		return rowMap{spec: maps.Spec{Name: "m", Type: cebpf.StackTrace, KeySize: 4, ValueSize: 64, Max: 4}}
	}
	panic("no map " + name)
}

// row is the row that a case is about.
func (c *rowCase) row() *ebpf.Helper {
	if c.kfunc != "" {
		return ebpf.KfuncByName(c.kfunc)
	}
	return ebpf.HelperByID(c.id)
}

func (c *rowCase) String() string {
	return fmt.Sprintf("%s, %s", c.row().Name, c.what)
}

// code builds the program of a case.
func (c *rowCase) code(t *testing.T) *rowProg {
	b := &rowProg{maps: []string{"io"}}
	b.t = t
	b.mov(6, 1)
	b.add(ebpf.Insn{Op: ebpf.OpLDDW, Dst: 7, Src: ebpf.PseudoMapValue}, ebpf.Insn{})
	if c.pre != nil {
		c.pre(b)
	}
	for i, a := range c.args {
		a.emit(b, uint8(i+1))
	}
	h := c.row()
	if c.kfunc != "" {
		b.add(ebpf.Insn{Op: ebpf.OpCall, Src: ebpf.CallKfunc, Imm: rowKfunc(t, c.kfunc)})
	} else {
		b.call(c.id)
	}
	if h.Ret == ebpf.RetNothing {
		b.imm(0, 0)
	}
	switch h.Ret {
	case ebpf.RetMapValue, ebpf.RetMem, ebpf.RetSocket, ebpf.RetObject: // addresses differ between machines
		b.imm(8, 0)
		b.add(ebpf.Insn{Op: ebpf.ClassJMP | ebpf.JmpEQ, Dst: 0, Off: 1})
		b.imm(8, 1)
		b.out(8, 0)
	default:
		b.out(0, 0)
	}
	if c.post != nil {
		c.post(b)
	}
	b.imm(0, 2)
	b.add(ebpf.Insn{Op: ebpf.OpExit})
	for _, at := range b.calls {
		b.insns[at].Imm = int32(len(b.insns) - at - 1)
	}
	if len(b.calls) > 0 {
		b.imm(0, 0)
		b.add(ebpf.Insn{Op: ebpf.OpExit})
	}
	return b
}

// kernelTypes is the running kernel's BTF.
var kernelTypes = sync.OnceValues(btf.LoadKernelSpec)

// rowKfunc is the BTF id of a kernel function.
func rowKfunc(t *testing.T, name string) int32 {
	spec, err := kernelTypes()
	if err != nil {
		t.Skipf("skipped: %v", err)
	}
	var f *btf.Func
	if err := spec.TypeByName(name, &f); err != nil {
		t.Skipf("skipped: kernel function %s isn't in this kernel", name)
	}
	id, err := spec.TypeID(f)
	must.OK(t, err)
	return int32(id)
}

// rowRun is what a run left.
type rowRun struct {
	value, packet []byte
	maps          []string // their contents, printed
}

// value is the value of io before a run: a pattern, so that a byte that is left
// alone can be told from one that is written.
func (c *rowCase) value(pattern byte) []byte {
	v := make([]byte, rowValue)
	for i := buf0; i < len(v); i++ {
		v[i] = byte(i)*3 ^ pattern
	}
	for off, b := range c.set {
		copy(v[off:], b)
	}
	return v
}

func (c *rowCase) packet() []byte {
	n := c.pkt
	if n == 0 {
		n = 64
	}
	p := fill(n)
	if len(p) > 14 {
		p[12], p[13], p[14] = 8, 0, 0x45 // IPv4
	}
	return p
}

// inKernel runs a case in the kernel, with fresh maps.
func (c *rowCase) inKernel(t *testing.T, b *rowProg, before []byte) (rowRun, error) {
	var run rowRun
	var ms []*cebpf.Map
	for _, name := range b.maps {
		r := rowMapOf(name)
		m, err := cebpf.NewMap(&cebpf.MapSpec{Type: r.spec.Type, KeySize: r.spec.KeySize, ValueSize: r.spec.ValueSize, MaxEntries: r.spec.Max, Flags: r.spec.Flags, Key: r.key(), Value: r.typ})
		if err != nil {
			return run, fmt.Errorf("map %q: %w", name, err)
		}
		defer m.Close()
		for _, e := range r.entries() {
			if e.Key == nil {
				err = m.Put(nil, e.Value)
			} else {
				err = m.Put(e.Key, e.Value)
			}
			if err != nil {
				return run, fmt.Errorf("map %q: %w", name, err)
			}
		}
		if r.spec.ReadOnly {
			if err := m.Freeze(); err != nil {
				return run, err
			}
		}
		ms = append(ms, m)
	}
	if err := ms[0].Put(uint32(0), before); err != nil {
		return run, err
	}
	linked := slices.Clone(b.insns)
	for i, in := range linked {
		if in.Op == ebpf.OpLDDW && (in.Src == ebpf.PseudoMapFD || in.Src == ebpf.PseudoMapValue) {
			linked[i].Imm = int32(ms[in.Imm].FD())
		}
	}
	code, err := asm.AppendInstructions(nil, bytes.NewReader(ebpf.Encode(linked)), binary.LittleEndian, "linux")
	if err != nil {
		return run, err
	}
	if len(b.calls) > 0 { // the kernel wants functions' types
		slot, start := 0, len(b.insns)-2
		for i := range code {
			if slot == 0 || slot == start {
				code[i] = btf.WithFuncMetadata(code[i], &btf.Func{Name: fmt.Sprintf("f%d", slot), Linkage: btf.StaticFunc, Type: &btf.FuncProto{
					Return: &btf.Int{Name: "int", Size: 4, Encoding: btf.Signed},
					Params: []btf.FuncParam{{Name: "a", Type: &btf.Pointer{Target: &btf.Void{}}}},
				}})
			}
			slot += int(code[i].Width())
		}
	}
	kind := c.kind
	if kind == cebpf.UnspecifiedProgram {
		kind = cebpf.XDP
	}
	p, err := cebpf.NewProgram(&cebpf.ProgramSpec{Name: "row", Type: kind, Instructions: code, License: "GPL", Flags: c.flags})
	if err != nil {
		return run, err
	}
	defer p.Close()
	if c.ready != nil {
		named := map[string]*cebpf.Map{}
		for i, m := range ms {
			named[b.maps[i]] = m
		}
		c.ready(t, named)
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	opt := &cebpf.RunOptions{Data: c.packet(), DataOut: make([]byte, 1<<14)}
	if kind == cebpf.RawTracepoint || kind == cebpf.Syscall {
		opt = &cebpf.RunOptions{Context: make([]byte, 64)}
	}
	for {
		if _, err = p.Run(opt); !errors.Is(err, syscall.EINTR) {
			break
		}
	}
	if err != nil {
		return run, err
	}
	run.packet = opt.DataOut
	run.value, err = ms[0].LookupBytes(uint32(0))
	for i, m := range ms {
		run.maps = append(run.maps, rowContents(m, rowMapOf(b.maps[i])))
	}
	return run, err
}

// key is the type of a map's keys, where its values have one.
func (r *rowMap) key() btf.Type {
	if r.typ == nil {
		return nil
	}
	return &btf.Int{Name: "int", Size: 4}
}

// holding is an array whose values begin with something the kernel knows by
// its type.
func holding(name string, size uint32) rowMap {
	inner := &btf.Struct{Name: name, Size: size, Members: []btf.Member{{Name: "x", Type: &btf.Array{Index: &btf.Int{Name: "int", Size: 4}, Type: &btf.Int{Name: "int", Size: 4}, Nelems: size / 4}}}}
	return rowMap{
		spec: maps.Spec{Name: "m", Type: cebpf.Array, KeySize: 4, ValueSize: size + 8, Max: 1},
		typ: &btf.Struct{Name: "value", Size: size + 8, Members: []btf.Member{
			{Name: "first", Type: inner},
			{Name: "rest", Type: &btf.Int{Name: "long", Size: 8}, Offset: btf.Bits(8 * size)},
		}},
	}
}

// entries are a map's first contents.
func (r *rowMap) entries() []maps.Entry {
	out := slices.Clone(r.spec.Contents)
	for _, e := range r.fill {
		key, value := make([]byte, 8), make([]byte, 8)
		binary.LittleEndian.PutUint64(key, e[0])
		binary.LittleEndian.PutUint64(value, e[1])
		if r.spec.Type == cebpf.LPMTrie {
			binary.BigEndian.PutUint32(key[4:], uint32(e[0]>>32))
		}
		entry := maps.Entry{Key: key[:r.spec.KeySize], Value: value[:r.spec.ValueSize]}
		if r.spec.KeySize == 0 {
			entry.Key = nil
		}
		out = append(out, entry)
	}
	return out
}

// rowContents prints what a map of the kernel holds, where that can be read.
func rowContents(m *cebpf.Map, r rowMap) string {
	var lines []string
	switch r.spec.Type {
	case cebpf.Hash, cebpf.LRUHash, cebpf.LPMTrie, cebpf.DevMap, cebpf.CPUMap:
		var key, value []byte
		for it := m.Iterate(); it.Next(&key, &value); {
			lines = append(lines, fmt.Sprintf("%x=%x", key, value))
		}
	case cebpf.Array:
		if r.spec.ValueSize == rowValue || r.spec.ReadOnly {
			return ""
		}
		for i := range r.spec.Max {
			v, _ := m.LookupBytes(i)
			lines = append(lines, fmt.Sprintf("%d=%x", i, v))
		}
	case cebpf.Queue, cebpf.Stack:
		for range r.spec.Max {
			v := make([]byte, 8)
			if m.LookupAndDelete(nil, v) == nil {
				lines = append(lines, fmt.Sprintf("%x", v))
			}
		}
		return fmt.Sprint(lines)
	}
	slices.Sort(lines)
	return fmt.Sprint(lines)
}

// inVM runs a case in the interpreter.
func (c *rowCase) inVM(t *testing.T, b *rowProg, before []byte) (rowRun, error) {
	t.Helper()
	obj := &loader.Object{File: "row"}
	p := &loader.Program{Name: "row", Insns: slices.Clone(b.insns), LoadFlags: c.flags}
	if c.kfunc != "" || c.pre != nil || c.post != nil {
		p.Unsupported = map[int]string{}
		for i, in := range p.Insns {
			if in.Op == ebpf.OpCall && in.Src == ebpf.CallKfunc {
				p.Unsupported[i] = "kfunc " + rowKfuncName(t, in.Imm)
			}
		}
	}
	obj.Programs = []*loader.Program{p}
	for _, name := range b.maps {
		r := rowMapOf(name)
		obj.Maps = append(obj.Maps, &r.spec)
	}
	s, err := NewState(obj, Options{Readers: c.reads})
	if err != nil {
		return rowRun{}, err
	}
	defer s.Close()
	it, err := NewInterp(s, obj, p)
	if err != nil {
		return rowRun{}, err
	}
	for i, name := range b.maps {
		r := rowMapOf(name)
		if r.spec.ReadOnly {
			continue
		}
		for _, e := range r.entries() {
			err := maps.Errno(0)
			if q, ok := s.Maps[i].(maps.Queue); ok && e.Key == nil {
				err = q.PushElem(e.Value, 0)
			} else {
				err = s.Maps[i].Update(e.Key, e.Value, 0, 0)
			}
			if err != 0 {
				t.Fatalf("map %q: %v", name, err)
			}
		}
	}
	if e := s.Maps[0].Update(make([]byte, 4), before, 0, 0); e != 0 {
		t.Fatal(e)
	}
	var out Output
	it.Run(&Input{Data: c.packet(), IfIndex: 1}, &out)
	if out.Err != nil {
		return rowRun{}, out.Err
	}
	run := rowRun{packet: append(bytes.Clone(out.Meta), out.Data...)}
	run.value = bytes.Clone(s.Mem.Bytes(s.Maps[0].Peek(make([]byte, 4), 0), rowValue))
	for i, name := range b.maps {
		run.maps = append(run.maps, rowVMContents(s, i, rowMapOf(name)))
	}
	return run, nil
}

func rowVMContents(s *State, i int, r rowMap) string {
	var lines []string
	switch r.spec.Type {
	case cebpf.Hash, cebpf.LRUHash, cebpf.LPMTrie, cebpf.DevMap, cebpf.CPUMap:
		s.Maps[i].Range(func(key, value []byte) bool {
			lines = append(lines, fmt.Sprintf("%x=%x", key, value[:r.spec.ValueSize]))
			return true
		})
	case cebpf.Array:
		if r.spec.ValueSize == rowValue || r.spec.ReadOnly {
			return ""
		}
		s.Maps[i].Range(func(key, value []byte) bool {
			lines = append(lines, fmt.Sprintf("%d=%x", binary.LittleEndian.Uint32(key), value))
			return true
		})
	case cebpf.Queue, cebpf.Stack:
		v := make([]byte, 8)
		for s.Maps[i].(maps.Queue).PopElem(v) == 0 {
			lines = append(lines, fmt.Sprintf("%x", v))
		}
		return fmt.Sprint(lines)
	}
	slices.Sort(lines)
	return fmt.Sprint(lines)
}

func rowKfuncName(t *testing.T, id int32) string {
	spec, err := kernelTypes()
	if err != nil {
		t.Skipf("skipped: %v", err)
	}
	typ, err := spec.TypeByID(btf.TypeID(id))
	must.OK(t, err)
	return typ.TypeName()
}

// failed says whether r0 tells of a failure.
func rowFailed(h *ebpf.Helper, r0 uint64) bool {
	switch h.Fails {
	case ebpf.FailsNegative:
		return int64(r0) < 0 && int64(r0) >= -4095 || int64(int32(r0)) < 0 && int64(int32(r0)) >= -4095 && r0>>32 == 0
	case ebpf.FailsNull:
		return r0 == 0
	case ebpf.FailsAborted, ebpf.FailsVerdict:
		return r0 != XDPRedirect
	}
	return false
}

// claims compares what a call left with what its row says.
func (c *rowCase) claims(t *testing.T, runs [2]rowRun, before [2][]byte, start []string) {
	t.Helper()
	h := c.row()
	r0 := binary.LittleEndian.Uint64(runs[0].value)
	failed := rowFailed(h, r0) && !(c.low && int64(r0) > 0)
	if failed != c.fails && !c.maybe {
		t.Errorf("%v: r0 is %#x, meant to fail: %v", c, r0, c.fails)
	}
	pair := [2]uint64{r0, binary.LittleEndian.Uint64(runs[1].value)}
	free := make([]bool, rowValue) // bytes that the row says may change
	for i := range 64 {
		free[i] = true
	}
	for i, a := range c.args {
		if a.off < 0 || i >= len(h.Args) {
			continue
		}
		n := c.size(h, i)
		want := h.Args[i].Done
		if failed {
			want = h.Args[i].Failed
		}
		if c.mine > 0 {
			continue
		}
		if !h.Args[i].Writes || h.Args[i].Asks && i > 0 && c.args[0].m == "bloom" {
			want = ebpf.Kept
		}
		if f, ok := c.noted[i+1]; ok {
			if want != ebpf.Partly {
				t.Errorf("%v: the row says more than Partly of argument %d", c, i+1)
			}
			want = f
		}
		for k := a.off; k < a.off+n; k++ {
			got, old := [2]byte{runs[0].value[k], runs[1].value[k]}, [2]byte{before[0][k], before[1][k]}
			ok := true
			switch want {
			case ebpf.Kept:
				ok = got == old
			case ebpf.Filled:
				ok = got[0] == got[1] || c.varies
			case ebpf.Cleared:
				ok = got == [2]byte{}
			}
			if want != ebpf.Kept {
				free[k] = true
			}
			if !ok {
				t.Errorf("%v: returned %#x: byte %d of argument %d was %x and is %x: the row says %d", c, pair, k-a.off, i+1, old, got, want)
				break
			}
		}
	}
	writes := h.Writes
	if failed {
		writes = h.OnFail
	}
	if c.pre != nil || c.post != nil {
		return // other calls change things too
	}
	for k, ok := range free {
		if !ok && runs[0].value[k] != before[0][k] {
			t.Errorf("%v: byte %d of the value changed, which is no argument's", c, k)
			break
		}
	}
	if len(runs[0].packet) > 0 && c.kind == 0 {
		was := c.packet()
		if writes&ebpf.Bounds == 0 && len(runs[0].packet) != len(was) {
			t.Errorf("%v: the packet has %d bytes, had %d", c, len(runs[0].packet), len(was))
		} else if writes&ebpf.Packet == 0 && writes&ebpf.Bounds == 0 && !bytes.Equal(runs[0].packet, was) {
			t.Errorf("%v: the packet changed", c)
		}
	}
	if writes&(ebpf.MapKeys|ebpf.MapValues) == 0 && !slices.Equal(runs[0].maps, start) {
		t.Errorf("%v: maps changed: %v, were %v", c, runs[0].maps, start)
	}
}

// size is the bytes an argument points to.
func (c *rowCase) size(h *ebpf.Helper, i int) int {
	a := h.Args[i]
	m := func() maps.Spec { return rowMapOf(c.args[h.MapArg()-1].m).spec }
	switch {
	case a.Size > 0:
		return int(a.Size)
	case a.Kind == ebpf.MapKey:
		return int(m().KeySize)
	case a.Kind == ebpf.MapValue:
		return int(m().ValueSize)
	case a.Kind == ebpf.Mem && i+1 < len(c.args):
		return c.args[i+1].n
	}
	return 0
}

// TestRows holds rows to the running kernel and the VM to both: every call of
// rowCases is made, and every byte of its buffers, the packet and the maps
// compared before and after.
func TestRows(t *testing.T) {
	needKernel(t)
	now := rowRelease(t)
	for _, c := range rowCases() {
		h := c.row()
		if now < rowVersion(h.Since) {
			t.Logf("skipped: %v: holds since kernel %s", &c, h.Since)
			continue
		}
		t.Run(fmt.Sprintf("%s/%s", h.Name, c.what), func(t *testing.T) {
			b := c.code(t)
			var runs [2]rowRun
			var before [2][]byte
			var start []string
			for k, pattern := range []byte{0, 0xff} {
				before[k] = c.value(pattern)
				var err error
				if runs[k], err = c.inKernel(t, b, before[k]); err != nil {
					t.Fatalf("%v: %+v", &c, err)
				}
			}
			for _, name := range b.maps {
				start = append(start, rowStart(rowMapOf(name)))
			}
			c.claims(t, runs, before, start)
			if !c.inReach() {
				return
			}
			mine, err := c.inVM(t, b, before[0])
			must.OKf(t, err, "%v: the VM", &c)
			if c.low {
				clear(runs[0].value[:4])
				clear(mine.value[:4])
			}
			if c.mine > 0 {
				copy(mine.value[c.mine:c.mine+16], runs[0].value[c.mine:])
			}
			if h.Bits == 8 { // the kernel leaves the rest as it comes
				clear(runs[0].value[1:8])
			}
			if i := firstDiff(mine.value, runs[0].value); i < rowValue && !(i < 8 && h.Latch != ebpf.NoLatch && !c.low && !c.fails && h.Fails != ebpf.FailsNegative) {
				t.Errorf("%v: the VM leaves %x at %d, the kernel %x", &c, mine.value[i&^7:][:8], i&^7, runs[0].value[i&^7:][:8])
			}
			if !bytes.Equal(mine.packet, runs[0].packet) {
				t.Errorf("%v: packets differ at %d: %d bytes, the kernel %d", &c, firstDiff(mine.packet, runs[0].packet), len(mine.packet), len(runs[0].packet))
			}
			if !slices.Equal(mine.maps, runs[0].maps) {
				t.Errorf("%v: maps %v, the kernel %v", &c, mine.maps, runs[0].maps)
			}
		})
	}
}

// inReach says whether the VM runs a case.
func (c *rowCase) inReach() bool {
	if c.alone || c.kind != 0 {
		return false
	}
	if c.kfunc != "" {
		return kfuncIndex(c.kfunc) >= 0
	}
	return Supported(c.id)
}

// rowStart prints a map's first contents as rowContents does.
func rowStart(r rowMap) string {
	var lines []string
	switch r.spec.Type {
	case cebpf.Hash, cebpf.LRUHash, cebpf.LPMTrie, cebpf.DevMap, cebpf.CPUMap:
		for _, e := range r.entries() {
			lines = append(lines, fmt.Sprintf("%x=%x", e.Key, e.Value))
		}
	case cebpf.Array:
		if r.spec.ValueSize == rowValue || r.spec.ReadOnly {
			return ""
		}
		for i := range r.spec.Max {
			v := make([]byte, r.spec.ValueSize)
			for _, e := range r.entries() {
				if binary.LittleEndian.Uint32(e.Key) == i {
					v = e.Value
				}
			}
			lines = append(lines, fmt.Sprintf("%d=%x", i, v))
		}
	case cebpf.Queue:
		for _, e := range r.entries() {
			lines = append(lines, fmt.Sprintf("%x", e.Value))
		}
		return fmt.Sprint(lines)
	case cebpf.Stack:
		for _, e := range r.entries() {
			lines = append(lines, fmt.Sprintf("%x", e.Value))
		}
		slices.Reverse(lines)
		return fmt.Sprint(lines)
	}
	slices.Sort(lines)
	return fmt.Sprint(lines)
}

func rowRelease(t *testing.T) int {
	raw, err := os.ReadFile("/proc/sys/kernel/osrelease")
	if err != nil {
		t.Skipf("skipped: %v", err)
	}
	return rowVersion(string(raw))
}

func rowVersion(s string) int {
	var major, minor int
	fmt.Sscanf(s, "%d.%d", &major, &minor)
	return major<<8 | minor
}

// TestRowsHeld demands a success, and a failure where there is such, of every
// row whose effects are known, or the place in the kernel's source that the
// row was read from.
func TestRowsHeld(t *testing.T) {
	type held struct{ done, failed bool }
	seen := map[string]*held{}
	for _, c := range rowCases() {
		h := seen[c.row().Name]
		if h == nil {
			h = &held{}
			seen[c.row().Name] = h
		}
		h.done = h.done || !c.fails || c.maybe
		h.failed = h.failed || c.fails || c.maybe
	}
	tested, sourced := 0, 0
	for _, rows := range [][]ebpf.Helper{ebpf.Helpers(), ebpf.Kfuncs()} {
		for _, h := range rows {
			s := seen[h.Name]
			ok := s != nil && s.done && (s.failed || h.Fails == ebpf.NeverFails || h.Fails == ebpf.FailsOn)
			switch {
			case ok:
				tested++
			case h.From != "":
				sourced++
			default:
				t.Errorf("%s: neither a case nor a place in the source says that its row holds (cases: %+v)", h.Name, s)
			}
		}
	}
	t.Logf("%d rows held by calls that succeed and fail, %d by the source", tested, sourced)
}
