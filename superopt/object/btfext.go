package object

import (
	"bytes"
	"debug/elf"
	"errors"
	"fmt"

	"jitnic/host/ebpf"

	"github.com/cilium/ebpf/btf"
)

// .BTF.ext (Documentation/bpf/btf.rst): a header, then for functions, lines
// and CO-RE relocations: the size of a record, and for each section its name,
// a count and the records. Each record begins with the byte offset of an
// instruction.

func (o *Object) section(name string) int {
	for i := range o.secs {
		if o.secs[i].name == name && o.secs[i].data != nil {
			return i
		}
	}
	return -1
}

func (o *Object) btfString(off uint32) string {
	i := o.section(".BTF")
	if i < 0 {
		return ""
	}
	d := o.secs[i].data
	if len(d) < 24 {
		return ""
	}
	hdr := le.Uint32(d[4:])
	so, sl := le.Uint32(d[16:]), le.Uint32(d[20:])
	lo := uint64(hdr) + uint64(so) + uint64(off)
	hi := uint64(hdr) + uint64(so) + uint64(sl)
	if hi > uint64(len(d)) || lo >= hi {
		return ""
	}
	b := d[lo:hi]
	if z := bytes.IndexByte(b, 0); z >= 0 {
		return string(b[:z])
	}
	return ""
}

type extPart struct {
	at, off, n int // where the header says offset and length; their values
}

// extParts reads the header; the third part is there in newer files.
func extParts(d []byte) (hdr int, parts []extPart, err error) {
	if len(d) < 24 || le.Uint16(d) != 0xeb9f {
		return 0, nil, errors.New(".BTF.ext: no header")
	}
	hdr = int(le.Uint32(d[4:]))
	if hdr > len(d) || hdr < 24 {
		return 0, nil, errors.New(".BTF.ext: header outside the section")
	}
	for at := 8; at+8 <= hdr && at < 32; at += 8 {
		p := extPart{at, int(le.Uint32(d[at:])), int(le.Uint32(d[at+4:]))}
		if p.off < 0 || p.n < 0 || hdr+p.off+p.n > len(d) {
			return 0, nil, errors.New(".BTF.ext: part outside the section")
		}
		parts = append(parts, p)
	}
	return hdr, parts, nil
}

// walkPart calls f for each section of a part with its name and records.
func (o *Object) walkPart(d []byte, hdr int, p extPart, f func(name string, nameAt int, recs, size int) error) (int, error) {
	if p.n == 0 {
		return 0, nil
	}
	b := d[hdr+p.off : hdr+p.off+p.n]
	if len(b) < 4 {
		return 0, errors.New(".BTF.ext: part cut off")
	}
	size := int(le.Uint32(b))
	if size < 8 || size > 4096 {
		return 0, fmt.Errorf(".BTF.ext: records of %d bytes", size)
	}
	for at := 4; at < len(b); {
		if at+8 > len(b) {
			return 0, errors.New(".BTF.ext: part cut off")
		}
		n := int(le.Uint32(b[at+4:]))
		if n < 0 || n > (len(b)-at-8)/size {
			return 0, errors.New(".BTF.ext: more records than bytes")
		}
		if err := f(o.btfString(le.Uint32(b[at:])), hdr+p.off+at, n, size); err != nil {
			return 0, err
		}
		at += 8 + n*size
	}
	return size, nil
}

// coreSlots are the instructions CO-RE relocations will change, by section.
func (o *Object) coreSlots() map[int]map[int]bool {
	out := map[int]map[int]bool{}
	i := o.section(".BTF.ext")
	if i < 0 {
		return out
	}
	d := o.secs[i].data
	hdr, parts, err := extParts(d)
	if err != nil || len(parts) < 3 {
		return out
	}
	types, _ := btf.LoadSpecFromReader(bytes.NewReader(o.raw))
	o.walkPart(d, hdr, parts[2], func(name string, at, n, size int) error {
		s := o.section(name)
		if s < 0 {
			return nil
		}
		if out[s] == nil {
			out[s] = map[int]bool{}
		}
		for k := 0; k < n; k++ {
			rec := d[at+8+k*size:]
			if size >= 16 && types != nil && le.Uint32(rec[12:]) == 0 && stableField(types, le.Uint32(rec[4:]), o.btfString(le.Uint32(rec[8:]))) {
				continue
			}
			out[s][int(le.Uint32(d[at+8+k*size:])/8)] = true
		}
		return nil
	})
	return out
}

