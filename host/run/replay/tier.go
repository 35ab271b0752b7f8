package replay

import (
	"fmt"
	"strconv"
)

// Tier is how far traces are optimised, and when.
type Tier int

// The tiers. A trace is at tier 0 as it is recorded, without its dead code.
const (
	Tiers   Tier = iota // tier 1 before the install, tier 2 for what is hot
	Tier1               // the first alone
	Tier2               // both before the install
	TierAll             // all layers before the install, however long they take
)

// tierNames are what a user calls them. "true" is bare --superopt.
var tierNames = []struct {
	name string
	tier Tier
}{{"true", Tiers}, {"1", Tier1}, {"2", Tier2}, {"all", TierAll}}

// Set reads what stands behind --superopt=: a tier, or whether there is any.
func (o *Optimiser) Set(s string) error {
	for _, t := range tierNames {
		if t.name == s {
			o.On, o.Tier = true, t.tier
			return nil
		}
	}
	on, err := strconv.ParseBool(s)
	if err != nil {
		return fmt.Errorf("%q: not true, false, 1, 2 or all", s)
	}
	o.On, o.Tier = on, Tiers
	return nil
}

// String is what Set takes.
func (o *Optimiser) String() string {
	if o.On {
		for _, t := range tierNames {
			if t.tier == o.Tier {
				return t.name
			}
		}
	}
	return "false"
}

// Type is what help calls the value.
func (o *Optimiser) Type() string { return "tier" }

// before is the tier that traces are installed at.
func (o *Optimiser) before() int {
	if o.all() || o.Tier == Tier2 {
		return 2
	}
	return 1
}

// all says whether every layer is run on every trace: where layers are named,
// they are those meant.
func (o *Optimiser) all() bool { return o.Tier == TierAll || o.Layers != "" }
