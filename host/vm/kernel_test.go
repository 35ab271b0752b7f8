package vm

import (
	"bytes"
	"encoding/binary"
	"errors"
	"runtime"
	"syscall"
	"testing"

	"jitnic/host/ebpf"
	"jitnic/host/hosttest/must"
	"jitnic/host/hosttest/needbpf"
	"jitnic/host/loader"
	"jitnic/host/maps"

	cebpf "github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
)

// twin is one program in the running kernel and in the interpreter, with maps
// of the same shape.
type twin struct {
	t    testing.TB
	it   *Interp
	prog *cebpf.Program
	maps []*cebpf.Map
}

func needKernel(t testing.TB) {
	t.Helper()
	needbpf.Skip(t)
}

// newTwin loads a program on both sides. License is GPL, so that the verifier
// allows all helpers.
func newTwin(t testing.TB, insns []ebpf.Insn, flags uint32, specs ...*maps.Spec) *twin {
	t.Helper()
	obj := &loader.Object{File: "twin", Maps: specs, Programs: []*loader.Program{{Name: "twin", Insns: insns}}}
	w := &twin{t: t, it: load(t, obj, Options{})}
	for _, s := range specs {
		m, err := cebpf.NewMap(&cebpf.MapSpec{
			Type: s.Type, KeySize: s.KeySize, ValueSize: s.ValueSize, MaxEntries: s.Max, Flags: s.Flags,
		})
		must.OKf(t, err, "kernel map %q", s.Name)
		t.Cleanup(func() { m.Close() })
		w.maps = append(w.maps, m)
	}
	linked := append([]ebpf.Insn{}, insns...)
	for i, in := range linked {
		if in.Op == ebpf.OpLDDW && (in.Src == ebpf.PseudoMapFD || in.Src == ebpf.PseudoMapValue) {
			linked[i].Imm = int32(w.maps[in.Imm].FD())
		}
	}
	code, err := asm.AppendInstructions(nil, bytes.NewReader(ebpf.Encode(linked)), binary.LittleEndian, "linux")
	must.OK(t, err)
	w.prog, err = cebpf.NewProgram(&cebpf.ProgramSpec{
		Name: "twin", Type: cebpf.XDP, Instructions: code, License: "GPL", Flags: flags,
	})
	if err != nil {
		t.Fatalf("kernel program: %+v", err)
	}
	t.Cleanup(func() { w.prog.Close() })
	return w
}

// kernel runs the kernel's side. A signal may interrupt a test run: again.
func (w *twin) kernel(pkt []byte) (verdict uint32, out []byte, err error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	for {
		buf := make([]byte, len(pkt)+1<<13)
		opt := cebpf.RunOptions{Data: pkt, DataOut: buf}
		verdict, err = w.prog.Run(&opt)
		if !errors.Is(err, syscall.EINTR) {
			return verdict, opt.DataOut, err
		}
	}
}

// run gives both sides a packet and demands equal verdicts and bytes. What the
// kernel gives out begins with the metadata.
func (w *twin) run(pkt []byte) Output {
	w.t.Helper()
	verdict, data, err := w.kernel(pkt)
	var out Output
	w.it.Run(&Input{Data: pkt, IfIndex: 1}, &out)
	if err != nil {
		if out.Err == nil {
			w.t.Fatalf("packet of %d bytes: kernel says %v", len(pkt), err)
		}
		return out
	}
	if out.Err != nil {
		w.t.Fatal(out.Err)
	}
	if verdict != out.Verdict {
		w.t.Errorf("packet of %d bytes: verdict %d, kernel %d", len(pkt), int32(out.Verdict), int32(verdict))
	}
	if mine := append(bytes.Clone(out.Meta), out.Data...); !bytes.Equal(mine, data) {
		w.t.Errorf("packet of %d bytes: %d bytes out, kernel %d: differ at %d", len(pkt), len(mine), len(data), firstDiff(mine, data))
	}
	return out
}

func firstDiff(a, b []byte) int {
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			return i
		}
	}
	return min(len(a), len(b))
}

// value is the value of key 0 of array i, on both sides, which must be equal.
func (w *twin) set(i int, value []byte) {
	w.t.Helper()
	if err := w.maps[i].Put(uint32(0), value); err != nil {
		w.t.Fatal(err)
	}
	if e := w.it.S.Maps[i].Update(make([]byte, 4), value, 0, 0); e != 0 {
		w.t.Fatal(e)
	}
}

func (w *twin) get(i int) (mine, kernel []byte) {
	w.t.Helper()
	kernel, err := w.maps[i].LookupBytes(uint32(0))
	if err != nil {
		w.t.Fatal(err)
	}
	a := w.it.S.Maps[i].Peek(make([]byte, 4), 0)
	return w.it.S.Mem.Bytes(a, uint64(len(kernel))), kernel
}
