package superopt

import "math/rand/v2"

// moveNop empties one place.
func moveNop(c *candidate, rng *rand.Rand) (ch change) {
	i := rng.IntN(len(c.code))
	if c.code[i].Op != Nop {
		c.set(&ch, i, emptyInst())
	}
	return
}
