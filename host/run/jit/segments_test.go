package jit

import (
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"sync"
	"testing"

	"jitnic/cache"
	"jitnic/host/diff"
	"jitnic/host/ebpf"
	"jitnic/host/hosttest"
	"jitnic/host/hosttest/must"
	"jitnic/host/hosttest/progen"
	"jitnic/host/loader"
	"jitnic/host/programs"
	"jitnic/host/vm"
	"jitnic/nic"
	"jitnic/nic/native"
	"jitnic/pathcond"
	"jitnic/pathcond/text"
	"jitnic/trace"
)

// someCuts draws up to n places at which a program may be cut.
func someCuts(t testing.TB, obj *loader.Object, entry *loader.Program, rng *rand.Rand, n int) []int {
	t.Helper()
	s := must.Get(vm.NewState(obj, vm.Options{}))(t)
	defer s.Close()
	all := pathcond.NewCompiler(s, obj).Candidates(entry.Name)
	rng.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	return all[:min(n, len(all))]
}

// someEngine draws what runs segments: machine code where the machine can.
func someEngine(k uint64) string {
	if k%3 == 0 || !canNative() {
		return "go"
	}
	return "native"
}

// canNative says whether machine code runs here.
var canNative = sync.OnceValue(func() bool {
	m, err := native.Native.Memory()
	if err == nil {
		m.Close()
	}
	return err == nil
})

// words prints a packet's segments.
func (r *Runtime) words(ways []nic.Path) string {
	out := ""
	for _, p := range ways {
		i := r.info[p]
		out += fmt.Sprintf("segment %d of table %d, then %d\n%s\n%s", p, i.Path.Table, i.Path.Next, text.Format(r.Comp, i.Path.Cond), ebpf.Printer{}.Code(i.Trace.Code))
	}
	return out
}

// checkSegments runs a packet and holds its segments together: each stands in the
// table that the one before it says, and the last ends in a verdict. That a condition
// holds just for the packets that take its segment is held by the oracle (it holds
// for no others) and by Runtime.place (for all of those).
func checkSegments(r *Runtime, in *vm.Input, out *vm.Output) error {
	res, err := r.Process(in, out)
	if err != nil {
		return err
	}
	table := 0
	for i, p := range res.Segments {
		s := r.info[p].Path
		if s.Table != table || (s.Next == 0) != (i == len(res.Segments)-1) {
			return fmt.Errorf("segment %d of table %d, which goes on at %d, is number %d of %v behind one that goes on at %d", p, s.Table, s.Next, i, res.Segments, table)
		}
		table = s.Next
	}
	missing := slices.ContainsFunc(res.Each, func(o cache.Outcome) bool { return o != cache.Hit })
	if hit := res.Outcome == cache.Hit; len(r.trees) > 1 && hit != (!missing && len(res.Segments) > 0) {
		return fmt.Errorf("%v with segments %v, which were %v", res.Outcome, res.Segments, res.Each)
	}
	return nil
}

// Mutated packets through samples cut anywhere: hits do what the interpreter does,
// and no two conditions of a table hold together.
func TestSegmentsOnMutatedPackets(t *testing.T) {
	pkts, times := held(t, hosttest.Capture(t, "zoo.pcap.gz"), 0)
	n := 1500
	if os.Getenv("JITNIC_HEAVY") != "" {
		n = 50_000
	}
	for _, s := range programs.All() {
		t.Run(s.Name, func(t *testing.T) {
			p := hosttest.Sample(t, s.Name)
			for seed := uint64(1); seed <= 3; seed++ {
				rng := rand.New(rand.NewPCG(seed, 1))
				cuts := someCuts(t, p.Obj, p.Entry, rng, []int{1, 3, 40}[seed-1])
				r := must.Get(New(p.Obj, p.Entry, Options{Check: true, Engine: someEngine(seed), Cuts: cuts[:min(len(cuts), MaxTables-1)], Remedies: Remedies{Predicate: int(seed-1) * 16},
					Cache: cache.Config{Policy: "lru", Entries: 32}}))(t)
				var out vm.Output
				for i := range n {
					k := rng.IntN(len(pkts))
					in := vm.Input{Data: mutate(rng, pkts[k]), TimeNS: times[k], IfIndex: 1, Packet: uint64(i)}
					if err := checkSegments(r, &in, &out); err != nil {
						t.Fatalf("cuts %v: packet %d: %x: %v\n%s", cuts, i, in.Data, err, r.words(r.NIC.Ways()))
					}
				}
				if r.Collision > 0 {
					t.Errorf("cuts %v: %d conditions overlap: %v\n%s", cuts, r.Collision, r.overlap.err, list(r, r.overlap.cond))
				}
				if err := r.CheckAll(t.Context()); err != nil {
					t.Error(err)
				}
				o := r.NIC.Outcomes()
				if o.Total() != r.Packets {
					t.Errorf("%d packets, outcomes %v", r.Packets, o)
				}
				t.Logf("cuts %v: %d segments, %d dead, hits %d of %d, buffer %d", cuts, len(r.info), len(r.dead), o[cache.Hit], r.Packets, r.NIC.Buffer())
				r.Close()
			}
		})
	}
}

