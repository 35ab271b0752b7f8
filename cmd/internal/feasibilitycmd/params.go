package feasibilitycmd

import (
	"fmt"
	"strings"

	"jitnic/cmd/internal/report"
	"jitnic/nic/profile"
)

// param is a parameter's value; empty if there is none.
func param(ps []profile.Param, key string) string {
	for i := range ps {
		if ps[i].Key == key {
			return ps[i].Value
		}
	}
	return ""
}

// source is where a parameter's value is from.
func source(p *profile.Param) string {
	switch {
	case p.User:
		return profile.SetByUser
	case p.Assumed && p.Source != "":
		return "assumed: " + p.Source
	case p.Assumed:
		return "assumed"
	}
	return p.Source
}

// swept is what a parameter is swept over.
func swept(p *profile.Param) string {
	switch {
	case len(p.Alternatives) > 0:
		return strings.Join(p.Alternatives, " | ")
	case p.Lo != "":
		return p.Lo + " .. " + p.Hi
	}
	return none
}

// paramTable lists a profile's parameters, each with its source.
func paramTable(id, title string, ps []profile.Param) *report.Table {
	t := &report.Table{ID: "params-" + id, Title: title, Open: true, Wrap: true, Anchor: "p-" + id + "-", Head: []string{"parameter", "value", "range", "source", "what it is", "line"}}
	for i := range ps {
		p := &ps[i]
		if p.Key == "name" || p.Key == "title" {
			continue
		}
		t.Add(p.Key, p.Value, swept(p), source(p), p.Doc, p.Where)
	}
	t.Left = len(t.Head)
	return t
}

// yours are the parameters set by the user, with what they were set to.
func yours(ps []profile.Param, prefix string) (out []string) {
	for i := range ps {
		if p := &ps[i]; p.User {
			out = append(out, prefix+p.Key+" = "+p.Value)
		}
	}
	return out
}

// paramCount says how many parameters have a source.
func paramCount(ps []profile.Param) string {
	var cited, assumed, user int
	for i := range ps {
		switch p := &ps[i]; {
		case p.Key == "name" || p.Key == "title":
		case p.User:
			user++
		case p.Assumed:
			assumed++
		default:
			cited++
		}
	}
	s := fmt.Sprintf("%d with a source, %d assumed", cited, assumed)
	if user > 0 {
		s += fmt.Sprintf(", %d yours", user)
	}
	return s
}
