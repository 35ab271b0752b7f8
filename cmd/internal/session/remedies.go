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
	f.Var((*segments)(&r.Segments), "segments", "cut paths into segments that stand in tables of their own, where the first packets show that it saves entries: `K` tables at most, or auto: as many as pay")
}

// segments is --segments' value: auto, or a number of tables; 0 is none.
type segments int

func (s *segments) String() string {
	if *s == jit.SegmentsAuto {
		return "auto"
	}
	return strconv.Itoa(int(*s))
}

func (s *segments) Set(v string) error {
	n, err := jit.ParseSegments(v)
	*s = segments(n)
	return err
}

func (s *segments) Type() string { return "K" }

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
