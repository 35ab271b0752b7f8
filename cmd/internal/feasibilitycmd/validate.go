package feasibilitycmd

import (
	"fmt"
	"math"
	"strings"

	"jitnic/cmd/internal/report"
	"jitnic/host/run/validate"
	"jitnic/nic/published"

	"github.com/spf13/cobra"
)

// Validation is the JSON report of feasibility validate.
type Validation struct {
	Tolerance float64          `json:"tolerance"` // share of a figure within which the model is to be
	Profiles  []validate.Table `json:"profiles"`
	Beyond    int              `json:"beyond"` // rows further off, without an explanation
}

// validateCommand is `jitnic feasibility validate`.
func validateCommand() *cobra.Command {
	to := report.Outputs{Name: "validate.json"}
	c := &cobra.Command{
		Use:   "validate",
		Short: "Put what the device model gives beside every published figure we know",
		Long: "Validate makes, for every profile, each published figure we know beside what the model gives for the same\n" +
			"program and load, with the error. No parameter is set for a program; a rate that a parameter was derived from\n" +
			"also has the error the model would have without it. It fails where the model is further off than 15 % and no\n" +
			"cited fact says why.",
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, args []string) error {
			if err := to.Check(c, args); err != nil {
				return err
			}
			tables, err := validate.Run(c.Context())
			if err != nil {
				return err
			}
			v := &Validation{Tolerance: published.Tolerance, Profiles: tables}
			for _, t := range tables {
				for i := range t.Rows {
					if t.Rows[i].Verdict == validate.Beyond {
						v.Beyond++
					}
				}
			}
			if err := to.Write(c.OutOrStdout(), v.document()); err != nil {
				return err
			}
			if v.Beyond > 0 {
				return fmt.Errorf("feasibility validate: %d figures are further off than %s, and no cited fact says why", v.Beyond, percent(v.Tolerance))
			}
			return nil
		},
	}
	to.Flags(c, "tables")
	c.Flags().StringVarP(&to.Dir, "out", "o", "", "`FOLDER` for report.html, rows.csv and validate.json")
	return c
}

// document tells the tables, profile by profile.
func (v *Validation) document() *report.Document {
	d := &report.Document{Verb: "feasibility validate", Title: "The device model beside published figures", About: "what was published, and what the model gives", Data: v, Wrap: textWidth}
	d.Records = []report.Records{v.records()}
	sum := &report.Table{ID: "profiles", Title: "Profiles", Head: []string{"profile", "parameters", "assumed", "figures", "within", "explained", "mean error"}, Left: 1, Open: true,
		Note: "Mean error: of the figures that are compared and not explained."}
	for _, t := range v.Profiles {
		n := map[string]int{}
		for i := range t.Rows {
			n[t.Rows[i].Verdict]++
		}
		mean := none
		if n[validate.Within]+n[validate.Beyond] > 0 {
			mean = percent(t.Mean)
		}
		sum.Add(t.Profile, fmt.Sprint(t.Params), fmt.Sprint(t.Assumed), fmt.Sprint(len(t.Rows)), fmt.Sprint(n[validate.Within]), fmt.Sprint(n[validate.Explained]), mean)
	}
	d.Add(report.Section{ID: "profiles", Title: "Profiles", Blocks: []report.Block{{Table: sum}}})
	for _, t := range v.Profiles {
		if len(t.Rows) == 0 {
			continue
		}
		tb := &report.Table{ID: "figures-" + t.Profile, Title: t.Profile, Open: true, Left: 2, Right: 1,
			Head: []string{"figure", "unit", "slots", "ours", "published", "model", "error", "left out", "verdict"}}
		var notes []string
		src := &report.Table{ID: "sources-" + t.Profile, Title: "Sources", Wrap: true, Head: []string{"figure", "source", "it says", "why the model differs"}, Left: 4}
		for i := range t.Rows {
			r := &t.Rows[i]
			name := r.Theirs
			if r.Variant != "" {
				name += ", " + string(r.Variant)
			}
			about := ""
			if r.About {
				about = "≈"
			}
			slots, left := none, none
			if r.Slots > 0 {
				slots = fmt.Sprint(r.Slots)
			}
			if r.LeftOut != nil {
				left = signed(*r.LeftOut)
			}
			tb.Add(name, string(r.Kind), slots, fmt.Sprint(r.Ours), about+plain(r.Value), plain(r.Model), signed(r.Error), left, r.Verdict)
			src.Add(name, r.Source, r.Says, r.Differs)
			if r.Verdict == validate.Explained {
				notes = append(notes, fmt.Sprintf("%s, %s: %s.", name, r.Kind, r.Differs))
			}
		}
		tb.Note = "slots: instructions of the published program and of ours, which is of the same shape; further apart than 5 % they aren't compared."
		if t.Profile == "hxdp" {
			tb.Note += " left out: the error where dispatch, drain, interval and what a call takes are fitted to all other rates; one that alone tells of one of them can't be foretold."
		}
		blocks := []report.Block{{Apart: true, Table: tb}}
		if len(notes) > 0 {
			blocks = append(blocks, report.Block{Only: report.InText, Pre: "explained:\n  " + strings.Join(notes, "\n  ")})
		}
		blocks = append(blocks, report.Block{Only: report.OnPage, Table: src})
		d.Add(report.Section{ID: "figures-" + t.Profile, Title: t.Profile, Blocks: blocks})
	}
	return d
}

func (v *Validation) records() report.Records {
	rec := report.Records{Name: "rows.csv", Columns: report.Columns("profile", "program", "theirs", "variant", "kind", "slots", "our_slots", "value", "about", "model", "error", "left_out", "verdict", "source", "says", "differs")}
	for _, t := range v.Profiles {
		for i := range t.Rows {
			rec.Rows = append(rec.Rows, &t.Rows[i])
		}
	}
	return rec
}

// signed is a share in percent with its sign.
func signed(x float64) string { return fmt.Sprintf("%+.1f %%", 100*x) }

// plain is a figure with as many digits as it needs.
func plain(x float64) string {
	if x == math.Trunc(x) {
		return fmt.Sprintf("%.0f", x)
	}
	return fmt.Sprintf("%.2f", x)
}
