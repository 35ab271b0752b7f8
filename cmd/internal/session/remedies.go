package session

import (
	"errors"
	"strconv"

	"jitnic/host/run/jit"

	"github.com/spf13/pflag"
)

// RemedyFlags adds the flags that say how paths become traces.
func RemedyFlags(r *jit.Remedies, f *pflag.FlagSet) {
	f.Var((*specialise)(r), "specialise", "specialised traces: fold what is read from maps no program writes, under version guards; =auto: only where a look-up's keys show that it pays")
	f.Lookup("specialise").NoOptDefVal = "true"
	f.BoolVar(&r.Merge, "merge", false, "make one path of ways that come from a branch to one place in the same state, by proof")
	f.IntVar(&r.Predicate, "predicate", 0, "make a branch data where its sides come together within `N` instructions; 0: no branch")
}

// specialise is --specialise's value: true, false or auto.
type specialise jit.Remedies

func (s *specialise) String() string {
	if s.Auto {
		return "auto"
	}
	return strconv.FormatBool(s.Specialise)
}

func (s *specialise) Set(v string) error {
	s.Auto = v == "auto"
	s.Specialise = false
	if s.Auto {
		return nil
	}
	var err error
	if s.Specialise, err = strconv.ParseBool(v); err != nil {
		return errors.New("want true, false or auto")
	}
	return nil
}

func (s *specialise) Type() string { return "HOW" }
