package pair

import "fmt"

// Status is what came of asking.
type Status uint8

// The statuses. The first two say nothing about the result; the last two are
// against it.
const (
	NotChecked      Status = iota // the kernel couldn't be asked: Reason
	OriginalRefused               // the kernel doesn't take the original: Reason
	Equal                         // both loaded, no difference in Runs runs
	ResultRefused                 // the kernel takes the original but not the result: Reason
	Different                     // both loaded and they differ: Reason says where
)

func (s Status) String() string {
	return [...]string{"not checked", "original refused", "loaded and compared", "result refused", "differs"}[s]
}

// Outcome is what the kernel said of two programs.
type Outcome struct {
	Status      Status
	Loaded      bool   // both
	As          string // what they were loaded as
	Runs        int    // compared
	Bounded     bool   // no more were run, for the instructions that they take
	Unsteady    int    // not compared: the original itself did another thing the second time
	Maps        int    // compared after the runs
	Differences int    // runs and maps that differ
	Reason      string // one line; "" with Equal
	Time        *Ratio // where asked for
}

// Checked says whether the kernel judged the result.
func (o Outcome) Checked() bool { return o.Status >= Equal }

// Bad says whether it judged against it.
func (o Outcome) Bad() bool { return o.Status > Equal }

func (o Outcome) String() string {
	switch o.Status {
	case Equal:
		if o.Bounded {
			return fmt.Sprintf("loaded and compared %d runs (it loops: no more than %d M instructions are run)", o.Runs, workLimit/1_000_000)
		}
		return fmt.Sprintf("loaded and compared %d runs", o.Runs)
	default:
		return o.Status.String() + ": " + o.Reason
	}
}

// Ratio is how long the result takes in proportion to the original, measured in
// turns: quartiles over the rounds.
type Ratio struct {
	OldNS, NewNS   float64 // of one run, medians
	Median, Q1, Q3 float64 // new/old
	Rounds         int
}

func (r Ratio) String() string {
	return fmt.Sprintf("%.1f -> %.1f ns, ratio %.3f (quartiles %.3f to %.3f of %d rounds)", r.OldNS, r.NewNS, r.Median, r.Q1, r.Q3, r.Rounds)
}
