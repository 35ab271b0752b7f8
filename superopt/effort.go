package superopt

// Effort is how much is tried, from a glance to all night. Each level does what
// those below it do, and more.
type Effort struct {
	Layers    string // letters of the layers that run
	Proposals int    // of the stochastic search, for each window
}

// DefaultEffort is the level of the zero Options: K2's budget for a window is
// of its order (its section 8 lets chains run for minutes on whole programs).
const DefaultEffort = 5

// efforts are the levels, from 1 on; 0 and "" leave it at Options' default. The
// numbers of proposals are assumed: about three times more with each step.
var efforts = [...]Effort{
	{"pr", 0},
	{"pre", 0},
	{"pres", 2_000},
	{"pres", 8_000},
	DefaultEffort - 1: {},
	{"pres", 50_000},
	{"pres", 120_000},
	{"pres", 400_000},
	{"pres", 1_000_000},
}

// MaxEffort is the highest level.
const MaxEffort = len(efforts)

// EffortOf is the level n, from 1 to MaxEffort.
func EffortOf(n int) Effort { return efforts[n-1] }
