package verify

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"slices"

	"jitnic/host/kernel"
	"jitnic/host/maps"
	"jitnic/host/vm/shadow"

	cilium "github.com/cilium/ebpf"
)

// finding is what came of comparing one map.
type finding struct {
	compared bool   // its type tells what it holds
	what     string // the difference at the smallest key; ""
	key      []byte // that key
	apart    []apart
}

// apart is bytes of a map that are not compared, for what reason.
type apart struct {
	kind  string
	bytes uint64
	where string // the first
}

func (f *finding) differ(key []byte, format string, args ...any) {
	if f.what == "" || bytes.Compare(key, f.key) < 0 {
		f.what = fmt.Sprintf("key %x: ", key) + fmt.Sprintf(format, args...)
		f.key = bytes.Clone(key)
	}
}

func (f *finding) leave(kind string, n uint64, where string) {
	for i := range f.apart {
		if f.apart[i].kind == kind {
			f.apart[i].bytes += n
			return
		}
	}
	f.apart = append(f.apart, apart{kind, n, where})
}

// compare reads the whole of the kernel's map, in batches, and holds it against
// the VM's. Of an array neither side of which was ever touched at a place, the
// VM's side isn't read.
func (t *twin) compare(ctx context.Context, i int) (f finding, err error) {
	m := t.state.Maps[i]
	spec := m.Spec()
	if !kernel.Comparable(spec) {
		return f, nil
	}
	f.compared = true
	switch spec.Type {
	case cilium.Queue, cilium.Stack:
		err = t.compareQueue(&f, i, m)
	case cilium.Array, cilium.PerCPUArray:
		err = t.compareArray(ctx, &f, i, m)
	default:
		err = t.compareKeyed(ctx, &f, i, m)
	}
	return f, err
}

func (t *twin) compareArray(ctx context.Context, f *finding, i int, m maps.Map) error {
	used := maps.UsedBy(m)
	stride := uint64(maps.ValueStride(m.Spec()))
	var key [4]byte
	done, err := t.maps.Map(i).Chunks(ctx, func(off uint64, raw []byte) error {
		if zero(raw) && !used.Bytes(int(off), int(off)+len(raw)) {
			return nil
		}
		// The entries that begin in it, and the one that began before.
		for e := off / stride; e*stride < off+uint64(len(raw)); e++ {
			binary.LittleEndian.PutUint32(key[:], uint32(e))
			got := maps.At(m, key[:])
			lo, hi := max(e*stride, off), min(e*stride+uint64(len(got)), off+uint64(len(raw)))
			if lo < hi && !bytes.Equal(raw[lo-off:hi-off], got[lo-e*stride:hi-e*stride]) {
				want, err := t.maps.Map(i).Lookup(key[:])
				if err != nil {
					return err
				}
				t.compareValue(f, i, m, key[:], want, got)
			}
		}
		return nil
	})
	if done || err != nil {
		return err
	}
	return t.maps.Map(i).Scan(ctx, func(key, want []byte) error {
		if zero(want) && !used.Has(binary.LittleEndian.Uint32(key)) {
			return nil
		}
		t.compareValue(f, i, m, key, want, maps.At(m, key))
		return nil
	})
}

func (t *twin) compareKeyed(ctx context.Context, f *finding, i int, m maps.Map) error {
	n := 0
	err := t.maps.Map(i).Scan(ctx, func(key, want []byte) error {
		got := maps.At(m, key)
		if got == nil {
			f.differ(key, "the kernel has %x, the VM nothing", want)
			return nil
		}
		n++
		t.compareValue(f, i, m, key, want, got)
		return nil
	})
	if err != nil || n == m.Len() {
		return err
	}
	// The VM has keys that the kernel hasn't.
	m.Range(func(key, got []byte) bool {
		var want []byte
		if want, err = t.maps.Map(i).Lookup(key); err == nil && want == nil {
			f.differ(key, "the VM has %x, the kernel nothing", got)
		}
		return err == nil && ctx.Err() == nil
	})
	return err
}

// compareValue compares one value, of a per-CPU map those of all CPUs.
func (t *twin) compareValue(f *finding, i int, m maps.Map, key, want, got []byte) {
	if bytes.Equal(want, got) {
		return
	}
	spec := m.Spec()
	size, stride, cpus := int(spec.ValueSize), len(want), 1
	if maps.IsPerCPU(spec) {
		stride, cpus = maps.ValueStride(spec), t.state.Opt.CPUs
	}
	for cpu := range cpus {
		w, g := want[cpu*stride:][:size], got[cpu*stride:][:size]
		if bytes.Equal(w, g) {
			continue
		}
		marks := t.marks.At(m.Peek(key, cpu), uint64(size))
		if masked, kind, first, n := mask(w, g, marks); !bytes.Equal(masked, g) {
			f.differ(key, "the kernel has %x, the VM %x", want, got)
			return
		} else if n > 0 {
			f.leave(kind, n, fmt.Sprintf("map %q: key %x: from byte %d of the value", spec.Name, key, first))
		}
	}
}

// mask puts the bytes that carry a mark into want as the VM has them, and says
// how many of those differed, the first of them and the gravest reason.
func mask(want, got []byte, marks []shadow.Mark) (masked []byte, kind string, first int, n uint64) {
	if marks == nil {
		return want, "", 0, 0
	}
	masked = bytes.Clone(want)
	var sum shadow.Mark
	for i, m := range marks {
		if m == 0 || masked[i] == got[i] {
			continue
		}
		if n == 0 {
			first = i
		}
		n++
		sum |= m
		masked[i] = got[i]
	}
	return masked, sum.Kind(), first, n
}

func (t *twin) compareQueue(f *finding, i int, m maps.Map) error {
	want, err := t.maps.Map(i).Entries()
	if err != nil {
		return err
	}
	var got [][]byte
	m.Range(func(_, value []byte) bool {
		got = append(got, bytes.Clone(value))
		return true
	})
	if m.Spec().Type == cilium.Stack {
		slices.Reverse(got) // newest first
	}
	mark := t.marks.Queue(i)
	for n := range max(len(want), len(got)) {
		switch {
		case n >= len(got):
			f.differ(nil, "the kernel has %x, the VM nothing", want[n].Value)
		case n >= len(want):
			f.differ(nil, "the VM has %x, the kernel nothing", got[n])
		case bytes.Equal(want[n].Value, got[n]):
			continue
		case mark != 0:
			f.leave(mark.Kind(), uint64(len(got[n])), fmt.Sprintf("map %q: element %d", m.Spec().Name, n))
			continue
		default:
			f.differ(nil, "the kernel has %x, the VM %x", want[n].Value, got[n])
		}
		return nil
	}
	return nil
}
