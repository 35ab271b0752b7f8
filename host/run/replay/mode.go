package replay

import (
	"fmt"
	"strings"

	"jitnic/host/run/jit"
)

// A Mode is a way of making traces, by a name. Paths and their numbers depend on it.
type Mode struct {
	Name, Is string
	Words    string // how a command line asks for it
	Remedies jit.Remedies
}

// modes is the one list of them: a study's modes, and its rows', are these.
var modes = []Mode{
	{"generic", "map look-ups stay in traces", "", jit.Remedies{}},
	{"specialised", "what is read from maps no program writes is folded, under version guards", "--specialise", jit.Remedies{Specialise: true}},
	{"auto", "specialised where the keys of a look-up show that it pays", "--specialise=auto", jit.Remedies{Auto: true}},
	{"merged", "ways that come together in one state are one path", "--merge", jit.Remedies{Merge: true}},
	{"predicated", "branches whose sides come together nearby are data", fmt.Sprint("--predicate ", usualPredicate), jit.Remedies{Predicate: usualPredicate}},
	{"combined", "merged, predicated and specialised where it pays", fmt.Sprint("--merge --specialise=auto --predicate ", usualPredicate), jit.Remedies{Merge: true, Predicate: usualPredicate, Auto: true}},
}

// ModeNames lists the modes.
func ModeNames() []string {
	var out []string
	for _, m := range modes {
		out = append(out, m.Name)
	}
	return out
}

// ModeOf is the mode of that name.
func ModeOf(name string) (Mode, error) {
	for _, m := range modes {
		if m.Name == name {
			return m, nil
		}
	}
	return Mode{}, fmt.Errorf("mode %q: not known; there are %s", name, strings.Join(ModeNames(), ", "))
}
