package policy

// Requests is a whole stream as the offline bounds want it.
type Requests struct {
	IDs   []uint32 // dense, below N
	N     int
	Sizes []uint32 // per id; nil: 1 each
}

// offline lists the bounds that need the whole stream.
var offline = []Info{
	{Name: "belady", Is: "evicts what is needed furthest in the future: no policy misses less at unit size", Source: "Belady, IBM Systems Journal 1966",
		Sizes: "size-oblivious, so a heuristic and no bound: see pfoo-l", Kind: Bound, Rank: 2, OneSize: true},
	{Name: "belady-bypass", Is: "belady that may also refuse: no policy with any admission misses less at unit size", Source: "McFarling, PLDI 1989 (optimal with bypass)",
		Sizes: "size-oblivious, so a heuristic and no bound: see pfoo-l", Kind: Bound, Rank: 1, OneSize: true},
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
