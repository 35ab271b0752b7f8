package cache

import (
	"fmt"
	"sort"
	"strconv"
	"strings"

	"jitnic/pcaps/splitmix"
)

// An Admission says whether a hot id is worth an install at all. It is an axis
// of its own: every admission goes with every policy.
type Admission interface {
	// Note sees every request of a cacheable packet, before Admit.
	Note(id uint32, hit bool)
	// Admit is asked on a miss of an id that is hot and not on its way in.
	// misses counts the misses of id so far, this one included.
	Admit(id, size, cost, misses uint32) bool
}

// An admissionKind is a row of the list of admissions.
type admissionKind struct {
	name string
	arg  string // what the parameter is called, "" for none
	def  uint64 // its default
	is   string
	make func(c admissionConfig) Admission
}

// An admissionConfig is what an admission is made from.
type admissionConfig struct {
	n        uint64 // its parameter
	seed     uint64
	capacity uint64 // of the cache, in its unit
}

var admissions = []admissionKind{
	{"always", "", 0, "admits every id", func(admissionConfig) Admission { return always{} }},
	{"probabilistic", "n", 16, "admits one miss in n, drawn", newProbabilistic},
	{"threshold", "n", 2, "admits from the nth miss of an id on", newThreshold},
	{"doorkeeper", "n", 0, "admits what was requested before within the last n requests (0: 8 × the budget), as TinyLFU's doorkeeper", newDoorkeeper},
	{"size", "n", 64, "on a budget in slots: admits ids of at most n", newSizeLimit},
	{"bloom", "n", 0, "admits what a Bloom filter of the last n distinct requests holds (0: 8 × the budget): 10 bits each, about 1 % wrongly", newBloom},
	{"adaptsize", "", 0, "on a budget in slots: admits the larger the less likely, by exp(−size/c) with the c that a model of the last requests finds best (AdaptSize)", newAdaptSize},
	{"cost-aware", "n", 1, "admits when n expected further hits repay the install: misses so far × cost ≥ n × size", newCostAware},
}

// AdmissionNames lists the admissions in the form NewAdmission takes.
func AdmissionNames() []string {
	names := make([]string, len(admissions))
	for i, a := range admissions {
		names[i] = a.name
		if a.arg != "" && a.def > 0 {
			names[i] += fmt.Sprintf("/%d", a.def)
		}
	}
	return names
}

// NewAdmission makes one from its text: a name, and for those with a parameter
// "/" and a number: "always", "probabilistic/16", "threshold/2", "doorkeeper",
// "cost-aware/4", "size/64", "bloom", "adaptsize". "" is "always". capacity is that of the cache, in its unit.
func NewAdmission(text string, seed, capacity uint64) (Admission, error) {
	if text == "" {
		text = "always"
	}
	name, num, has := strings.Cut(text, "/")
	for _, a := range admissions {
		if a.name != name {
			continue
		}
		n := a.def
		if has {
			if a.arg == "" {
				return nil, fmt.Errorf("admission %q: %s takes no number", text, name)
			}
			v, err := strconv.ParseUint(num, 10, 32)
			if err != nil || v == 0 {
				return nil, fmt.Errorf("admission %q: %q is not a number from 1 on", text, num)
			}
			n = v
		}
		return a.make(admissionConfig{n, seed, capacity}), nil
	}
	names := AdmissionNames()
	sort.Strings(names)
	return nil, fmt.Errorf("admission %q: not known; there are %s", text, strings.Join(names, ", "))
}

type always struct{}

func (always) Note(uint32, bool)                   {}
func (always) Admit(_ uint32, _, _, _ uint32) bool { return true }

// probabilistic admits one miss in n, as the Open vSwitch EMC does.
type probabilistic struct {
	always
	state splitmix.State
	limit uint64
}

func newProbabilistic(c admissionConfig) Admission {
	return &probabilistic{state: splitmix.State(c.seed ^ 0x70726f62), limit: ^uint64(0) / c.n}
}

func (a *probabilistic) Admit(_ uint32, _, _, _ uint32) bool {
	return a.state.Next() <= a.limit
}

// threshold admits an id from its nth miss on.
type threshold struct {
	always
	n uint32
}

func newThreshold(c admissionConfig) Admission { return &threshold{n: uint32(c.n)} }

func (a *threshold) Admit(_ uint32, _, _, misses uint32) bool { return misses >= a.n }

// doorkeeper admits an id that was requested before in the present period;
// a period is a number of requests, after which all is forgotten (Einziger,
// Friedman, Manes: TinyLFU, ACM TOS 2017, section 3.4.2). Ids are dense, so
// the filter is exact: it has no false positives to attack.
type doorkeeper struct {
	period, n uint64
	epoch     uint32
	seen      []uint32 // per id: epoch of the last request, 0 never
	again     bool     // the id of the last Note was requested before
}

func newDoorkeeper(c admissionConfig) Admission {
	return &doorkeeper{period: c.orBudgets(8), epoch: 1}
}

// orBudgets is the parameter, or so many budgets where none is given.
func (c admissionConfig) orBudgets(k uint64) uint64 {
	if c.n == 0 {
		return k * min(c.capacity, 1<<40)
	}
	return c.n
}

func (a *doorkeeper) Note(id uint32, _ bool) {
	if int(id) >= len(a.seen) {
		t := make([]uint32, max(int(id)+1, 2*len(a.seen), 64))
		copy(t, a.seen)
		a.seen = t
	}
	a.again = a.seen[id] == a.epoch
	a.seen[id] = a.epoch
	if a.n++; a.n == a.period {
		a.n = 0
		a.epoch++
	}
}

func (a *doorkeeper) Admit(_ uint32, _, _, _ uint32) bool { return a.again }

// costAware admits when what the id has cost so far by missing is at least n
// times its size: an id is expected to be requested again as often as it was
// requested before (the ski-rental rule), and an install is paid by the slot.
type costAware struct {
	always
	n uint64
}

func newCostAware(c admissionConfig) Admission { return &costAware{n: c.n} }

func (a *costAware) Admit(_, size, cost, misses uint32) bool {
	return uint64(misses)*uint64(cost) >= a.n*uint64(size)
}
