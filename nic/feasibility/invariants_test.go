package feasibility

import (
	"context"
	"flag"
	"fmt"
	"math"
	"os"
	"testing"

	"jitnic/cache"
	"jitnic/host/hosttest/must"
	"jitnic/nic/device"
	"jitnic/nic/match"
	"jitnic/nic/profile"
	"jitnic/nic/workload"

	"pgregory.net/rapid"
)

// A seen is a program's run over a capture.
type seen struct {
	w    *workload.Workload
	x    *match.Analysis
	tree match.Trees
}

// TestFollows recomputes each figure of a study that is a function of others
// from these, for programs, devices, hosts and loads drawn at random.
func TestFollows(t *testing.T) {
	checks := "10"
	if os.Getenv("JITNIC_HEAVY") != "" {
		checks = "100"
	}
	must.OK(t, flag.Set("rapid.checks", checks))
	var all []seen
	for _, p := range []string{"firewall", "conntrack", "telemetry", "nat"} {
		w, x, tree := observed(t, p, "sample:lab", 700, p == "conntrack")
		all = append(all, seen{w, x, tree})
	}
	all = append(all, cut(t, "telemetry", "sample:vlan", 700, 3))
	rapid.Check(t, func(r *rapid.T) {
		p := rapid.SampledFrom(all).Draw(r, "program")
		n, h := drawn(r, t)
		opt := Options{
			Cache:    cache.Config{Policy: rapid.SampledFrom([]string{"lru", "fifo", "lfu", "random"}).Draw(r, "policy"), HotThreshold: uint32(rapid.IntRange(1, 3).Draw(r, "hot")), Seed: 1},
			Rate:     uint64(math.Pow(10, rapid.Float64Range(3, 8).Draw(r, "log10 rate"))),
			Arrivals: device.Arrivals(rapid.SampledFrom(device.ArrivalNames()).Draw(r, "arrivals")),
			Packets:  rapid.IntRange(1, 3000).Draw(r, "packets"), Ordered: rapid.Bool().Draw(r, "ordered"), Remote: rapid.Bool().Draw(r, "remote"),
			Seed: rapid.Uint64().Draw(r, "seed"), Seeds: 2, Memory: true, Designs: true, Throughput: true, Sensitivity: rapid.IntRange(0, 3).Draw(r, "sensitivity") == 0,
			Program: func(uint32) (uint32, bool) { return 100, true },
		}
		if entries := rapid.IntRange(0, 20).Draw(r, "entries"); entries > 0 {
			opt.Cache.Entries = uint64(entries)
		}
		opt.Rates = []uint64{opt.Rate/7 + 1, opt.Rate, 3 * opt.Rate}
		s := must.Get(Run(context.Background(), p.w, p.x, p.tree, n, h, opt))(r)
		follows(r, s, p.w, n, h)
	})
}

// drawn are a device and a host of the profiles, some assumed figures at an end
// of their range.
func drawn(r *rapid.T, t *testing.T) (*profile.NIC, *profile.Host) {
	n, h := profiles(t, rapid.SampledFrom(profile.Names()).Draw(r, "nic"), rapid.SampledFrom(profile.HostNames()).Draw(r, "host"))
	for range rapid.IntRange(0, 6).Draw(r, "figures changed") {
		ps := n.Params()
		p := rapid.SampledFrom(ps).Draw(r, "figure")
		if p.Lo == "" {
			continue
		}
		v := p.Lo
		if rapid.Bool().Draw(r, "high") {
			v = p.Hi
		}
		if changed, err := n.With(p.Key, v); err == nil {
			n = changed
		}
	}
	return n, h
}

