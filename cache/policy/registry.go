package policy

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// An Info says what a policy is. The registry holds one for each.
type Info struct {
	Name   string
	Is     string // one line: what it evicts
	Source string // where it is described
	Note   string // what a reader of its counts must know; "" for most
	Sizes  string // what it does on a slot budget
	Kind   Kind
	// Shares: parts of the budget are set apart, so it may evict before all of it is
	// used.
	Shares bool
	// Refuses: at unit size too it may not take in what misses.
	Refuses bool
	// Of a Bound: Rank 1 is the most tightly binding, 0 one that no distance is
	// measured from; OneSize says it binds entries of one size over a whole
	// stream only, TakesAll that it binds only what takes in all that misses.
	Rank     int
	OneSize  bool
	TakesAll bool
	// Costs: what misses cost decides whom it evicts, on a budget in entries too.
	Costs bool
	Param Param // what the number after "name/" means; no name: takes none

	make    func(c Config, n int) Policy // nil: needs the whole stream
	solve   func(r Requests, capacity uint64, miss []uint64)
	aliases []string
}

// Fills reports whether at unit size it evicts nothing, and refuses nothing, while the
// budget isn't used up.
func (i Info) Fills() bool { return i.Kind != Hardware && !i.Shares && !i.Refuses }

// Kind groups policies in tables and reports.
type Kind uint8

const (
	Software  Kind = iota // fully associative orders
	Hardware              // sets, ways and places
	Bound                 // no cache could be better, or no cache at all
	Reference             // another's code, which a policy of ours counts the same as
)

var kinds = [...]string{"software", "hardware", "bound", "reference"}

func (k Kind) String() string { return kinds[k] }

// Param is the number that may follow a policy's name: "slru/5".
type Param struct {
	Name              string
	Default, Min, Max int
}

const (
	sizesEvict   = "size-oblivious: evicts in its own order until the entry fits"
	sizesQueues  = "size-oblivious order; the shares of its queues are in slots"
	sizesAware   = "weighs an entry's value against its slots"
	sizesPacking = "packs an entry into whole ways of a set of 512 slots; refuses what needs more"
	sizesNone    = "no budget"
)

// plain is a policy without a parameter.
func plain(f func(Config) Policy) func(Config, int) Policy {
	return func(c Config, _ int) Policy { return f(c) }
}

func ways(order setOrder) func(Config, int) Policy {
	return func(c Config, n int) Policy { return newSetAssoc(c, n, order) }
}

var waysParam = Param{"ways", 8, 1, 32}

