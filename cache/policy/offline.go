package policy

import "slices"

// Requests is a whole stream as the offline bounds want it.
type Requests struct {
	IDs   []uint32 // dense, below N
	N     int
	Sizes []uint32 // per id; nil: 1 each
}

// offline lists the bounds that need the whole stream.
var offline = []Info{
	{Name: "belady", Is: "evicts what is needed furthest in the future: no policy misses less at unit size", Source: "Belady, IBM Systems Journal 1966",
		Sizes: "size-oblivious, so a heuristic and no bound: see pfoo-l", Kind: Bound, Rank: 2, OneSize: true, TakesAll: true, solve: Belady},
	{Name: "belady-bypass", Is: "belady that may also refuse: no policy with any admission misses less at unit size", Source: "McFarling, PLDI 1989 (optimal with bypass)",
		Sizes: "size-oblivious, so a heuristic and no bound: see pfoo-l", Kind: Bound, Rank: 1, OneSize: true, solve: BeladyBypass},
	{Name: "pfoo-l", Is: "relaxed optimum: hits cost size × time, of which the budget gives so much in all", Source: "Berger, Beckmann, Harchol-Balter, SIGMETRICS 2018",
		Sizes: "a lower bound on misses for sizes too", Kind: Bound, Rank: 3},
}

// Offline lists the bounds that need the whole stream.
func Offline() []Info { return append([]Info(nil), offline...) }

// OfflineNames lists their names.
func OfflineNames() []string {
	names := make([]string, len(offline))
	for i, b := range offline {
		names[i] = b.Name
	}
	return names
}

func offlineByName(name string) (Info, bool) {
	for _, b := range offline {
		if b.Name == name {
			return b, true
		}
	}
	return Info{}, false
}

// IsOffline reports whether the policy needs the whole stream.
func (i Info) IsOffline() bool { return i.make == nil }

// CountsOnly reports whether the policy is an offline bound that knows how many
// requests miss, but not which: see [NewPFOOL].
func (i Info) CountsOnly() bool { return i.make == nil && i.solve == nil }

// Solve marks in miss, a bit a request, what an offline bound misses on so large a
// cache. It must not be one that only counts.
func (i Info) Solve(r Requests, capacity uint64, miss []uint64) { i.solve(r, capacity, miss) }

// Bounds lists the names of the bounds that distances are measured from and may
// says yes to, the most tightly binding first.
func Bounds(may func(*Info) bool) []string {
	var names []string
	all := slices.Concat(offline, registry)
	slices.SortStableFunc(all, func(a, b Info) int { return a.Rank - b.Rank })
	for i := range all {
		if all[i].Rank > 0 && may(&all[i]) {
			names = append(names, all[i].Name)
		}
	}
	return names
}
