package jit

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"jitnic/cache"
	"jitnic/host/ebpf"
	"jitnic/host/hosttest"
	"jitnic/host/hosttest/must"
	"jitnic/host/kernel"
	"jitnic/host/loader"
	"jitnic/host/maps"
	"jitnic/host/programs"
	"jitnic/host/vm"
	"jitnic/nic"

	cebpf "github.com/cilium/ebpf"
)

// held is a capture in memory, so that a benchmark of the device doesn't time
// the reader. Packets stand behind one another, as in a file.
func held(b testing.TB, file string, limit int) (pkts [][]byte, times []uint64) {
	b.Helper()
	var all []byte
	var ends []int
	for in := range hosttest.Packets(b, file, uint64(limit)) {
		all = append(all, in.Data...)
		ends = append(ends, len(all))
		times = append(times, in.TimeNS)
	}
	at := 0
	for _, end := range ends {
		pkts = append(pkts, all[at:end:end])
		at = end
	}
	return pkts, times
}

// BenchmarkPacket is the cost of one packet of echo-connections, from the
// packet in memory to the verdict: by the interpreter, and by the device when
// every path is installed.
func BenchmarkPacket(b *testing.B) {
	pkts, times := held(b, hosttest.Capture(b, "echo-connections.pcap.gz"), 0)
	for _, s := range programs.All() {
		p := hosttest.Sample(b, s.Name)
		obj, e := p.Obj, p.Entry
		b.Run(s.Name+"/interpreter", func(b *testing.B) {
			st := must.Get(vm.NewState(obj, vm.Options{}))(b)
			defer st.Close()
			it := must.Get(vm.NewInterp(st, obj, e))(b)
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
			r := must.Get(New(obj, e, Options{Cache: cache.Config{Policy: "lru", Entries: 4096}}))(b)
			defer r.Close()
			var out vm.Output
			in := new(vm.Input)
			step := func(i int) {
				k := i % len(pkts)
				*in = vm.Input{Data: pkts[k], TimeNS: times[k], IfIndex: 1, Packet: uint64(i)}
				must.Get(r.Process(in, &out))(b)
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

// oneLookup is a program of 60 executed instructions, nearly all of which a
// trace keeps: it hashes the TCP ports and addresses into a key, looks the flow
// up, and mixes fields into a counter it stores.
const oneLookup = `
	r6 = *(u32 *)(r1 +0)
	r7 = *(u32 *)(r1 +4)
	r2 = r6
	r2 += 54
	r0 = 2
	if r2 > r7 goto +58
	r3 = *(u16 *)(r6 +12)
	if r3 != 8 goto +56
	r3 = *(u8 *)(r6 +23)
	if r3 != 6 goto +54
	r4 = *(u32 *)(r6 +26)
	r5 = *(u32 *)(r6 +30)
	r8 = *(u16 *)(r6 +34)
	r9 = *(u16 *)(r6 +36)
	r8 <<= 16
	r8 |= r9
	r9 = r4
	r9 ^= r5
	r9 *= 73244475
	r2 = r9
	r2 >>= 16
	r9 ^= r2
	w9 &= 65535
	*(u32 *)(r10 -16) = r4
	*(u32 *)(r10 -12) = r5
	*(u32 *)(r10 -8) = r8
	*(u32 *)(r10 -4) = r9
	r2 = r10
	r2 += -16
	r1 = map[#0]
	call map_lookup_elem#1
	if r0 == 0 goto +29
	r1 = *(u64 *)(r0 +0)
	r1 += 1
	*(u64 *)(r0 +0) = r1
	r2 = *(u16 *)(r6 +16)
	r2 = be16 r2
	r3 = *(u64 *)(r0 +8)
	r3 += r2
	*(u64 *)(r0 +8) = r3
	r4 = *(u8 *)(r6 +22)
	r4 <<= 8
	r5 = *(u8 *)(r6 +47)
	r4 |= r5
	r4 ^= r3
	r4 += r9
	r5 = r4
	r5 >>= 7
	r4 ^= r5
	r4 += r1
	r5 = r4
	r5 <<= 3
	r4 ^= r5
	w4 += w8
	r5 = r4
	r5 >>= 11
	r4 ^= r5
	r4 &= 1048575
	*(u64 *)(r0 +16) = r4
	r0 = 1
	exit
	r0 = 2
	exit
	r0 = 2
	exit`

// oneProgram is that program over a map in which every flow of the packets is
// known, so that all but the shortest packets take the long path.
func oneProgram(b *testing.B, pkts [][]byte) (*loader.Object, *loader.Program, [][]byte) {
	b.Helper()
	insns := must.Get(ebpf.Parser{}.Code(strings.ReplaceAll(oneLookup, "\n\t", "\n")))(b)
	flows := &maps.Spec{Name: "flows", Type: cebpf.Hash, KeySize: 16, ValueSize: 24, Max: 4096}
	e := &loader.Program{Name: "one", Insns: insns, Maps: []*maps.Spec{flows}, License: "GPL"}
	var keys [][]byte
	for _, p := range pkts {
		if len(p) < 54 {
			continue
		}
		le := binary.LittleEndian
		src, dst := le.Uint32(p[26:]), le.Uint32(p[30:])
		h := uint64(src^dst) * 73244475
		h = (h ^ h>>16) & 65535
		key := make([]byte, 16)
		le.PutUint32(key[0:], src)
		le.PutUint32(key[4:], dst)
		le.PutUint32(key[8:], uint32(le.Uint16(p[34:]))<<16|uint32(le.Uint16(p[36:])))
		le.PutUint32(key[12:], uint32(h))
		keys = append(keys, key)
	}
	return &loader.Object{File: "one", Programs: []*loader.Program{e}, Maps: []*maps.Spec{flows}}, e, keys
}

// oneRuntime is a runtime of it, warm, and what processes n packets from packet
// i on, by the entry that replay uses.
func oneRuntime(b *testing.B, engine string, pkts [][]byte, times []uint64) (r *Runtime, run func(i, n int)) {
	b.Helper()
	obj, e, keys := oneProgram(b, pkts)
	fill := func(s *vm.State) error {
		for _, key := range keys {
			s.Maps[0].Update(key, make([]byte, 24), 0, 0)
		}
		return nil
	}
	r, err := New(obj, e, Options{Engine: engine, Prepare: fill})
	if err != nil {
		b.Skip(err)
	}
	b.Cleanup(r.Close)
	in := make([]vm.Input, batch)
	buf := make([]byte, batch<<11) // where packets are copied to, as a reader does
	for j := range in {
		in[j].IfIndex = 1
	}
	run = func(i, n int) {
		k := i % len(pkts)
		for n > 0 {
			m := min(n, batch)
			at := 0
			for j := range m {
				x := &in[j]
				x.Data = buf[at : at+copy(buf[at:], pkts[k])]
				x.TimeNS, x.Packet = times[k], uint64(i+j)
				at += len(x.Data)
				if k++; k == len(pkts) {
					k = 0
				}
			}
			must.OK(b, r.Run(b.Context(), in[:m], nil))
			i, n = i+m, n-m
		}
	}
	run(0, len(pkts))
	run(0, len(pkts))
	return r, run
}

// batch is how many packets are handed over at once, as replay does.
const batch = 128

// BenchmarkOneLookup is the measure: packets a second of a program of
// 60 instructions with one look-up, on echo-connections, every packet a hit.
func BenchmarkOneLookup(b *testing.B) {
	pkts, times := held(b, hosttest.Capture(b, "echo-connections.pcap.gz"), 0)
	r, run := oneRuntime(b, "", pkts, times)
	long := r.Paths()[0]
	for _, p := range r.Paths() {
		if p.Packets > long.Packets {
			long = p
		}
	}
	b.ReportAllocs()
	b.ResetTimer()
	fastest, machine := math.MaxFloat64, pace{least: math.MaxInt64}
	for i := 0; i < b.N; i += len(pkts) {
		n := min(b.N-i, len(pkts))
		begin := time.Now()
		run(i, n)
		if n == len(pkts) {
			fastest = min(fastest, float64(time.Since(begin))/float64(n))
		}
		b.StopTimer()
		machine.take()
		b.StartTimer()
	}
	report(b)
	b.ReportMetric(machine.slowed(), "x-slowed")
	if fastest < math.MaxFloat64 {
		b.ReportMetric(fastest, "fastest-ns") // pass over all packets: what a busy machine slows least
	}
	b.ReportMetric(float64(long.Path.Trace.Raw), "insns/path")
	b.ReportMetric(float64(long.Trace.Len()), "insns/trace")
}

// pace is how fast the machine is while something else is measured: of a loop of
// arithmetic, which touches no memory, the least time and all. On a core that it shares
// with somebody else's thread that takes up to 1.7 times as long (measured), and so does
// everything.
type pace struct {
	least, all time.Duration
	n          int
	sum        [4]uint64 // what the loop has computed
}

// take runs the loop once: some 50 µs.
func (p *pace) take() {
	begin := time.Now()
	s := p.sum
	for i := range uint64(40_000) {
		s[0] += i ^ 5
		s[1] += i ^ 9
		s[2] += i ^ 11
		s[3] += i ^ 13
	}
	took := time.Since(begin)
	p.sum = s
	p.least, p.all, p.n = min(p.least, took), p.all+took, p.n+1
}

// slowed is how many times its least time the loop has taken in the mean.
func (p *pace) slowed() float64 { return float64(p.all) / float64(p.n) / float64(p.least) }

// peer is one way to run the program: n packets from packet i on.
type peer struct {
	name string
	run  func(i, n int) (ns float64) // n packets from packet i on, and the time of one if it knows better
	best float64                     // ns a packet
}

// BenchmarkOneLookupPeers runs that program in every way there is, in turns of
// five thousand packets, and reports the fastest turn of each, in nanoseconds a
// packet: so a busy machine slows none of them alone. A turn has a pass before it that
// isn't timed: what the others have put out of the caches is back then, as it is for the
// kernel, which runs one packet again and again and copies none in, and for C, which
// has no turns.
func BenchmarkOneLookupPeers(b *testing.B) {
	const turn = 5000
	pkts, times := held(b, hosttest.Capture(b, "echo-connections.pcap.gz"), turn)
	peers := []*peer{}
	add := func(name string, run func(i, n int) float64) {
		peers = append(peers, &peer{name: name, run: run, best: math.MaxFloat64})
	}
	for _, e := range []string{"native", "go"} {
		_, run := oneRuntime(b, e, pkts, times)
		add(e, func(i, n int) float64 { run(i, n); return 0 })
	}
	for _, engine := range []string{"native", "go"} {
		r, _ := oneRuntime(b, engine, pkts, times)
		in, verdicts := make([]vm.Input, batch), make([]uint32, batch)
		for j := range in {
			in[j].IfIndex = 1
		}
		program := func(pkts [][]byte) func(i, n int) float64 {
			return func(i, n int) float64 {
				for k := 0; n > 0; {
					m := min(n, batch)
					for j := range m {
						in[j].Data, in[j].TimeNS, in[j].Packet = pkts[k], times[k], uint64(i+j)
						if k++; k == len(pkts) {
							k = 0
						}
					}
					must.Get(r.it.Verdicts(in[:m], verdicts))(b)
					i, n = i+m, n-m
				}
				return 0
			}
		}
		add("program-"+engine, program(pkts))
		// As the kernel does: one packet again and again.
		add("program-"+engine+"-one", program([][]byte{whole(pkts)}))
	}
	if run := oneKernel(b, pkts); run != nil {
		add("kernel", run)
	}
	for i := 0; b.Loop(); i += turn {
		for _, p := range peers {
			p.run(i, turn)
			begin := time.Now()
			ns := p.run(i, turn)
			if ns == 0 {
				ns = float64(time.Since(begin)) / turn
			}
			p.best = min(p.best, ns)
		}
	}
	for _, p := range peers {
		b.ReportMetric(p.best, p.name+"-ns")
	}
	if c := inC(b, pkts); c > 0 {
		b.ReportMetric(c, "c-ns")
	}
	if last := peers[len(peers)-1]; last.name == "kernel" {
		b.ReportMetric(peers[0].best/last.best, "x-kernel")
	}
	b.ReportMetric(peers[1].best/peers[0].best, "x-go")
}

// inC is what the program takes written by hand in C, where clang is installed.
func inC(b *testing.B, pkts [][]byte) float64 {
	clang, err := exec.LookPath("clang")
	if err != nil {
		b.Log("without C: clang is not installed")
		return 0
	}
	bin := filepath.Join(b.TempDir(), "onelookup")
	if out, err := exec.Command(clang, "-O2", "-march=native", "-o", bin, "testdata/onelookup.c").CombinedOutput(); err != nil {
		b.Logf("without C: %v: %s", err, out)
		return 0
	}
	var in []byte
	for _, p := range pkts {
		in = append(binary.LittleEndian.AppendUint32(in, uint32(len(p))), p...)
	}
	c := exec.Command(bin)
	c.Stdin = bytes.NewReader(in)
	out, err := c.Output()
	must.OK(b, err)
	var ns float64
	must.Get(fmt.Sscan(string(out), &ns))(b)
	return ns
}

// BenchmarkBind is what making a trace native takes, the median over the traces of
// all samples on a capture of many protocols.
func BenchmarkBind(b *testing.B) {
	var times, fastest []float64
	for b.Loop() {
		for _, s := range programs.All() {
			p := hosttest.Sample(b, s.Name)
			r, err := New(p.Obj, p.Entry, Options{Prepare: p.Prepare, Engine: "native"})
			if err != nil {
				b.Skip(err)
			}
			var out vm.Output
			for in := range hosttest.Packets(b, hosttest.Capture(b, "zoo.pcap.gz"), 4000) {
				if _, err := r.Process(in, &out); err != nil {
					b.Fatal(err)
				}
			}
			for i, p := range r.Paths() {
				least := math.MaxFloat64
				for range 8 {
					begin := time.Now()
					c, err := r.parts.first.Exec.Bind(nic.Path(i), p.Trace)
					if err != nil {
						b.Fatal(err)
					}
					took := float64(time.Since(begin).Nanoseconds())
					times, least = append(times, took), min(least, took)
					c.Free()
				}
				fastest = append(fastest, least)
			}
			r.Close()
		}
	}
	slices.Sort(times)
	slices.Sort(fastest)
	b.ReportMetric(times[len(times)/2]/1e3, "median-µs")
	b.ReportMetric(fastest[len(fastest)/2]/1e3, "fastest-median-µs") // of a trace's eight times the least
	b.ReportMetric(float64(len(times))/8/float64(b.N), "traces")
}

// whole is the first packet that takes the program's long path.
func whole(pkts [][]byte) []byte {
	return pkts[slices.IndexFunc(pkts, func(p []byte) bool { return len(p) >= 54 })]
}

// oneKernel runs the program in the running kernel, nil where it can't.
func oneKernel(b *testing.B, pkts [][]byte) func(i, n int) float64 {
	if err := kernel.Available(); err != nil {
		b.Logf("without the kernel: %v", err)
		return nil
	}
	obj, e, keys := oneProgram(b, pkts)
	p, err := kernel.Load(obj, e, kernel.Options{})
	if err != nil {
		b.Logf("without the kernel: %v", err)
		return nil
	}
	b.Cleanup(func() { p.Close() })
	for _, key := range keys {
		must.OK(b, p.Maps.Map(0).Update(key, make([]byte, 24), 0))
	}
	long := whole(pkts)
	return func(_, n int) float64 {
		d := must.Get(p.Bench(long, 20*uint32(n)))(b)
		return float64(d.Nanoseconds())
	}
}
