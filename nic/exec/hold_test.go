package exec

import (
	"bytes"
	"testing"

	"jitnic/host/ebpf"
	"jitnic/host/hosttest/must"
	"jitnic/host/vm"
	"jitnic/nic"
	"jitnic/trace"
)

// What traces store is seen by those after them, and gone after Back; the stack
// isn't counted.
func TestHeld(t *testing.T) {
	code := must.Get(ebpf.Parser{}.Code(`
		r2 = *(u32 *)(r1 +0)
		r3 = *(u8 *)(r2 +0)
		r3 += 1
		*(u8 *)(r2 +0) = r3
		*(u64 *)(r2 +4) = r3
		*(u64 *)(r10 -8) = r3
		lock *(u32 *)(r2 +6) += r3
		r0 = r3
		exit`))(t)
	s, _ := machines(t, code)
	h := nic.NewHeld(s)
	x := must.Get(New(s).BindHeld(0, &trace.Trace{Code: code}, h))(t)
	in := vm.Input{Data: bytes.Repeat([]byte{7}, 20)}
	for round := range 2 {
		must.OK(t, s.Begin(&in))
		h.Begin()
		for k := range uint64(3) {
			if r0, err := x.Run(); err != nil || r0 != 8+k {
				t.Fatalf("%d, %v", r0, err)
			}
		}
		if round == 0 {
			h.Back()
			if got := s.Mem.B[s.Data:s.DataEnd]; !bytes.Equal(got, in.Data) {
				t.Errorf("%x after Back", got)
			}
			continue
		}
		if n := h.Commit(); n != 3*(1+8+4) || s.Mem.B[s.Data] != 10 {
			t.Errorf("%d bytes held back, %x", n, s.Mem.B[s.Data])
		}
	}
	last := len(s.Mem.B) - 1 // where there are no 8 bytes to take
	s.Mem.B[last] = 5
	h.Begin()
	h.Keep(uint64(last), 1)
	s.Mem.B[last] = 9
	if h.Back(); s.Mem.B[last] != 5 {
		t.Errorf("%d in the last byte of memory after Back", s.Mem.B[last])
	}
}
