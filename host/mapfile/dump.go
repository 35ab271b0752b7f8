package mapfile

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"slices"
	"strings"

	"jitnic/host/maps"
	"jitnic/pcaps/outfile"

	"github.com/cilium/ebpf"
)

// Write writes the contents of all maps so that, filled into a machine fresh
// from the same object, they make it the same again: entries that are as the
// object file has them are left out, and those it has that are gone are
// deleted. Entries are in the order of their keys. What ring buffers and perf
// event arrays were given isn't contents.
func Write(w io.Writer, m *Machine) error {
	d := &dumper{machine: m, written: map[int]bool{}}
	b := bufio.NewWriter(w)
	b.WriteString("{\n  \"maps\": {")
	first := true
	for _, mp := range m.Maps()[:m.Own] {
		entries := d.entries(mp)
		if len(entries) == 0 {
			continue
		}
		if !first {
			b.WriteString(",")
		}
		first = false
		fmt.Fprintf(b, "\n    %s: [\n      %s\n    ]", quote(mp.Spec().Name), strings.Join(entries, ",\n      "))
	}
	if !first {
		b.WriteString("\n  ")
	}
	b.WriteString("}\n}\n")
	return b.Flush()
}

// Save writes the contents of all maps to path, as package outfile does.
func Save(path string, m *Machine) error {
	return outfile.Write(path, func(f *outfile.File) error { return Write(f, m) })
}

type dumper struct {
	machine *Machine
	written map[int]bool // maps added since the object's, whose entries were written
}

// pair is a key and its value, of all CPUs in turn.
type pair struct{ key, value []byte }

// entries are the lines of one map.
func (d *dumper) entries(mp maps.Map) []string {
	s := mp.Spec()
	switch m := mp.(type) {
	case maps.Ring:
		return nil
	case maps.Bits:
		if m.Len() == 0 {
			return nil
		}
		return []string{fmt.Sprintf(`{"bits": "%x"}`, m.Bits())}
	}
	var all []pair
	mp.Range(func(k, v []byte) bool {
		all = append(all, pair{bytes.Clone(k), bytes.Clone(v)})
		return true
	})
	isArray := s.Type == ebpf.Array || s.Type == ebpf.PerCPUArray
	if _, ok := mp.(maps.Queue); ok {
		out := make([]string, 0, len(all))
		for _, e := range all {
			out = append(out, fmt.Sprintf(`{"value": %s}`, render(e.value, typeFor(s.Value, int(s.ValueSize)))))
		}
		return out
	}
	if !isArray { // an array's come in order
		slices.SortFunc(all, func(a, b pair) int { return bytes.Compare(a.key, b.key) })
	}
	initial := map[string]*maps.Entry{}
	for i := range s.Contents {
		initial[string(s.Contents[i].Key)] = &s.Contents[i]
	}
	var out []string
	for _, e := range all {
		was := initial[string(e.key)]
		delete(initial, string(e.key))
		if d.same(mp, e, was, isArray) {
			continue
		}
		out = append(out, d.entry(mp, e))
	}
	var gone []string
	for k := range initial {
		gone = append(gone, k)
	}
	slices.Sort(gone)
	for _, k := range gone {
		out = append(out, fmt.Sprintf(`{"key": %s, "delete": true}`, renderKey([]byte(k), s)))
	}
	return out
}

// same says whether an entry is as the object file has it.
func (d *dumper) same(mp maps.Map, e pair, was *maps.Entry, isArray bool) bool {
	s := mp.Spec()
	switch {
	case was == nil:
		return isArray && len(bytes.Trim(e.value, "\x00")) == 0
	case was.Name != "":
		n := int(binary.LittleEndian.Uint32(e.value)) - 1
		if s.Type == ebpf.ProgramArray {
			return d.machine.ProgramName != nil && d.machine.ProgramName(n) == was.Name
		}
		return n >= 0 && n == d.machine.find(was.Name)
	case !maps.IsPerCPU(s) || len(was.Value) == len(e.value):
		return bytes.Equal(e.value, was.Value)
	}
	stride := maps.ValueStride(s)
	for c := range d.machine.CPUs {
		if !bytes.Equal(e.value[c*stride:][:s.ValueSize], was.Value) {
			return false
		}
	}
	return true
}

func (d *dumper) entry(mp maps.Map, e pair) string {
	s := mp.Spec()
	t := typeFor(s.Value, int(s.ValueSize))
	head := `{"key": ` + renderKey(e.key, s) + ", "
	switch {
	case s.Type == ebpf.ProgramArray:
		return head + `"program": ` + d.program(binary.LittleEndian.Uint32(e.value)) + "}"
	case s.Inner != nil:
		n := int(binary.LittleEndian.Uint32(e.value)) - 1
		in := d.machine.Maps()[n]
		line := head + `"map": ` + quote(in.Spec().Name)
		if n >= d.machine.Own && !d.written[n] {
			d.written[n] = true
			line += `, "entries": [` + strings.Join(d.entries(in), ", ") + "]"
		}
		return line + "}"
	case hasProgram(s):
		line := fmt.Sprintf(`%s"value": %d`, head, binary.LittleEndian.Uint32(e.value))
		if p := binary.LittleEndian.Uint32(e.value[4:]); p != 0 {
			line += `, "program": ` + d.program(p)
		}
		return line + "}"
	case maps.IsPerCPU(s):
		stride := maps.ValueStride(s)
		var each []string
		for c := range d.machine.CPUs {
			each = append(each, render(e.value[c*stride:][:s.ValueSize], t))
		}
		if len(slices.Compact(slices.Clone(each))) == 1 {
			return head + `"value": ` + each[0] + "}"
		}
		return head + `"values": [` + strings.Join(each, ", ") + "]}"
	}
	return head + `"value": ` + render(e.value, t) + "}"
}

func (d *dumper) program(plus1 uint32) string {
	if d.machine.ProgramName == nil {
		return `""`
	}
	return quote(d.machine.ProgramName(int(plus1) - 1))
}

func renderKey(key []byte, s *maps.Spec) string {
	if s.Type == ebpf.LPMTrie {
		if p, ok := renderPrefix(key); ok {
			return p
		}
	}
	return render(key, typeFor(s.Key, int(s.KeySize)))
}
