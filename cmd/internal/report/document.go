package report

// A Document is what a verb has found out, told once. Text, page, CSV and JSON
// are renderings of it: Text, Page, CSV and JSON, and Files for a folder with all
// of them and the plots.
type Document struct {
	Verb    string // compare
	Title   string // what was studied
	About   string // what the verb tells, in a line
	Partial string // what is missing where the run ended early; "": nothing
	Footer  string

	Run      *Run      // what was run; nil: it isn't told
	Data     any       // what JSON writes; the records' values are of it
	Records  []Records // files of CSV; --csv writes the first
	Sections []Section
	Tabs     []Tab // the page shows one at a time
	Terms    Terms // of what stands in no tab
	Wrap     int   // characters in a line of running text; 0: as long as it is
	Window   int   // characters in a line of the terminal; 0: it goes elsewhere
	Brief    bool  // a folder has all of it: the text leaves out what is Long

	FigureDir string // where Figures are beside the page, which links them; "": nowhere
}

// A Tab is a group of sections. The text has all of them one after the other.
type Tab struct {
	ID, Name, Title string
	Answer, Class   string // a word on what it says, and its colour: good, bad or open
	Lead            string // the same in a sentence
	Partial         bool
	Terms           Terms
}

// Terms are words that lead to another place of the page, by the word.
type Terms map[string]Term

// A Term is where a word leads, and what is said of it under the cursor.
type Term struct{ Anchor, Word, Tip string }

// A Section is a part of a Document. The text shows its blocks without its title.
type Section struct {
	ID, Title string
	Tab       string // ID of the tab it stands in; "": in none
	Blocks    []Block
}

// Medium says where a block is shown.
type Medium uint8

// Where a block is shown.
const (
	Everywhere Medium = iota
	InText
	OnPage
)

// A Block is one thing of a Section: what is not empty of it is shown, in the
// order of the fields. Charts, bars, heat maps and trees are for the page and for
// plots.
type Block struct {
	Only  Medium
	Apart bool   // the text has a blank line before it
	Long  bool   // the text leaves it out where a folder has it
	Title string // the page's, of what has none itself
	Facts Facts
	Table *Table
	Charts
	Bars   []*Bars // side by side, of the same names
	Heat   *Heat
	Facets *Facets
	Tree   []Node
	*Choices
	Checks []Check
	Pre    string // lines as they are
	Note   string // the page's
}

// Charts are some that stand beside each other.
type Charts []*Chart

// A Node is a branch of a tree that unfolds.
type Node struct {
	Share    float64 // of the whole, 0 to 1
	Text     string
	Class    string // good: a leaf; bad: one that led to nothing
	Lines    []string
	Open     bool
	Children []Node
}

// A Check is something that was expected, and whether it holds.
type Check struct {
	Holds        bool
	What, Detail string
}

// Add adds blocks that have something to show as a section; a section of nothing
// is left out.
func (d *Document) Add(s Section) {
	var kept []Block
	for _, b := range s.Blocks {
		if !b.empty() {
			kept = append(kept, b)
		}
	}
	for _, b := range kept {
		if b.Table != nil && s.Tab != "" {
			b.Table.ID = s.Tab + "-" + b.Table.ID // one place of the page has it
		}
	}
	if s.Blocks = kept; len(kept) > 0 {
		d.Sections = append(d.Sections, s)
	}
}

func (b *Block) empty() bool {
	return len(b.Facts) == 0 && (b.Table == nil || len(b.Table.Rows) == 0) && len(b.Charts) == 0 && len(b.Bars) == 0 &&
		b.Heat == nil && b.Facets == nil && len(b.Tree) == 0 && b.Choices == nil && len(b.Checks) == 0 && b.Pre == ""
}
