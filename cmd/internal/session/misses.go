package session

import (
	"jitnic/cache"
	"jitnic/cmd/internal/report"
)

// MissColumns are the columns of misses by class, of what has them under "misses".
func MissColumns() (out []report.Column) {
	for o := cache.Cold; int(o) < cache.Outcomes; o++ {
		out = append(out, report.Column{Name: o.String(), Key: "misses." + o.String()})
	}
	return out
}
