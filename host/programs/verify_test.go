package programs_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"jitnic/host/diff"
	"jitnic/host/hosttest"
	"jitnic/host/kernel"
	"jitnic/host/maps"
	"jitnic/host/programs"
	"jitnic/host/vm"

	cebpf "github.com/cilium/ebpf"
)

// perCapture is how many packets of each capture are compared; JITNIC_HEAVY=1
// takes all.
const perCapture = 700

// Every sample does on every corpus capture, with its map file, what it does
// in the kernel: verdict, bytes, and every map at the end.
func TestCorpusInKernel(t *testing.T) {
	captures := hosttest.Corpus(t)
	if err := kernel.Available(); err != nil {
		t.Skip(err)
	}
	cpu, err := kernel.CPU()
	if err != nil {
		t.Skip(err)
	}
	for _, s := range programs.All() {
		t.Run(s.Name, func(t *testing.T) {
			total := 0
			for _, c := range captures {
				err := kernel.Isolated(cpu, func() error {
					n, err := againstKernel(s, c, cpu)
					total += n
					return err
				})
				if err != nil {
					t.Errorf("%s: %v", filepath.Base(c), err)
				}
			}
			t.Logf("%d packets", total)
		})
	}
}

func againstKernel(s programs.Sample, capture string, cpu int) (int, error) {
	p, err := hosttest.Load(s.Name)
	if err != nil {
		return 0, err
	}
	obj := p.Obj
	st, err := vm.NewState(obj, vm.Options{CPUs: cebpf.MustPossibleCPU()})
	if err != nil {
		return 0, err
	}
	defer st.Close()
	it, err := vm.NewInterp(st, obj, p.Entry)
	if err != nil {
		return 0, err
	}
	if err := p.Prepare(st); err != nil {
		return 0, err
	}
	// The kernel's maps take what the interpreter's hold; read-only data has
	// to be in the blueprint, as it is frozen before the program is loaded.
	for i, m := range obj.Maps {
		if m.ReadOnly {
			m.Contents = entries(st.Maps[i])
		}
	}
	k, err := kernel.Load(obj, p.Entry, kernel.Options{Latch: true})
	if err != nil {
		return 0, err
	}
	defer k.Maps.Close()
	defer k.Close()
	for i, m := range obj.Maps {
		if m.ReadOnly || m.Type == cebpf.ProgramArray || m.Type == cebpf.PerCPUArray || !kernel.Comparable(m) && m.Type != cebpf.DevMap {
			continue
		}
		for _, e := range entries(st.Maps[i]) {
			if err := k.Maps.Map(i).Update(e.Key, e.Value, 0); err != nil {
				return 0, fmt.Errorf("map %s: key %x: %w", m.Name, e.Key, err)
			}
		}
	}

	limit := uint64(perCapture)
	if os.Getenv("JITNIC_HEAVY") != "" {
		limit = 0
	}
	n := 0
	err = hosttest.Each(capture, limit, func(in *vm.Input) error {
		in.CPU = cpu
		if err := k.Maps.Latch(kernel.Inputs{TimeNS: in.TimeNS, CoarseNS: vm.Coarse(in.TimeNS), Jiffies: vm.Jiffies(in.TimeNS),
			Draw: func(n uint64) uint32 { return vm.Random(0, in.Packet, n) }}); err != nil {
			return err
		}
		want, err := k.Run(in.Data, kernel.Context{})
		if errors.Is(err, kernel.ErrShort) || errors.Is(err, kernel.ErrLong) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("packet %d: %w", in.Packet, err)
		}
		var got vm.Output
		it.Run(in, &got)
		if got.Err != nil {
			return fmt.Errorf("packet %d %x: %w", in.Packet, in.Data, got.Err)
		}
		if d := diff.Outputs(&vm.Output{Verdict: want.Verdict, Data: want.Data, Meta: want.Meta, Redirect: got.Redirect}, &got); d != nil {
			return fmt.Errorf("packet %d %x: interpreter against kernel: %w", in.Packet, in.Data, d)
		}
		n++
		return nil
	})
	if err != nil {
		return n, err
	}
	for i, m := range obj.Maps {
		if !kernel.Comparable(m) {
			continue
		}
		want, err := k.Maps.Map(i).Entries()
		if err != nil {
			return n, err
		}
		have := entries(st.Maps[i])
		if len(have) != len(want) {
			return n, fmt.Errorf("map %s: kernel has %d entries, interpreter %d", m.Name, len(want), len(have))
		}
		for j := range want {
			if !bytes.Equal(have[j].Key, want[j].Key) || !bytes.Equal(have[j].Value, want[j].Value) {
				return n, fmt.Errorf("map %s: kernel has %x: %x, interpreter %x: %x", m.Name, want[j].Key, want[j].Value, have[j].Key, have[j].Value)
			}
		}
	}
	return n, nil
}

// entries lists a map by ascending key.
func entries(m maps.Map) (es []maps.Entry) {
	m.Range(func(k, v []byte) bool {
		es = append(es, maps.Entry{Key: bytes.Clone(k), Value: bytes.Clone(v)})
		return true
	})
	kernel.Sort(es)
	return es
}
