package search

import (
	"math/rand/v2"

	"jitnic/superopt/internal/ir"
)

// moveContiguous exchanges two neighbouring instructions for random ones, the
// second often for nothing.
func moveContiguous(c *candidate, rng *rand.Rand) (ch change) {
	if len(c.code) < 2 {
		return
	}
	i := rng.IntN(len(c.code) - 1)
	a, ok := c.w.random(rng)
	if !ok {
		return
	}
	b, ok := c.w.random(rng)
	if !ok || rng.IntN(2) == 0 {
		b = ir.Empty()
	}
	c.set(&ch, i, a)
	c.set(&ch, i+1, b)
	return
}
