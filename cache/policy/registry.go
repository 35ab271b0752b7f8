package policy

import (
	"fmt"
	"strings"
)

// An Info says what a policy is. The registry holds one for each.
type Info struct {
	Name   string
	Is     string // one line: what it evicts
	Source string // where it is described
	Sizes  string // what it does on a slot budget
	New    func(Config) Policy
}

const (
	sizesEvict   = "size-oblivious: evicts in its own order until the entry fits"
	sizesQueues  = "size-oblivious order; its queues' shares are counted in slots"
	sizesAware   = "weighs an entry's value against its slots"
	sizesPacking = "packs whole entries into sets whose slots are the budget divided by the number of sets"
)

// registry is the one list of policies, in the order of display.
var registry = []Info{
	{"fifo", "evicts what was inserted first", "", sizesEvict, newFIFO},
	{"random", "evicts any entry, each with the same probability", "", sizesEvict, newRandom},
	{"clock", "fifo with a second chance for what was used", "Corbató 1968", sizesEvict, func(c Config) Policy { return newClock(c, 1) }},
	{"lru", "evicts what was used longest ago", "", sizesEvict, newLRU},
	{"mru", "evicts what was used last", "", sizesEvict, newMRU},
	{"slru", "lru in 4 segments; a hit moves one up", "Karedla, Love, Wherry, Computer 1994", sizesQueues, func(c Config) Policy { return newSLRU(c, 4) }},
	{"2q", "lru for new entries, lru for those used again; golang-lru's 2Q", "Johnson, Shasha, VLDB 1994", sizesQueues, newTwoQ},
	{"2q-libcachesim", "fifo for new entries, lru for those that come back; libCacheSim's TwoQ", "Johnson, Shasha, VLDB 1994", sizesQueues, newTwoQLCS},
	{"arc", "balances recency and frequency by its ghosts; golang-lru's ARC", "Megiddo, Modha, FAST 2003", sizesQueues, newARC},
	{"arc-libcachesim", "balances recency and frequency by its ghosts; libCacheSim's ARC", "Megiddo, Modha, FAST 2003", sizesQueues, newARCLCS},
	{"s3-fifo", "small fifo before a main clock, with ghosts; current version", "Yang and others, SOSP 2023", sizesQueues, func(c Config) Policy { return newS3FIFO(c, true) }},
	{"s3-fifo-v0", "small fifo before a main clock, with ghosts; first version", "Yang and others, SOSP 2023", sizesQueues, func(c Config) Policy { return newS3FIFO(c, false) }},
	{"sieve", "fifo in which a hand spares what was used", "Zhang and others, NSDI 2024", sizesEvict, newSieve},
	{"lfu", "evicts what was used least often", "", sizesEvict, newLFU},
	{"lfuda", "lfu whose entries age; libCacheSim's LFUDA", "Arlitt and others, 2000", sizesEvict, newLFUDA},
	{"gdsf", "evicts the least uses × cost / size, aged", "Cherkasova, HP 1998", sizesAware, newGDSF},
	{"lirs", "keeps what has short inter-reference recency; libCacheSim's LIRS", "Jiang, Zhang, SIGMETRICS 2002", sizesQueues, newLIRS},
	{"golang-lru", "hashicorp/golang-lru's LRU itself", "", sizesEvict, newGolangLRU},
	{"golang-2q", "hashicorp/golang-lru's 2Q itself", "", sizesEvict, newGolang2Q},
	{"golang-arc", "hashicorp/golang-lru's ARC itself", "", sizesEvict, newGolangARC},
}

// All lists every policy, in the order of display.
func All() []Info { return append([]Info(nil), registry...) }

// Names lists the names of every policy, in the order of display.
func Names() []string {
	names := make([]string, len(registry))
	for i, r := range registry {
		names[i] = r.Name
	}
	return names
}

// Lookup finds a policy by its name.
func Lookup(name string) (Info, error) {
	for _, r := range registry {
		if r.Name == name {
			return r, nil
		}
	}
	return Info{}, fmt.Errorf("policy %q: not known; there are %s", name, strings.Join(Names(), ", "))
}

// New makes a policy by its name.
func New(name string, c Config) (Policy, error) {
	r, err := Lookup(name)
	if err != nil {
		return nil, err
	}
	if c.Capacity == 0 {
		return nil, fmt.Errorf("policy %q: capacity 0: at least 1 is needed", name)
	}
	return r.New(c), nil
}
