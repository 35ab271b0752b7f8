package proof

// Verdict is the answer to "do these two do the same?". It is one of Proved,
// Refuted and Unknown; there is no other.
type Verdict interface{ verdict() }

// Proved says that no input tells the two apart.
type Proved struct {
	// By says what decided: "terms" (equal normal forms), "z3" or "cache".
	By string
}

// Refuted says that the inputs of Counterexample tell the two apart.
type Refuted struct {
	Counterexample []Assignment
	By             string // "terms", "tests", "z3" or "cache"
	What           string // what differs, in words
}

// Unknown is what is not decided within the budget, or not decidable here.
type Unknown struct{ Reason string }

func (Proved) verdict()  {}
func (Refuted) verdict() {}
func (Unknown) verdict() {}

// Assignment gives one input of the query a value.
type Assignment struct {
	Name  string
	Value uint64
	Width int // bits
}
