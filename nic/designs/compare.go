package designs

import (
	"cmp"
	"errors"
)

// Comparison is designs side by side on one capture and budget.
type Comparison struct {
	Program string    `json:"program"`
	Capture string    `json:"capture"`
	NIC     string    `json:"nic"`
	Host    string    `json:"host"`
	Policy  string    `json:"policy"`
	Entries uint64    `json:"budget_entries"`
	Slots   uint64    `json:"budget_slots"`
	Packets uint64    `json:"packets"`
	Seconds float64   `json:"seconds"` // of the capture
	Results []*Result `json:"designs"`
	Best    []Best    `json:"best"`
	Claim   *Claim    `json:"claims"` // of whole paths: null where they are cut
	// Refused are designs that have no meaning here, with the reason.
	Refused []Refused `json:"refused,omitempty"`
}

// Refused is a design that has no meaning for the paths at hand.
type Refused struct {
	Design string `json:"design"`
	Why    string `json:"why"` // the paths at hand give it no meaning
}

// Best is which design is ahead by one measure, of those that decided no packet
// wrongly; designs that share the first place are joined by commas.
type Best struct {
	Measure string  `json:"measure"`
	Design  string  `json:"design"`
	Value   float64 `json:"value"`
	Unit    string  `json:"unit"`
}

// Compare runs designs by name (nil: all) and works out the claims.
func Compare(s *Setting, names []string) (*Comparison, error) {
	if err := s.check(); err != nil {
		return nil, err
	}
	if names == nil {
		names = Names()
	}
	c := &Comparison{Program: s.W.Program, Capture: s.W.Capture, NIC: s.NIC.Name, Host: s.Host.Name,
		Policy: cmp.Or(s.Cache.Policy, "lru"), Entries: s.Cache.Entries, Slots: s.Cache.Slots,
		Packets: uint64(len(s.W.Packets)), Seconds: s.seconds()}
	for _, name := range names {
		d, err := Lookup(name)
		if err != nil {
			return nil, err
		}
		r, err := d.Run(s)
		var no *RefusedError
		if errors.As(err, &no) {
			c.Refused = append(c.Refused, Refused{no.Design, no.Why})
			continue
		}
		if err != nil {
			return nil, err
		}
		c.Results = append(c.Results, r)
	}
	c.Best = best(c.Results)
	if s.W.Segments != nil {
		return c, nil
	}
	var err error
	c.Claim, err = Claims(s)
	return c, err
}

// measures are what designs are ranked by; sign 1: more is better.
var measures = []struct {
	name, unit string
	sign       float64
	of         func(r *Result) float64
}{
	{"hit ratio", "%", 1, func(r *Result) float64 { return 100 * r.HitRatio }},
	{"host time saved", "%", 1, func(r *Result) float64 { return 100 * r.HostSaved }},
	{"latency", "ns", -1, func(r *Result) float64 { return r.Latency }},
	{"installs", "installs", -1, func(r *Result) float64 { return float64(r.Installs) }},
}

func best(rs []*Result) []Best {
	var out []Best
	for _, m := range measures {
		b := Best{Measure: m.name, Unit: m.unit}
		for _, r := range rs {
			if r.Wrong > 0 {
				continue
			}
			switch v := m.of(r); {
			case b.Design == "" || (v-b.Value)*m.sign > 0:
				b.Design, b.Value = r.Design, v
			case v == b.Value:
				b.Design += ", " + r.Design
			}
		}
		if b.Design != "" {
			out = append(out, b)
		}
	}
	return out
}
