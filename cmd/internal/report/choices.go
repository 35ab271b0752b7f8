package report

// Choices is a tree of what tells things apart, which the page folds by what its
// reader picks, with the source beside it and each thing's own story when it is
// clicked. It is for the page; JSON has what it is made of.
type Choices struct {
	ID     string         `json:"id"`
	Folds  []string       `json:"folds"` // what can be folded by, the first at first
	Points []ChoicePoint  `json:"points"`
	Preds  []ChoicePred   `json:"preds"`
	Paths  []ChoicePath   `json:"paths"` // no condition of one begins that of another
	Source []ChoiceSource `json:"source"`
	More   string         `json:"more"` // what is not in the tree; "": nothing
}

// A ChoicePoint is a line of the source that tells paths apart.
type ChoicePoint struct {
	File  string `json:"file"`
	Line  int    `json:"line"`
	Asks  string `json:"asks"`
	Makes int    `json:"makes"`
	Left  int    `json:"left"`
}

// A ChoicePred is a predicate.
type ChoicePred struct {
	Where string            `json:"where"`
	File  string            `json:"file"`
	Line  int               `json:"line"`
	Asks  string            `json:"asks"` // what its point asks
	Holds string            `json:"holds"`
	Fails string            `json:"fails"`
	Keys  map[string]string `json:"keys"` // by fold: what it stands under
}

// A ChoicePath is a path.
type ChoicePath struct {
	Number  int         `json:"number"`
	Packets uint64      `json:"packets"`
	Hits    uint64      `json:"hits"`
	Verdict string      `json:"verdict"`
	Facts   [][2]string `json:"facts"`
	Steps   []int       `json:"steps"` // twice the predicate's index, and 1 more where it holds
	Code    []string    `json:"code"`
	Data    string      `json:"data"` // of its first packet, in hex
	Length  int         `json:"length"`
	Read    []int       `json:"read"` // offsets in Data that are marked
	Hit     []uint64    `json:"hit"`  // over time
	Miss    []uint64    `json:"miss"`
}

// A ChoiceSource is a source file, or what is known of it.
type ChoiceSource struct {
	Name  string             `json:"name"`
	Lines []ChoiceSourceLine `json:"lines"`
}

// A ChoiceSourceLine is a line of it.
type ChoiceSourceLine struct {
	Number int    `json:"number"`
	Text   string `json:"text"`
}
