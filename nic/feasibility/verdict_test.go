package feasibility

import (
	"math"
	"strings"
	"testing"
)

func TestBreakEven(t *testing.T) {
	for _, c := range []struct {
		name                   string
		none, all, alone, want float64
		share                  float64
	}{
		{"half way down", 300, 100, 200, 0.5, 1},
		{"a tenth above the end", 110, 10, 20, 0.9, 1},
		{"half the packets can hit: half of half", 300, 100, 200, 0.25, 0.5},
		{"a miss costs no more than alone", 200, 100, 200, 0, 1},
		{"or less", 150, 100, 200, 0, 1},
		{"just above", 200.0002, 100, 200, 0.000002, 1},
		{"even all hits lose", 300, 250, 200, never, 1},
		{"all hits win nothing", 300, 200, 200, never, 1},
		{"a miss wins, a hit loses: more hits don't help", 150, 250, 200, never, 1},
		{"nothing costs anything", 0, 0, 0, never, 1},
		{"nothing can hit", 100, 100, 200, never, 0},
	} {
		if got := breakEven(c.none, c.all, c.alone, c.share); math.Abs(got-c.want) > 1e-6 {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}

// outcomeOf is an outcome of 10 Mpps where the host alone needs four cores and 2 us
// a packet.
func outcomeOf(change func(o *outcome)) *outcome {
	o := &outcome{
		Both:    &Figures{Offered: 10e6, HitRatio: 0.9, CoresNeeded: 1, Mean: 1000},
		Host:    &Figures{Offered: 10e6, CoresNeeded: 4, Mean: 2000},
		Servers: 8, Offload: 1, Even: BreakEven{Cores: 0.25, Share: 1},
	}
	change(o)
	return o
}

// Every branch of the verdict, with its sentence.
func TestVerdict(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(o *outcome)
		swings []Swing
		answer Answer
		want   string
	}{
		{
			"all is better", func(o *outcome) {}, nil, Pays,
			"The offload pays at 10 Mpps on x: 90 % of packets hit, and 25 % would do to save host cores; it saves 75 % of host cores (1 instead of 4); takes 1000 ns a packet (the host alone 2000 ns).",
		},
		{
			"misses cost nothing more", func(o *outcome) { o.Even.Cores = 0 }, nil, Pays,
			"The offload pays at 10 Mpps on x: 90 % of packets hit, and any hit ratio saves host cores; it saves 75 % of host cores (1 instead of 4); takes 1000 ns a packet (the host alone 2000 ns).",
		},
		{
			"as fast as before", func(o *outcome) { o.Both.Mean = 2010 }, nil, Pays,
			"The offload pays at 10 Mpps on x: 90 % of packets hit, and 25 % would do to save host cores; it saves 75 % of host cores (1 instead of 4).",
		},
		{
			"both lose, the host more, each core as much", func(o *outcome) {
				o.Both.Loss, o.Host.Loss, o.Host.CoresNeeded, o.Host.Uneven = 0.1, 0.5, 16.2, 1
				o.Both.Stations = []Station{{Name: "compilers", Utilisation: 1}, {Name: "units", Utilisation: 0.98}}
			}, nil, Neither,
			"Neither keeps up at 10 Mpps on x: NIC and host together lose 10 % of the packets, the host alone 50 %. What would: the host alone with 17 cores (there are 8); NIC and host with more of its units, 98 % busy.",
		},
		{
			"slower", func(o *outcome) { o.Both.Mean = 12_300 }, nil, Depends,
			"Whether the offload pays at 10 Mpps on x depends on what counts: 90 % of packets hit, and 25 % would do to save host cores; it saves 75 % of host cores (1 instead of 4); but takes 12.3 us a packet (the host alone 2000 ns).",
		},
		{
			"no cores saved", func(o *outcome) { o.Both.CoresNeeded = 3.99; o.Even.Cores = 0 }, nil, Doesnt,
			"The offload does not pay at 10 Mpps on x: 90 % of packets hit, which saves next to nothing; it saves no host cores (4 either way).",
		},
		{
			"cores lost to the compiler", func(o *outcome) { o.CompileCores = 5; o.Even.Cores = 0.953 }, nil, Doesnt,
			"The offload does not pay at 10 Mpps on x: 90 % of packets hit, and 95.3 % would have to, to save host cores; it costs another 50 % of host cores (6 instead of 4).",
		},
		{
			"cores lost at every hit ratio", func(o *outcome) { o.Both.CoresNeeded = 8; o.Even.Cores = never }, nil, Doesnt,
			"The offload does not pay at 10 Mpps on x: 90 % of packets hit, and no hit ratio would save host cores; it costs another 100 % of host cores (8 instead of 4).",
		},
		{
			"cores lost though the means say otherwise", func(o *outcome) { o.Both.CoresNeeded = 8 }, nil, Doesnt,
			"The offload does not pay at 10 Mpps on x: 90 % of packets hit; it costs another 100 % of host cores (8 instead of 4).",
		},
		{
			"loses where the host alone does not", func(o *outcome) {
				o.Both.Loss, o.Both.Ingress, o.Both.AtHost = 0.00456, 300, 156
			}, nil, Doesnt,
			"The offload does not pay at 10 Mpps on x: 90 % of packets hit, and 25 % would do to save host cores; it loses 0.46 % of the packets, most of them before the matcher (the host alone 0 %).",
		},
		{
			"loses more than the host alone", func(o *outcome) {
				o.Both.Loss, o.Host.Loss, o.Both.Egress = 0.5, 0.25, 9
				o.Host.Uneven, o.Host.CoresNeeded = 3, 4
			}, nil, Neither,
			"Neither keeps up at 10 Mpps on x: NIC and host together lose 50 % of the packets, most of them at the port, the host alone 25 %. What would: the host alone with 12 cores (there are 8) as flows are spread now, 4 spread evenly.",
		},
		{
			"saves no cores and loses more", func(o *outcome) {
				o.Both.Loss, o.Host.Loss, o.Both.AtHost = 0.5, 0.25, 9
				o.Both.CoresNeeded = 4
			}, nil, Neither,
			"Neither keeps up at 10 Mpps on x: NIC and host together lose 50 % of the packets, most of them at the rings of the host's cores, the host alone 25 %. What would: a lower rate.",
		},
		{
			"saves no cores but loses fewer", func(o *outcome) {
				o.Both.CoresNeeded, o.Host.Loss = 4, 0.25
			}, nil, Depends,
			"Whether the offload pays at 10 Mpps on x depends on what counts: 90 % of packets hit, which saves next to nothing; it loses fewer packets (0 % instead of 25 %); takes 1000 ns a packet (the host alone 2000 ns); but saves no host cores (4 either way).",
		},
		{
			"loses nothing yet, but falls behind", func(o *outcome) {
				o.Both.Packets, o.Both.Behind = 100_000, 5000
			}, nil, Doesnt,
			"The offload does not pay at 10 Mpps on x: 90 % of packets hit, and 25 % would do to save host cores; it loses 0 % of the packets yet, falling behind by 10 % (the host alone 0 %).",
		},
		{
			"nothing can be offloaded", func(o *outcome) { o.Offload, o.Both.HitRatio = 0, 0 }, nil, Doesnt,
			"The offload does not pay at 10 Mpps on x: the device can take none of the packets.",
		},
		{
			"a host without cost", func(o *outcome) {
				o.Host.CoresNeeded, o.Both.CoresNeeded, o.Host.Mean, o.Both.Mean, o.Even.Cores = 0, 0, 0, 0, never
			}, nil, Doesnt,
			"The offload does not pay at 10 Mpps on x: 90 % of packets hit, and no hit ratio would save host cores; it saves no host cores (0 either way).",
		},
		{
			"an assumed figure turns it", func(o *outcome) {}, []Swing{{Key: "pcie.doorbell", Turns: true}, {Key: "exec.mul"}}, Depends,
			"It depends: with the figures assumed the offload pays at 10 Mpps on x: 90 % of packets hit, and 25 % would do to save host cores; it saves 75 % of host cores (1 instead of 4); takes 1000 ns a packet (the host alone 2000 ns). This stands on assumed figures: within its range, pcie.doorbell alone would turn it.",
		},
		{
			"none of them does", func(o *outcome) {}, []Swing{{Key: "exec.mul"}}, Pays,
			"The offload pays at 10 Mpps on x: 90 % of packets hit, and 25 % would do to save host cores; it saves 75 % of host cores (1 instead of 4); takes 1000 ns a packet (the host alone 2000 ns).",
		},
		{
			"it would pay otherwise", func(o *outcome) { o.Both.CoresNeeded = 4 }, []Swing{{Key: "a", Turns: true}, {Key: "b", Turns: true}}, Depends,
			"It depends: with the figures assumed the offload does not pay at 10 Mpps on x: 90 % of packets hit, which saves next to nothing; it saves no host cores (4 either way). This stands on assumed figures: within its range, a or b alone would turn it.",
		},
		{
			"what counts, and figures too", func(o *outcome) { o.Both.Mean = 3000 }, []Swing{{Key: "a", Turns: true}}, Depends,
			"Whether the offload pays at 10 Mpps on x depends on what counts: 90 % of packets hit, and 25 % would do to save host cores; it saves 75 % of host cores (1 instead of 4); but takes 3000 ns a packet (the host alone 2000 ns). This stands on assumed figures: within its range, a alone would turn it.",
		},
		{
			"nothing, unless a limit is another", func(o *outcome) { o.Offload = 0 }, []Swing{{Key: "limit.map.types", Turns: true}}, Depends,
			"It depends: with the figures assumed the offload does not pay at 10 Mpps on x: the device can take none of the packets. This stands on assumed figures: within its range, limit.map.types alone would turn it.",
		},
	} {
		s := &Study{NIC: Profile{Name: "x"}, Rate: 10_000_000, Swings: c.swings}
		s.decide(outcomeOf(c.change))
		v := &s.Verdict
		if v.Answer != c.answer || v.Sentence != c.want {
			t.Errorf("%s: %s\n got %s\nwant %s", c.name, v.Answer, v.Sentence, c.want)
		}
		if v.Answer == Depends && len(v.On) == 0 {
			t.Errorf("%s: depends on nothing", c.name)
		}
		if v.Answer == Neither && len(v.Would) == 0 {
			t.Errorf("%s: nothing keeps up", c.name)
		}
		if v.Answer == Pays && len(v.For) == 0 || v.Answer == Doesnt && len(v.Against) == 0 {
			t.Errorf("%s: no reason: %+v", c.name, v)
		}
	}
}

// What is within chance is said to be so, and turns no assumed figure's answer.
func TestChance(t *testing.T) {
	chance := &Chance{Runs: 6, Figures: []Spread{{Name: SpreadSaved, One: 0.02}, {Name: SpreadFaster, One: 0.005}}}
	by := chance.margins()
	near := outcomeOf(func(o *outcome) { o.Both.CoresNeeded = 3.94 }) // saves 1.5 %
	far := outcomeOf(func(o *outcome) {})
	none := outcomeOf(func(o *outcome) { o.Both.CoresNeeded = 3.98 }) // saves 0.5 %
	if !none.may(Pays, by) || none.is() != Doesnt || none.may(Pays, margins{}) || far.may(Doesnt, by) {
		t.Error("chance is more or less than it is")
	}
	s := &Study{NIC: Profile{Name: "x"}, Rate: 10_000_000, Chance: chance}
	s.decide(near)
	want := "It depends: with this seed the offload pays at 10 Mpps on x: 90 % of packets hit, and 25 % would do to save host cores; it saves 1.5 % of host cores (3.94 instead of 4); takes 1000 ns a packet (the host alone 2000 ns). It is within what is chance: over 6 seeds, host cores saved are 1.5 % ± 2 %."
	if s.Verdict.Answer != Depends || s.Verdict.Sentence != want {
		t.Errorf("%s: %s", s.Verdict.Answer, s.Verdict.Sentence)
	}
	s.decide(far)
	if s.Verdict.Answer != Pays {
		t.Errorf("%+v", s.Verdict)
	}
	all := []*outcome{near, far, none}
	x := spread(all, (*outcome).saved) // 0.015, 0.75, 0.005: s = 0.42728
	if math.Abs(x.Mean-0.25667) > 1e-5 || math.Abs(x.High-x.Mean-4.303*0.42728/math.Sqrt(3)) > 1e-4 || math.Abs(x.One-4.303*0.42728*math.Sqrt(4.0/3)) > 1e-4 {
		t.Errorf("%+v", x)
	}
}

// No verdict on what can't come in.
func TestBeyondWire(t *testing.T) {
	s := &Study{NIC: Profile{Name: "x"}, Rate: 50_000_000, LineRate: 11_200_000, Frame: 446}
	s.decide(outcomeOf(func(o *outcome) { o.Both.BeyondWire = true }))
	want := "No verdict: 50 Mpps of this capture's frames, 446 B each with what the link adds (link.overhead), are 178.4 Gbit/s, and the link brings in 11.2 Mpps of them (link.rate; --rate line)."
	if s.Verdict.Answer != None || s.Verdict.Sentence != want {
		t.Errorf("%+v", s.Verdict)
	}
}

func TestList(t *testing.T) {
	words := strings.Fields("a b c d e f g")
	for n, want := range []string{"a", "a or b", "a, b or c", "a, b, c or d", "a, b, c, d or e", "a, b, c, d or any of 2 more", "a, b, c, d or any of 3 more"} {
		if got := list(words[:n+1]); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}

// Numbers in sentences: no powers of ten, and nearly all is not all.
func TestNumbers(t *testing.T) {
	for _, c := range []struct{ got, want string }{
		{percent(0), "0 %"}, {percent(1), "100 %"}, {percent(0.5), "50 %"}, {percent(0.00001), "under 0.01 %"}, {percent(0.99999), "over 99.99 %"},
		{percent(3.273), "327.3 %"}, {percent(0.1234), "12.34 %"}, {percent(0.0999), "9.99 %"}, {percent(12), "1200 %"},
		{number(0), "0"}, {number(0.123456), "0.123"}, {number(12.345), "12.3"}, {number(999.4), "999"}, {number(999.6), "1000"}, {number(123456), "123456"},
		{nanos(0), "0 ns"}, {nanos(9999), "9999 ns"}, {nanos(9999.9), "10 us"}, {nanos(999_400), "999 us"}, {nanos(999_900), "1 ms"}, {nanos(1.5e9), "1.5 s"},
		{rate(999), "999 pps"}, {rate(1500), "1.5 kpps"}, {rate(14.88e6), "14.88 Mpps"},
	} {
		if c.got != c.want {
			t.Errorf("%s, want %s", c.got, c.want)
		}
	}
}
