package vm

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"testing"

	"jitnic/host/hosttest/must"
	"jitnic/host/loader"

	cebpf "github.com/cilium/ebpf"
	"golang.org/x/sys/unix"
)

// TestControl runs the programs of testdata/control.c in the kernel and in the
// interpreter on random inputs, and demands equal verdicts and equal maps.
func TestControl(t *testing.T) {
	needKernel(t)
	cpus := must.Get(cebpf.PossibleCPU())(t)
	small := func(r *rand.Rand, n int) uint64 { return uint64(r.IntN(n)) }
	rare := func(r *rand.Rand, v uint64) uint64 {
		if r.IntN(8) == 0 {
			return v
		}
		return 0
	}
	for _, tc := range []struct {
		file string
		prog string
		in   func(r *rand.Rand) [8]uint64
	}{
		{"control", "loops", func(r *rand.Rand) [8]uint64 {
			n := small(r, 40)
			switch r.IntN(10) {
			case 0:
				n = 1<<32 | n
			case 1:
				n = 8<<20 + 1
			case 2:
				n = 60000
			}
			return [8]uint64{n, small(r, 50), rare(r, 1), small(r, 16)}
		}},
		{"control", "walks", func(r *rand.Rand) [8]uint64 { return [8]uint64{small(r, 7), small(r, 7), rare(r, 1)} }},
		{"control", "tails", func(r *rand.Rand) [8]uint64 {
			n := small(r, 5)
			if r.IntN(8) == 0 {
				n = 1<<32 | n
			}
			return [8]uint64{n}
		}},
		{"control", "texts", func(r *rand.Rand) [8]uint64 {
			if r.IntN(3) == 0 {
				return [8]uint64{binary.LittleEndian.Uint64([]byte("hello\x00??"))}
			}
			if r.IntN(3) == 0 {
				return [8]uint64{binary.LittleEndian.Uint64([]byte("helmet??")), r.Uint64(), small(r, 1000000), '!'}
			}
			return [8]uint64{operands(r), operands(r), operands(r), 'a' + small(r, 26)}
		}},
		{"control", "outputs", func(r *rand.Rand) [8]uint64 {
			return [8]uint64{small(r, 50), rare(r, 4), rare(r, 2), small(r, 2)}
		}},
		{"control", "lookups", func(r *rand.Rand) [8]uint64 {
			return [8]uint64{small(r, 7), small(r, 4), r.Uint64(), small(r, 4), small(r, 3) * 40000, operands(r), small(r, 2) * 54321, rare(r, 1)}
		}},
		{"dynptr", "packets", func(r *rand.Rand) [8]uint64 {
			off := func() uint64 {
				return [...]uint64{small(r, 60), small(r, 64), 3500 + small(r, 40), operands(r)}[r.IntN(4)]
			}
			return [8]uint64{rare(r, 1), off(), off(), off(), rare(r, 1), small(r, 20), small(r, 80), small(r, 2)}
		}},
		{"dynptr", "locals", func(r *rand.Rand) [8]uint64 {
			return [8]uint64{rare(r, 1), small(r, 60), rare(r, 1), small(r, 60), small(r, 60), small(r, 20), small(r, 70), small(r, 2)}
		}},
	} {
		t.Run(tc.prog, func(t *testing.T) {
			pin(t)
			file := "testdata/" + tc.file + ".o"
			obj, err := loader.Load(file, loader.Options{})
			must.OK(t, err)
			spec, err := cebpf.LoadCollectionSpec(file)
			must.OK(t, err)
			coll, err := cebpf.NewCollection(spec)
			if tc.file == "dynptr" && errors.Is(err, cebpf.ErrNotSupported) {
				t.Skipf("skipped: kernel without dynptrs over packets: %v", err)
			}
			if err != nil {
				t.Fatalf("%+v", err)
			}
			defer coll.Close()
			s, err := NewState(obj, Options{CPUs: cpus})
			must.OK(t, err)
			defer s.Close()
			var entry *loader.Program
			for _, p := range obj.Programs {
				if p.Name == tc.prog {
					entry = p
				}
			}
			it, err := NewInterp(s, obj, entry)
			must.OK(t, err)
			w := &twin{t: t, it: it, prog: coll.Programs[tc.prog], maps: []*cebpf.Map{coll.Maps["io"]}}
			// twin's map 0 is io on both sides.
			io := s.MapIndex("io")
			r := rand.New(rand.NewPCG(12, 13))
			for round := range 120 {
				in := tc.in(r)
				value := make([]byte, s.Maps[io].Spec().ValueSize)
				for i, v := range in {
					binary.LittleEndian.PutUint64(value[8*i:], v)
				}
				must.OK(t, coll.Maps["io"].Put(uint32(0), value))
				s.Maps[io].Update(make([]byte, 4), value, 0, 0)
				w.run(fill([]int{60, 60, 64, 3530, 9000}[r.IntN(5)]))
				what := fmt.Sprintf("round %d, in %x", round, in)
				mine := s.Mem.Bytes(s.Maps[io].Peek(make([]byte, 4), 0), uint64(len(value)))
				kernel := must.Get(coll.Maps["io"].LookupBytes(uint32(0)))(t)
				for i := 64; i < len(mine); i += 8 {
					if string(mine[i:i+8]) != string(kernel[i:i+8]) {
						t.Fatalf("%s: out[%d]: %x, kernel %x", what, i/8-8, mine[i:i+8], kernel[i:i+8])
					}
				}
				compareMaps(t, what, s, coll)
				if t.Failed() {
					return
				}
			}
		})
	}
}

// pin keeps the test on CPU 0, on which the interpreter thinks it is.
func pin(t *testing.T) {
	runtime.LockOSThread()
	var old, one unix.CPUSet
	unix.SchedGetaffinity(0, &old)
	one.Set(0)
	unix.SchedSetaffinity(0, &one)
	t.Cleanup(func() {
		unix.SchedSetaffinity(0, &old)
		runtime.UnlockOSThread()
	})
}

// compareMaps compares the maps with small integers for keys.
func compareMaps(t *testing.T, what string, s *State, coll *cebpf.Collection) {
	for _, name := range []string{"array", "percpu", "hash", "lru", "pchash", "inner1"} {
		if coll.Maps[name] == nil {
			continue
		}
		m := s.Maps[s.MapIndex(name)]
		for key := range uint32(10) {
			k := binary.LittleEndian.AppendUint32(nil, key)
			var kernel []byte
			var each [][]byte
			if name == "percpu" || name == "pchash" {
				if coll.Maps[name].Lookup(key, &each) == nil {
					for _, b := range each {
						kernel = append(kernel, b...)
					}
				}
			} else {
				kernel, _ = coll.Maps[name].LookupBytes(key)
			}
			var mine []byte
			for cpu := range max(len(each), 1) {
				if a := m.Peek(k, cpu); a != 0 {
					mine = append(mine, s.Mem.Bytes(a, 8)...)
				}
			}
			if string(mine) != string(kernel) {
				t.Errorf("%s: map %s: key %d: %x, kernel %x", what, name, key, mine, kernel)
			}
		}
	}
}
