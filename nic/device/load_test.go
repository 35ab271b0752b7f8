package device

import (
	"math"
	"strings"
	"testing"

	"jitnic/host/hosttest/must"
	"jitnic/nic/profile"
)

// arrivals lists what a load makes of an input of so many packets.
func arrivals(t *testing.T, l Load, n int, wire int64) []int64 {
	t.Helper()
	s := must.Get(newSource(l, n))(t)
	count := max(l.Packets, n)
	var out []int64
	for i := range count {
		out = append(out, s.next(i == 0, i%n, int64(i/n), wire))
	}
	for i := 1; i < len(out); i++ {
		if out[i] < out[i-1] {
			t.Fatalf("%+v: packet %d at %d, behind one at %d", l, i, out[i], out[i-1])
		}
	}
	return out
}

func TestArrivals(t *testing.T) {
	for _, c := range []struct {
		name string
		load Load
		n    int
		want []int64 // ns
	}{
		{"constant", Load{Rate: 10_000_000, Packets: 4}, 1, []int64{0, 100, 200, 300}},
		{"its own times, from the first on", at(500, 520, 600), 3, []int64{0, 20, 100}},
		// The mean gap of 50 ns stands between two rounds.
		{"two rounds", Load{Arrivals: Capture, Times: []int64{500, 520, 600}, Packets: 6}, 3, []int64{0, 20, 100, 150, 170, 250}},
		// 3 packets at 1 in 200 ns: the first and last are 400 ns apart.
		{"scaled", Load{Arrivals: Capture, Times: []int64{500, 520, 600}, Rate: 5_000_000, Packets: 4}, 3, []int64{0, 80, 400, 600}},
		{"all at once, scaled", Load{Arrivals: Capture, Times: []int64{7, 7, 7}, Rate: 5_000_000, Packets: 4}, 3, []int64{0, 200, 400, 600}},
		// 10 ns a packet on the link; a burst of 3 in 300 ns.
		{"bursts", Load{Arrivals: Burst, Burst: 3, Rate: 10_000_000, Packets: 7}, 1, []int64{0, 10, 20, 300, 310, 320, 600}},
		// More than the link can bring: back to back.
		{"bursts without a pause", Load{Arrivals: Burst, Burst: 2, Rate: 200_000_000, Packets: 5}, 1, []int64{0, 10, 20, 30, 40}},
	} {
		got := arrivals(t, c.load, c.n, 10*ns)
		for i := range c.want {
			if got[i] != c.want[i]*ns {
				t.Errorf("%s: packet %d at %d ps, want %d ns", c.name, i, got[i], c.want[i])
			}
		}
	}
	// A gap of 333,333.3 ps: exact in the long run.
	got := arrivals(t, Load{Rate: 3_000_000, Packets: 3_000_001}, 1, 0)
	equal(t, "packet 3,000,000", got[3_000_000], second)
	equal(t, "packet 2", got[2], 666_666)
	// Poisson gaps have the mean and the deviation of an exponential law.
	got = arrivals(t, Load{Arrivals: Poisson, Rate: 1_000_000, Packets: 1_000_001, Seed: 3}, 1, 0)
	var mean, square float64
	for i := 1; i < len(got); i++ {
		gap := float64(got[i]-got[i-1]) / 1e6
		mean += gap / 1e6
		square += gap * gap / 1e6
	}
	if math.Abs(mean-1) > 0.004 || math.Abs(square-2) > 0.02 {
		t.Errorf("poisson: gaps of mean %.4f and mean square %.4f, want 1 and 2", mean, square)
	}
	if arrivals(t, Load{Arrivals: Poisson, Rate: 1000, Packets: 10, Seed: 4}, 1, 0)[9] == arrivals(t, Load{Arrivals: Poisson, Rate: 1000, Packets: 10, Seed: 5}, 1, 0)[9] {
		t.Error("the seed does not matter")
	}
}

