package points

import "jitnic/host/ebpf"

// Facts is what is known at one point of a program.
type Facts struct {
	Reached bool
	// Unseen: they are of a program that no verifier has seen, and that may mean harm.
	// Only what is certain is said then (unseen.go).
	Unseen bool
	Data   int64 // Unseen: bytes from data on that are certain to be in the packet
	R      [11]Value
	Spill  [64]Value // 8-byte stack slots, slot 0 at fp-512; Unreadable: bytes, see Init
	Init   Bytes     // stack bytes surely written
}

// Bytes is [ebpf.Bytes] of the 512 bytes of a stack frame, bit 0 at fp-512.
type Bytes [8]uint64

// Add puts n bytes from lo on into the set.
func (b *Bytes) Add(lo, n int) { ebpf.Bytes(b[:]).Use(lo, n) }

// Drop takes n bytes from lo on out of the set.
func (b *Bytes) Drop(lo, n int) { ebpf.Bytes(b[:]).Kill(lo, n) }

// Has says whether all of n bytes from lo on are in the set.
func (b *Bytes) Has(lo, n int) bool { return ebpf.Bytes(b[:]).All(lo, n) }

// Fill puts every byte into the set.
func (b *Bytes) Fill() { ebpf.Bytes(b[:]).Fill() }

// Or adds another set.
func (b *Bytes) Or(o *Bytes) {
	for i := range b {
		b[i] |= o[i]
	}
}

// StackBytes gives where n bytes at r10+off lie, counted from fp-512; ok is false
// where they leave the frame.
func StackBytes(off int64, n int) (lo int, ok bool) {
	if off < -512 || off+int64(n) > 0 {
		return 0, false
	}
	return int(off + 512), true
}

// stackPlace is StackBytes of n bytes at off from a pointer, where that points to
// one place of the stack.
func (v *Value) stackPlace(off int64, n int) (lo int, ok bool) {
	if v.Kind != Stack || v.Base != 0 {
		return 0, false
	}
	return StackBytes(v.Off+off, n)
}

// Called is what holds where a function begins that is called with caller's
// registers; nil: from where nobody knows.
func Called(caller *Facts) Facts {
	f := Facts{Reached: true}
	f.R[10] = Value{Kind: Stack}
	for r := 1; r <= 5; r++ {
		f.R[r] = Value{Kind: Anything, Site: sourceArg + int32(r)}
		if caller != nil && caller.R[r].Kind != Stack && caller.R[r].Kind != Anything { // not of another frame
			f.R[r] = caller.R[r]
		}
	}
	return f
}

// JoinFacts is what holds on both ways.
func JoinFacts(a, b *Facts) Facts {
	if !a.Reached {
		return *b
	}
	if !b.Reached {
		return *a
	}
	f := *a
	join, slots := Join, joinSlots
	if f.Unseen {
		join, slots = joinCertain, joinCertain
	}
	f.Data = min(a.Data, b.Data)
	for i := range f.R {
		f.R[i] = join(a.R[i], b.R[i])
	}
	if a.Spill != b.Spill { // mostly they are the same
		for i := range f.Spill {
			if a.Spill[i] != b.Spill[i] {
				f.Spill[i] = slots(a.Spill[i], b.Spill[i])
			}
		}
	}
	for i := range f.Init {
		f.Init[i] &= b.Init[i]
	}
	return f
}

// Meet adds what holds on another way to f and says whether that changed it (an
// [ebpf.Meet]); weak: numbers that it changes are given up.
func (f *Facts) Meet(o *Facts, weak bool) bool {
	if *f == *o {
		return false
	}
	n := JoinFacts(f, o)
	if n == *f {
		return false
	}
	if weak {
		n = widen(*f, n)
	}
	*f = n
	return true
}

// widen gives up on bounds of new that keep growing in a loop.
func widen(old, new Facts) Facts {
	weaker := func(o, n Value) Value {
		if o != n && n.Kind == Scalar {
			return Top()
		}
		if new.Unseen && n.Range < o.Range {
			n.Range = 0
		}
		return n
	}
	if new.Data < old.Data {
		new.Data = 0
	}
	for i := range new.R {
		new.R[i] = weaker(old.R[i], new.R[i])
	}
	for i := range new.Spill {
		new.Spill[i] = weaker(old.Spill[i], new.Spill[i])
	}
	return new
}

// each calls fn with every register and slot.
func (f *Facts) each(fn func(v *Value)) {
	for i := range f.R {
		fn(&f.R[i])
	}
	for i := range f.Spill {
		fn(&f.Spill[i])
	}
}

// losePacket: the packet may have moved; what pointed into it points nowhere
// that is known, or, where it didn't move, still there.
func (f *Facts) losePacket() {
	f.Data = 0
	f.each(func(v *Value) {
		if v.Kind == Packet || v.Kind == PacketEnd {
			*v = Value{Kind: Anything, Site: sourceLost + int32(v.Kind)}
		}
	})
}

// blur: somewhere on the stack something may have been stored, a pointer too
// where pointers says so. What was a pointer may be one still.
func (f *Facts) blur(pointers bool) {
	for k := range f.Spill {
		if v := &f.Spill[k]; pointers || v.IsPointer() || v.Kind == Anything {
			*v = Value{Kind: Anything, Site: sourceStack + int32(k)}
		} else {
			*v = Value{}
		}
	}
}

// blurNumbers is blur in a program that the verifier has taken: it lets none use
// a pointer that was read back from a slot which may have been overwritten, so
// pointers stay.
func (f *Facts) blurNumbers() {
	for k := range f.Spill {
		if v := &f.Spill[k]; !v.IsPointer() {
			*v = Value{}
		}
	}
}

// overwrite forgets what lay in n bytes from lo on.
func (f *Facts) overwrite(lo, n int) {
	for k := lo / 8; k <= (lo+n-1)/8; k++ {
		f.Spill[k] = Value{}
	}
	f.Init.Add(lo, n)
}
