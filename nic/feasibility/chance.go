package feasibility

import (
	"math"
	"math/rand/v2"

	"jitnic/nic/device"
)

// Chance is what the runs that the verdict compares give over seeds: a seed
// chooses where in the capture a run begins, the gaps of poisson arrivals, and
// whatever the policy of the trace cache draws. The run with the study's own
// seed, which is the one in all tables, begins with the first packet.
type Chance struct {
	Runs    int      `json:"runs"` // the study's own among them
	Figures []Spread `json:"figures"`
}

// Spread is a figure over seeds: the mean of the runs, the interval that holds
// the true mean with 95 % (Student's t), and how far from the mean one run of
// twenty is at least.
type Spread struct {
	Name string  `json:"name"`
	Mode string  `json:"mode,omitempty"` // "": of the modes against each other
	Mean float64 `json:"mean"`
	Low  float64 `json:"low"`     // lower end of the interval
	High float64 `json:"high"`    // upper end of the interval
	One  float64 `json:"one_run"` // how far from the mean one run of twenty is at least
}

// The figures that the answer is made of, and those beside them.
const (
	SpreadSaved   = "share of host cores saved"
	SpreadLost    = "loss beyond the host's"
	SpreadFaster  = "share of mean latency won"
	SpreadLoss    = "loss"
	SpreadLatency = "mean latency, ns"
	SpreadCores   = "host cores needed"
	SpreadHits    = "hit ratio"
)

// margins is how far a figure of one run may be from another's by chance.
type margins struct{ saved, lost, faster float64 }

func (c *Chance) margins() (m margins) {
	if c == nil {
		return m
	}
	for _, x := range c.Figures {
		switch x.Name {
		case SpreadSaved:
			m.saved = x.One
		case SpreadLost:
			m.lost = x.One
		case SpreadFaster:
			m.faster = x.One
		}
	}
	return m
}

// chance runs what the verdict compares with other seeds.
func (s *study) chance(c *costs, point *outcome) error {
	all := make([]*outcome, 1+s.opt.Seeds)
	all[0] = point
	err := s.each("running other seeds", s.opt.Seeds, func(i int) error {
		seed := s.opt.Seed + uint64(i) + 1
		l := s.load(s.Rate, s.opt.Packets)
		l.Seed = seed
		l.First = rand.New(rand.NewPCG(s.opt.Seed, uint64(i))).IntN(len(s.w.Packets))
		var f [2]*Figures
		for k, mode := range []device.Mode{device.Both, device.HostOnly} {
			opt := s.options(c, mode)
			opt.Cache.Seed = seed
			var err error
			if f[k], err = s.loaded(c, l, opt); err != nil {
				return err
			}
		}
		all[i+1] = s.outcome(c, f[0], f[1])
		return nil
	})
	if err != nil {
		return err
	}
	ch := &Chance{Runs: len(all)}
	add := func(name string, mode device.Mode, of func(o *outcome) float64) {
		x := spread(all, of)
		x.Name = name
		if name != SpreadSaved && name != SpreadLost && name != SpreadFaster {
			x.Mode = mode.String()
		}
		ch.Figures = append(ch.Figures, x)
	}
	add(SpreadSaved, 0, (*outcome).saved)
	add(SpreadLost, 0, (*outcome).lost)
	add(SpreadFaster, 0, (*outcome).faster)
	for _, mode := range []device.Mode{device.Both, device.HostOnly} {
		of := func(get func(f *Figures) float64) func(o *outcome) float64 {
			return func(o *outcome) float64 {
				if mode == device.HostOnly {
					return get(o.Host)
				}
				return get(o.Both)
			}
		}
		add(SpreadLoss, mode, of(func(f *Figures) float64 { return f.Loss }))
		add(SpreadLatency, mode, of(func(f *Figures) float64 { return f.Mean }))
		add(SpreadCores, mode, of(func(f *Figures) float64 { return f.CoresNeeded }))
	}
	add(SpreadHits, device.Both, func(o *outcome) float64 { return o.Both.HitRatio })
	s.Chance = ch
	return nil
}

// student is the two-sided 95 % quantile of Student's t by degrees of freedom,
// from 1 on.
var student = [...]float64{12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160, 2.145, 2.131, 2.120, 2.110, 2.101, 2.093, 2.086}

// spread is a figure of some outcomes, two at least.
func spread(all []*outcome, of func(o *outcome) float64) (x Spread) {
	n := float64(len(all))
	for _, o := range all {
		x.Mean += of(o) / n
	}
	sum := 0.0
	for _, o := range all {
		sum += (of(o) - x.Mean) * (of(o) - x.Mean)
	}
	t := student[min(len(all)-1, len(student))-1]
	s := math.Sqrt(sum / (n - 1))
	half := t * s / math.Sqrt(n)
	x.Low, x.High = x.Mean-half, x.Mean+half
	x.One = t * s * math.Sqrt(1+1/n) // a prediction interval: of one run more
	return x
}