func TestErrors(t *testing.T) {
	for want, change := range map[string]func(*run){
		`load: arrivals "often": not known; there are [constant poisson capture burst]`: func(r *run) { r.load.Arrivals = "often" },
		`load: constant arrivals need a rate`:                                           func(r *run) { r.load.Rate = 0 },
		`load: bursts of 0 packets`:                                                     func(r *run) { r.load.Arrivals = Burst },
		`load: 0 times for 2 packets`:                                                   func(r *run) { r.load.Arrivals = Capture },
		`load: packet 2: time 4 ns before that of the packet in front of it`:            func(r *run) { r.load = at(5, 4) },
		`load: -1 packets: from 0 to 4294967294 are possible`:                           func(r *run) { r.load.Packets = -1 },
		`load: 4000000000 packets at 1 packets/s last longer than the clock runs`:       func(r *run) { r.load.Packets, r.load.Rate = 4e9, 1 },
		`load: rate of 2000000000000 packets/s: more than one a picosecond`:             func(r *run) { r.load.Rate = 2e12 },
		`packet 2: path 1: there are 1`:                                                 func(r *run) { r.in.Packets[1].Path = 1 },
		`packet 1: accesses 0 to 4: there are 3`:                                        func(r *run) { r.in.Packets[0].N = 4 },
		`packet 1: fate 3 is not known`:                                                 func(r *run) { r.in.Packets[0].Fate = 3 },
		`access 1: entry 1: there are 1`:                                                func(r *run) { r.in.Entries = 1 },
		`device "test": exec.units is 0: from 1 to 1048576 are possible`:                func(r *run) { r.nic.Units = 0 },
		`device "test": clock is 0: from 1000 to 1000000000 are possible`:               func(r *run) { r.nic.Clock = 0 },
		`device "test": pcie.writeread is 1: from 600 to 1000000000000 are possible`:    func(r *run) { r.nic.PCIeWriteRead = 1 },
		`device "test": memory.model "far" is not known`:                                func(r *run) { r.nic.Memory = "far" },
		`host "test": cores is 0: from 1 to 65536 are possible`:                         func(r *run) { r.host.Cores = 0 },
		`a warm-up of 2 packets of 2 leaves none`:                                       func(r *run) { r.opt.Warm = 2 },
		`settling by -1 passes: from 0 to 1000 are possible`:                            func(r *run) { r.opt.Settle = -1 },
		`mode 9 is not known`:                                                           func(r *run) { r.opt.Mode = 9 },
		`cache: install times are the device's: no others can be given`:                 func(r *run) { r.opt.Cache.InstallDelay = 1 },
	} {
		r := run{*accessing(2), *testDevice(), *testHost(), Load{Rate: 1000}, Options{}}
		change(&r)
		if _, err := Run(&r.in, &r.nic, &r.host, r.load, r.opt); err == nil || err.Error() != want {
			t.Errorf("%v\nwant %s", err, want)
		} else if strings.Contains(err.Error(), "\n") {
			t.Errorf("%v: more than a line", err)
		}
	}
	// Nothing to do is no error.
	r := mustRun(t, &Input{}, testDevice(), testHost(), Load{Rate: 1}, Options{})
	equal(t, "packets", r.Packets, 0)
}

// run is what Run is called with.
type run struct {
	in   Input
	nic  profile.NIC
	host profile.Host
	load Load
	opt  Options
}

// Counts are of the packets after the warm-up, and packets of the warm-up leave
// the same device behind: what is in the cache, for one.
func TestWarm(t *testing.T) {
	in := &Input{Packets: packets(1, Packet{Fate: Drop, Len: 60, Host: 100 * ns, Miss: 5}), Paths: onePath}
	cold := mustRun(t, in, testDevice(), testHost(), Load{Rate: 1_000_000, Packets: 100}, Options{})
	warm := mustRun(t, in, testDevice(), testHost(), Load{Rate: 1_000_000, Packets: 110}, Options{Warm: 10})
	equal(t, "cold", cold.MissLatency.Packets, 1)
	equal(t, "warm", warm.MissLatency.Packets, 0)
	equal(t, "packets", warm.Packets, 100)
	equal(t, "hits", warm.HitLatency.Packets, 100)
	equal(t, "bytes up", warm.PCIeUp.Total(), 0)
	equal(t, "accounted to the cache", warm.Cache.Packets, 110)
	equal(t, "window", warm.Window, 99*1000*ns)
	if math.Abs(warm.Offered-1e6) > 1e-3 || math.Abs(warm.Throughput-1e6) > 1e-3 {
		t.Errorf("offered %v, throughput %v", warm.Offered, warm.Throughput)
	}
}
