package verify

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"jitnic/host/hosttest/must"
	"jitnic/host/kernel"
	"jitnic/host/loader"
	"jitnic/host/maps"
	"jitnic/host/vm"

	cilium "github.com/cilium/ebpf"
)

// bigObject has maps of 16 M entries, of 8 M entries that make room for each
// other, of 4 GB, and a map of maps. Only JITNIC_HEAVY=1 takes them whole;
// else they are a 64th.
func bigObject(t *testing.T) (*loader.Object, *loader.Program) {
	t.Helper()
	obj := must.Get(loader.Load("testdata/big.o", loader.Options{BTF: loader.LocalBTF}))(t)
	if os.Getenv("JITNIC_HEAVY") == "" {
		for _, s := range obj.Maps {
			if s.Type == cilium.ArrayOfMaps {
				s.Inner.Max /= 64
			} else {
				s.Max /= 64
			}
		}
	}
	entry := must.Get(obj.Entry(""))(t)
	return obj, entry
}

// tenPackets are from ten addresses.
func tenPackets() func(*vm.Input) error {
	next := count(10)
	return func(in *vm.Input) error {
		err := next(in)
		if err == nil {
			binary.LittleEndian.PutUint32(in.Data[26:], 0x01000000*uint32(in.Packet)+77*uint32(in.Packet))
		}
		return err
	}
}

// TestBig: ten packets are equal, what we hold grows by a fraction of what the
// maps hold, and an entry that only the kernel wrote, where nobody else ever
// was, is found in each of the maps.
func TestBig(t *testing.T) {
	need(t)
	obj, entry := bigObject(t)
	before := resident(t)
	began := time.Now()
	rep, err := Run(t.Context(), obj, entry, Options{Seed: 1}, tenPackets())
	if err != nil || rep.Compared != 10 || rep.Mismatches != 0 || rep.Maps != 5 {
		t.Fatalf("%+v, %v", rep, err)
	}
	t.Logf("%v, %d MB more than the %d MB before", time.Since(began).Round(time.Millisecond), (resident(t)-before)>>20, before>>20)
	if more := resident(t) - before; more > 250<<20 {
		t.Errorf("%d MB more", more>>20)
	}
	for i, s := range obj.Maps {
		if !kernel.Comparable(s) {
			continue
		}
		obj, entry := bigObject(t)
		rep, err := Run(t.Context(), obj, entry, Options{Seed: 1, meddle: func(ms *kernel.Maps) error {
			m := ms.Map(i)
			value := make([]byte, m.ValueLen())
			value[len(value)/2] = 1
			return m.Update(binary.LittleEndian.AppendUint32(nil, s.Max/2+1), value, 0)
		}}, tenPackets())
		want := fmt.Sprintf("map %q: key %x: ", s.Name, binary.LittleEndian.AppendUint32(nil, s.Max/2+1))
		if err != nil || rep.Mismatches != 1 || !strings.HasPrefix(rep.First, want) {
			if rep != nil && len(rep.First) > 200 {
				rep.First = rep.First[:200]
			}
			t.Errorf("map %s: %+v, %v", s.Name, rep, err)
		}
	}
}

// TestBigFilled fills a large map beforehand, and has one entry replaced behind
// both sides' backs.
func TestBigFilled(t *testing.T) {
	need(t)
	for _, meddle := range []bool{false, true} {
		obj, entry := bigObject(t)
		opt := Options{Prepare: func(s *vm.State) error {
			m := s.Maps[s.MapIndex("counters")]
			for k := range uint32(200) {
				v := binary.LittleEndian.AppendUint64(nil, uint64(k))
				if e := m.Update(binary.LittleEndian.AppendUint32(nil, k*1001), v, maps.Any, 0); e != 0 {
					return e
				}
			}
			return nil
		}}
		if meddle {
			opt.meddle = func(ms *kernel.Maps) error {
				return ms.Map(0).Update(binary.LittleEndian.AppendUint32(nil, 1001), make([]byte, 8), 0)
			}
		}
		rep, err := Run(t.Context(), obj, entry, opt, tenPackets())
		if err != nil || (rep.Mismatches == 1) != meddle {
			t.Errorf("%v: %+v, %v", meddle, rep, err)
		}
	}
}

// TestInterrupted: a run with large maps ends soon after it is told to.
func TestInterrupted(t *testing.T) {
	need(t)
	obj, entry := bigObject(t)
	ctx, cancel := context.WithCancel(t.Context())
	var at time.Time
	next := tenPackets()
	_, err := Run(ctx, obj, entry, Options{}, func(in *vm.Input) error {
		if in.Packet == 4 {
			at = time.Now()
			cancel()
		}
		return next(in)
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	t.Logf("ended %v after", time.Since(at))
}

// resident is the memory this process has, in bytes.
func resident(t *testing.T) int64 {
	t.Helper()
	b, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		t.Skip(err)
	}
	var size, pages int64
	must.Get(fmt.Sscan(string(b), &size, &pages))(t)
	return pages * int64(os.Getpagesize())
}