// registry is the one list of policies, in the order of display.
var registry = []Info{
	{Name: "fifo", Is: "evicts what was put in first", Sizes: sizesEvict, make: plain(newFIFO)},
	{Name: "random", Is: "evicts any entry, each with the same probability", Sizes: sizesEvict, make: plain(newRandom)},
	{Name: "random-two", Is: "draws two entries, evicts the one used longer ago", Source: "Psounis, Prabhakar, INFOCOM 2001", Sizes: sizesEvict, make: plain(newRandomTwo)},
	{Name: "size", Is: "evicts the largest entry; at unit size it is fifo", Source: "Williams and others, SIGCOMM 1996", Sizes: sizesAware, make: plain(newSize)},
	{Name: "clock", Is: "fifo with second chances for what was used", Source: "Corbató 1968", Sizes: sizesEvict,
		Param: Param{"bits of the use counter", 1, 1, 7}, make: func(c Config, n int) Policy { return newClock(c, n) }},
	{Name: "nru", Is: "evicts what was not used since all were marked used", Sizes: sizesEvict, make: plain(newNRU)},
	{Name: "lru", Is: "evicts what was used longest ago", Sizes: sizesEvict, make: plain(newLRU)},
	{Name: "mru", Is: "evicts what was used last", Sizes: sizesEvict, make: plain(newMRU)},
	{Name: "slru", Shares: true, Is: "lru in segments, a hit moves one up; libCacheSim's SLRU", Source: "Karedla, Love, Wherry, Computer 1994", Sizes: sizesQueues,
		Param: Param{"segments", 4, 1, 8}, make: func(c Config, n int) Policy { return newSLRU(c, n) }},
	{Name: "lfu", Is: "evicts what was used least often since it was put in", Sizes: sizesEvict, make: plain(newLFU), aliases: []string{"lfucpp"}},
	{Name: "lfuda", Is: "lfu whose entries age; libCacheSim's LFUDA", Source: "Arlitt and others, 2000", Sizes: sizesEvict, make: plain(newLFUDA)},
	{Name: "2q", Is: "fifo for what is new, lru for what comes back; as published, and as libCacheSim counts", Source: "Johnson, Shasha, VLDB 1994", Sizes: sizesQueues, make: plain(newTwoQ), aliases: []string{"2q-libcachesim", "twoq"}},
	{Name: "arc", Is: "balances recency and frequency by its ghosts; as published, and as libCacheSim counts", Source: "Megiddo, Modha, FAST 2003", Sizes: sizesQueues, make: plain(newARC), aliases: []string{"arc-libcachesim"}},
	{Name: "car", Is: "arc by clocks", Source: "Bansal, Modha, FAST 2004", Sizes: sizesQueues, make: plain(newCAR)},
	{Name: "clock-pro", Is: "lirs by clocks", Source: "Jiang, Chen, Zhang, USENIX ATC 2005", Sizes: sizesQueues, make: plain(newClockPro)},
	{Name: "lirs", Is: "keeps what comes back at short intervals; as its author's program counts", Source: "Jiang, Zhang, SIGMETRICS 2002", Sizes: sizesQueues, make: plain(newLIRS)},
	{Name: "lirs-libcachesim", Is: "keeps what comes back at short intervals; libCacheSim's LIRS", Source: "Jiang, Zhang, SIGMETRICS 2002", Sizes: sizesQueues, make: plain(newLIRSLCS)},
	{Name: "lru-k", Is: "evicts what was used k times longest ago", Source: "O'Neil, O'Neil, Weikum, SIGMOD 1993", Sizes: sizesEvict,
		Param: Param{"k", 2, 1, 8}, make: func(c Config, n int) Policy { return newLRUK(c, n) }},
	{Name: "s3-fifo", Is: "small fifo before a main clock, with ghosts; libCacheSim's current version", Source: "Yang and others, SOSP 2023", Sizes: sizesQueues,
		make: func(c Config, _ int) Policy { return newS3FIFO(c, true) }, aliases: []string{"s3fifo-new"}},
	{Name: "s3-fifo-v0", Is: "small fifo before a main clock, with ghosts; first version", Source: "Yang and others, SOSP 2023", Sizes: sizesQueues,
		make: func(c Config, _ int) Policy { return newS3FIFO(c, false) }, aliases: []string{"s3fifo"}},
	{Name: "qdlp", Is: "small fifo before a main clock, with ghosts; as libCacheSim counts", Source: "Yang and others, HotOS 2023", Sizes: sizesQueues, make: plain(newQDLP)},
	{Name: "fifo-merge", Is: "fifo that thins out 100 entries at a time, keeping those used most", Source: "Yang, Yue, Vinayak (Segcache), NSDI 2021", Sizes: sizesAware,
		Param: Param{"entries kept of 100", 50, 0, 99}, make: func(c Config, n int) Policy { return newFIFOMerge(c, n) }},
	{Name: "sieve", Is: "fifo in which a hand spares what was used", Source: "Zhang and others, NSDI 2024", Sizes: sizesEvict, make: plain(newSieve)},
	{Name: "w-tinylfu", Is: "lru window before an slru that admits by a sketch of recent uses; Caffeine's without its climber", Source: "Einziger, Friedman, Manes, TOS 2017", Sizes: sizesQueues,
		make: plain(newWTinyLFU)},
	{Name: "w-tinylfu-climb", Is: "w-tinylfu whose window grows and shrinks to where it hits more; as Caffeine", Source: "Einziger and others, Middleware 2018", Sizes: sizesQueues,
		make: plain(newWTinyLFUClimb), aliases: []string{"caffeine"}},
	{Name: "w-tinylfu-libcachesim", Is: "lru window before an slru that admits by a counting Bloom filter; libCacheSim's WTinyLFU at unit size", Source: "Einziger, Friedman, Manes, TOS 2017", Sizes: sizesQueues,
		make: plain(newWTinyLFULCS), aliases: []string{"wtinylfu"}},
	{Name: "lecar", Is: "lru or lfu, drawn by weights learnt from regret", Source: "Vietri and others, HotStorage 2018", Sizes: sizesEvict, make: plain(newLeCaR)},
	{Name: "cacheus", Is: "a scan-resistant lru or a churn-resistant lfu, drawn by weights learnt from regret", Source: "Rodriguez and others, FAST 2021", Sizes: sizesQueues, make: plain(newCacheus)},
	{Name: "lhd", Is: "evicts the least expected hits by the slot and the time to stay, of 32 drawn", Source: "Beckmann, Chen, Cidon, NSDI 2018", Sizes: sizesAware, make: plain(newLHD)},
	{Name: "gdsf", Costs: true, Is: "evicts the least uses × cost / size, aged", Source: "Cherkasova, HP 1998", Sizes: sizesAware, make: plain(newGDSF)},
	{Name: "hyperbolic", Costs: true, Is: "evicts the least uses × cost / (size × age) of 64 drawn", Source: "Blankstein, Sen, Freedman, USENIX ATC 2017", Sizes: sizesAware, make: plain(newHyperbolic)},
	{Name: "flush-all", Is: "evicts everything when full, as LuaJIT its traces", Sizes: sizesEvict, make: plain(newFlushAll)},
	{Name: "golang-lru", Kind: Reference, Is: "hashicorp/golang-lru's LRU itself", Sizes: "counts entries: each takes one slot", make: plain(newGolangLRU)},
	{Name: "golang-2q", Kind: Reference, Is: "hashicorp/golang-lru's 2Q itself", Note: "its recent part is an lru, not the published fifo", Sizes: "counts entries: each takes one slot", make: plain(newGolang2Q)},
	{Name: "golang-arc", Kind: Reference, Is: "hashicorp/golang-lru's ARC itself", Note: "may hold one entry more than it is given", Sizes: "counts entries: each takes one slot", make: plain(newGolangARC)},

	{Name: "direct-mapped", Is: "one place an id, the new entry takes it", Sizes: "a place has 512 slots; refuses what needs more", Kind: Hardware,
		make: func(c Config, _ int) Policy { return newSetAssoc(c, 1, setLRU) }},
	{Name: "set-lru", Is: "sets of ways, lru in a set", Sizes: sizesPacking, Kind: Hardware, Param: waysParam, make: ways(setLRU)},
	{Name: "set-fifo", Is: "sets of ways, fifo in a set", Sizes: sizesPacking, Kind: Hardware, Param: waysParam, make: ways(setFIFO)},
	{Name: "set-plru", Is: "sets of ways, tree pseudo-lru in a set", Sizes: sizesPacking, Kind: Hardware, Param: waysParam, make: ways(setPLRU)},
	{Name: "set-nru", Is: "sets of ways, one use bit a way", Sizes: sizesPacking, Kind: Hardware, Param: waysParam, make: ways(setNRU)},
	{Name: "set-srrip", Is: "sets of ways, static re-reference interval prediction", Source: "Jaleel and others, ISCA 2010", Sizes: sizesPacking, Kind: Hardware, Param: waysParam, make: ways(setSRRIP)},
	{Name: "set-brrip", Is: "sets of ways, bimodal re-reference interval prediction", Source: "Jaleel and others, ISCA 2010", Sizes: sizesPacking, Kind: Hardware, Param: waysParam, make: ways(setBRRIP)},
	{Name: "set-drrip", Is: "sets of ways, srrip or brrip by set dueling", Source: "Jaleel and others, ISCA 2010", Sizes: sizesPacking, Kind: Hardware, Param: waysParam, make: ways(setDRRIP)},
	{Name: "set-random", Is: "sets of ways, any way of a set", Sizes: sizesPacking, Kind: Hardware, Param: waysParam, make: ways(setRandom)},
	{Name: "ovs-emc", Refuses: true, Is: "two places an id, put in with probability 1/n, as Open vSwitch's exact match cache", Source: "Open vSwitch, lib/dpif-netdev.c", Sizes: "a place has 256 slots; refuses what needs more", Kind: Hardware,
		Param: Param{"n of the probability 1/n", 100, 1, 1 << 20}, make: func(c Config, n int) Policy { return newOVSEMC(c, n) }},

	{Name: "infinite", Is: "never evicts, whatever the budget: only first requests miss", Sizes: sizesNone, Kind: Bound, Rank: 4, make: plain(newInfinite)},
	{Name: "preinstalled", Refuses: true, Is: "everything is in from the start", Sizes: sizesNone, Kind: Bound, make: plain(newPreinstalled)},
}

