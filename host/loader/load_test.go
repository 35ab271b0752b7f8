package loader

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"jitnic/host/ebpf"
	"jitnic/host/hosttest/must"
	"jitnic/host/maps"

	cilium "github.com/cilium/ebpf"
	"github.com/cilium/ebpf/btf"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func read(t testing.TB, file string) []byte {
	t.Helper()
	data := must.Get(os.ReadFile(file))(t)
	return data
}

// local keeps tests independent of the machine's kernel.
var local = Options{BTF: LocalBTF, Kconfig: map[string]string{"LINUX_KERNEL_VERSION": "0x60100"}}

func TestModern(t *testing.T) {
	o := must.Get(Load("testdata/modern.o", local))(t)
	var progs []string
	for _, p := range o.Programs {
		progs = append(progs, fmt.Sprintf("%s %s %v", p.Name, p.Section, p.Type))
	}
	want := []string{"second xdp XDP", "first xdp XDP", "egress xdp/devmap XDP", "frags xdp.frags XDP", "core tp_btf/sched_process_exit Tracing"}
	if d := cmp.Diff(want, progs); d != "" {
		t.Error("programs (-want +got):\n", d)
	}
	var names []string
	for _, m := range o.Maps {
		names = append(names, m.Name)
	}
	wantMaps := []string{"flows", "inner0", "outer", "jumps", "hidden", ".rodata", ".data", ".bss", ".kconfig"}
	// Data sections come in the file's order, which differs by compiler.
	if d := cmp.Diff(wantMaps, names, cmpopts.SortSlices(func(a, b string) bool { return a < b })); d != "" {
		t.Error("maps (-want +got):\n", d)
	}
	byName := map[string]*maps.Spec{}
	for _, m := range o.Maps {
		byName[m.Name] = m
	}
	if c := byName["jumps"].Contents; len(c) != 1 || c[0].Name != "second" || c[0].Key[0] != 2 {
		t.Errorf("jumps holds %v, want program second at 2", c)
	}
	if m := byName["outer"]; len(m.Contents) != 1 || m.Contents[0].Name != "inner0" || m.Inner == nil || m.Inner.ValueSize != 8 {
		t.Errorf("outer is %+v", m)
	}
	if m := byName[".rodata"]; !m.ReadOnly || le.Uint32(m.Contents[0].Value) != 7 {
		t.Errorf(".rodata is %+v, want limit = 7", m)
	}
	if m := byName[".data"]; m.ReadOnly || le.Uint32(m.Contents[0].Value) != 40 {
		t.Errorf(".data is %+v, want start = 40", m)
	}
	if v := byName[".kconfig"].Contents[0].Value; le.Uint32(v) != 0x60100 {
		t.Errorf(".kconfig holds %x, want LINUX_KERNEL_VERSION first", v)
	}
	if k, ok := btf.UnderlyingType(byName["flows"].Key).(*btf.Struct); !ok || k.Name != "key" {
		t.Errorf("flows has key type %v, want struct key", byName["flows"].Key)
	}

	first := must.Get(o.Entry("first"))(t)
	var funcs []string
	for _, f := range first.Funcs {
		funcs = append(funcs, f.Name)
		if f.Proto == nil || f.Proto.Name != f.Name {
			t.Errorf("function %s has BTF %v", f.Name, f.Proto)
		}
	}
	if d := cmp.Diff([]string{"first", "count", "total", "helper"}, funcs, cmpopts.SortSlices(func(a, b string) bool { return a < b })); d != "" {
		t.Error("functions (-want +got):\n", d)
	}
	if funcs[0] != "first" {
		t.Error("the entry function doesn't come first")
	}
	start := func(name string) int {
		for _, f := range first.Funcs {
			if f.Name == name {
				return f.Start
			}
		}
		return -1
	}
	var sawLoop, sawCall, sawKfunc bool
	for i, in := range first.Insns {
		switch {
		case in.Op == ebpf.OpLDDW && in.Src == ebpf.PseudoFunc:
			sawLoop = i+1+int(in.Imm) == start("count")
		case in.Op == ebpf.OpCall && in.Src == ebpf.CallLocal && i+1+int(in.Imm) == start("helper"):
			sawCall = true
		case in.Op == ebpf.OpCall && in.Src == ebpf.CallKfunc:
			sawKfunc = first.Unsupported[i] == "kfunc bpf_no_such_kfunc"
		}
	}
	if !sawLoop || !sawCall || !sawKfunc {
		t.Errorf("callback linked: %v, call linked: %v, kernel function named: %v", sawLoop, sawCall, sawKfunc)
	}
	if !first.HasLines() {
		t.Error("no source lines")
	}
	if p := o.Named("frags"); !p.XDPFrags || first.XDPFrags {
		t.Error("frags are for section xdp.frags alone")
	}
	if _, err := o.Entry(""); err == nil || !strings.Contains(err.Error(), "second (xdp), first (xdp), frags (xdp.frags)") {
		t.Errorf("without a name: %v", err)
	}
	if p, err := o.Entry("xdp.frags"); err != nil || p.Name != "frags" {
		t.Errorf("by section: %v, %v", p, err)
	}
	if _, err := o.Entry("nope"); err == nil || !strings.Contains(err.Error(), `no program "nope"`) {
		t.Errorf("by a wrong name: %v", err)
	}
}