// Random programs cut anywhere.
func TestSegmentsOfRandomPrograms(t *testing.T) {
	first, n := uint64(1), 300
	if os.Getenv("JITNIC_HEAVY") != "" {
		n = 20_000
	}
	if s := os.Getenv("JITNIC_SEED"); s != "" {
		fmt.Sscan(s, &first)
		n = 1
	}
	hits, packets, segments, several, dead := uint64(0), uint64(0), 0, 0, 0
	// 548: a value of one of two inner maps comes over a cut. 666: a key is said not to
	// be the heavy one at three look-ups. 14359: a key is a field of the looked-up map's
	// own entry, whose place is known.
	for _, seed := range seeds(first, n, 548, 666, 14359) {
		c := progen.Generate(seed, progen.Options{V4: seed%2 == 0, Latched: seed%3 == 0})
		rng := rand.New(rand.NewPCG(seed, 3))
		how := ways[seed%uint64(len(ways))]
		cuts := someCuts(t, c.Object, c.Entry, rng, 1+int(seed%5)*2)
		r, err := New(c.Object, c.Entry, Options{Check: true, Engine: someEngine(seed), Cuts: cuts, Remedies: how, VM: vm.Options{Seed: seed},
			Cache: cache.Config{Policy: []string{"lru", "sieve", "gdsf", "s3fifo"}[seed%4], Entries: []uint64{2, 8, 4096}[seed%3], HotThreshold: uint32(seed % 3), InstallDelay: seed % 7}})
		must.OKf(t, err, "seed %d", seed)
		if r.prof != nil {
			r.prof.judging = judging{every: 1, window: 6, heavy: 3, light: 3}
		}
		var out vm.Output
		pkts := c.Packets(60, seed)
		for i := 0; i < 240; i++ {
			p := pkts[rng.IntN(len(pkts))]
			if rng.IntN(2) == 0 {
				p = c.Mutate(rng, p)
			}
			in := vm.Input{Data: p, TimeNS: uint64(1000 + i), IfIndex: 1, Packet: uint64(i)}
			if err := checkSegments(r, &in, &out); err != nil {
				t.Errorf("seed %d, %v, cuts %v: packet %d: %x: %v\n%s", seed, how, cuts, i, p, err, r.words(r.NIC.Ways()))
				break
			}
		}
		for _, d := range r.dead {
			if d.Abort.Reason == trace.ReasonInternal || d.Abort.Reason == trace.ReasonFault {
				t.Errorf("seed %d, %v, cuts %v: %v", seed, how, cuts, d.Abort)
			}
		}
		if r.Collision > 0 {
			t.Errorf("seed %d, %v, cuts %v: %d conditions overlap, the first: %v\n%s", seed, how, cuts, r.Collision, r.overlap.err, list(r, r.overlap.cond))
		}
		if err := r.CheckAll(t.Context()); err != nil {
			t.Errorf("seed %d, %v, cuts %v: %v", seed, how, cuts, err)
		}
		if n == 1 && t.Failed() {
			t.Log(c.String())
		}
		for _, i := range r.info {
			if i.Path.Table > 0 {
				several++
			}
		}
		hits += r.NIC.Outcomes()[cache.Hit]
		packets += r.Packets
		segments += len(r.info)
		dead += len(r.dead)
		r.Close()
		if t.Failed() && seed > first+20 {
			break
		}
	}
	t.Logf("%d packets, %d hits, %d segments, %d of them behind a cut, %d dead", packets, hits, segments, several, dead)
	if hits == 0 || several == 0 {
		t.Error("nothing was cut, or nothing hit")
	}
}

