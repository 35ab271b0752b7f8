package main

import (
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"strings"

	"jitnic/cmd/internal/near"

	"github.com/spf13/pflag"
)

// flagError says first which flag it is, and what it wants in the user's
// words: pflag's own message quotes strconv.
func flagError(all *pflag.FlagSet, err error) error {
	var bad *pflag.InvalidValueError
	if !errors.As(err, &bad) {
		var names []string
		all.VisitAll(func(f *pflag.Flag) { names = append(names, f.Name) })
		if got, ok := strings.CutPrefix(err.Error(), "unknown flag: --"); ok {
			if n := near.Name(got, names); n != "" {
				return fmt.Errorf(`%w; did you mean "--%s"?`, err, n)
			}
		}
		return err
	}
	f := bad.GetFlag()
	want := map[string]string{
		"uint64": "a whole number, 0 or more", "uint32": "a whole number, 0 or more", "uint": "a whole number, 0 or more",
		"int": "a whole number", "float64": "a number", "bool": "true or false", "duration": "a time, as 1.5s or 20us",
	}[f.Value.Type()]
	switch {
	case want == "":
		return fmt.Errorf("--%s %q: %w", f.Name, bad.GetValue(), bad.Unwrap())
	case errors.Is(err, strconv.ErrRange) && !strings.HasPrefix(bad.GetValue(), "-"):
		return fmt.Errorf("--%s %s: too large", f.Name, bad.GetValue())
	}
	return fmt.Errorf("--%s %q: want %s", f.Name, bad.GetValue(), want)
}

// oneLine is an error in one line that names the place first: a path before
// what went wrong with it, and not the operation.
func oneLine(err error) string {
	s := err.Error()
	var p *fs.PathError
	if errors.As(err, &p) {
		plain := p.Path + ": " + p.Err.Error()
		if i := strings.Index(s, p.Error()); i >= 0 {
			before := s[:i]
			if strings.HasSuffix(before, p.Path+": ") {
				plain = p.Err.Error()
			}
			s = before + plain + s[i+len(p.Error()):]
		}
	}
	return strings.Join(strings.FieldsFunc(s, func(r rune) bool { return r == '\n' || r == '\r' }), "; ")
}