func TestOldMaps(t *testing.T) {
	o := must.Get(Load("testdata/old.o", Options{}))(t)
	jumps, outer, lpm := o.Maps[0], o.Maps[2], o.Maps[3]
	var got []string
	for _, e := range jumps.Contents {
		got = append(got, fmt.Sprintf("%d=%s", e.Key[0], e.Name))
	}
	if d := cmp.Diff([]string{"1=tail1", "7=tail7"}, got); d != "" {
		t.Error("tail calls (-want +got):\n", d)
	}
	if outer.Inner != o.Maps[1] || len(outer.Contents) != 1 || outer.Contents[0].Name != "inner" || outer.Contents[0].Key[0] != 3 {
		t.Errorf("outer is %+v", outer)
	}
	if lpm.Flags != 1 {
		t.Errorf("LPM trie has flags %d, want BPF_F_NO_PREALLOC", lpm.Flags)
	}
	if p, err := o.Entry(""); err != nil || p.License != "" {
		t.Errorf("entry: %v, %v", p, err)
	}
}

// TestLeftToUserSpace changes definitions to what only user space could
// complete, or only other programs use.
func TestLeftToUserSpace(t *testing.T) {
	im := must.Get(openImage(read(t, "testdata/old.o")))(t)
	for j, name := range im.symName {
		s := im.syms[j]
		if int(s.Shndx) >= len(im.secs) || !im.isMaps(int(s.Shndx)) || name == "" {
			continue
		}
		d := must.Get(im.data(int(s.Shndx)))(t)
		switch def := d[s.Value:]; name {
		case "prefixes":
			le.PutUint32(def, uint32(cilium.ReusePortSockArray))
		case "outer":
			le.PutUint32(def[28:], 0) // inner_id
			le.PutUint32(def[12:], 0) // max_elem
		}
	}
	o := must.Get(LoadBytes("changed", im.bytes(), Options{}))(t)
	if len(o.Maps) != 3 || o.Maps[2].Inner == nil || o.Maps[2].Max == 0 || len(o.Maps[2].Contents) != 0 {
		t.Errorf("maps are %+v", o.Maps)
	}
	p := o.Named("entry")
	if len(p.Unsupported) != 1 {
		t.Errorf("unsupported is %v", p.Unsupported)
	}
	for slot, what := range p.Unsupported {
		if p.Insns[slot].Op != ebpf.OpLDDW || what != "map prefixes of type ReusePortSockArray" {
			t.Errorf("slot %d: %s", slot, what)
		}
	}
}

func TestCommon(t *testing.T) {
	data := read(t, "testdata/common.o")
	if _, err := cilium.LoadCollectionSpecFromReader(bytes.NewReader(data)); err == nil {
		t.Error("no test: cilium/ebpf alone loads it")
	}
	o := must.Get(LoadBytes("common", data, Options{}))(t)
	if len(o.Maps) != 1 || o.Maps[0].Name != ".bss" || o.Maps[0].ValueSize < 21 {
		t.Fatalf("maps are %+v", o.Maps)
	}
	offsets := map[int32]bool{}
	insns := o.Programs[0].Insns
	for i, in := range insns {
		if in.Op == ebpf.OpLDDW && in.Src == ebpf.PseudoMapValue {
			offsets[insns[i+1].Imm] = true
		}
	}
	if len(offsets) != 3 {
		t.Errorf("variables stand at %v, want three places", offsets)
	}
}

