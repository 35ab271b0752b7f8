package jit

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"

	"jitnic/cache"
	"jitnic/host/ebpf"
	"jitnic/host/hosttest"
	"jitnic/host/hosttest/must"
	"jitnic/host/hosttest/progen"
	"jitnic/host/programs"
	"jitnic/host/vm"
	"jitnic/nic"
	"jitnic/pathcond"
	"jitnic/pathcond/text"
	"jitnic/trace"
)

// mutate changes a packet a little: a byte to a value programs compare with,
// a bit, or its length around a header's end.
func mutate(rng *rand.Rand, pkt []byte) []byte {
	p := slices.Clone(pkt)
	if len(p) == 0 {
		return p
	}
	values := []byte{0, 1, 4, 6, 17, 0x08, 0x86, 0xdd, 0x81, 0x45, 0x46, 0x4f, 0x60, 44, 58, 43, 0xff, 80, 53, 22}
	for range 1 + rng.IntN(3) {
		at := rng.IntN(min(len(p), 80))
		switch rng.IntN(5) {
		case 0:
			p[at] = values[rng.IntN(len(values))]
		case 1:
			p[at] ^= 1 << rng.IntN(8)
		case 2:
			p[at]++
		case 3: // a length at which some bounds check turns
			edge := []int{14, 18, 22, 34, 38, 42, 54, 58, 62, 66, 74, 78}[rng.IntN(12)] + rng.IntN(3) - 1
			if edge <= len(p) && edge >= vm.MinPacket {
				p = p[:edge]
			}
		case 4:
			p = append(p, make([]byte, rng.IntN(8))...)
		}
	}
	return p
}

// same says whether two conditions are the same predicates.
func same(a, b []pathcond.Pred) bool {
	return slices.EqualFunc(a, b, func(x, y pathcond.Pred) bool { return x.Term == y.Term && x.Want == y.Want })
}

// list prints a condition predicate by predicate, nothing left out.
func list(r *Runtime, cond []pathcond.Pred) string {
	var b strings.Builder
	for _, p := range cond {
		fmt.Fprintf(&b, "%v %s (%v at %d:%d)\n", p.Want, r.Comp.B.String(p.Term), p.Why, p.Prog, p.PC)
	}
	return b.String()
}

// checkPath holds the condition of the path a packet takes against what the
// tree matches: the path is matched if it is known (weakest), nothing else is
// (sound, disjoint), and its condition holds.
func checkPath(r *Runtime, in *vm.Input, out *vm.Output) error {
	if len(in.Data) > vm.MaxLinear {
		return nil
	}
	if err := r.S.Begin(in); err != nil {
		return nil
	}
	if err := r.timers(in.TimeNS); err != nil { // as a run begins
		return err
	}
	m, dead := r.Tree.Match(), false
	if m >= nic.Untraceable {
		m, dead = nic.NoPath, true
	}
	var holds bool
	if m >= 0 {
		holds = r.Tree.Holds(r.info[m].Path.Cond)
	}
	r.Comp.Before()
	r.it.RunRecorded(in, out, &r.rec)
	p := r.Comp.Compile(&r.rec, len(in.Data), out.Err)
	switch {
	case p.Abort != nil && p.Abort.Reason.String() == "internal":
		return fmt.Errorf("packet %x: %w", in.Data, p.Abort)
	case p.Abort == nil && m >= 0:
		if !same(p.Cond, r.info[m].Path.Cond) {
			return fmt.Errorf("packet %x: matches path %d but takes another\n%s\n---\n%s", in.Data, m, list(r, r.info[m].Path.Cond), list(r, p.Cond))
		}
		if !holds {
			return fmt.Errorf("packet %x: path %d is matched and its condition does not hold", in.Data, m)
		}
	case p.Abort == nil && !dead:
		for i, k := range r.info {
			if !k.gone && same(p.Cond, k.Path.Cond) {
				return fmt.Errorf("packet %x: takes path %d and does not match it", in.Data, i)
			}
		}
	case p.Abort != nil && m >= 0:
		return fmt.Errorf("packet %x: matches path %d but: %w", in.Data, m, p.Abort)
	}
	return nil
}

