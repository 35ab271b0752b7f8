package replay

import (
	"bytes"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"jitnic/cache"
	"jitnic/cache/policy"
	"jitnic/host/hosttest"
	"jitnic/host/hosttest/must"
	"jitnic/host/mapfile"
	"jitnic/host/programs"
	"jitnic/host/run/jit"
	"jitnic/pathcond"
	"jitnic/trace"

	cebpf "github.com/cilium/ebpf"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// made is how a run is made.
type made struct {
	in     Input
	ca     Cache
	change []func(o *jit.Options)
	opt    *Optimiser
	follow bool // nobody looks at what the packets became
	hot    bool // traces are swapped for twins when they are hot
}

// A layer makes a run faster, or traces shorter, or looks on. It must change no
// verdict, byte or map; and no counter either, unless it says so. A new layer is
// a row here.
type layer struct {
	name string
	with func(s *made)
	// counters may differ: what hits is another thing with it.
	counters bool
}

// layers are all of them.
func layers() []layer {
	out := []layer{
		{name: "oracle beside", with: func(s *made) { s.option(func(o *jit.Options) { o.Check = true }) }},
		{name: "captures read beside the run", with: func(s *made) { s.in.Jobs = 3 }},
		{name: "hits many at a time", with: func(s *made) { s.follow = true }},
		{name: "progress told", with: func(s *made) { s.in.Progress = func(uint64, bool) {} }},
		{name: "every run recorded", counters: true, with: func(s *made) { s.option(func(o *jit.Options) { o.Record = true }) }},
		{name: "specialised the other way", counters: true, with: func(s *made) { s.ca.Specialise = !s.ca.Specialise }},
		{name: "specialised where it pays", counters: true, with: func(s *made) { s.ca.Specialise, s.ca.Auto = false, true }},
		{name: "ways made one path", counters: true, with: func(s *made) { s.ca.Merge, s.ca.Predicate = true, 32 }},
		{name: "branches made selects", counters: true, with: func(s *made) { s.ca.Predicate = 24 }},
		{name: "longer traces and conditions", counters: true, with: func(s *made) {
			s.option(func(o *jit.Options) { o.MaxTrace, o.MaxGuards = 1<<16, 1<<12 })
		}},
	}
	for _, e := range jit.Engines()[1:] {
		out = append(out, layer{name: "engine " + e.Name, with: func(s *made) { s.option(func(o *jit.Options) { o.Engine = e.Name }) }})
	}
	return out
}

// policies are layers too: what hits is another thing with each.
func policies() (out []layer) {
	for _, p := range policy.All() {
		out = append(out, layer{name: "policy " + p.Name, counters: true, with: func(s *made) { s.ca.Policy = p.Name }})
	}
	return out
}

// costly are layers that take a solver: run on few packets only.
var costly = []layer{
	{name: "traces superoptimized", with: func(s *made) { s.opt = &Optimiser{On: true, Layers: "p"} }},
	{name: "traces with selects superoptimized", counters: true, with: func(s *made) {
		s.ca.Merge, s.ca.Predicate = true, 32
		s.opt = &Optimiser{On: true, Tier2After: 40, Proposals: 200}
	}},
	{name: "traces optimised in tiers", with: func(s *made) { s.opt = &Optimiser{On: true, Tier2After: 40, Proposals: 200} }},
}

func (s *made) option(f func(o *jit.Options)) { s.change = append(slices.Clone(s.change), f) }

// told is what a run shows: what the network sees of it, and what is counted.
type told struct {
	Packets uint64 // hash of every verdict, byte and redirect target; 0: nobody looked
	Results uint64 // hash of every packet's path and outcome
	Maps    string
	Counted counted
	batched uint64
	traces  string // all code, and what the optimiser counted
}

type counted struct {
	Outcomes [cache.Outcomes]uint64
	Cache    cache.Stats
	Aborts   map[string]uint64
	Verdicts map[uint32]uint64
	Paths    []uint64 // packets by path
	Hits     []uint64
	Faults   uint64
	Hot      [3]uint64 // traces that became hot, that were swapped, and what they waited
}

func (s made) run(t *testing.T) told {
	t.Helper()
	ctx := t.Context()
	must.OK(t, s.opt.Open(t.Context()))
	var sum *Optimised
	hot := &jit.Tier2{After: 5, PerPacket: 7}
	hot.Optimise = func(_ *pathcond.Path, t *trace.Trace, _ *pathcond.Compiler) (*trace.Trace, uint64, error) {
		twin := *t
		return &twin, uint64(t.Len()), nil
	}
	if s.hot {
		s.option(func(o *jit.Options) { o.Tier2 = hot })
	}
	run, err := Open(ctx, s.in, s.ca, func(o *jit.Options) {
		for _, f := range s.change {
			f(o)
		}
		sum = s.opt.Install(ctx, o, s.in.Seed)
	})
	must.OK(t, err)
	defer run.Close()
	h, results := fnv.New64a(), fnv.New64a()
	if s.follow {
		err = run.Follow(ctx, func(r Several) error {
			for i, p := range r.Paths {
				fmt.Fprintln(results, r.Packets[i].Index, int32(p), r.Outcome)
			}
			return nil
		})
	} else {
		err = run.Run(ctx, func(p *Packet) error {
			fmt.Fprintln(results, p.Index, p.Result.Path, p.Result.Outcome)
			fmt.Fprintln(h, p.Out.Verdict, p.Out.Redirect, p.Out.Err != nil, len(p.Out.Data))
			h.Write(p.Out.Data)
			return nil
		})
	}
	must.OK(t, err)
	var dump bytes.Buffer
	must.OK(t, mapfile.Write(&dump, mapfile.For(run.Runtime.S, run.Obj)))
	must.OK(t, s.opt.Keep())
	rt := run.Runtime
	st := rt.NIC.Cache.Stats()
	c := counted{Outcomes: st.Outcome, Cache: st, Aborts: map[string]uint64{}, Verdicts: rt.Verdicts(), Hits: slices.Clone(rt.NIC.Hits), Faults: rt.Faults}
	if s.hot {
		c.Hot = [3]uint64{st.Hot, st.Swapped, st.Waited}
	}
	c.Cache.Hot, c.Cache.Swapped, c.Cache.Waited = 0, 0, 0 // of one layer alone
	for r, n := range rt.Aborts {
		c.Aborts[r.String()] = n
	}
	for _, p := range rt.Paths() {
		c.Paths = append(c.Paths, p.Packets)
	}
	out := told{h.Sum64(), results.Sum64(), dump.String(), c, rt.NIC.Batched, traces(t, run, sum)}
	if s.follow {
		out.Packets = 0
	}
	return out
}

// traces is the code of all paths, and what the optimiser counted.
func traces(t *testing.T, run *Session, sum *Optimised) string {
	if sum == nil {
		return ""
	}
	must.OK(t, sum.Settle(run.Runtime))
	j := must.Get(json.Marshal(sum))(t)
	out := bytes.NewBuffer(append(j, '\n'))
	for i, p := range run.Runtime.Paths() {
		fmt.Fprintln(out, i, p.Trace.Code)
	}
	return out.String()
}

// timed writes a sample's map file with updates: one after the other every entry
// changes its value, goes where its map lets it, and comes back.
func timed(t *testing.T, p *hosttest.Program) []string {
	t.Helper()
	if len(p.Maps) == 0 {
		return nil
	}
	var f map[string]any
	must.OK(t, json.Unmarshal(p.Maps, &f))
	contents, _ := f["maps"].(map[string]any)
	updates := []any{}
	at := 20
	for _, name := range slices.Sorted(maps.Keys(contents)) {
		entries, _ := contents[name].([]any)
		if len(entries) < 2 {
			continue
		}
		deletes := false
		for _, m := range p.Obj.Maps {
			if m.Name == name {
				deletes = m.Type == cebpf.Hash || m.Type == cebpf.LPMTrie || m.Type == cebpf.LRUHash
			}
		}
		for i := range entries {
			first, _ := entries[i].(map[string]any)
			second, _ := entries[(i+1)%len(entries)].(map[string]any)
			if first["key"] == nil || first["value"] == nil || second["value"] == nil {
				continue
			}
			add := func(u map[string]any) {
				u["at"], u["map"], u["key"] = at, name, first["key"]
				updates = append(updates, u)
				at += 9
			}
			add(map[string]any{"value": second["value"]})
			if deletes {
				add(map[string]any{"delete": true})
			}
			add(map[string]any{"value": first["value"]})
		}
	}
	f["updates"] = updates
	b := must.Get(json.Marshal(f))(t)
	file := filepath.Join(t.TempDir(), p.Name+".json")
	must.OK(t, os.WriteFile(file, b, 0o644))
	return []string{file}
}

// settings are the runs that layers are laid over: with everything that makes a
// cache busy, and twice the same packets, so that traces come, go and come back.
func settings(t *testing.T) (out []made) {
	limit := uint64(200)
	if os.Getenv("JITNIC_HEAVY") != "" {
		limit = 5000
	}
	for _, s := range programs.All() {
		maps := timed(t, hosttest.Sample(t, s.Name))
		for _, k := range []struct {
			capture    string
			specialise bool
			queues     int
			guards     int // 0: as many as there may be
		}{
			{"sample:lab", false, 1, 0},
			{"sample:lab", true, 1, 0},
			{"sample:vlan", true, 3, 14}, // most paths are too long: the blacklist is in use
		} {
			b := made{in: Input{Program: "sample:" + s.Name, Captures: []string{k.capture}, Limit: limit, Loop: 2, Maps: maps, Seed: 7, Queues: k.queues}}
			b.ca = Cache{Policy: "lru", Entries: 3, HotThreshold: 2, InstallDelay: 3, Remedies: jit.Remedies{Specialise: k.specialise}}
			b.option(func(o *jit.Options) { o.MaxGuards = k.guards })
			out = append(out, b)
		}
	}
	return out
}

// Layers change nothing that the network sees, and no counter unless they say so.
func TestLayersChangeNothing(t *testing.T) {
	busy := counted{}
	for i, s := range settings(t) {
		want := s.run(t)
		for o, n := range want.Counted.Outcomes {
			busy.Outcomes[o] += n
		}
		rows := layers()
		if i/3%3 == i%3 { // every sample in one of its three settings
			rows = append(rows, policies()...)
		}
		if i%12 == 0 {
			rows = append(rows, costly...)
		}
		for _, l := range rows {
			over := s
			l.with(&over)
			got := over.run(t)
			what := fmt.Sprintf("%s on %s, specialise %v: %s", s.in.Program, s.in.Captures[0], s.ca.Specialise, l.name)
			if got.Packets != want.Packets && got.Packets != 0 {
				t.Errorf("%s: another verdict, byte or target", what)
			}
			if got.Results != want.Results && !l.counters {
				t.Errorf("%s: another path or outcome", what)
			}
			if got.Maps != want.Maps {
				t.Errorf("%s: other maps:\n%s", what, cmp.Diff(want.Maps, got.Maps))
			}
			if d := cmp.Diff(want.Counted, got.Counted); d != "" && !l.counters {
				t.Errorf("%s: other counters:\n%s", what, d)
			}
		}
	}
	for o, n := range busy.Outcomes {
		if n == 0 {
			t.Errorf("no packet was %v: the settings don't try it", cache.Outcome(o))
		}
	}
}

// row is one of many settings of the cache.
type row struct {
	name string
	with func(s *made)
}

// admissions are rows of every admission, in entries and in so many slots.
func admissions(slots uint64) (rows []row) {
	for _, a := range cache.AdmissionNames() {
		rows = append(rows, row{"admission " + a, func(s *made) { s.ca.Admission = a }},
			row{"admission " + a + " in slots", func(s *made) { s.ca.Admission, s.ca.Entries, s.ca.Slots = a, 0, slots }})
	}
	return rows
}

// takingTime are rows of installs that take time, and of entries that expire.
func takingTime() (rows []row) {
	for _, ns := range []int64{1, 1e6, 1e9} {
		rows = append(rows, row{fmt.Sprintf("installs of %d ns", ns), func(s *made) {
			s.ca.InstallDelay = 0
			s.option(func(o *jit.Options) { o.Cache.InstallTime = ns })
		}}, row{fmt.Sprintf("entries that expire after %d ns", ns), func(s *made) {
			s.option(func(o *jit.Options) { o.Cache.TTL = ns })
		}})
	}
	return rows
}

// Hits that go by many at a time leave everything as if they had come one by one:
// with every policy and every admission, in entries and in slots, with installs
// that take packets and installs that take time.
func TestBatchesChangeNothing(t *testing.T) {
	all := settings(t)
	var rows []row
	for _, p := range policy.All() {
		rows = append(rows, row{"policy " + p.Name, func(s *made) { s.ca.Policy = p.Name }},
			row{"policy " + p.Name + " in slots", func(s *made) { s.ca.Policy, s.ca.Entries, s.ca.Slots = p.Name, 0, 150 }})
	}
	rows = append(rows, admissions(150)...)
	rows = append(rows, takingTime()...)
	alone, batched, auto, swapped := uint64(0), uint64(0), uint64(0), uint64(0)
	for i, r := range rows {
		for k := range 3 { // each row in three of the settings
			s := all[(i*7+k*11)%len(all)]
			s.ca.Entries = 5
			s.in.Limit = 1000
			s.hot = i%2 == k%2
			if k == 2 {
				s.ca.Specialise, s.ca.Auto = false, true
			}
			r.with(&s)
			want := s.run(t)
			s.follow = true
			got := s.run(t)
			got.Packets = want.Packets
			if d := cmp.Diff(want, got, cmpopts.IgnoreUnexported(told{})); d != "" {
				t.Errorf("%s on %s, specialise %v, %d queues: %s:\n%s", s.in.Program, s.in.Captures[0], s.ca.Specialise, s.in.Queues, r.name, d)
			}
			alone, batched = alone+want.batched, batched+got.batched
			if k == 2 {
				auto += got.batched
			}
			swapped += got.Counted.Hot[1]
		}
	}
	if alone != 0 || batched < 10000 || auto < 3000 || swapped < 100 {
		t.Errorf("%d packets went by many at a time where they should not, and %d (%d specialised where it pays) where they should; %d traces were swapped",
			alone, batched, auto, swapped)
	}
}

// Paths that are cut into segments leave all that the network sees as it is, every
// packet held against the interpreter: with every policy and admission, hot
// thresholds, installs that take packets or time, entries that expire, timed updates
// of maps, paths that can't be traces, several queues, specialised, merged and
// predicated traces. What runs the segments, reads the captures or looks on, and
// traces optimised, change no counter.
func TestSegmentsChangeNothing(t *testing.T) {
	all := settings(t)
	var rows []row
	for _, p := range policy.All() {
		rows = append(rows, row{"policy " + p.Name, func(s *made) { s.ca.Policy = p.Name }})
	}
	rows = append(rows, admissions(300)...)
	for _, hot := range []uint32{1, 3} {
		rows = append(rows, row{fmt.Sprintf("hot at %d", hot), func(s *made) { s.ca.HotThreshold = hot }})
	}
	rows = append(rows, takingTime()...)
	same := []layer{
		{name: "engine go", with: func(s *made) { s.option(func(o *jit.Options) { o.Engine = "go" }) }},
		{name: "captures read beside the run", with: func(s *made) { s.in.Jobs = 3 }},
		{name: "nobody looks", with: func(s *made) { s.follow = true }},
		{name: "tier 1", with: func(s *made) { s.opt = &Optimiser{On: true, Tier: Tier1} }},
	}
	several, hits, times := 0, uint64(0), 1
	if os.Getenv("JITNIC_HEAVY") != "" {
		times = 6
	}
	for i, r := range rows {
		for k := range times {
			s := all[(i*7+k*11)%len(all)]
			s.ca.Entries = 8
			r.with(&s)
			want := s.run(t)
			s.ca.Segments = []int{3, jit.SegmentsAuto, 2, 5}[i%4]
			if (i+k)%3 == 0 {
				s.ca.Merge, s.ca.Predicate = true, 32
			}
			checked := s
			checked.option(func(o *jit.Options) { o.Check = true })
			got := checked.run(t)
			what := fmt.Sprintf("%s on %s, %v, %d queues: %s", s.in.Program, s.in.Captures[0], s.ca.Remedies, s.in.Queues, r.name)
			if got.Packets != want.Packets {
				t.Errorf("%s: another verdict, byte or target", what)
			}
			if got.Maps != want.Maps {
				t.Errorf("%s: other maps:\n%s", what, cmp.Diff(want.Maps, got.Maps))
			}
			if got.Counted.Cache.Packets > want.Counted.Cache.Packets {
				several++
			}
			hits += got.Counted.Outcomes[cache.Hit]
			l := same[(i+2*k)%len(same)]
			if l.name == "tier 1" && s.ca.Slots > 0 { // shorter traces take fewer slots
				continue
			}
			over := s
			l.with(&over)
			other := over.run(t)
			if d := cmp.Diff(got.Counted, other.Counted); d != "" {
				t.Errorf("%s: %s: other counters:\n%s", what, l.name, d)
			}
			if other.Packets != 0 && other.Packets != want.Packets || other.Maps != want.Maps {
				t.Errorf("%s: %s: another verdict, byte, target or map", what, l.name)
			}
		}
	}
	if several < len(rows)/5 || hits < 1000 {
		t.Errorf("only %d of %d runs had packets of several segments, %d requests hit", several, times*len(rows), hits)
	}
}
