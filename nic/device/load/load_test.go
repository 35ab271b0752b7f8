package load

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"jitnic/cache"
	"jitnic/host/hosttest/must"
	"jitnic/nic/device"
	"jitnic/nic/profile"
)

const ns = 1000

// bench is a device of round figures: 100 ns a packet in the matcher, a link
// of 16 Gbit/s on which 80 B and 20 B around them are 50 ns; a host with cores
// of 400 ns a packet.
func bench() *Bench {
	in := &device.Input{Paths: []device.Path{{Match: 100, Slots: 1}}}
	for i := range 16 {
		in.Packets = append(in.Packets, device.Packet{Len: 80, Fate: device.Drop, Queue: uint16(i), Flow: uint32(i), Host: 360 * ns, Miss: 100})
	}
	return &Bench{
		Input: in,
		NIC: &profile.NIC{
			Name: "test", Clock: 1_000_000, Link: 16_000, LinkOverhead: 20, IngressQueue: 8, EgressQueue: 8, Units: 1, UnitQueue: 1,
			Memory: profile.MemShared, PCIeRead: 600, PCIeWriteRead: 700, PCIeRate: 50_000, PCIeTLP: 20, PCIePayload: 256, InstallQueue: 4,
		},
		Host:    &profile.Host{Name: "test", Cores: 1, Queue: 16, Driver: 40 * ns, Compilers: 1, CompileQueue: 4},
		Load:    device.Load{Packets: 50_000},
		Options: device.Options{Cache: cache.Config{Policy: "lru", Entries: 4}},
		Workers: 2,
	}
}

func find(t *testing.T, b *Bench, modes ...device.Mode) []Throughput {
	t.Helper()
	out := must.Get(b.Throughputs(context.Background(), modes, 0))(t)
	return out
}

// near demands a rate that a search may give: it is at most four resolutions
// below the device's own, and not above.
func near(t *testing.T, what string, got, want uint64) {
	t.Helper()
	if float64(got) < float64(want)*(1-4*Resolution) || got > want {
		t.Errorf("%s: %d packets/s, want %d", what, got, want)
	}
}

func TestThroughputs(t *testing.T) {
	b := bench()
	out := find(t, b, device.HostOnly, device.NICOnly, device.Both)
	near(t, "one core of 400 ns", out[0].Rate, 2_500_000)
	near(t, "a matcher of 100 ns", out[1].Rate, 10_000_000)
	if got := out[1].Result.Latency; got.Packets != 50_000 || got.Min != 100*ns {
		t.Errorf("latency at it: %+v", got)
	}
	for _, o := range out {
		if o.Line || o.Unlimited {
			t.Errorf("%v: %+v", o.Mode, o)
		}
		for _, trial := range o.Trials { // a search is no more than its trials
			if above := float64(trial.Rate) > float64(o.Rate)*(1+5*Resolution); trial.Passed && above || !trial.Passed && trial.Rate <= o.Rate {
				t.Errorf("%v: found %d, and %+v", o.Mode, o.Rate, trial)
			}
		}
	}
	// Half the time a packet: the link's rate is the limit.
	b.Input.Paths[0].Match = 50
	if o := find(t, b, device.NICOnly)[0]; !o.Line || o.Rate != 20_000_000 || len(o.Trials) != 1 {
		t.Errorf("the link's rate: %+v", o)
	}
	// On a link without limits too, the matcher is one.
	b.NIC.Link = 0
	near(t, "a matcher of 50 ns", find(t, b, device.NICOnly)[0].Rate, 20_000_000)
	b.Input.Paths[0].Match = 0
	if o := find(t, b, device.NICOnly)[0]; !o.Unlimited {
		t.Errorf("a device that takes no time: %+v", o)
	}
	// What can't be offloaded is no loss of the NIC's, whatever the rate.
	b.Input.Packets[3].Path = -1
	b.Input.Packets[3].Miss = 0
	if o := find(t, b, device.NICOnly)[0]; !o.Unlimited || o.Result.Drops.NeedsHost != 50_000/16 {
		t.Errorf("without a host: %+v", o)
	}
}

// More of anything does not make the device slower.
func TestMoreIsNotLess(t *testing.T) {
	before := uint64(0)
	for cores := uint64(1); cores <= 6; cores++ {
		b := bench()
		b.Host.Cores = cores
		rate := find(t, b, device.HostOnly)[0].Rate
		if rate < before {
			t.Errorf("%d cores: %d packets/s, with one core less %d", cores, rate, before)
		}
		before = rate
	}
	near(t, "6 cores, three packets on some and two on others of 16", before, 2_500_000*16/3)
	before = 0
	for entries := uint64(1); entries <= 4; entries++ {
		b := bench()
		b.Input.Paths = slices.Repeat(b.Input.Paths, 4)
		for i := range b.Input.Packets {
			b.Input.Packets[i].Path = int32(i*i) % 4
			b.Input.Packets[i].Path += int32(i/8) * 2
			b.Input.Packets[i].Path %= 4
		}
		b.Options.Cache = cache.Config{Policy: "fifo", Entries: entries}
		b.Options.Warm = 25_000
		rate := find(t, b, device.Both)[0].Rate
		if rate < before {
			t.Errorf("%d entries: %d packets/s, with one less %d", entries, rate, before)
		}
		before = rate
	}
	near(t, "room for all paths", before, 10_000_000)
}

