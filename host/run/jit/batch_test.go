package jit

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"strings"
	"testing"

	"jitnic/cache"
	"jitnic/host/diff"
	"jitnic/host/ebpf"
	"jitnic/host/hosttest/must"
	"jitnic/host/hosttest/progen"
	"jitnic/host/loader"
	"jitnic/host/maps"
	"jitnic/host/vm"
	"jitnic/pathcond"
	"jitnic/trace"

	cebpf "github.com/cilium/ebpf"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// batches runs a random program on packets that come back often, hits by many at a
// time as machine code, beside a runtime that takes packet by packet in Go: all
// counts, paths and maps must be the same, and so must an interpreter's maps. It
// returns how many packets went by many at a time.
func batches(seed uint64, how Remedies) (batched uint64, err error) {
	c := progen.Generate(seed, progen.Options{V4: seed%2 == 0, Latched: seed%3 == 0, Answers: seed%7 == 1, OwnOrder: seed%7 == 2})
	rng := rand.New(rand.NewPCG(seed, 3))
	pkts := c.Packets(20, seed)
	for range 20 {
		pkts = append(pkts, c.Mutate(rng, pkts[rng.IntN(len(pkts))]))
	}
	many := rng.IntN(3) > 0
	runtime := func(engine string) (*Runtime, error) {
		var hot *Tier2
		if seed%4 == 1 {
			hot = slowTwin(3+seed%9, 1+seed%50)
		}
		ca := cache.Config{Policy: "lru", Entries: 1 << 12, HotThreshold: 1 + uint32(seed%3), InstallDelay: seed % 5}
		if !many {
			ca.Entries = 3
		}
		r, err := New(c.Object, c.Entry, Options{Engine: engine, Remedies: how, VM: vm.Options{Seed: seed, CPUs: 2}, Cache: ca, Tier2: hot})
		if err == nil && r.prof != nil { // judged in a hurry
			r.prof.judging = judging{every: 1 + seed%9, window: 6, heavy: 3, light: 3}
		}
		return r, err
	}
	r, err := runtime("")
	if err != nil {
		return 0, err
	}
	defer r.Close()
	one, err := runtime("go")
	if err != nil {
		return 0, err
	}
	defer one.Close()
	s, err := vm.NewState(c.Object, vm.Options{Seed: seed, CPUs: 2})
	if err != nil {
		return 0, err
	}
	defer s.Close()
	it, err := vm.NewInterp(s, c.Object, c.Entry)
	if err != nil {
		return 0, err
	}
	var got, want bytes.Buffer
	var out, truth vm.Output
	var ins []vm.Input
	for i := range 400 {
		// Slices without room behind: a byte read there is another's, or nobody's.
		p := pkts[rng.IntN(len(pkts))]
		cpu := rng.IntN(2)
		ins = append(ins, vm.Input{Data: p[:len(p):len(p)], TimeNS: uint64(1000 + 7*i), CPU: cpu, IfIndex: 1 + uint32(i%2), RxQueue: uint32(cpu), Packet: uint64(i)})
	}
	for at := 0; at < len(ins); {
		n := min(1+rng.IntN(64), len(ins)-at)
		err := r.Run(context.Background(), ins[at:at+n], func(i int, paths []uint32, out cache.Outcome) error {
			for k, p := range paths {
				fmt.Fprintln(&got, at+i+k, int32(p), out)
			}
			return nil
		})
		if err != nil {
			return 0, err
		}
		at += n
	}
	for i := range ins {
		res, err := one.Process(&ins[i], &out)
		if err != nil {
			return 0, err
		}
		fmt.Fprintln(&want, i, res.Path, res.Outcome)
		it.Run(&ins[i], &truth)
		if d := diff.Outputs(&truth, &out); d != nil {
			return 0, d
		}
	}
	if d := cmp.Diff(want.String(), got.String()); d != "" {
		return 0, fmt.Errorf("paths and outcomes:\n%s", d)
	}
	if d := cmp.Diff(one.NIC.Cache.Stats(), r.NIC.Cache.Stats()); d != "" {
		return 0, fmt.Errorf("cache:\n%s", d)
	}
	if r.opt.Tier2 != nil {
		if d := cmp.Diff(one.opt.Tier2, r.opt.Tier2, cmpopts.IgnoreUnexported(Tier2{}), cmpopts.IgnoreFields(Tier2{}, "Optimise")); d != "" {
			return 0, fmt.Errorf("hot traces:\n%s", d)
		}
	}
	if d := cmp.Diff(one.Verdicts(), r.Verdicts()); d != "" {
		return 0, fmt.Errorf("verdicts:\n%s", d)
	}
	if d := diff.Maps(s.Maps, r.S.Maps); d != nil {
		return 0, d
	}
	return r.NIC.Batched, nil
}

// slowTwin is a second tier whose traces are the first's, but for those of every
// third path, which has no better one.
func slowTwin(after, perPacket uint64) *Tier2 {
	return &Tier2{After: after, PerPacket: perPacket,
		Optimise: func(p *pathcond.Path, t *trace.Trace, c *pathcond.Compiler) (*trace.Trace, uint64, error) {
			if t.Len()%3 == 0 {
				return nil, uint64(t.Len()), nil
			}
			twin := *t
			return &twin, uint64(t.Len()), nil
		}}
}

