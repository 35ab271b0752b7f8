package straight

import (
	"jitnic/host/ebpf"
	"jitnic/superopt/internal/proof"
)

// The stack of a trace: its r10 is at stackBase, and the frames of inlined calls
// lie above it.
const (
	stackBase  = 512
	stackBytes = 512 * 10
)

// objectBytes is how much of an object other than the stack is kept in mind.
const objectBytes = 64

// memory is which bytes are wanted, on the way backward. At the end of a trace
// no byte of its stack is, unless it goes on in another, and every byte of anything
// else.
type memory struct {
	stack   ebpf.Bytes // from -stackBase on
	objects []object
}

// object is bytes of packet or map values that are written again before anybody
// reads them.
type object struct {
	proof.Object
	unwanted uint64 // bit n: byte n
}

func (m *memory) end(goes bool) {
	if m.stack == nil {
		m.stack = ebpf.MakeBytes(stackBytes)
	}
	clear(m.stack)
	m.objects = m.objects[:0]
	if goes {
		m.all()
	}
}

// all makes every byte wanted.
func (m *memory) all() {
	m.stack.Fill()
	m.objects = m.objects[:0]
}

func (m *memory) wanted(o proof.Object, at int) bool {
	if o.Region == proof.StackRegion {
		return m.stack.Any(at+stackBase, 1)
	}
	for i := range m.objects {
		if x := &m.objects[i]; x.Object == o {
			return at < 0 || at >= objectBytes || x.unwanted>>at&1 == 0
		}
	}
	return true
}

// written notes that before this the bytes of s are wanted by nobody.
func (m *memory) written(s proof.Span) {
	if s.Region == proof.StackRegion {
		m.stack.Kill(s.Lo+stackBase, s.N)
		return
	}
	i := 0
	for i < len(m.objects) && m.objects[i].Object != s.Object {
		i++
	}
	if i == len(m.objects) {
		m.objects = append(m.objects, object{Object: s.Object})
	}
	for k := max(s.Lo, 0); k < min(s.Lo+s.N, objectBytes); k++ {
		m.objects[i].unwanted |= 1 << k
	}
}

// read notes what an instruction may read: its own bytes of an object, and any
// byte of what may be the same object by another address.
func (m *memory) read(f *proof.Footprint) {
	if f.Stack {
		m.stack.Fill()
	}
	if f.Other {
		m.objects = m.objects[:0]
	}
	for _, s := range f.Reads {
		if s.N == 0 {
			continue
		}
		if s.Region == proof.StackRegion {
			m.stack.Use(s.Lo+stackBase, s.N)
			continue
		}
		for i := range m.objects {
			switch x := &m.objects[i]; {
			case x.Region != s.Region:
			case x.Object != s.Object:
				x.unwanted = 0
			default:
				for k := max(s.Lo, 0); k < min(s.Lo+s.N, objectBytes); k++ {
					x.unwanted &^= 1 << k
				}
			}
		}
	}
}
