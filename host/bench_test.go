package host

import (
	"context"
	"io"
	"testing"

	"jitnic/cache"
	"jitnic/host/loader"
	"jitnic/host/programs"
	"jitnic/host/vm"
	"jitnic/pcaps"
)

// held is a capture in memory, so that a benchmark of the device doesn't time
// the reader.
func held(b testing.TB, file string, limit int) (pkts [][]byte, times []uint64) {
	b.Helper()
	src, err := pcaps.Open(context.Background(), pcaps.Options{Paths: []string{file}, Limit: uint64(limit)})
	if err != nil {
		b.Fatal(err)
	}
	defer src.Close()
	var p pcaps.Packet
	for {
		if err := src.Next(&p); err == io.EOF {
			return pkts, times
		} else if err != nil {
			b.Fatal(err)
		}
		pkts = append(pkts, append([]byte(nil), p.Data...))
		times = append(times, p.KTimeNS)
	}
}

func sample(b testing.TB, name string) (*loader.Object, *loader.Program) {
	b.Helper()
	s, err := programs.Get(name)
	if err != nil {
		b.Fatal(err)
	}
	obj, err := loader.LoadBytes(s.Name+".o", s.Object, loader.Options{})
	if err != nil {
		b.Fatal(err)
	}
	e, err := obj.Entry(s.Entry)
	if err != nil {
		b.Fatal(err)
	}
	return obj, e
}

// BenchmarkPacket is the cost of one packet of echo-connections, from the
// packet in memory to the verdict: by the interpreter, and by the device when
// every path is installed.
func BenchmarkPacket(b *testing.B) {
	corpus(b)
	pkts, times := held(b, "../../shared/corpus/captures/echo-connections.pcap.gz", 0)
	for _, s := range programs.All() {
		obj, e := sample(b, s.Name)
		b.Run(s.Name+"/interpreter", func(b *testing.B) {
			st, err := vm.NewState(obj, vm.Options{})
			if err != nil {
				b.Fatal(err)
			}
			defer st.Close()
			it, err := vm.NewInterp(st, obj, e)
			if err != nil {
				b.Fatal(err)
			}
			var out vm.Output
			in := new(vm.Input)
			b.ReportAllocs()
			b.ResetTimer()
			for i := 0; i < b.N; i++ {
				k := i % len(pkts)
				*in = vm.Input{Data: pkts[k], TimeNS: times[k], IfIndex: 1, Packet: uint64(i)}
				it.Run(in, &out)
			}
			report(b)
		})
		b.Run(s.Name+"/nic", func(b *testing.B) {
			r, err := New(obj, e, Options{Cache: cache.Config{Policy: "lru", Entries: 4096}})
			if err != nil {
				b.Fatal(err)
			}
			defer r.Close()
			var out vm.Output
			in := new(vm.Input)
			step := func(i int) {
				k := i % len(pkts)
				*in = vm.Input{Data: pkts[k], TimeNS: times[k], IfIndex: 1, Packet: uint64(i)}
				if _, err := r.Process(in, &out); err != nil {
					b.Fatal(err)
				}
			}
			for i := range pkts {
				step(i)
			}
			b.ReportAllocs()
			b.ResetTimer()
			for i := 0; i < b.N; i++ {
				step(i)
			}
			report(b)
		})
	}
}

func report(b *testing.B) {
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds()/1e6, "Mpackets/s")
}