// Behind a cut the context is loaded through a pointer that stood on the stack: a
// region's code takes what the segment keeps, since nobody who reads the trace knows
// that the pointer is the context's.
func TestSegmentsLoadContextInRegion(t *testing.T) {
	code := must.Get(ebpf.Parser{}.Code(`
		*(u64 *)(r10 -8) = r1
		r2 = *(u32 *)(r1 +0)           # data
		r3 = *(u32 *)(r1 +4)           # data_end
		r5 = r2
		r5 += 18
		r0 = 1                         # XDP_DROP
		if r5 > r3 goto +12
		r4 = *(u16 *)(r2 +12)
		if r4 != 0x81 goto +1          # VLAN
		r4 = *(u16 *)(r2 +16)
		r6 = *(u64 *)(r10 -8)          # the cut is before this
		r7 = 1
		if r4 == 8 goto +3             # IPv4
		r7 = *(u32 *)(r6 +4)
		r8 = *(u32 *)(r6 +0)
		r7 -= r8
		r7 &= 1
		r0 = r7
		r0 += 1                        # odd lengths and IPv4 pass
		exit`))(t)
	const cut = 10
	obj := must.Get(loader.FromCode("lengths", code, nil))(t)
	r := must.Get(New(obj, obj.Programs[0], Options{Check: true, Cuts: []int{cut}, Remedies: Remedies{Predicate: 16}, Cache: cache.Config{Policy: "lru", Entries: 32}}))(t)
	defer r.Close()
	hits := 0
	for i := range 32 {
		data := make([]byte, 60+i/4%2)
		if i%2 == 0 {
			data[12], data[16] = 0x81, byte(i/2%2)*8
		} else {
			data[12] = byte(i/2%2) * 8
		}
		var out vm.Output
		if err := checkSegments(r, &vm.Input{Data: data, IfIndex: 1, Packet: uint64(i)}, &out); err != nil {
			t.Fatalf("packet %d: %v\n%s", i, err, r.words(r.NIC.Ways()))
		}
		if ways := r.NIC.Ways(); r.info[ways[len(ways)-1]].Path.Predicated > 0 {
			hits++
		}
	}
	if hits == 0 || r.NIC.Outcomes()[cache.Hit] == 0 {
		t.Errorf("no segment with a region behind the cut: outcomes %v\n%s", r.NIC.Outcomes(), r.words(r.NIC.Ways()))
	}
}

// Regions are found anew where a program is cut after it was followed whole: a
// packet whose way a region took in whole is cut all the same.
func TestRegionsMakeWayForCuts(t *testing.T) {
	p := hosttest.Sample(t, "telemetry")
	s := must.Get(vm.NewState(p.Obj, vm.Options{}))(t)
	defer s.Close()
	it := must.Get(vm.NewInterp(s, p.Obj, p.Entry))(t)
	pkts, times := held(t, hosttest.Capture(t, "zoo.pcap.gz"), 200)
	count := func(c *pathcond.Compiler) (segments int) {
		for i, data := range pkts {
			var rec vm.Recording
			var out vm.Output
			c.Before()
			it.RunRecorded(&vm.Input{Data: data, TimeNS: times[i], IfIndex: 1, Packet: uint64(i)}, &out, &rec)
			segments += len(c.Segments(&rec, len(data), out.Err))
		}
		return segments
	}
	var got [2]int
	for k := range got {
		c := pathcond.NewCompiler(s, p.Obj)
		c.Predicate, c.Merge = 32, true
		if k == 1 {
			count(c)
		}
		must.OK(t, c.SetCuts(p.Entry.Name, c.Candidates(p.Entry.Name)))
		got[k] = count(c)
	}
	if got[0] != got[1] || got[0] <= len(pkts) {
		t.Errorf("%d packets are %d segments, and %d where they were followed whole before", len(pkts), got[0], got[1])
	}
}