func (o *Object) rewriteBTFExt(data [][]byte, changed map[int]*layout) error {
	i := o.section(".BTF.ext")
	if i < 0 {
		return nil
	}
	d := o.secs[i].data
	hdr, parts, err := extParts(d)
	if err != nil {
		return err
	}
	out := append([]byte(nil), d[:hdr]...)
	moved := map[int][]int{} // offset of a record in the old section -> in the new
	for k, p := range parts {
		start := len(out)
		if p.n > 0 {
			out = append(out, d[hdr+p.off:hdr+p.off+4]...)
		}
		_, err := o.walkPart(d, hdr, p, func(name string, at, n, size int) error {
			head := len(out)
			out = append(out, d[at:at+8]...)
			l := changed[o.section(name)]
			emit := func(old int, off uint32) {
				moved[old] = append(moved[old], len(out))
				out = append(out, d[old:old+size]...)
				le.PutUint32(out[len(out)-size:], off)
			}
			if l == nil {
				for r := 0; r < n; r++ {
					emit(at+8+r*size, le.Uint32(d[at+8+r*size:]))
				}
				return nil
			}
			count := 0
			keep := func(old, slot int) {
				emit(old, uint32(8*slot))
				count++
			}
			if k == 1 {
				o.relayLines(name, l, d, at+8, n, size, keep)
			} else { // functions; CO-RE: their instructions are fixed
				for r := range n {
					old := at + 8 + r*size
					if slot := int(le.Uint32(d[old:]) / 8); slot < len(l.to) && (k == 0 || l.same[slot]) {
						keep(old, l.to[slot])
					}
				}
			}
			le.PutUint32(out[head+4:], uint32(count))
			if count == 0 {
				out = out[:head]
			}
			return nil
		})
		if err != nil {
			return err
		}
		if len(out) == start+4 { // a part without records has no length at all
			out = out[:start]
		}
		le.PutUint32(out[p.at:], uint32(start-hdr))
		le.PutUint32(out[p.at+4:], uint32(len(out)-start))
	}
	data[i] = out
	o.moveRelocations(i, moved, data)
	return nil
}

// relayLines keeps the records of lines of a section, n from at on: each new
// instruction keeps the line of the one it stands for, and a record is written where
// the line changes and where a function begins.
func (o *Object) relayLines(name string, l *layout, d []byte, at, n, size int, keep func(old, slot int)) {
	cover := make([]int, len(l.to)) // old slot -> record, -1 none
	for s := range cover {
		cover[s] = -1
	}
	for r := range n {
		old := at + r*size
		if s := int(le.Uint32(d[old:]) / 8); s < len(cover) {
			cover[s] = old
		}
	}
	for s := 1; s < len(cover); s++ {
		if cover[s] < 0 {
			cover[s] = cover[s-1]
		}
	}
	starts := map[int]bool{}
	for _, f := range o.Funcs {
		if o.secs[f.sec].name != name {
			continue
		}
		starts[l.to[f.start]] = true
		if f.start < len(cover) && cover[f.start] >= 0 && l.to[f.start] < len(l.from) && l.from[l.to[f.start]] < 0 {
			l.from[l.to[f.start]] = f.start
		}
	}
	last := -1
	for s, from := range l.from {
		rec := last
		if from >= 0 {
			rec = cover[from]
		}
		second := s > 0 && from > 0 && l.from[s-1] == from-1 && l.data[8*(s-1)] == ebpf.OpLDDW
		if rec >= 0 && (rec != last || starts[s]) && !second {
			keep(rec, s)
			last = rec
		}
	}
}

// moveRelocations puts into data the relocations of section i, whose records went
// where moved says.
func (o *Object) moveRelocations(i int, moved map[int][]int, data [][]byte) {
	for r := range o.secs {
		s := &o.secs[r]
		if s.typ != uint32(elf.SHT_REL) || int(s.info) != i {
			continue
		}
		var b []byte
		for k := 0; k+16 <= len(s.data); k += 16 {
			for _, n := range moved[int(le.Uint64(s.data[k:]))] {
				b = le.AppendUint64(b, uint64(n))
				b = append(b, s.data[k+8:k+16]...)
			}
		}
		data[r] = b
	}
}
