package search

import (
	"math/rand/v2"

	"jitnic/superopt/internal/ir"
)

// moveNop empties one place.
func moveNop(c *candidate, rng *rand.Rand) (ch change) {
	i := rng.IntN(len(c.code))
	if c.code[i].Op != ir.Nop {
		c.set(&ch, i, ir.Empty())
	}
	return
}
