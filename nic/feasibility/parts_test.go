package feasibility

import (
	"math"
	"testing"

	"jitnic/cache"
	"jitnic/host/hosttest/must"
	"jitnic/nic/device"
	"jitnic/nic/device/load"
	"jitnic/nic/match"
	"jitnic/nic/price"
	"jitnic/nic/profile"
	"jitnic/nic/workload"
)

// The trace cache has what the user says, or what the tightest limit holds:
// three paths of 10 slots and 4 entries each, one of them refused.
func TestBudget(t *testing.T) {
	s := &study{Study: &Study{}, w: &workload.Workload{Paths: make([]workload.Path, 3)}}
	in := &device.Input{Paths: []device.Path{{Slots: 10}, {Slots: 10}, {Slots: 10, Refused: true}}}
	costs := &costs{prices: &price.Prices{In: in}, match: &match.Costs{Paths: []match.PathCost{{Entries: 4}, {Entries: 4}, {Entries: 400}}}}
	for _, c := range []struct {
		nic            profile.NIC
		asked          cache.Config
		entries, slots uint64
		says           string
	}{
		{profile.NIC{}, cache.Config{}, 3, 0, "all traces: the device has no limit"},
		{profile.NIC{Slots: 5}, cache.Config{Entries: 7}, 7, 0, "7 traces, as asked for"},
		{profile.NIC{Slots: 5}, cache.Config{Slots: 9}, 0, 9, "9 slots, as asked for"},
		{profile.NIC{Entries: 100}, cache.Config{}, 100, 0, "100 traces: limit.entries"},
		{profile.NIC{Slots: 100}, cache.Config{}, 0, 100, "100 slots: limit.slots"},
		{profile.NIC{Slots: 15}, cache.Config{}, 0, 15, "15 slots: limit.slots"},
		{profile.NIC{Slots: 100, Entries: 5}, cache.Config{}, 5, 0, "5 traces: limit.entries"},
		{profile.NIC{Slots: 49, Entries: 5}, cache.Config{}, 0, 49, "49 slots: limit.slots"},
		// 2 × 4 entries fit into 8; of 7, one trace does.
		{profile.NIC{MatcherCapacity: 8}, cache.Config{}, 3, 0, "all traces: the device has no limit"},
		{profile.NIC{MatcherCapacity: 7}, cache.Config{}, 1, 0, "1 traces: matcher.capacity of 7 at 4.0 entries a trace"},
		{profile.NIC{MatcherCapacity: 1}, cache.Config{}, 1, 0, "1 traces: matcher.capacity of 1 at 4.0 entries a trace"},
		{profile.NIC{MatcherCapacity: 7, Slots: 9}, cache.Config{}, 0, 9, "9 slots: limit.slots"},
	} {
		costs.n = &c.nic
		s.opt.Cache = c.asked
		cfg, says := s.budget(costs)
		if cfg.Entries != c.entries || cfg.Slots != c.slots || says != c.says {
			t.Errorf("%+v: %d traces, %d slots: %q; want %q", c, cfg.Entries, cfg.Slots, says, c.says)
		}
	}
	for i := range in.Paths {
		in.Paths[i].Refused = true
	}
	costs.n, s.opt.Cache = &profile.NIC{}, cache.Config{}
	if cfg, says := s.budget(costs); cfg.Entries != 1 || says != "none: no path fits" {
		t.Errorf("%+v %q", cfg, says)
	}
	// The nodes of a guard tree are shared.
	w, x, tree := observed(t, "ipv6filter", "sample:lab", 0, false)
	n, h := profiles(t, "hxdp", "paper")
	n.Slots, n.MatcherCapacity = 0, uint64(tree.Nodes())
	s = &study{Study: &Study{}, w: w, x: x, trees: tree, n: n, h: h}
	if k, err := s.cost(n, h, false); err != nil || k.cache.Entries != uint64(len(w.Paths)) {
		t.Errorf("%v: %s", err, k.says)
	}
	n.MatcherCapacity /= 2
	if k, err := s.cost(n, h, false); err != nil || k.cache.Entries > uint64(len(w.Paths)+1)/2 {
		t.Errorf("%v: %s; nodes %d, paths %d, %+v", err, k.says, tree.Nodes(), len(w.Paths), k.cache)
	}
}

// Cores needed are by rate and mean cost, whether they are there or not, and
// however long the queues.
func TestCoresNeeded(t *testing.T) {
	w, x, tree := observed(t, "firewall", "sample:lab", 8000, false)
	for _, queue := range []uint64{256, 8192, 1024} {
		n, h := profiles(t, "netronome", "paper") // it takes no packet of this program
		h.Queue = queue
		if queue == 1024 {
			n.MatcherInterval = 0 // and loses many before the matcher
		}
		s := &study{Study: &Study{}, ctx: t.Context(), w: w, x: x, trees: tree, n: n, h: h}
		c := must.Get(s.cost(n, h, false))(t)
		mean := 0.0
		for i := range c.prices.In.Packets {
			mean += float64(h.Driver+uint64(c.prices.In.Packets[i].Host)) / float64(len(c.prices.In.Packets))
		}
		for _, rate := range []uint64{1_000_000, 5_000_000, 10_000_000, 25_000_000} {
			s.Rate = rate
			want := float64(rate) * mean / 1e12
			for _, mode := range []device.Mode{device.HostOnly, device.Both} {
				f := must.Get(s.device(c, s.options(c, mode), 40_000))(t)
				off := 0.005
				if f.Loss > 0 || want > float64(h.Cores) {
					off = 0.06 // packets served are not quite those lost
				}
				if math.Abs(f.CoresNeeded/want-1) > off {
					t.Errorf("%v, rings of %d, %d packets/s: %v cores needed (%v busy, loss %v), want %v", mode, queue, rate, f.CoresNeeded, f.Cores, f.Loss, want)
				}
			}
		}
	}
}

// What bounds a throughput is where packets are, not where traces are made.
func TestBound(t *testing.T) {
	result := func(uneven float64, stations ...device.Station) *device.Result {
		return &device.Result{Packets: 10, Uneven: uneven, Stations: stations}
	}
	busy := []device.Station{{Name: "units", Utilisation: 0.8}, {Name: "host cores", Utilisation: 0.5}, {Name: "compilers", Utilisation: 1}, {Name: "install channel", Utilisation: 0.9}}
	needs := result(1, busy...)
	needs.Drops.NeedsHost = 10
	for _, c := range []struct {
		t    load.Throughput
		rate uint64
		want string
	}{
		{load.Throughput{Rate: 5, Result: result(1, busy...)}, 5, "bursts within the capture; units, 80 % busy on average"},
		{load.Throughput{Rate: 5, Result: result(1.9, busy...)}, 5, "the busiest host core, 95 % busy"},
		{load.Throughput{Rate: 5, Result: result(3, busy...)}, 5, "the busiest host core, 100 % busy"},
		{load.Throughput{Rate: 5, Line: true, Result: result(1, busy...)}, 5, "the link's rate"},
		{load.Throughput{Rate: 5, Unlimited: true, Result: result(1, busy...)}, 5, "nothing: no limit found"},
		{load.Throughput{Rate: 5, Result: needs}, 0, "all packets need the host"},
		{load.Throughput{}, 0, "some packets are lost at any rate"},
	} {
		if got := throughputOf(&c.t, true); got.Bound != c.want || got.Rate != c.rate {
			t.Errorf("%+v: want %q", got, c.want)
		}
	}
}
