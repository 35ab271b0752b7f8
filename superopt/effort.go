package superopt

import "jitnic/superopt/internal/search"

// Effort is how much is tried, from a glance to all night. Each level does what
// those below it do, and more.
type Effort struct {
	Layers    string // letters of the layers that run
	Proposals int    // of the stochastic search, for each window
}

// DefaultEffort is the level of the zero Options: K2's budget for a window is
// of its order (its section 8 lets chains run for minutes on whole programs).
const DefaultEffort = 5

// efforts are the levels, from 1 on; 0 and "" leave it at Options' default. Each
// search begins with all of the one before it, so a level never ends with a dearer
// program than those below it.
var efforts = [...]Effort{
	{"pr", 0},
	{"pre", 0},
	{"pres", search.Budgets[0]},
	{"pres", search.Budgets[1]},
	DefaultEffort - 1: {},
	{"pres", search.Budgets[3]},
	{"pres", search.Budgets[4]},
	{"pres", search.Budgets[5]},
	{"pres", search.Budgets[6]},
}

// MaxEffort is the highest level.
const MaxEffort = len(efforts)

// EffortOf is the level n, from 1 to MaxEffort.
func EffortOf(n int) Effort { return efforts[n-1] }