func TestShortDefinitionsAndText(t *testing.T) {
	o, err := Load("testdata/short.o", Options{})
	must.OK(t, err)
	if a, b := o.Maps[0], o.Maps[1]; a.Name != "first" || a.Max != 3 || a.Flags != 0 || b.Type != cilium.Hash || b.Max != 17 || b.Flags != 0 {
		t.Errorf("maps are %+v and %+v", a, b)
	}
	if p, err := o.Entry(""); err != nil || p.Name != "prog" || len(p.Funcs) != 2 || p.Type != cilium.XDP {
		t.Errorf("entry: %+v, %v", p, err)
	}
	if o, err = Load("testdata/text.o", Options{}); err != nil {
		t.Fatal(err)
	}
	p, err := o.Entry("")
	if err != nil || p.Section != ".text" || p.Type != cilium.XDP || len(p.Funcs) != 2 || !p.HasLines() {
		t.Errorf("entry: %+v, %v", p, err)
	}
}

// age makes of an object what LLVM up to 6 would have written: symbols of code
// and maps without type and size.
func age(t testing.TB, data []byte) []byte {
	t.Helper()
	im := must.Get(openImage(bytes.Clone(data)))(t)
	for j := range im.syms {
		s := &im.syms[j]
		sec := int(s.Shndx)
		if sec == 0 || sec >= len(im.secs) || im.symName[j] == "" || elf.ST_TYPE(s.Info) == elf.STT_SECTION {
			continue
		}
		if im.isCode(sec) || im.isMaps(sec) {
			s.Info = elf.ST_INFO(elf.ST_BIND(s.Info), elf.STT_NOTYPE)
			s.Size = 0
			im.grown = true
		}
	}
	return im.bytes()
}

// TestNoType demands the same programs of an object and its aged form.
func TestNoType(t *testing.T) {
	files, _ := filepath.Glob("/usr/lib/*/bpf/*.o")
	files = append(files, "testdata/old.o", "testdata/short.o", "testdata/text.o")
	for _, f := range files {
		data := read(t, f)
		want, err := LoadBytes(f, data, local)
		if err != nil {
			t.Error(err)
			continue
		}
		aged := age(t, data)
		if f == "testdata/short.o" {
			if _, err := cilium.LoadCollectionSpecFromReader(bytes.NewReader(aged)); err == nil {
				t.Errorf("%s: the aged object is no test: cilium/ebpf alone loads it", f)
			}
		}
		got, err := LoadBytes(f, aged, local)
		if err != nil {
			t.Errorf("aged: %v", err)
			continue
		}
		sameObject(t, f, want, got)
	}
}

// sameObject compares what doesn't hang on BTF identity.
func sameObject(t *testing.T, file string, want, got *Object) {
	t.Helper()
	if len(want.Programs) != len(got.Programs) || len(want.Maps) != len(got.Maps) {
		t.Fatalf("%s: %d programs and %d maps, want %d and %d", file, len(got.Programs), len(got.Maps), len(want.Programs), len(want.Maps))
	}
	for i, p := range want.Programs {
		q := got.Programs[i]
		if p.Name != q.Name || p.Type != q.Type || !bytes.Equal(ebpf.Encode(p.Insns), ebpf.Encode(q.Insns)) {
			t.Errorf("%s: program %s differs", file, p.Name)
		}
	}
	for i, m := range want.Maps {
		opt := cmpopts.IgnoreFields(maps.Spec{}, "Key", "Value")
		if d := cmp.Diff(m, got.Maps[i], opt); d != "" {
			t.Errorf("%s: map %s (-want +got):\n%s", file, m.Name, d)
		}
	}
}

func TestDeterministic(t *testing.T) {
	data := read(t, "testdata/modern.o")
	want := must.Get(LoadBytes("m", data, local))(t)
	for range 20 {
		got := must.Get(LoadBytes("m", data, local))(t)
		sameObject(t, "m", want, got)
	}
}

func TestErrors(t *testing.T) {
	modern := read(t, "testdata/modern.o")
	change := func(at int, b byte) []byte { d := bytes.Clone(modern); d[at] = b; return d }
	for _, tt := range []struct {
		name, want string
		data       []byte
	}{
		{"empty", "not an ELF object", nil},
		{"text", "not an ELF object", []byte("hello")},
		{"cut", "section table", modern[:len(modern)/2]},
		{"header", "ELF header cut off", modern[:20]},
		{"32-bit", "not a 64-bit ELF object", change(elf.EI_CLASS, 1)},
		{"big-endian", "big-endian BPF object", change(elf.EI_DATA, 2)},
		{"x86", "ELF object for EM_X86_64", change(18, byte(elf.EM_X86_64))},
	} {
		_, err := LoadBytes(tt.name, tt.data, local)
		if err == nil || !strings.HasPrefix(err.Error(), tt.name+": ") || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: got %q, want one line with %q", tt.name, err, tt.want)
		}
	}
	if _, err := Load("testdata/nothing.o", local); err == nil {
		t.Error("a missing file loads")
	}
	if _, err := Load("testdata/modern.o", Options{BTF: "testdata/nothing.btf"}); err == nil || !strings.Contains(err.Error(), "--btf") {
		t.Errorf("missing BTF file: %v", err)
	}
}

