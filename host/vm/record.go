package vm

import (
	"jitnic/host/ebpf"
)

// Recording is what one run did, instruction by instruction. Its buffers are
// reused from run to run.
type Recording struct {
	Steps []Step
	Calls []Call
	Blob  []byte // keys and values that Calls point into
}

// Reset empties the recording and keeps its buffers.
func (r *Recording) Reset() {
	r.Steps, r.Calls, r.Blob = r.Steps[:0], r.Calls[:0], r.Blob[:0]
}

// Step is one instruction that ran. What Addr and Val say depends on it:
//
//	instruction           Addr                        Val
//	alu, lddw             -                           the destination register after it
//	load                  address                     the destination register after it
//	store                 address                     the value stored
//	atomic                address                     the memory word before it
//	conditional jump      1 taken, 0 not              -
//	may_goto              1 taken (out of the loop)   iterations left
//	helper, kfunc, callx  index into Calls            register 0 after it
//	bpf_loop, for_each    index into Calls            -: the callback's steps follow
//	tail call             index into Calls            1 taken, 0 not
//	local call            the callee's slot           -
//	exit                  of a callback: 1 it is      register 0
//	                      called again, 0 it isn't
//	LD_ABS, LD_IND        offset in the packet; of    register 0
//	                      one outside it ^0
type Step struct {
	Prog  int32 // index into Object.Programs
	PC    int32 // slot
	Frame int32 // call depth, 0 for the entry
	Addr  uint64
	Val   uint64
}

// Call is one call of a helper.
type Call struct {
	Helper int32 // -1: a kernel function
	Map    int32 // index of the map in register 1 or 2, or -1
	Args   [5]uint64
	Ret    uint64 // register 0; of a tail call the program it went to, or ^0
	// The map key that was passed, and the value of an update, as they were
	// before the call: spans of Blob, of length 0 where there is none. Of
	// bpf_xdp_ct_lookup the value is the options, as they were after it, and of
	// bpf_ringbuf_reserve_dynptr the address of the record, 0 where there is none, and
	// of bpf_for_each_map_elem the keys it takes up, in order. Of helpers that print
	// see [Recording.Printed].
	KeyOff, KeyLen int32
	ValOff, ValLen int32
	Entry          uint64 // of an update: the value that the key had before, or 0
}

// LooksUpConn says whether the call is one of bpf_xdp_ct_lookup.
func (c *Call) LooksUpConn() bool { return c.Helper < 0 && c.ValLen > 0 }

// Key and Value are the spans of a call.
func (r *Recording) Key(c *Call) []byte   { return r.Blob[c.KeyOff : c.KeyOff+c.KeyLen] }
func (r *Recording) Value(c *Call) []byte { return r.Blob[c.ValOff : c.ValOff+c.ValLen] }

// done completes the step that was begun last.
func (r *Recording) done(addr, val uint64) {
	st := &r.Steps[len(r.Steps)-1]
	st.Addr, st.Val = addr, val
}

// span copies n bytes of flat memory into the blob.
func (r *Recording) span(s *State, addr, n uint64) (off, length int32) {
	if n == 0 || !s.Reach(addr, n, false) {
		return 0, 0
	}
	off = int32(len(r.Blob))
	r.Blob = append(r.Blob, s.Mem.B[addr:addr+n]...)
	return off, int32(n)
}

// visits notes the keys that call c takes up.
func (r *Recording) visits(c int, keys []byte) {
	call := &r.Calls[c]
	call.ValOff, call.ValLen = int32(len(r.Blob)), int32(len(keys))
	r.Blob = append(r.Blob, keys...)
}

// call opens the record of a helper call: its arguments, key and value.
func (r *Recording) call(s *State, id int32, regs *[16]uint64) int {
	c := Call{Helper: id, Map: -1}
	copy(c.Args[:], regs[1:6])
	for _, a := range c.Args[:2] {
		if i, ok := MapOf(a); ok && i < len(s.Maps) {
			c.Map = int32(i)
			break
		}
	}
	if h := ebpf.HelperByID(id); h != nil && c.Map >= 0 {
		spec := s.Maps[c.Map].Spec()
		for i := range h.Args {
			a := &h.Args[i]
			n := uint64(a.Bytes(spec.KeySize, spec.ValueSize))
			switch {
			case a.Kind == ebpf.MapKey:
				c.KeyOff, c.KeyLen = r.span(s, regs[i+1], n)
			case a.Kind == ebpf.MapValue && (a.Reads || a.Asks):
				c.ValOff, c.ValLen = r.span(s, regs[i+1], n)
			}
		}
	}
	if id == ebpf.FnMapUpdateElem && c.KeyLen > 0 {
		c.Entry = s.Maps[c.Map].Peek(r.Key(&c), s.CPU)
	}
	r.prints(s, &c)
	r.Calls = append(r.Calls, c)
	return len(r.Calls) - 1
}
