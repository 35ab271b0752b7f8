package diff

import (
	"fmt"
	"strings"
	"testing"

	"jitnic/host/ebpf"
	"jitnic/host/hosttest/must"
	"jitnic/host/loader"
	"jitnic/host/maps"
	"jitnic/host/vm"

	cebpf "github.com/cilium/ebpf"
)

func Example() {
	want := &vm.Output{Verdict: vm.XDPPass, Data: []byte{1, 2, 3}}
	got := &vm.Output{Verdict: vm.XDPPass, Data: []byte{1, 9, 3}}
	fmt.Println(Outputs(want, got))
	// Output: bytes: offset 1: got 0x09, want 0x02
}

func TestOutputs(t *testing.T) {
	base := vm.Output{Verdict: 2, Data: []byte{1, 2}, Meta: []byte{7}}
	for _, tc := range []struct {
		want   What
		change func(*vm.Output)
	}{
		{"", func(*vm.Output) {}},
		{Error, func(o *vm.Output) { o.Err = vm.ErrShort }},
		{Verdict, func(o *vm.Output) { o.Verdict = 70 }},
		{Length, func(o *vm.Output) { o.Data = nil }},
		{Bytes, func(o *vm.Output) { o.Data = []byte{1, 3} }},
		{Meta, func(o *vm.Output) { o.Meta = nil }},
		{Redirect, func(o *vm.Output) { o.Redirect = vm.Redirect{Kind: vm.RedirectIf, Index: 3} }},
	} {
		o := base
		tc.change(&o)
		d := Outputs(&base, &o)
		if d == nil && tc.want != "" || d != nil && d.What != tc.want {
			t.Errorf("%s: got %v", tc.want, d)
		}
	}
}

// machine has a hash, a per-CPU array and a queue.
func machine(t *testing.T) *vm.State {
	obj := &loader.Object{
		Programs: []*loader.Program{{Name: "p", Insns: []ebpf.Insn{{Op: ebpf.OpExit}}}},
		Maps: []*maps.Spec{
			{Name: "h", Type: cebpf.Hash, KeySize: 4, ValueSize: 8, Max: 8},
			{Name: "p", Type: cebpf.PerCPUArray, KeySize: 4, ValueSize: 4, Max: 2},
			{Name: "q", Type: cebpf.Queue, ValueSize: 4, Max: 4},
		},
	}
	s := must.Get(vm.NewState(obj, vm.Options{CPUs: 2}))(t)
	t.Cleanup(func() { s.Close() })
	return s
}

// call runs a helper with the bytes of key and value on the stack.
func call(t *testing.T, s *vm.State, id int32, m int, key, value []byte, flags uint64) uint64 {
	t.Helper()
	copy(s.Mem.B[s.Stack:], key)
	copy(s.Mem.B[s.Stack+64:], value)
	r := [11]uint64{1: vm.MapPtr(m), 2: s.Stack, 3: s.Stack + 64, 4: flags}
	if id == 87 {
		r[2], r[3] = s.Stack+64, flags
	}
	must.OK(t, s.CallHelper(id, &r))
	return r[0]
}

func TestChecker(t *testing.T) {
	a, b := machine(t), machine(t)
	c := NewChecker(a, b, 0)
	in := &vm.Input{Data: make([]byte, 60), CPU: 1}
	begin := func() {
		a.Begin(in)
		b.Begin(in)
	}
	var oa, ob vm.Output
	check := func(want string) {
		t.Helper()
		a.End(2, &oa)
		b.End(2, &ob)
		d := c.Packet(&oa, &ob)
		got := "equal"
		if d != nil {
			got = d.Error()
		}
		if !strings.Contains(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	k1, k2 := []byte{1, 0, 0, 0}, []byte{2, 0, 0, 0}
	v1, v2 := []byte{1, 2, 3, 4, 5, 6, 7, 8}, []byte{1, 2, 3, 4, 5, 6, 7, 9}

	begin()
	call(t, a, 2, 0, k1, v1, 0)
	call(t, b, 2, 0, k1, v1, 0)
	check("equal")

	begin()
	call(t, a, 2, 0, k2, v1, 0)
	check(`map: oracle's map "h": key 02000000: 0102030405060708, absent in the other`)

	begin()
	call(t, b, 2, 0, k2, v2, 0)
	check(`value byte 7`)
	call(t, b, 2, 0, k2, v1, 0)
	check("equal")

	// A store through a pointer on one side only.
	begin()
	p := call(t, b, 1, 0, k2, nil, 0)
	if !b.Reach(p, 1, true) {
		t.Fatal("can't reach the value")
	}
	b.Store(p, 1, 99)
	check(`map: oracle's map "h": key 02000000: value byte 0`)
	b.Store(p, 1, 1)

	// The same entries in another order lie elsewhere and are still equal.
	begin()
	call(t, a, 3, 0, k1, nil, 0)
	call(t, a, 3, 0, k2, nil, 0)
	call(t, b, 3, 0, k2, nil, 0)
	call(t, b, 3, 0, k1, nil, 0)
	call(t, a, 2, 0, k1, v1, 0)
	call(t, b, 2, 0, k1, v1, 0)
	check("equal")
	begin()
	p = call(t, b, 1, 0, k1, nil, 0)
	b.Reach(p+3, 1, true)
	b.Store(p+3, 1, 0)
	check(`value byte 3`)
	b.Store(p+3, 1, 4)

	begin()
	call(t, a, 2, 1, k1, v1, 0)
	call(t, b, 2, 1, k1, v2, 0) // differs only beyond the value of 4 bytes
	check("equal")
	begin()
	call(t, b, 2, 1, k1, v2[4:], 0)
	check(`map "p"`)
	call(t, b, 2, 1, k1, v1, 0)

	begin()
	call(t, a, 87, 2, nil, v1, 0)
	check(`map "q"`)
	call(t, b, 87, 2, nil, v1, 0)
	check("equal")
	if d := c.All(func() bool { return true }); d != nil {
		t.Error(d)
	}

	begin()
	p = call(t, a, 1, 1, k1, nil, 0)
	if n := testing.AllocsPerRun(50, func() {
		begin()
		a.Reach(p, 4, true)
		b.Reach(p, 4, true)
		a.End(2, &oa)
		b.End(2, &ob)
		if c.Packet(&oa, &ob) != nil {
			t.Error("not equal")
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
