package search

import "math/rand/v2"

// moveSwap exchanges two instructions' places.
func moveSwap(c *candidate, rng *rand.Rand) (ch change) {
	i, j := rng.IntN(len(c.code)), rng.IntN(len(c.code))
	if i == j {
		return
	}
	a, b := c.code[i], c.code[j]
	c.set(&ch, i, b)
	c.set(&ch, j, a)
	return
}