// Points are the same with any number of workers, and say what their results
// say; beyond the device's rate throughput stays and the rest is lost.
func TestSweep(t *testing.T) {
	rates := must.Get(Rates("1M..30M/6"))(t)
	var text [2]string
	for i := range text {
		b := bench()
		b.Load.Arrivals, b.Load.Seed = device.Poisson, 7
		b.Options.Warm = 1000
		b.Workers = 1 + 3*i
		points := must.Get(b.Sweep(context.Background(), AllModes(), rates))(t)
		j := must.Get(json.Marshal(points))(t)
		text[i] = string(j)
		for k, p := range points {
			if p.Mode != AllModes()[k/6] || p.Rate != rates[k%6] || p.AboveLine != (p.Rate > 20_000_000) {
				t.Errorf("point %d: %+v", k, p)
			}
			if p.Throughput > p.Offered*1.01 || (p.Lost == 0) != (p.Loss == 0) {
				t.Errorf("point %d: %+v", k, p)
			}
			if p.Mode == device.NICOnly && p.Rate > 10_000_000 && (p.Throughput < 9.99e6 || p.Throughput > 10.01e6) {
				t.Errorf("at %d packets/s: %v through", p.Rate, p.Throughput)
			}
		}
	}
	if text[0] != text[1] {
		t.Errorf("one worker:\n%s\nfour:\n%s", text[0], text[1])
	}
}

func TestErrors(t *testing.T) {
	b := bench()
	if _, err := b.Sweep(context.Background(), AllModes(), []uint64{1000, 0}); err == nil || !strings.HasPrefix(err.Error(), "host at 0 packets/s: ") {
		t.Errorf("rate 0: %v", err)
	}
	if _, err := b.Throughputs(context.Background(), AllModes(), 2); err == nil {
		t.Error("resolution 2: no error")
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := b.Throughputs(ctx, AllModes(), 0); err != context.Canceled {
		t.Errorf("canceled: %v", err)
	}
	b.NIC.Units = 0
	if _, err := b.Throughputs(context.Background(), AllModes(), 0); err == nil || !strings.Contains(err.Error(), "exec.units") {
		t.Errorf("no units: %v", err)
	}
}

func TestRates(t *testing.T) {
	for _, c := range []struct {
		text string
		want []uint64
	}{
		{"10Mpps", []uint64{10_000_000}},
		{"1M,2M,5M", []uint64{1_000_000, 2_000_000, 5_000_000}},
		{"5M, 250k ,1.5Mpps", []uint64{250_000, 1_500_000, 5_000_000}},
		{"1M..8M/4", []uint64{1_000_000, 2_000_000, 4_000_000, 8_000_000}},
		{"1..3/5", []uint64{1, 2, 3}},
		{"1G", []uint64{1_000_000_000}},
		{"1k..1k", []uint64{1000}},
		{"line", []uint64{14_000_000}},
		{"1M,line", []uint64{1_000_000, 14_000_000}},
		{"10Gbps", []uint64{10_000_000}},    // 1000 bit each
		{"10Gbps@64", []uint64{14_880_952}}, // 84 bytes each
		{"1 Gbps @ 1518B", []uint64{81_274}},
		{"1Gbps..10Gbps/2", []uint64{1_000_000, 10_000_000}},
	} {
		got, err := (Wire{Frame: 125, Overhead: 24, Line: 14_000_000}).Rates(c.text)
		if err != nil || !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, %v; want %v", c.text, got, err, c.want)
		}
	}
	if got, err := Rates("1M..50M"); err != nil || len(got) != rangeSteps || got[0] != 1_000_000 || got[rangeSteps-1] != 50_000_000 {
		t.Errorf("%v, %v", got, err)
	}
	if _, err := (Wire{Frame: 100}).Rates("line"); err == nil || err.Error() != `rates "line": line: the link has no limit (link.rate)` {
		t.Error(err)
	}
	for text, want := range map[string]string{
		"":            `rates "": "" is not a rate like 10Mpps, 1.5M or 250k`,
		"line":        `rates "line": line: it depends on packets and link, and stands for none of them here`,
		"10Gbps":      `rates "10Gbps": 10Gbps: it depends on packets and link, and stands for none of them here`,
		"1M@64":       `rates "1M@64": "1M@64" is not a rate like 40Gbps@64, of frames of 64 bytes or more`,
		"1Gbps@20":    `rates "1Gbps@20": "1Gbps@20" is not a rate like 40Gbps@64, of frames of 64 bytes or more`,
		"fast":        `rates "fast": "fast" is not a rate like 10Mpps, 1.5M or 250k`,
		"1M,":         `rates "1M,": "" is not a rate like 10Mpps, 1.5M or 250k`,
		"0":           `rates "0": "0": a rate is from 1 to 1000000000000 packets/s`,
		"1e6":         `rates "1e6": "1e6" is not a rate like 10Mpps, 1.5M or 250k`,
		"-1M":         `rates "-1M": "-1M" is not a rate like 10Mpps, 1.5M or 250k`,
		"5M..1M":      `rates "5M..1M": from 5000000 down to 1000000`,
		"1M..5M/x":    `rates "1M..5M/x": "x" is not a number of steps from 2 to 1000`,
		"1M..5M..10M": `rates "1M..5M..10M": "5M..10M" is not a rate like 10Mpps, 1.5M or 250k`,
	} {
		if _, err := Rates(text); err == nil || err.Error() != want {
			t.Errorf("%q: %v, want %s", text, err, want)
		}
	}
}
