package trace

import "fmt"

// Reason is why a path can't be a trace. All reasons stand here, as in
// LuaJIT's lj_traceerr.h; reports count them by name.
type Reason uint8

// The abort reasons.
const (
	ReasonNone          Reason = iota
	ReasonFault                // the program faulted on this packet
	ReasonTooLong              // more instructions than a trace may have
	ReasonTooManyGuards        // more predicates than a condition may have
	ReasonHelper               // a helper or kernel function whose effect on the path isn't modelled
	ReasonOpaqueBranch         // a branch on a value that can't be known before the run
	ReasonOpaqueAddress        // an access at an address that can't be known before the run
	ReasonStaleEntry           // a read of a map entry freed earlier in the same run
	ReasonEviction             // a look-up after the trace itself may evict an LRU entry
	ReasonTrieUpdate           // a look-up in an LPM trie the trace itself changed
	ReasonIteration            // for_each_map_elem: the path depends on every entry
	ReasonFragments            // the packet has bytes beyond the linear part
	ReasonDynamicMap           // an operation on a map that isn't named by a constant
	ReasonUnencodable          // the path can't be written as straight-line code (stack offsets too deep)
	ReasonUnlinked             // the path reaches an instruction that could not be linked
	ReasonInternal             // symbolic and concrete execution disagree: a bug of jitnic
	reasonCount
)

var reasons = [reasonCount]struct{ name, text string }{
	ReasonNone:          {"none", "no abort"},
	ReasonFault:         {"fault", "the program faulted on this packet"},
	ReasonTooLong:       {"too_long", "the path has more instructions than a trace may have"},
	ReasonTooManyGuards: {"too_many_guards", "the path condition has more predicates than the limit"},
	ReasonHelper:        {"helper", "a helper's or kernel function's effect on the path is not modelled"},
	ReasonOpaqueBranch:  {"opaque_branch", "a branch depends on a value that can't be known before the run"},
	ReasonOpaqueAddress: {"opaque_address", "an access is at an address that can't be known before the run"},
	ReasonStaleEntry:    {"stale_entry", "the path depends on a map entry freed earlier in the same run"},
	ReasonEviction:      {"eviction", "the path looks up an LRU map after it may have evicted from it"},
	ReasonTrieUpdate:    {"trie_update", "the path looks up an LPM trie it has changed itself"},
	ReasonIteration:     {"iteration", "for_each_map_elem makes the path depend on every entry"},
	ReasonFragments:     {"fragments", "the packet has bytes beyond the linear part"},
	ReasonDynamicMap:    {"dynamic_map", "an operation on a map that no constant names"},
	ReasonUnencodable:   {"unencodable", "the path can't be written as straight-line code"},
	ReasonUnlinked:      {"unlinked", "the path reaches an instruction that could not be linked"},
	ReasonInternal:      {"internal", "symbolic and concrete execution disagree: a bug in jitnic, please report it"},
}

// String is the reason's name in reports.
func (r Reason) String() string {
	if r < reasonCount {
		return reasons[r].name
	}
	return fmt.Sprintf("reason%d", uint8(r))
}

// Explain says in a sentence what the reason means.
func (r Reason) Explain() string {
	if r < reasonCount {
		return reasons[r].text
	}
	return ""
}

// Reasons lists all abort reasons.
func Reasons() []Reason {
	out := make([]Reason, 0, reasonCount-1)
	for r := ReasonFault; r < reasonCount; r++ {
		out = append(out, r)
	}
	return out
}

// Abort is the error of a path that can't be a trace: where and why.
type Abort struct {
	Reason  Reason
	Program string // name of the program
	Insn    int    // slot in it
	Detail  string // helper name and the like
}

func (a *Abort) Error() string {
	s := fmt.Sprintf("program %q: insn %d: %s", a.Program, a.Insn, a.Reason.Explain())
	if a.Detail != "" {
		s += " (" + a.Detail + ")"
	}
	return s
}