// TestCORE relocates against types given in a file: the object's own, with the
// field it asks for at another place.
func TestCORE(t *testing.T) {
	var b btf.Builder
	task := &btf.Struct{Name: "task_struct", Size: 64, Members: []btf.Member{
		{Name: "pid", Type: &btf.Int{Name: "int", Size: 4, Encoding: btf.Signed}, Offset: 40 * 8},
	}}
	must.Get(b.Add(task))(t)
	raw := must.Get(b.Marshal(nil, &btf.MarshalOptions{Order: binary.LittleEndian}))(t)
	file := filepath.Join(t.TempDir(), "types.btf")
	must.OK(t, os.WriteFile(file, raw, 0o644))
	opt := local
	opt.BTF = file
	o := must.Get(Load("testdata/modern.o", opt))(t)
	for _, in := range o.Named("core").Insns {
		if in.Class() == ebpf.ClassLDX && in.Size() == 4 {
			if in.Off != 40 {
				t.Errorf("pid is read at %d, want 40", in.Off)
			}
			return
		}
	}
	// mcpu v2 reads through an added offset.
	for _, in := range o.Named("core").Insns {
		if in.Imm == 40 {
			return
		}
	}
	t.Error("no access to pid at 40:\n", o.Named("core").Insns)
}

// TestLoadLibxdp links every object of Debian's libxdp1.
func TestLoadLibxdp(t *testing.T) {
	files, _ := filepath.Glob("/usr/lib/*/bpf/*.o")
	if len(files) == 0 {
		t.Skip("libxdp1 is not installed: no objects in /usr/lib/*/bpf")
	}
	for _, f := range files {
		o, err := Load(f, Options{})
		if err != nil {
			t.Errorf("%v", err)
			continue
		}
		if len(o.Programs) == 0 {
			t.Errorf("%s: no programs", f)
		}
		for _, p := range o.Programs {
			if len(p.Unsupported) > 0 || p.Funcs[len(p.Funcs)-1].End != len(p.Insns) {
				t.Errorf("%s: %s: unsupported %v", f, p.Name, p.Unsupported)
			}
		}
	}
}

func FuzzLoad(f *testing.F) {
	files, _ := filepath.Glob("testdata/*.o")
	for _, file := range files {
		data := read(f, file)
		f.Add(data)
		f.Add(age(f, data))
		f.Add(data[:len(data)/2])
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		o, err := LoadBytes("fuzz", data, local)
		if err != nil {
			if strings.Contains(err.Error(), "\n") {
				t.Errorf("error of several lines: %q", err)
			}
			return
		}
		for _, p := range o.Programs {
			if len(p.Insns) == 0 {
				t.Errorf("program %s is empty", p.Name)
			}
		}
	})
}

// TestEntryOptional: a program of a section "?xdp" is run only when it is named.
func TestEntryOptional(t *testing.T) {
	a := &Program{Name: "a", Section: "?xdp", Type: cilium.XDP}
	b := &Program{Name: "b", Section: "xdp", Type: cilium.XDP}
	o := &Object{File: "x.o", Programs: []*Program{a, b}}
	if p, err := o.Entry(""); p != b {
		t.Errorf("%v, %v", p, err)
	}
	if p, err := o.Entry("a"); p != a {
		t.Errorf("%v, %v", p, err)
	}
	o.Programs = o.Programs[:1]
	if p, err := o.Entry(""); err == nil || !strings.Contains(err.Error(), "a (?xdp)") {
		t.Errorf("%v, %v", p, err)
	}
}

// TestStaticTails: static functions that nothing calls can be named; those that
// are called can't, and neither is chosen by itself.
func TestStaticTails(t *testing.T) {
	o := must.Get(Load("testdata/tails.o", Options{}))(t)
	for name, want := range map[string]bool{"tail_drop": true, "tail_pass": true, "entry": true, "helped": false, "callee": false} {
		if p := o.Named(name); (p != nil) != want {
			t.Errorf("%s: %v", name, p)
		}
	}
	if p, err := o.Entry(""); err != nil || p.Name != "entry" {
		t.Errorf("%v, %v", p, err)
	}
}
