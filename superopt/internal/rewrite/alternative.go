package rewrite

import (
	"slices"

	"jitnic/superopt/internal/ir"
)

// Alternative is one of the best results: proved like the best, and as safe.
type Alternative struct {
	Slots   int      `json:"slots"`
	Cost    float64  `json:"cost"`
	Latency float64  `json:"latency_ns"`
	Whole   Whole    `json:"whole_program"`
	Code    []string `json:"code"`
	Prog    *ir.Prog `json:"-"`
}

// remember keeps the program as it is now for Options.Top.
func (o *Gate) remember() {
	if k := o.Options.Top; k > 1 {
		if o.Past = append(o.Past, o.Prog.Clone()); len(o.Past) > 4*k {
			o.Past = slices.Delete(o.Past, 0, len(o.Past)-4*k) // costs only fall
		}
	}
}
