package device

import (
	"testing"

	"jitnic/cache"
	"jitnic/host/hosttest/must"
	"jitnic/nic/profile"
)

// device is a NIC with round figures: a cycle of 1 ns, a link of 8 Gbit/s (a
// byte a ns), PCIe of 8 Gbit/s with 20 B a TLP, 100 ns to the host and 600 ns
// for a read.
func testDevice() *profile.NIC {
	return &profile.NIC{
		Name: "test", Clock: 1_000_000,
		Link: 8000, LinkOverhead: 20, IngressQueue: 4, EgressQueue: 4,
		MatcherInterval: 1, Units: 1, UnitQueue: 4, Memory: profile.MemShared,
		PCIeRead: 600, PCIeWriteRead: 700, PCIeRate: 8000, PCIeTLP: 20, PCIePayload: 256, PCIeDesc: 16, Doorbell: 50,
		InstallStall: 30, InstallQueue: 4,
	}
}

// testHost is one core that needs 40 ns for any packet.
func testHost() *profile.Host {
	return &profile.Host{Name: "test", Cores: 1, Queue: 4, Driver: 40_000, Pass: 200_000, Compilers: 1, CompileQueue: 4}
}

// at is a load with its own times in ns.
func at(ns ...int64) Load { return Load{Arrivals: Capture, Times: ns} }

// packets is so many alike.
func packets(n int, p Packet) []Packet {
	out := make([]Packet, n)
	for i := range out {
		out[i] = p
	}
	return out
}

func mustRun(t testing.TB, in *Input, n *profile.NIC, h *profile.Host, l Load, o Options) *Result {
	t.Helper()
	r := must.Get(Run(in, n, h, l, o))(t)
	return r
}

const ns = 1000

func equal[T comparable](t testing.TB, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Errorf("%s: %v, want %v", what, got, want)
	}
}

var onePath = []Path{{Match: 10, Exec: 20, Slots: 1, Cost: 1}}

// A hit that goes out:
//
//	  0  received; the matcher takes it at once
//	 10  matched
//	 30  executed
//	130  on the wire: 80 B and 20 B around them at a byte a ns
func TestOneHit(t *testing.T) {
	in := &Input{Packets: []Packet{{Fate: Wire, Len: 60, OutLen: 80}}, Paths: onePath}
	r := mustRun(t, in, testDevice(), testHost(), at(0), Options{Mode: NICOnly})
	equal(t, "latency", r.HitLatency.Max, 130*ns)
	equal(t, "finished", r.Finished, Finished{Wire: 1})
	equal(t, "bytes up", r.PCIeUp.Total()+r.PCIeDown.Total(), 0)

	// A packet that its program drops is over when it is executed.
	in.Packets[0].Fate = Drop
	r = mustRun(t, in, testDevice(), testHost(), at(0), Options{Mode: NICOnly})
	equal(t, "latency of a drop", r.HitLatency.Max, 30*ns)

	// One for the stack: executed at 30; 60 B and a descriptor of 16 B, 20 B
	// each around them, are 116 ns on PCIe; 100 ns to memory and 50 ns until the
	// core sees it: 296; driver and stack, 240 ns.
	in.Packets[0].Fate = Up
	r = mustRun(t, in, testDevice(), testHost(), at(0), Options{Mode: NICOnly})
	equal(t, "latency up", r.HitLatency.Max, 536*ns)
	equal(t, "bytes up", r.PCIeUp[PacketsUp], 116)
	equal(t, "host busy", r.HostBusy, 240*ns)
}

// A miss that the host sends out:
//
//	   0  received, taken
//	   5  no condition holds
//	 121  60+20 B and 16+20 B are on PCIe
//	 271  100 ns to memory, 50 ns until the core sees it
//	 411  driver 40 ns, program 100 ns
//	 527  80 B... 60+20 and 16+20 B come back over the other direction
//	1127  the read's 600 ns
//	1207  on the wire: 60+20 B
func TestOneMiss(t *testing.T) {
	in := &Input{
		Packets: []Packet{{Fate: Wire, Len: 60, OutLen: 60, Host: 100 * ns, Miss: 5}},
		Paths:   []Path{{Match: 10, Exec: 20, Slots: 1, Compile: 1000 * ns, Install: 500 * ns, Bytes: 80}},
	}
	r := mustRun(t, in, testDevice(), testHost(), at(0), Options{})
	equal(t, "latency", r.MissLatency.Max, 1207*ns)
	equal(t, "finished", r.Finished, Finished{Wire: 1})
	equal(t, "outcome", r.Outcome, cache.Counts{cache.Cold: 1})
	// 116 B up, and a read request of 20 B; 116 B back, 80+20 B of trace.
	equal(t, "up", r.PCIeUp, Traffic{PacketsUp: 116, PacketsBack: 20})
	equal(t, "down", r.PCIeDown, Traffic{PacketsBack: 116, Installs: 100})
	equal(t, "compile", r.Compile, Compile{Begun: 1, Made: 1, Installed: 1, Stall: 30 * ns})
	equal(t, "window", r.Window, 1911*ns) // recorded at 411, compiled at 1411, installed at 1911

	r = mustRun(t, in, testDevice(), testHost(), at(0), Options{Remote: true})
	equal(t, "latency over sockets", r.MissLatency.Max, (1207+2*107)*ns)

	n := testDevice()
	n.PCIeNUMA = 50
	r = mustRun(t, in, n, testHost(), at(0), Options{Remote: true})
	equal(t, "latency over these sockets", r.MissLatency.Max, (1207+2*50)*ns)

	// A plain NIC has no matcher: 5 ns less, and nothing is looked up.
	r = mustRun(t, in, testDevice(), testHost(), at(0), Options{Mode: HostOnly})
	equal(t, "latency, host only", r.MissLatency.Max, 1202*ns)
	equal(t, "outcome, host only", r.Outcome.Total(), 0)
}
