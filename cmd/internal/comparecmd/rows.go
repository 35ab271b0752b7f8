package comparecmd

import "jitnic/cmd/internal/report"

// records are the rows: a column for each number, and for each label the requests
// and misses it has.
func (r *Report) records() report.Records {
	out := report.Records{Name: "rows.csv", Columns: report.Columns("program", "capture", "policy", "admission", "entries", "slots", "hot_threshold", "install_delay",
		"bound", "estimate", "requests", "misses", "miss_ratio", "bytes", "miss_bytes", "byte_miss_ratio", "hits", "cold", "not_hot", "capacity", "invalidated",
		"in_flight", "uncacheable", "installs", "evictions", "installs_per_second", "distance_to_bound")}
	for _, l := range r.Profile.Labels {
		out.Columns = append(out.Columns, report.Column{Name: "requests_" + l.Label, Key: "labels." + l.Label + ".requests"},
			report.Column{Name: "misses_" + l.Label, Key: "labels." + l.Label + ".misses"})
	}
	for i := range r.Rows {
		out.Rows = append(out.Rows, &r.Rows[i])
	}
	return out
}

// attackRecords are what each attack does to each cache.
func (r *Report) attackRecords() report.Records {
	out := report.Records{Name: "attack.csv", Columns: report.Columns("policy", "admission", "entries", "attack", "clean_miss_ratio", "attacked_miss_ratio", "loss", "hostile_miss_ratio", "installs")}
	for i := range r.Attack.Losses {
		out.Rows = append(out.Rows, &r.Attack.Losses[i])
	}
	return out
}
