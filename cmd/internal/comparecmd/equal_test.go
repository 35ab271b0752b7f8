package comparecmd_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"jitnic/cache"
	"jitnic/host/hosttest"
	"jitnic/host/hosttest/must"
	"jitnic/host/programs"
	"jitnic/host/run/jit"
	"jitnic/host/run/replay"
)

// updated writes a sample's maps with timed updates of one of them: what stands
// in it changes, goes and comes back while packets pass.
func updated(t *testing.T, sample, table string, change func(value map[string]any)) string {
	t.Helper()
	s := must.Get(programs.Get(sample))(t)
	var f map[string]any
	must.OK(t, json.Unmarshal(s.Maps, &f))
	var updates []any
	entries := f["maps"].(map[string]any)[table].([]any)
	for i, e := range entries {
		entry := e.(map[string]any)
		at := 150 + 170*i
		value := map[string]any{}
		for k, v := range entry["value"].(map[string]any) {
			value[k] = v
		}
		change(value)
		updates = append(updates,
			map[string]any{"at": at, "map": table, "key": entry["key"], "value": value},
			map[string]any{"at": at + 900, "map": table, "key": entry["key"], "delete": true},
			map[string]any{"at": at + 1300, "map": table, "key": entry["key"], "value": entry["value"]},
		)
	}
	at := func(i int) int { return updates[i].(map[string]any)["at"].(int) }
	for i := range updates { // by time
		for j := i; j > 0 && at(j) < at(j-1); j-- {
			updates[j], updates[j-1] = updates[j-1], updates[j]
		}
	}
	f["updates"] = updates
	b := must.Get(json.Marshal(f))(t)
	path := filepath.Join(t.TempDir(), sample+".maps.json")
	must.OK(t, os.WriteFile(path, b, 0o644))
	return path
}

// TestReplay holds that compare and replay agree: for programs with and without
// state, in both modes, with thresholds, delays and timed updates, every miss
// class that the laboratory counts on the stream of paths is the one that the
// runtime counts packet by packet.
func TestReplay(t *testing.T) {
	type cfg struct {
		hot   uint32
		delay uint64
	}
	cfgs := []cfg{{1, 0}, {2, 0}, {1, 5}, {2, 5}}
	action := func(v map[string]any) { v["action"] = 3 - int(v["action"].(float64)) }
	for _, c := range []struct {
		program, capture string
		limit            uint64
		specialise       bool
		predicate        int
		merge            bool
		table            string
		change           func(map[string]any)
		invalidated      bool // the updates must invalidate something
	}{
		{program: "firewall", capture: "zoo.pcap.gz", limit: 5000},
		{program: "conntrack", capture: "many-protocols.pcap.gz", limit: 3000},
		{program: "loadbalancer", capture: "tls2-v4v6.pcap.gz", limit: 3000},
		{program: "telemetry", capture: "zoo.pcap.gz", limit: 3000},
		{program: "firewall", capture: "tls2-v4v6.pcap.gz", limit: 4000, specialise: true, table: "services", change: action, invalidated: true},
		{program: "conntrack", capture: "many-protocols.pcap.gz", limit: 3000, specialise: true},
		{program: "nat", capture: "many-protocols.pcap.gz", limit: 3000, specialise: true},
		{program: "telemetry", capture: "zoo.pcap.gz", limit: 5000, predicate: 32},
		{program: "conntrack", capture: "zoo.pcap.gz", limit: 5000, predicate: 32, merge: true},
	} {
		mode := "generic"
		if c.specialise {
			mode = "specialised"
		}
		if c.predicate > 0 {
			mode = "predicated"
		}
		if c.merge {
			mode = "merged"
		}
		t.Run(fmt.Sprintf("%s-%s-%s", c.program, strings.TrimSuffix(c.capture, ".pcap.gz"), mode), func(t *testing.T) {
			in := replay.Input{Program: "sample:" + c.program, Captures: []string{hosttest.Capture(t, c.capture)}, Limit: c.limit, Loop: 1, Queues: 1, Seed: 1}
			if c.table != "" {
				in.Maps = []string{updated(t, c.program, c.table, c.change)}
			}
			st, s, err := replay.Paths(t.Context(), in, jit.Remedies{Specialise: c.specialise, Merge: c.merge, Predicate: c.predicate})
			must.OK(t, err)
			s.Close()
			var sum cache.Counts
			for i, policy := range []string{"lru", "fifo", "clock", "arc", "2q", "s3-fifo"} {
				for k, x := range cfgs {
					if testing.Short() && (i+k)%4 != 0 {
						continue
					}
					size := []uint64{4, 16}[(i+k)%2]
					ca := replay.Cache{Policy: policy, Admission: "always", Entries: size, HotThreshold: x.hot, InstallDelay: x.delay, Remedies: jit.Remedies{Specialise: c.specialise, Merge: c.merge, Predicate: c.predicate}}
					want := replayed(t, in, ca, nil)
					g := cache.Grid{Policies: []string{policy}, Entries: []uint64{size}, HotThreshold: x.hot, InstallDelay: x.delay, Seed: in.Seed, Workers: 1}
					study := must.Get(g.Run(t.Context(), st))(t)
					p := &study.Points[0]
					if p.Counts() != want.Outcome || p.Installs != want.Installed || p.Evictions != want.Evicted {
						t.Errorf("%s of %d, hot %d, delay %d: compare counts %v, %d installs, %d evictions; replay %v, %d, %d",
							policy, size, x.hot, x.delay, p.Counts(), p.Installs, p.Evictions, want.Outcome, want.Installed, want.Evicted)
					}
					for o, n := range want.Outcome {
						sum[o] += n
					}
				}
			}
			// The test would be idle where nothing of this happens.
			for _, o := range []cache.Outcome{cache.Hit, cache.Cold, cache.Capacity, cache.NotHot, cache.InFlight} {
				if sum[o] == 0 {
					t.Errorf("no packet was %v in any of the runs", o)
				}
			}
			if c.invalidated && len(st.Invalidations) == 0 {
				t.Error("nothing was invalidated by the updates")
			}
			t.Logf("%d packets, %d paths, %d invalidations; all runs: %v", st.Len(), st.NumIDs(), len(st.Invalidations), sum)
		})
	}
}

