package feasibility

import (
	"context"
	"math"
	"testing"

	"jitnic/cache/stream"
	"jitnic/host/hosttest/must"
	"jitnic/nic/device"
	"jitnic/nic/profile"
)

// Where there is room for all, programs side by side do what each does alone;
// where the first one's maps fill the device, the second has none.
func TestTogether(t *testing.T) {
	var parts []Part
	for _, p := range []string{"firewall", "nat"} {
		w, x, tree := observed(t, p, "sample:lab", 1500, false)
		parts = append(parts, Part{w, x, tree})
	}
	opt := Options{Cache: lru(0), Rate: 1_000_000, Packets: 6000, Seed: 1}
	n, h := profiles(t, "ideal", "ideal")
	both := must.Get(Beside(context.Background(), parts, n, h, opt))(t)
	if len(both.Programs) != 2 || both.Point.Packets != 6000 || both.Point.Loss != 0 {
		t.Fatalf("%+v", both)
	}
	var hits, packets float64
	for _, m := range both.Programs {
		if m.Packets != 3000 || math.Abs(m.Hits-m.HitsOwn) > 1e-12 || m.Share != m.ShareOwn || m.Crowded || m.Loss != 0 {
			t.Errorf("%+v", m)
		}
		hits += m.Hits * float64(m.Packets)
		packets += float64(m.Packets)
	}
	if math.Abs(hits/packets-both.Point.HitRatio) > 1e-9 {
		t.Errorf("%v of the packets hit, by the programs %v", both.Point.HitRatio, hits/packets)
	}

	n, h = profiles(t, "hxdp", "paper")
	alone := must.Get(Beside(context.Background(), parts, n, h, opt))(t)
	for _, m := range alone.Programs {
		if m.Crowded || m.Hits > m.HitsOwn+0.01 {
			t.Errorf("%+v", m)
		}
	}
	n.MapMemory = alone.Programs[0].MapBytes
	full := must.Get(Beside(context.Background(), parts, n, h, opt))(t)
	if a, b := full.Programs[0], full.Programs[1]; a.Crowded || !b.Crowded || b.MapBytes > 0 || b.Blocked == "" {
		t.Errorf("%+v\n%+v", a, b)
	}
	if _, err := Beside(context.Background(), parts[:1], n, h, opt); err == nil {
		t.Error("one program shares a device")
	}
}

// Packets take turns, and what is one program's stays its own.
func TestMerge(t *testing.T) {
	one := func(entries int) *device.Input {
		return &device.Input{
			Packets:  []device.Packet{{Path: 0, Flow: 0, N: 1}, {Path: -1, Flow: 1, First: 1, N: 1}},
			Accesses: []device.Access{{Entry: 0}, {Entry: uint32(entries) - 1, Write: true}},
			Paths:    []device.Path{{Slots: uint32(entries)}}, Entries: entries, Hot: uint64(entries),
			Invalidations: []stream.Invalidation{{At: 1, ID: 0}, {At: 2, ID: 0}},
		}
	}
	in := merge([]*device.Input{one(2), one(3)})
	must.OK(t, in.Check())
	if in.Entries != 5 || in.Hot != 3 || len(in.Packets) != 4 || in.Packets[0].Path != 0 || in.Packets[1].Path != 1 || in.Packets[2].Path != -1 || in.Packets[1].Flow != 2 || in.Packets[3].Flow != 3 {
		t.Errorf("%+v", in)
	}
	if a := in.Accesses[in.Packets[3].First]; a.Entry != 4 || !a.Write {
		t.Errorf("%+v", a)
	}
	want := []stream.Invalidation{{At: 2, ID: 0}, {At: 3, ID: 1}, {At: 4, ID: 0}, {At: 4, ID: 1}}
	for i, v := range in.Invalidations {
		if v != want[i] {
			t.Errorf("invalidation %d: %+v, want %+v", i, v, want[i])
		}
	}
}

// A limit of which nothing is left stays one.
func TestTake(t *testing.T) {
	n := &profile.NIC{MapMemory: 10}
	if take(&n.MapMemory, 4) || n.MapMemory != 6 || !take(&n.MapMemory, 6) || n.MapMemory != 1 || take(&n.MapEntries, 100) || n.MapEntries != 0 {
		t.Errorf("%+v", n)
	}
}