// All lists every policy that can be driven step by step, in the order of
// display. The bounds that need the whole stream are in Offline.
func All() []Info { return slices.Clone(registry) }

// Names lists the names of All.
func Names() []string {
	names := make([]string, len(registry))
	for i, r := range registry {
		names[i] = r.Name
	}
	return names
}

// Lookup finds a policy by its name, or by name and parameter: "slru/5". The
// Info has the parameter as its default and the whole text as its name.
func Lookup(text string) (Info, error) {
	name, num, has := strings.Cut(text, "/")
	for _, r := range registry {
		if r.Name != name && !slices.Contains(r.aliases, name) {
			continue
		}
		if !has {
			return r, nil
		}
		if r.Param.Name == "" {
			return Info{}, fmt.Errorf("policy %q: %s takes no number", text, r.Name)
		}
		n, err := strconv.Atoi(num)
		if err != nil || n < r.Param.Min || n > r.Param.Max {
			return Info{}, fmt.Errorf("policy %q: %s must be a number from %d to %d", text, r.Param.Name, r.Param.Min, r.Param.Max)
		}
		r.Param.Default = n
		r.Name += "/" + num
		return r, nil
	}
	if b, ok := offlineByName(text); ok {
		return b, nil
	}
	return Info{}, fmt.Errorf("policy %q: not known; there are %s", text, strings.Join(append(Names(), OfflineNames()...), ", "))
}