// replayed is what the cache of a replay counts.
func replayed(t *testing.T, in replay.Input, ca replay.Cache, change func(o *jit.Options)) cache.Stats {
	t.Helper()
	r := must.Get(replay.Open(t.Context(), in, ca, change))(t)
	defer r.Close()
	must.OK(t, r.Run(t.Context(), nil))
	return r.Runtime.NIC.Cache.Stats()
}

// TestReplaySized holds that compare and replay agree where traces are optimised
// and the budget is in slots: entries take what the optimised traces take, and hot
// ones other slots from the swap on.
func TestReplaySized(t *testing.T) {
	var hot, resized uint64
	for i, c := range []struct {
		program, capture string
		limit            uint64
		tier             replay.Tier
	}{
		{"router", "sample:lab", 4000, replay.Tiers},
		{"conntrack", "sample:lab", 2500, replay.Tiers},
		{"conntrack", "many-protocols.pcap.gz", 2000, replay.Tier1},
	} {
		t.Run(c.program, func(t *testing.T) {
			if !strings.HasPrefix(c.capture, "sample:") {
				c.capture = hosttest.Capture(t, c.capture)
			}
			in := replay.Input{Program: "sample:" + c.program, Captures: []string{c.capture}, Limit: c.limit, Loop: 1, Queues: 1, Seed: 1}
			optimiser := func() *replay.Optimiser {
				op := &replay.Optimiser{On: true, Tier: c.tier, Tier2After: 60, Proposals: 20}
				must.OK(t, op.Open(t.Context()))
				return op
			}
			op := optimiser()
			sized := must.Get(replay.SizedPaths(t.Context(), in, jit.Remedies{}, op))(t)
			defer sized.Close()
			defer op.Keep()
			for k, policy := range []string{"lru", "gdsf", "size", "s3-fifo", "set-lru"} {
				g := cache.Grid{Policies: []string{policy}, Slots: []uint64{[]uint64{700, 2500}[(i+k)%2]}, HotThreshold: 1 + uint32(k%2), InstallDelay: uint64(3 * (k % 3)),
					Seed: in.Seed, Workers: 1, Tier2: sized.Tier2}
				study := must.Get(g.Run(t.Context(), sized.Stream))(t)
				ca := replay.Cache{Policy: policy, Admission: "always", Slots: g.Slots[0], HotThreshold: g.HotThreshold, InstallDelay: g.InstallDelay}
				want := replayed(t, in, ca, func(o *jit.Options) { op.Install(t.Context(), o, in.Seed) })
				p := &study.Points[0]
				if p.Counts() != want.Outcome || p.Installs != want.Installed || p.Evictions != want.Evicted {
					t.Errorf("%s of %d slots: compare counts %v, %d installs, %d evictions; replay %v, %d, %d",
						policy, g.Slots[0], p.Counts(), p.Installs, p.Evictions, want.Outcome, want.Installed, want.Evicted)
				}
				hot, resized = hot+want.Swapped, resized+want.Resized
			}
		})
	}
	if hot == 0 || resized == 0 {
		t.Errorf("%d traces were swapped, %d entries took other slots", hot, resized)
	}
}
