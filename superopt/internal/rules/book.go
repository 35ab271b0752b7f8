package rules

import "sync"

// RuleBook is the index of all rules there are, shipped, given and found; it is
// made anew when the store has grown.
type RuleBook struct {
	x       *ruleIndex
	version int // of the store; -1: none
}

// Index is the rules by the opcode they begin with.
func (b *RuleBook) Index(given []*Rule, st *Store) *ruleIndex {
	var found []*Rule
	n := -1
	if st != nil {
		found, n = st.all, st.version
	}
	if len(given)+len(found) == 0 {
		return shipped()
	}
	if b.x == nil || b.version != n {
		b.x, b.version = indexRules(Builtin(), given, found), n
	}
	return b.x
}

// shipped is the index of the rules that ship, alone.
var shipped = sync.OnceValue(func() *ruleIndex { return indexRules(Builtin()) })
