package superoptcmd

import (
	"context"
	"errors"
	"fmt"
	"os"

	"jitnic/cmd/internal/report"
	"jitnic/superopt"
	"jitnic/superopt/z3"

	"github.com/spf13/cobra"
)

// openStore opens --rules FILE for a run; "" is none.
func openStore(path string) (*superopt.Store, error) {
	if path == "" {
		return nil, nil
	}
	s, err := superopt.OpenStore(path)
	if pe, ok := err.(*os.PathError); ok {
		return nil, pathError(path, pe)
	}
	return s, err
}

// keep saves what a run found into --rules FILE.
func keep(opt *superopt.Options) error {
	if opt.Store == nil {
		return nil
	}
	defer opt.Store.Close()
	return opt.Store.Save()
}

// finish keeps what a run of many programs found and writes its report; err is how
// the run ended, done says how far it came.
func (f *flags) finish(c *cobra.Command, opt *superopt.Options, err error, document func() *report.Document, done func() string) error {
	if err != nil && !errors.Is(err, context.Canceled) {
		return err
	}
	if err := keep(opt); err != nil {
		return pathError(f.rules, err)
	}
	if err := f.to.Write(c.OutOrStdout(), document()); err != nil {
		return err
	}
	if err != nil {
		return fmt.Errorf("interrupted after %s", done())
	}
	return nil
}

// RuleRow is one rule as `superopt rules --json` lists it.
type RuleRow struct {
	Name   string `json:"name"`
	From   string `json:"from"` // "built in", or FILE:LINE
	Before int    `json:"before"`
	After  int    `json:"after"` // slots
	Rule   string `json:"rule"`
	Proof  string `json:"proof"`
}

func rulesCommand() *cobra.Command {
	var path string
	var out report.Outputs
	var prove bool
	c := &cobra.Command{
		Use:   "rules [--rules FILE]",
		Short: "List the rewrite rules: those that ship and those of a store",
		Long: `Rules lists the rewrite rules, the built-in ones and then those of a store that
superopt --rules FILE has grown. A store's rules are proved when it is opened;
--prove proves the built-in ones too, which a test does otherwise.`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, args []string) error {
			if err := out.Check(c, args); err != nil {
				return err
			}
			var rows []*RuleRow
			var pr *superopt.Prover
			if prove {
				if err := z3.Open(); err != nil {
					return err
				}
				pr = superopt.NewProver(1)
				defer pr.Close()
			}
			failed := 0
			for _, r := range superopt.Builtin() {
				row := newRuleRow(r, "built in")
				if prove {
					v := r.Prove(pr)
					if row.Proof = "proved"; !superopt.IsProved(v) {
						row.Proof = fmt.Sprintf("%T %+v", v, v)
						failed++
					}
				}
				rows = append(rows, row)
			}
			if path != "" {
				if _, err := os.Stat(path); err != nil {
					return pathError(path, err)
				}
				s, err := openStore(path)
				if err != nil {
					return err
				}
				defer s.Close()
				for _, r := range s.Rules() {
					row := newRuleRow(r, fmt.Sprintf("%s:%d", path, r.At))
					row.Proof = "proved"
					rows = append(rows, row)
				}
			}
			if err := out.Write(c.OutOrStdout(), ruleList(rows)); err != nil {
				return err
			}
			if failed > 0 {
				return fmt.Errorf("%d of %d built-in rules are not proved", failed, len(superopt.Builtin()))
			}
			return nil
		},
	}
	c.Flags().StringVar(&path, "rules", "", "a store of rules to list beside the built-in ones, `FILE`")
	c.Flags().BoolVar(&prove, "prove", false, "prove the built-in rules again")
	out.Flags(c, "list")
	return c
}

func newRuleRow(r *superopt.Rule, from string) *RuleRow {
	b, a := r.Slots()
	return &RuleRow{Name: r.Name, From: from, Before: b, After: a, Rule: r.Body(), Proof: "by a test"}
}

// ruleList tells the rules.
func ruleList(rows []*RuleRow) *report.Document {
	t := &report.Table{ID: "rules", Open: true, Left: 5, Head: []string{"rule", "slots", "from", "proof", "rewrite"}}
	list := report.Records{Name: "rows.csv", Columns: report.Columns("name", "from", "before", "after", "rule", "proof")}
	for _, r := range rows {
		t.Add(r.Name, fmt.Sprintf("%d -> %d", r.Before, r.After), r.From, r.Proof, r.Rule)
		list.Rows = append(list.Rows, r)
	}
	d := &report.Document{Verb: "superopt rules", Title: "Rewrite rules", About: "those that ship and those of a store", Data: rows, Records: []report.Records{list}}
	d.Add(report.Section{ID: "rules", Title: "Rules", Blocks: []report.Block{{Title: "Rules", Table: t}}})
	return d
}