// A hit through several tables allocates nothing.
func TestSegmentsAllocateNothing(t *testing.T) {
	p := hosttest.Sample(t, "telemetry")
	cuts := someCuts(t, p.Obj, p.Entry, rand.New(rand.NewPCG(1, 1)), MaxTables-1)
	r := must.Get(New(p.Obj, p.Entry, Options{Cuts: cuts}))(t)
	defer r.Close()
	pkts, _ := held(t, hosttest.Capture(t, "zoo.pcap.gz"), 100)
	var out vm.Output
	in := vm.Input{Data: pkts[0], IfIndex: 1}
	for range 80 { // its code and the trees' are made by then
		must.OK(t, checkSegments(r, &in, &out))
	}
	if n := testing.AllocsPerRun(100, func() { r.Process(&in, &out) }); n > 0 {
		t.Errorf("%v allocations", n)
	}
	if len(r.NIC.Ways()) < 2 || r.NIC.Outcomes()[cache.Hit] < 100 {
		t.Errorf("segments %v, outcomes %v", r.NIC.Ways(), r.NIC.Outcomes())
	}
}

// Segments as machine code give what the executor in Go gives, packet by packet:
// segments, outcomes, outputs and what was held back, and all maps at the end. The
// cache is small, so that most packets' stores are taken back.
func TestSegmentsOnEngines(t *testing.T) {
	if !canNative() {
		t.Skip("no machine code here")
	}
	file := hosttest.Capture(t, "zoo.pcap.gz")
	back, held := 0, 0
	for _, s := range programs.All() {
		p := hosttest.Sample(t, s.Name)
		for k, how := range []Remedies{{}, {Auto: true}, {Merge: true, Predicate: 32}} {
			cuts := someCuts(t, p.Obj, p.Entry, rand.New(rand.NewPCG(uint64(k), 7)), 2+5*k)
			opt := Options{Prepare: p.Prepare, Remedies: how, Cuts: cuts, Engine: "go", Cache: cache.Config{Policy: "arc", Entries: 12}}
			want := must.Get(New(p.Obj, p.Entry, opt))(t)
			opt.Engine = []string{"native", "auto"}[k%2]
			got := must.Get(New(p.Obj, p.Entry, opt))(t)
			var a, b vm.Output
			for in := range hosttest.Packets(t, file, 1500) {
				x, err := want.Process(in, &a)
				must.OKf(t, err, "%s", s.Name)
				y, err := got.Process(in, &b)
				must.OKf(t, err, "%s: %s", s.Name, opt.Engine)
				if x.Outcome != y.Outcome || !slices.Equal(x.Segments, y.Segments) || !slices.Equal(x.Each, y.Each) {
					t.Fatalf("%s: packet %d: %v of %v, %s %v of %v", s.Name, in.Packet, x.Outcome, x.Segments, opt.Engine, y.Outcome, y.Segments)
				}
				if d := diff.Outputs(&a, &b); d != nil {
					t.Fatalf("%s: packet %d: %v", s.Name, in.Packet, d)
				}
				if x.Outcome != cache.Hit && len(x.Segments) > 1 {
					back++
				}
			}
			if d := diff.Maps(want.S.Maps, got.S.Maps); d != nil {
				t.Fatalf("%s: %v", s.Name, d)
			}
			if want.NIC.Buffer() != got.NIC.Buffer() {
				t.Errorf("%s: %d bytes held back, %s %d", s.Name, want.NIC.Buffer(), opt.Engine, got.NIC.Buffer())
			}
			held += got.NIC.Buffer()
			want.Close()
			got.Close()
		}
	}
	if back == 0 || held == 0 {
		t.Errorf("%d packets taken back, %d bytes held back", back, held)
	}
}