// follows checks a study.
func follows(t rapid.TB, s *Study, w *workload.Workload, n *profile.NIC, h *profile.Host) {
	near := func(what string, got, want float64) {
		t.Helper()
		if math.Abs(got-want) > 1e-6*math.Max(math.Abs(got), math.Abs(want))+1e-9 {
			t.Errorf("%s is %v, and by the others %v", what, got, want)
		}
	}
	same := func(what string, got, want uint64) {
		t.Helper()
		if got != want {
			t.Errorf("%s: %d, and by the others %d", what, got, want)
		}
	}
	runs := map[string]*Figures{"other order": s.Ordered, "cold": s.Cold, "captured": s.Captured}
	for i, f := range s.Point {
		runs[fmt.Sprint("point ", i)] = f
	}
	for _, m := range s.Memory {
		runs["memory "+m.Model] = m.Figures
	}
	for i, f := range s.Loaded {
		runs["design "+s.Designs.Results[i].Design] = f
	}
	for _, c := range s.Curves {
		for i, f := range c.Points {
			runs[fmt.Sprint("curve ", c.Mode, " ", i)] = f
		}
	}
	for name, f := range runs {
		if f == nil {
			continue
		}
		at := func(what string) string { return name + ": " + what }
		k := float64(f.Packets)
		lost := f.Ingress + f.AtHost + f.Transmit + f.Egress + f.NeedsHost
		near(at("loss"), f.Loss, float64(lost)/k)
		if f.Packets > 1 && f.Span > 0 {
			near(at("offered"), f.Offered, (k-1)/f.Span*1e9)
			near(at("throughput"), f.Throughput, f.Offered*(1-f.Loss))
			near(at("installs a second"), f.Installs, float64(f.Begun)/k*f.Offered)
		}
		near(at("cores needed"), f.CoresNeeded, f.HostTime*f.Offered/1e9)
		same(at("installs begun"), f.Begun, f.Installed+f.Unwanted+f.Stale+f.Unrecorded+f.NotCompiled)
		same(at("packets finished"), f.OfHits+f.OfMisses, f.Packets-lost)
		if f.OfHits+f.OfMisses > 0 {
			near(at("mean latency"), f.Mean, (f.HitMean*float64(f.OfHits)+f.MissMean*float64(f.OfMisses))/float64(f.OfHits+f.OfMisses))
		}
		if f.P50 > f.P99 || f.P99 > f.P999 || f.P999 > f.Max || f.Mean > f.Max {
			t.Errorf("%s: quantiles %v %v %v %v", name, f.P50, f.P99, f.P999, f.Max)
		}
		if f.Outcomes != nil {
			looked, can := lookedUp(f)
			same(at("packets looked up"), uint64(looked), f.Packets-f.Ingress)
			near(at("hit ratio"), f.HitRatio, float64(f.Outcomes["hit"])/looked)
			each := 1.0
			if s.Segments != nil { // a packet begins one for each of its segments at most
				each = float64(s.Segments.Tables)
			}
			if float64(f.Begun) > each*can {
				t.Errorf("%s: %d installs begun by %v packets", name, f.Begun, can)
			}
		}
		sum := 0.0
		for _, b := range f.PCIeCauses {
			sum += b
		}
		near(at("PCIe"), f.PCIeUp+f.PCIeDown, sum)
		if m := f.Memory; m != nil {
			near(at("PCIe of maps"), m.Bytes, f.PCIeCauses["map reads"]+f.PCIeCauses["map writes"]+f.PCIeCauses["invalidations"])
		}
		for _, st := range f.Stations {
			if st.Name == hostStation && f.Span > 0 {
				near(at("cores busy"), f.Cores, st.Utilisation*float64(st.Servers))
			}
		}
		if s.LineRate > 0 && f.Offered > 1.05*float64(s.LineRate) && s.Arrivals == "constant" && f.Packets > 1 && !f.BeyondWire {
			t.Errorf("%s: %v packets/s on a link for %d", name, f.Offered, s.LineRate)
		}
	}
	bytes := 0.0
	for i := range w.Packets {
		bytes += float64(w.Packets[i].Len-uint16(w.Packets[i].Added)) / float64(len(w.Packets))
	}
	near("frame", s.Frame, bytes+float64(n.LinkOverhead))
	if n.Link > 0 {
		near("line rate", float64(s.LineRate), math.Floor(float64(n.Link)*1e6/8/s.Frame+1e-6))
	}
	both, host := s.Point[0], s.Point[1]
	d, e := &s.Need, &s.BreakEven
	if both.Packets > both.Ingress {
		near("cores that make traces", d.CompileCores, min(d.CompileTrace*float64(both.Made)/float64(both.Packets-both.Ingress)*both.Offered/1e9, float64(h.Compilers)))
	}
	near("cores saved", d.CoresSaved, host.CoresNeeded-both.CoresNeeded-d.CompileCores)
	near("PCIe saved", d.PCIeSaved, host.PCIeUp+host.PCIeDown-both.PCIeUp-both.PCIeDown)
	near("latency won", d.LatencyWon, host.Mean-both.Mean)
	near("installs needed", d.Installs, both.Installs)
	if c := s.Captured; c != nil {
		near("installs at the capture's rate", d.CapturedInstalls, float64(c.Begun)/float64(c.Packets)*float64(s.Packets)/s.Seconds)
	}
	near("can be offloaded", e.Share, offloadable(both, d.Offload))
	rest, alone := (1-e.Share)*e.Rest, e.Share*e.HostCore+(1-e.Share)*e.RestHost
	near("break-even of cores", e.Cores, breakEven(e.Share*(e.MissCore+e.Compile)+rest, e.Share*e.HitCore+rest, alone, e.Share))
	if e.Cores > 0 && e.Cores <= 1 { // there, they cost the same
		near("cost at the break-even", e.HitCore*e.Cores+(e.MissCore+e.Compile)*(e.Share-e.Cores)+rest, alone)
	}
	if e.Latency > 0 && e.Latency <= 1 {
		near("latency at the break-even", e.HitLatency*e.Latency+e.MissLatency*(1-e.Latency), e.HostLatency)
	}
	x := &s.Executors
	for _, c := range []*TraceCost{&x.Raw, &x.Best} {
		if c.Cycles > 0 {
			near("IPC of traces", c.IPC, c.Insns/c.Cycles)
		}
	}
	near("share that fits", s.Fit.Share, float64(s.Fit.Offloadable)/float64(s.Fit.Packets))
	verdict(t, s, both, host)
	if s.Swings != nil {
		same("packets of the sensitivity's runs", s.Swept, both.Packets)
		near("sensitivity: cores", s.SwingBase.Cores, both.CoresNeeded+d.CompileCores)
		near("sensitivity: latency", s.SwingBase.Mean, both.Mean)
		near("sensitivity: loss", s.SwingBase.Loss, both.Loss)
	}
	for _, w := range s.Swings {
		spread := 0.0
		for _, end := range w.Ends {
			for _, v := range [][2]float64{{end.Mean, s.SwingBase.Mean}, {end.Cores, s.SwingBase.Cores}} {
				if v[0] != v[1] {
					spread = max(spread, math.Abs(v[0]-v[1])/max(v[0], v[1]))
				}
			}
		}
		near("spread of "+w.Key, w.Spread, spread)
	}
	for i, r := range s.Designs.Results {
		near(r.Design+": hit ratio", r.HitRatio, float64(r.Hits)/float64(r.Packets))
		if r.Cached {
			same(r.Design+": outcomes", r.Counts.Total(), r.Packets)
			same(r.Design+": hits and wrong", r.Hits+r.Wrong, r.Counts[cache.Hit])
		}
		same(r.Design+": loaded", s.Loaded[i].Packets, both.Packets)
	}
}

// offloadable is the share of the packets looked up that the device can take;
// the capture's where the run looked none up.
func offloadable(both *Figures, capture float64) float64 {
	if looked, can := lookedUp(both); looked > 0 {
		return can / looked
	}
	return capture
}

// verdict checks that the answer is that of the figures.
func verdict(t rapid.TB, s *Study, both, host *Figures) {
	v := &s.Verdict
	o := &outcome{Both: both, Host: host, CompileCores: s.Need.CompileCores, Offload: s.Need.Offload, Even: s.BreakEven}
	by := s.Chance.margins()
	turned := false
	for _, w := range s.Swings {
		turned = turned || w.Turns
	}
	want := o.is()
	switch {
	case s.LineRate > 0 && s.Rate > s.LineRate:
		want = None
	case want == Neither:
	case o.Offload == 0:
		want = Doesnt
		if turned {
			want = Depends
		}
	case turned || o.byChance(want, by) != "":
		want = Depends
	}
	if v.Answer != want {
		t.Errorf("the answer is %q, and by the figures %q: %s", v.Answer, want, v.Sentence)
	}
}