// Packets of the corpus, changed around what programs look at: the tree and a
// fresh symbolic execution always agree on the path, and hits do what the
// interpreter does.
func TestConditionsOnMutatedPackets(t *testing.T) {
	pkts, times := held(t, hosttest.Capture(t, "zoo.pcap.gz"), 0)
	n := 3000
	if os.Getenv("JITNIC_HEAVY") != "" {
		n = 100_000
	}
	for _, s := range programs.All() {
		t.Run(s.Name, func(t *testing.T) {
			seed := uint64(7)
			t.Logf("seed %d", seed)
			mutations(t, hosttest.Sample(t, s.Name), pkts, times, seed, n)
		})
	}
}

func mutations(t *testing.T, p *hosttest.Program, pkts [][]byte, times []uint64, seed uint64, n int) {
	rng := rand.New(rand.NewPCG(seed, 1))
	checked := must.Get(New(p.Obj, p.Entry, Options{Check: true, Cache: cache.Config{Policy: "lru", Entries: 1 << 16}}))(t)
	defer checked.Close()
	twin := must.Get(New(p.Obj, p.Entry, Options{Cache: cache.Config{Policy: "lru", Entries: 1 << 16}}))(t)
	defer twin.Close()
	var out vm.Output
	for i := 0; i < n; i++ {
		k := rng.IntN(len(pkts))
		in := vm.Input{Data: mutate(rng, pkts[k]), TimeNS: times[k], IfIndex: 1, Packet: uint64(i)}
		if _, err := checked.Process(&in, &out); err != nil {
			t.Fatalf("packet %d: %x: %v", i, in.Data, err)
		}
		if i%2 == 0 {
			must.Get(twin.Process(&in, &out))(t)
		} else if err := checkPath(twin, &in, &out); err != nil {
			t.Fatalf("packet %d: %v", i, err)
		}
	}
	if checked.Collision > 0 {
		t.Errorf("%d conditions overlap", checked.Collision)
	}
	if err := checked.CheckAll(t.Context()); err != nil {
		t.Error(err)
	}
}

// Random programs that the verifier accepts, on packets and map contents made
// for them: sound (hits equal the interpreter), weakest and disjoint (the tree
// and a fresh symbolic execution agree), no disagreement inside.
func TestConditionsOfRandomPrograms(t *testing.T) {
	first, n := uint64(1), 400
	if os.Getenv("JITNIC_HEAVY") != "" {
		n = 8000
	}
	if s := os.Getenv("JITNIC_SEED"); s != "" {
		fmt.Sscan(s, &first)
		n = 1
	}
	aborts := map[string]int{}
	hits, packets, paths, dead := uint64(0), uint64(0), 0, 0
	for _, seed := range seeds(first, n, failedSeeds...) {
		c := progen.Generate(seed, progen.Options{V4: seed%2 == 0, Latched: seed%3 == 0, Answers: seed%5 == 1, OwnOrder: seed%5 == 2 || seed%10 == 1})
		for k, how := range ways {
			if k > 1 && n > 1 && seed%4 != uint64(k%4) && !slices.Contains(failedSeeds, seed) {
				continue
			}
			if err := randomProgram(c, seed, how, func(r *Runtime) {
				st := r.NIC.Cache.Stats()
				hits += st.Outcome[cache.Hit]
				packets += r.Packets
				paths += len(r.info)
				dead += len(r.dead)
				for _, d := range r.dead {
					aborts[d.Abort.Reason.String()]++
				}
			}); err != nil {
				t.Errorf("seed %d, %v: %v", seed, how, err)
				if first == seed && n == 1 {
					t.Log(c.String())
				}
			}
		}
		if t.Failed() && seed > first+20 {
			break
		}
	}
	t.Logf("%d packets, %d hits, %d paths, %d dead: %v", packets, hits, paths, dead, aborts)
}

