package fit_test

import (
	"fmt"
	"slices"
	"testing"

	"jitnic/host/hosttest"
	"jitnic/host/hosttest/must"
	"jitnic/host/run/jit"
	hostobs "jitnic/host/run/observe"
	"jitnic/host/vm"
	"jitnic/nic/fit"
	"jitnic/nic/profile"
	"jitnic/nic/workload"
)

// observe runs a sample program over the lab capture.
func observe(t testing.TB, name string, specialise bool, limit uint64) *workload.Workload {
	w, err := observed(name, specialise, limit)
	if err != nil {
		if t == nil { // in an example
			panic(err)
		}
		t.Helper()
		t.Fatal(err)
	}
	return w
}

func observed(name string, specialise bool, limit uint64) (*workload.Workload, error) {
	p, err := hosttest.Load(name)
	if err != nil {
		return nil, err
	}
	r, err := jit.New(p.Obj, p.Entry, jit.Options{Record: true, Remedies: jit.Remedies{Specialise: specialise}, VM: vm.Options{Seed: 1}})
	if err != nil {
		return nil, err
	}
	defer r.Close()
	obs := hostobs.New(r, 1)
	var out vm.Output
	err = hosttest.Each("sample:lab", limit, func(in *vm.Input) error {
		res, err := r.Process(in, &out)
		if err != nil {
			return err
		}
		obs.Packet(in, &out, res)
		return nil
	})
	if err != nil {
		return nil, err
	}
	w, err := obs.Finish()
	if err != nil {
		return nil, err
	}
	w.Capture = "lab"
	return w, nil
}

// The samples on the built-in devices: the ideal one takes all that has a
// trace, Netronome's refuses what its driver refuses, and lifting all that is
// refused lets all packets through.
func TestSamples(t *testing.T) {
	// What must block on a netronome, by packets blocked.
	netronome := map[string][]string{
		"firewall":   {"map type percpu_array", "map write counters", "map type lpm_trie"},
		"nat":        {"map type percpu_array", "map write counters", "helper ktime_get_ns", "map type lru_hash", "instruction map-value", "map write outgoing"},
		"ipv6filter": nil,
	}
	for _, name := range []string{"firewall", "conntrack", "ratelimiter", "router", "nat", "telemetry", "loadbalancer", "ipv6filter"} {
		w := observe(t, name, false, 4000)
		for _, dev := range profile.Names() {
			n := must.Get(profile.Load(dev))(t)
			r := fit.Check(w, n)
			if r.Packets != 4000 {
				t.Fatalf("%s: %d packets", name, r.Packets)
			}
			if dev == "ideal" && r.Offloadable != r.Traceable {
				t.Errorf("%s: the ideal device takes %d of %d packets with a trace", name, r.Offloadable, r.Traceable)
			}
			total := r.Offloadable
			for _, s := range r.Steps {
				total += s.Gain
			}
			if total != r.Packets {
				t.Errorf("%s on %s: all lifted, %d packets\n%s", name, dev, total, r.Format())
			}
			if n.Slots > 0 && r.AtOnce.Slots > n.Slots {
				t.Errorf("%s on %s: %d slots at once", name, dev, r.AtOnce.Slots)
			}
			var titles []string
			for i := range r.Blockers {
				b := &r.Blockers[i]
				titles = append(titles, b.Title())
				for _, p := range b.Places {
					if p.Insn >= 0 && p.Program == "" {
						t.Errorf("%s on %s: %s: a place without a program: %+v", name, dev, b.Title(), p)
					}
				}
				if len(b.Places) == 0 && b.Kind != fit.KindMapEntries && b.Kind != fit.KindMapMemory {
					t.Errorf("%s on %s: %s: no place", name, dev, b.Title())
				}
			}
			if want, ok := netronome[name]; ok && dev == "netronome" && !slices.Equal(titles, want) {
				t.Errorf("%s: %q, want %q", name, titles, want)
			}
		}
	}
}

// Specialised traces fold what they read, so they need fewer maps than generic
// ones, never more.
func TestSpecialised(t *testing.T) {
	n := must.Get(profile.Load("netronome"))(t)
	generic, special := fit.Check(observe(t, "firewall", false, 2000), n), fit.Check(observe(t, "firewall", true, 2000), n)
	blocks := func(r *fit.Report) (packets uint64) {
		for i := range r.Blockers {
			if r.Blockers[i].Title() == "map type lpm_trie" {
				packets = r.Blockers[i].Blocks
			}
		}
		return packets
	}
	if g, s := blocks(generic), blocks(special); g == 0 || s != 0 {
		t.Errorf("the routes block %d packets in generic traces, %d in specialised ones", g, s)
	}
}

// A firewall on a flow cache that has no longest-prefix match.
func Example() {
	w := observe(nil, "firewall", false, 4000)
	n, err := profile.Load("pensando")
	if err != nil {
		fmt.Println(err)
		return
	}
	r := fit.Check(w, n)
	fmt.Printf("%d of %d packets\n", r.Offloadable, r.Packets)
	for _, b := range r.Blockers {
		fmt.Printf("%s: blocks %d, alone %d; at %v\n", b.Title(), b.Blocks, b.Alone, b.Places)
	}
	for i, c := range r.Coverage {
		fmt.Printf("%5.1f %% of the packets: %d paths, %d slots\n", 100*fit.Targets[i], c.Paths, c.Slots)
	}
	// Output:
	// 13 of 4000 packets
	// map type lpm_trie: blocks 3987, alone 3987; at [firewall insn 112 firewall insn 378]
	//  90.0 % of the packets: 7 paths, 357 slots
	//  99.0 % of the packets: 13 paths, 654 slots
	//  99.9 % of the packets: 19 paths, 926 slots
	// 100.0 % of the packets: 23 paths, 1118 slots
}
