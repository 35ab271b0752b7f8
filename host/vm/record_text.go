package vm

import (
	"encoding/binary"

	"jitnic/host/ebpf"
)

// Printed is a value that a call prints.
type Printed struct {
	Value  uint64
	Behind []byte // what lies at it, where the format shows that; nil where it can't be read
}

// notRead is the length of what isn't read.
const notRead = 0xffff

// Printed are the values that a call of a printing helper prints, as they were before
// it.
func (r *Recording) Printed(c *Call) (out []Printed) {
	for v := r.Value(c); len(v) >= 10; {
		p := Printed{Value: binary.LittleEndian.Uint64(v)}
		n := binary.LittleEndian.Uint16(v[8:])
		v = v[10:]
		if n != notRead {
			p.Behind, v = v[:n:n], v[n:]
		}
		out = append(out, p)
	}
	return out
}

// prints notes what call c prints.
func (r *Recording) prints(s *State, c *Call) {
	text, args, size := c.Args[0], c.Args[2], uint64(uint32(c.Args[3]))
	n := uint64(uint32(c.Args[1]))
	var values [maxArgs]uint64
	k := copy(values[:], c.Args[2:])
	switch c.Helper {
	case ebpf.FnSnprintf:
		text, args, size = c.Args[2], c.Args[3], uint64(uint32(c.Args[4]))
		fallthrough
	case ebpf.FnTraceVprintk:
		var f *Fault
		if k, _, f = s.formatArgs(&values, args, size); f != nil {
			return
		}
	case ebpf.FnTracePrintk:
	default:
		return
	}
	var format []byte
	if c.Helper == ebpf.FnSnprintf {
		format, _ = s.cstring(text, 4096)
	} else {
		format, _ = s.bytes(text, n, false)
	}
	kinds := ArgKinds(format)
	c.ValOff = int32(len(r.Blob))
	for i, v := range values[:k] {
		r.Blob = binary.LittleEndian.AppendUint64(r.Blob, v)
		var mem []byte
		if i < len(kinds) && kinds[i] != ArgNumber {
			mem = s.behind(kinds[i], v)
		}
		if mem == nil {
			r.Blob = binary.LittleEndian.AppendUint16(r.Blob, notRead)
			continue
		}
		r.Blob = binary.LittleEndian.AppendUint16(r.Blob, uint16(len(mem)))
		r.Blob = append(r.Blob, mem...)
	}
	c.ValLen = int32(len(r.Blob)) - c.ValOff
}
