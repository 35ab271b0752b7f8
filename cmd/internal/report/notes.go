package report

import "jitnic/pcaps"

// Notes adds what a reader of a run's figures must know of its captures.
func (f *Facts) Notes(notes []pcaps.Note) {
	for _, n := range notes {
		count := ""
		if n.Count > 0 {
			count = Count(n.Count)
		}
		f.Add(n.Name, count, "", n.Text)
	}
}
