package profile

import "maps"

// Origin says where a parameter's value comes from. A value is cited, assumed
// (then it has a range to sweep), or set by the user.
type Origin struct {
	Source  string // citation, or why it is assumed
	Assumed bool
	User    bool   // set on the command line or by a program, not by a file
	Range   string // lo..hi in Unit, or alternatives separated by |; a cited value may have one too: the spread published
	Unit    string // the value was written in
	Where   string // file and line
	Above   []string
}

// Origins are the origins of a profile's parameters, by key. Origins[""]
// keeps the comment at the end of the file.
type Origins map[string]Origin

// SetByUser is the source of what [NIC.Set] sets.
const SetByUser = "yours"

func (o Origins) clone() Origins {
	if o == nil {
		return Origins{}
	}
	return maps.Clone(o)
}