// Random programs leave the same behind when hits go by many at a time.
func TestBatchesOfRandomPrograms(t *testing.T) {
	n := uint64(150)
	if os.Getenv("JITNIC_HEAVY") != "" {
		n = 1500
	}
	batched := uint64(0)
	seeds := []uint64{510} // a packet that moves behind a look-up whose key it holds
	for seed := range n {
		seeds = append(seeds, seed)
	}
	for _, seed := range seeds {
		for _, how := range ways {
			b, err := batches(seed, how)
			if err != nil {
				t.Errorf("seed %d, %v: %v", seed, how, err)
			}
			batched += b
		}
	}
	if batched < 50*n {
		t.Errorf("only %d packets went by many at a time", batched)
	}
}

// FuzzBatches is that test on any seed.
func FuzzBatches(f *testing.F) {
	for seed := range uint64(20) {
		f.Add(seed, uint8(0))
	}
	f.Fuzz(func(t *testing.T, seed uint64, way uint8) {
		if _, err := batches(seed, ways[int(way)%len(ways)]); err != nil {
			t.Errorf("seed %d, %v: %v", seed, ways[int(way)%len(ways)], err)
		}
	})
}

// The router's tries bound a batch to few packets: behind as many another begins, and
// none goes by itself.
func TestBatchesFollowOneAnother(t *testing.T) {
	if runtime.GOARCH != "amd64" && runtime.GOARCH != "arm64" {
		t.Skip("batches run as machine code")
	}
	pkts, times := held(t, "sample:lab", 200)
	r, _ := withMaps(t, "router", "", Options{Engine: "native", Cache: cache.Config{Policy: "infinite", Entries: 1}})
	run := func() (n uint64) {
		ins := make([]vm.Input, len(pkts))
		for k := range pkts {
			ins[k] = vm.Input{Data: pkts[k], TimeNS: times[k], IfIndex: 1, Packet: r.Packets + uint64(k)}
		}
		before := r.NIC.Batched
		if err := r.Run(t.Context(), ins, nil); err != nil {
			t.Fatal(err)
		}
		return r.NIC.Batched - before
	}
	for range 4 {
		run()
	}
	if n := run(); n != uint64(len(pkts)) {
		t.Errorf("%d of %d packets that hit went by many at a time", n, len(pkts))
	}
}

// recordsAndVerdicts adds records of two sizes to a ring buffer, and has a packet's verdict
// say which found room.
const recordsAndVerdicts = `
	r6 = *(u32 *)(r1 +0)
	r7 = *(u32 *)(r1 +4)
	r8 = 0
	r2 = r6
	r2 += 15
	if r2 > r7 goto +24
	r9 = *(u8 *)(r6 +14)
	r1 = map[#0]
	r2 = 40
	r3 = 0
	call ringbuf_reserve
	if r0 == 0 goto +6
	*(u64 *)(r0 +0) = r9
	r8 = 2
	r1 = r0
	r2 = 1
	if r9 > 200 goto +14
	call ringbuf_submit
	r0 = 0
	*(u64 *)(r10 -8) = r9
	r1 = map[#0]
	r2 = r10
	r2 += -8
	r3 = 8
	r4 = 0
	call ringbuf_output
	r0 &= 1
	r8 |= r0
	r0 = r8
	exit
	call ringbuf_discard
	goto -15`

// A ring buffer is full sooner or later: code counts what is dropped then, as the interpreter
// does, until somebody reads.
func TestFullRing(t *testing.T) {
	ring := &maps.Spec{Name: "ring", Type: cebpf.RingBuf, Max: 4096}
	obj := must.Get(loader.FromCode("records", must.Get(ebpf.Parser{}.Code(strings.ReplaceAll(recordsAndVerdicts, "\n\t", "\n")))(t), []*maps.Spec{ring}))(t)
	r := must.Get(New(obj, obj.Programs[0], Options{Engine: "native"}))(t)
	defer r.Close()
	one := must.Get(New(obj, obj.Programs[0], Options{Engine: "go", Check: true}))(t)
	defer one.Close()
	rng := rand.New(rand.NewPCG(1, 1))
	var out vm.Output
	for pass := range 60 {
		ins := make([]vm.Input, 1+rng.IntN(99))
		for k := range ins {
			data := make([]byte, 60)
			data[14] = byte(rng.IntN(2) * 201)
			ins[k] = vm.Input{Data: data, IfIndex: 1, Packet: r.Packets + uint64(k)}
		}
		if err := r.Run(t.Context(), ins, nil); err != nil {
			t.Fatal(err)
		}
		for k := range ins {
			must.Get(one.Process(&ins[k], &out))(t)
		}
		if d := diff.Maps(one.S.Maps, r.S.Maps); d != nil {
			t.Fatalf("pass %d: %v", pass, d)
		}
		if d := cmp.Diff(one.Verdicts(), r.Verdicts()); d != "" {
			t.Fatalf("pass %d: verdicts:\n%s", pass, d)
		}
		if pass%20 == 19 {
			for _, s := range []*vm.State{r.S, one.S, one.oracle.s} {
				s.Maps[0].(maps.Ring).Read(nil)
			}
		}
	}
	if got := r.S.Maps[0].(maps.Ring).Stats(); got.Drops < 1000 || got.Records < 100 || r.NIC.Batched < r.Packets/2 {
		t.Errorf("%+v, %d of %d packets many at a time", got, r.NIC.Batched, r.Packets)
	}
}