// New makes a policy by its name, or by name and parameter: "slru/5".
func New(text string, c Config) (Policy, error) {
	r, err := Lookup(text)
	if err != nil {
		return nil, err
	}
	if r.make == nil {
		return nil, fmt.Errorf("policy %q: needs the whole stream, it can't be driven step by step", text)
	}
	if c.Capacity == 0 {
		return nil, fmt.Errorf("policy %q: capacity 0: at least 1 is needed", text)
	}
	most := uint64(MaxCapacity)
	if r.Kind == Hardware {
		most = MaxPlaces
	}
	if c.Capacity > most && r.Kind != Bound {
		return nil, fmt.Errorf("policy %q: capacity %d: at most %d", text, c.Capacity, most)
	}
	return wired(r.make(c, r.Param.Default)), nil
}

// Budgets are bounded: those of hardware caches, whose tables are by place and
// not by id, more tightly.
const (
	MaxCapacity = 1 << 40
	MaxPlaces   = 1 << 28
)

// Parse reads a list of policies, joined by commas: names as Lookup takes them,
// and groups: software, hardware, bound, reference, or all, which is everything
// but reference, the bounds last. Repeats are dropped.
func Parse(list string) ([]string, error) {
	var out []string
	add := func(name string) {
		if !slices.Contains(out, name) {
			out = append(out, name)
		}
	}
	every := append(All(), offline...)
	for text := range strings.SplitSeq(list, ",") {
		text = strings.TrimSpace(text)
		if text == "all" || slices.Contains(kinds[:], text) {
			for _, i := range every {
				if i.Kind.String() == text || text == "all" && i.Kind != Reference {
					add(i.Name)
				}
			}
			continue
		}
		info, err := Lookup(text)
		if err != nil {
			return nil, err
		}
		add(info.Name)
	}
	return out, nil
}
