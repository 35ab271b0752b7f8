// Package lab is what tests of conditions and traces share: runs of small programs
// given as text.
package lab

import (
	"testing"

	"jitnic/host/ebpf"
	"jitnic/host/loader"
	"jitnic/host/maps"
	"jitnic/host/vm"
	"jitnic/pathcond"

	cebpf "github.com/cilium/ebpf"
)

// A Lab records runs of a program given as text, which may use the hash map
// flows, with 4-byte keys, and the array counts.
type Lab struct {
	State    *vm.State
	Interp   *vm.Interp
	Compiler *pathcond.Compiler

	t testing.TB
}

// New makes one of the program.
func New(t testing.TB, text string) *Lab {
	t.Helper()
	specs := []*maps.Spec{{Name: "flows", Type: cebpf.Hash, KeySize: 4, ValueSize: 8, Max: 16},
		{Name: "counts", Type: cebpf.Array, KeySize: 4, ValueSize: 8, Max: 1}}
	code, err := ebpf.Parser{MapIndex: maps.Numbers(specs)}.Code(text)
	if err != nil {
		t.Fatal(err)
	}
	p := &loader.Program{Name: "lab", Insns: code, Maps: specs}
	obj := &loader.Object{File: "lab", Programs: []*loader.Program{p}, Maps: specs}
	s, err := vm.NewState(obj, vm.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	it, err := vm.NewInterp(s, obj, p)
	if err != nil {
		t.Fatal(err)
	}
	return &Lab{s, it, pathcond.NewCompiler(s, obj), t}
}

// Run is the path of one packet, which must have a trace.
func (l *Lab) Run(packet []byte) *pathcond.Path {
	l.t.Helper()
	var rec vm.Recording
	var out vm.Output
	l.Compiler.Before()
	l.Interp.RunRecorded(&vm.Input{Data: packet}, &out, &rec)
	p := l.Compiler.Compile(&rec, len(packet), out.Err)
	if p.Abort != nil {
		l.t.Fatal(p.Abort)
	}
	return p
}

// IPv4 is a TCP packet of 64 bytes with that many words of IP options.
func IPv4(options int) []byte {
	p := make([]byte, 64)
	p[12], p[14], p[22], p[23] = 8, byte(0x45+options), 64, 6
	for i := range 8 {
		p[26+i] = byte(10 + i)
	}
	return p
}

// Load begins a Lab's program: the packet's bounds are checked for 64 bytes, and r6
// points to it; behind it stands the distance of the jump for shorter ones. Exit
// ends it.
const (
	Load = `
		r6 = *(u32 *)(r1 +0)
		r7 = *(u32 *)(r1 +4)
		r0 = 2
		r4 = r6
		r4 += 64
		if r4 > r7 goto `
	Exit = "\n r0 = 1\n exit"
)
