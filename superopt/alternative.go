package superopt

import "slices"

// Alternative is one of the best results: proved like the best, and as safe.
type Alternative struct {
	Slots   int      `json:"slots"`
	Cost    float64  `json:"cost"`
	Latency float64  `json:"latency_ns"`
	Whole   string   `json:"whole_program"`
	Code    []string `json:"code"`
	Prog    *Prog    `json:"-"`
}

// remember keeps the program as it is now for Options.Top.
func (o *optimizer) remember() {
	if k := o.opt.Top; k > 1 {
		if o.past = append(o.past, o.p.Clone()); len(o.past) > 4*k {
			o.past = slices.Delete(o.past, 0, len(o.past)-4*k) // costs only fall
		}
	}
}
