package comparecmd

import (
	"encoding/csv"
	"io"
	"strconv"
)

// columns are those of rows.csv, named as in the JSON.
var columns = []struct {
	name string
	of   func(r *Row) string
}{
	{"program", func(r *Row) string { return r.Program }},
	{"capture", func(r *Row) string { return r.Capture }},
	{"policy", func(r *Row) string { return r.Policy }},
	{"admission", func(r *Row) string { return r.Admission }},
	{"entries", func(r *Row) string { return num(r.Entries) }},
	{"slots", func(r *Row) string { return num(r.Slots) }},
	{"hot_threshold", func(r *Row) string { return num(uint64(r.HotThreshold)) }},
	{"install_delay", func(r *Row) string { return num(r.InstallDelay) }},
	{"bound", func(r *Row) string { return strconv.FormatBool(r.Bound) }},
	{"estimate", func(r *Row) string { return strconv.FormatBool(r.Estimate) }},
	{"requests", func(r *Row) string { return num(r.Requests) }},
	{"misses", func(r *Row) string { return num(r.Misses) }},
	{"miss_ratio", func(r *Row) string { return ratio(r.MissRatio) }},
	{"bytes", func(r *Row) string { return num(r.Bytes) }},
	{"miss_bytes", func(r *Row) string { return num(r.MissBytes) }},
	{"byte_miss_ratio", func(r *Row) string { return ratio(r.ByteMissRatio) }},
	{"hits", func(r *Row) string { return num(r.Hits) }},
	{"cold", func(r *Row) string { return num(r.Cold) }},
	{"not_hot", func(r *Row) string { return num(r.NotHot) }},
	{"capacity", func(r *Row) string { return num(r.Capacity) }},
	{"invalidated", func(r *Row) string { return num(r.Invalid) }},
	{"in_flight", func(r *Row) string { return num(r.InFlight) }},
	{"uncacheable", func(r *Row) string { return num(r.Uncacheable) }},
	{"installs", func(r *Row) string { return num(r.Installs) }},
	{"evictions", func(r *Row) string { return num(r.Evictions) }},
	{"installs_per_second", func(r *Row) string { return ratio(r.InstallsPerSecond) }},
	{"distance_to_bound", func(r *Row) string {
		if r.Distance == nil {
			return ""
		}
		return ratio(*r.Distance)
	}},
}

func num(n uint64) string    { return strconv.FormatUint(n, 10) }
func ratio(x float64) string { return strconv.FormatFloat(x, 'g', -1, 64) }

// CSV writes the rows, and for each label the requests and misses it has.
func (r *Report) CSV(w io.Writer) error {
	c := csv.NewWriter(w)
	var line []string
	for _, col := range columns {
		line = append(line, col.name)
	}
	for _, l := range r.Profile.Labels {
		line = append(line, "requests_"+l.Label, "misses_"+l.Label)
	}
	c.Write(line)
	for i := range r.Rows {
		row := &r.Rows[i]
		line = line[:0]
		for _, col := range columns {
			line = append(line, col.of(row))
		}
		for _, l := range r.Profile.Labels {
			requests, misses := "", ""
			for _, n := range row.Labels {
				if n.Label == l.Label {
					requests, misses = num(n.Requests), num(n.Misses)
				}
			}
			line = append(line, requests, misses)
		}
		c.Write(line)
	}
	c.Flush()
	return c.Error()
}

// AttackCSV writes what each attack does to each cache.
func (r *Report) AttackCSV(w io.Writer) error {
	c := csv.NewWriter(w)
	c.Write([]string{"policy", "admission", "entries", "attack", "clean_miss_ratio", "attacked_miss_ratio", "loss", "hostile_miss_ratio", "installs"})
	for _, l := range r.Attack.Losses {
		c.Write([]string{l.Policy, l.Admission, num(l.Entries), l.Attack, ratio(l.Clean), ratio(l.Attacked), ratio(l.Loss), ratio(l.Hostile), num(l.Installs)})
	}
	c.Flush()
	return c.Error()
}