// failedSeeds are programs that failed once. 1663: an array of one entry was asked
// whether it has a key, after the condition had said that the key isn't the heavy one,
// and what followed from that went with it. 2463: ways store to an array's element, and
// packets mean element 0 first or others. 3403: a branch was left because a map might be
// folded that the program then wrote. 6600: of two ways taken together one leaves a
// constant and the other bits of the packet in what a tail grows by. 6992: an LRU map evicted the very entry that an insert asked for.
var failedSeeds = []uint64{1663, 2463, 3403, 6600, 6992}

// seeds are n from first on, and those that failed once; first alone where n is 1.
func seeds(first uint64, n int, failed ...uint64) []uint64 {
	var out []uint64
	for s := first; s < first+uint64(n); s++ {
		out = append(out, s)
	}
	if n == 1 {
		return out
	}
	return append(out, slices.DeleteFunc(slices.Clone(failed), func(s uint64) bool { return s-first < uint64(n) })...)
}

// ways are how random programs' paths become traces.
var ways = []Remedies{{}, {Specialise: true}, {Auto: true}, {Predicate: 8}, {Predicate: 64}, {Merge: true}, {Merge: true, Predicate: 32}, {Merge: true, Predicate: 32, Auto: true}}

func randomProgram(c *progen.Case, seed uint64, how Remedies, done func(r *Runtime)) error {
	r, err := New(c.Object, c.Entry, Options{Check: true, Remedies: how, VM: vm.Options{Seed: seed, CPUs: 1 + int(seed%2)}, Cache: cache.Config{Policy: "lru", Entries: 1 << 12}})
	if err != nil {
		return err
	}
	defer r.Close()
	if r.prof != nil { // judged in a hurry: keys come and go within the packets there are
		r.prof.judging = judging{every: 1, window: 6, heavy: 3, light: 3}
	}
	twin, err := New(c.Object, c.Entry, Options{Remedies: how, VM: vm.Options{Seed: seed, CPUs: 1 + int(seed%2)}, Cache: cache.Config{Policy: "lru", Entries: 1 << 12}})
	if err != nil {
		return err
	}
	defer twin.Close()
	rng := rand.New(rand.NewPCG(seed, 2))
	var out vm.Output
	pkts := c.Packets(60, seed)
	for i := 0; i < 240; i++ {
		p := pkts[rng.IntN(len(pkts))]
		if rng.IntN(2) == 0 {
			p = c.Mutate(rng, p)
		}
		in := vm.Input{Data: p, TimeNS: uint64(1000 + i), IfIndex: 1, Packet: uint64(i), CPU: i % 2 % r.S.Opt.CPUs}
		if _, err := r.Process(&in, &out); err != nil {
			if m, ok := err.(*Mismatch); ok && m.Path >= 0 {
				err = fmt.Errorf("%w\n%s\n%s", err, text.Format(r.Comp, r.info[m.Path].Path.Cond), ebpf.Printer{}.Code(r.info[m.Path].Trace.Code))
			}
			return fmt.Errorf("packet %d: %x: %w", i, p, err)
		}
		if !how.specialises() {
			if i%2 == 0 {
				if _, err := twin.Process(&in, &out); err != nil {
					return err
				}
			} else if err := checkPath(twin, &in, &out); err != nil {
				return fmt.Errorf("packet %d: %w", i, err)
			}
		}
	}
	for _, d := range r.dead {
		if d.Abort.Reason == trace.ReasonInternal || d.Abort.Reason == trace.ReasonFault {
			return d.Abort
		}
	}
	if r.Collision > 0 {
		return fmt.Errorf("%d conditions overlap, the first: %v\n%s", r.Collision, r.overlap.err, list(r, r.overlap.cond))
	}
	done(r)
	return r.CheckAll(context.Background())
}
