package programs

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"

	"jitnic/host/diff"
	"jitnic/host/kernel"
	"jitnic/host/loader"
	"jitnic/host/mapfile"
	"jitnic/host/maps"
	"jitnic/host/vm"
	"jitnic/pcaps"

	cebpf "github.com/cilium/ebpf"
)

// perCapture is how many packets of each capture are compared; JITNIC_HEAVY=1
// takes all.
const perCapture = 700

// Every sample does on every corpus capture, with its map file, what it does
// in the kernel: verdict, bytes, and every map at the end.
func TestCorpusInKernel(t *testing.T) {
	captures := corpus(t)
	if err := kernel.Available(); err != nil {
		t.Skip(err)
	}
	cpu, err := kernel.CPU()
	if err != nil {
		t.Skip(err)
	}
	for _, s := range All() {
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

// corpus lists the captures beside the checkout.
func corpus(t *testing.T) []string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			break
		}
		if dir == filepath.Dir(dir) {
			t.Skip("no go.mod above")
		}
		dir = filepath.Dir(dir)
	}
	list, _ := filepath.Glob(filepath.Join(dir, "../shared/corpus/captures/*.pcap.gz"))
	if len(list) == 0 {
		t.Skip("needs ../shared/corpus/captures")
	}
	return list
}

func againstKernel(s Sample, capture string, cpu int) (int, error) {
	obj, err := loader.LoadBytes(s.Name+".o", s.Object, loader.Options{})
	if err != nil {
		return 0, err
	}
	entry, err := obj.Entry(s.Entry)
	if err != nil {
		return 0, err
	}
	st, err := vm.NewState(obj, vm.Options{CPUs: cebpf.MustPossibleCPU()})
	if err != nil {
		return 0, err
	}
	defer st.Close()
	it, err := vm.NewInterp(st, obj, entry)
	if err != nil {
		return 0, err
	}
	var names []string
	for _, p := range obj.Programs {
		names = append(names, p.Name)
	}
	f, err := mapfile.Read(s.Name+".maps.json", bytes.NewReader(s.Maps))
	if err != nil {
		return 0, err
	}
	plan, err := f.Bind(mapfile.Of(st.Set, names))
	if err != nil {
		return 0, err
	}
	if err := plan.Fill(); err != nil {
		return 0, err
	}
	// The kernel's maps take what the interpreter's hold; read-only data has
	// to be in the blueprint, as it is frozen before the program is loaded.
	for i, m := range obj.Maps {
		if m.ReadOnly {
			m.Contents = entries(st.Maps[i])
		}
	}
	k, err := kernel.Load(obj, entry, kernel.Options{Latch: true})
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
	src, err := pcaps.Open(context.Background(), pcaps.Options{Paths: []string{capture}, Limit: limit})
	if err != nil {
		return 0, err
	}
	defer src.Close()
	n := 0
	var pkt pcaps.Packet
	for i := 0; ; i++ {
		if err := src.Next(&pkt); err == io.EOF {
			break
		} else if err != nil {
			return n, err
		}
		in := vm.Input{Data: pkt.Data, TimeNS: pkt.KTimeNS, CPU: cpu, IfIndex: 1, Packet: uint64(i)}
		if err := k.Maps.Latch(kernel.Inputs{TimeNS: in.TimeNS, CoarseNS: vm.Coarse(in.TimeNS), Jiffies: vm.Jiffies(in.TimeNS),
			Draw: func(n uint64) uint32 { return vm.Random(0, in.Packet, n) }}); err != nil {
			return n, err
		}
		want, err := k.Run(pkt.Data, kernel.Context{})
		if errors.Is(err, kernel.ErrShort) || errors.Is(err, kernel.ErrLong) {
			continue
		}
		if err != nil {
			return n, fmt.Errorf("packet %d: %w", i, err)
		}
		var got vm.Output
		it.Run(&in, &got)
		if got.Err != nil {
			return n, fmt.Errorf("packet %d %x: %w", i, pkt.Data, got.Err)
		}
		if d := diff.Outputs(&vm.Output{Verdict: want.Verdict, Data: want.Data, Meta: want.Meta, Redirect: got.Redirect}, &got); d != nil {
			return n, fmt.Errorf("packet %d %x: interpreter against kernel: %w", i, pkt.Data, d)
		}
		n++
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
