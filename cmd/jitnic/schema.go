package main

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"jitnic/cmd/internal/calibratecmd"
	"jitnic/cmd/internal/comparecmd"
	"jitnic/cmd/internal/explaincmd"
	"jitnic/cmd/internal/fastpathcmd"
	"jitnic/cmd/internal/feasibilitycmd"
	"jitnic/cmd/internal/filtercmd"
	"jitnic/cmd/internal/replaycmd"
	"jitnic/cmd/internal/report"
	"jitnic/cmd/internal/samplescmd"
	"jitnic/cmd/internal/superoptcmd"
	"jitnic/cmd/internal/tracescmd"
	"jitnic/cmd/internal/verifycmd"
	"jitnic/host/study/spec"

	"github.com/spf13/cobra"
)

// reports are what --json of each verb writes.
var reports = []struct {
	verb string
	of   any
}{
	{"calibrate", calibratecmd.Report{}},
	{"compare", comparecmd.Report{}},
	{"explain", explaincmd.Report{}},
	{"fastpath", fastpathcmd.Report{}},
	{"feasibility", feasibilitycmd.Report{}},
	{"feasibility list", feasibilitycmd.DeviceList{}},
	{"feasibility program", feasibilitycmd.AloneReport{}},
	{"feasibility programs", feasibilitycmd.BesideReport{}},
	{"feasibility validate", feasibilitycmd.Validation{}},
	{"filter bench", filtercmd.Bench{}},
	{"replay", replaycmd.Report{}},
	{"samples", samplescmd.List{}},
	{"superopt", superoptcmd.Report{}},
	{"superopt bench", superoptcmd.Bench{}},
	{"superopt ladder", superoptcmd.Ladder{}},
	{"superopt rules", []superoptcmd.RuleRow{}},
	{"traces", tracescmd.Report{}},
	{"verify", verifycmd.Report{}},
}

func reportNames() []string {
	var out []string
	for _, r := range reports {
		out = append(out, r.verb)
	}
	return out
}

// schemaCommand is `jitnic schema`.
func schemaCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "schema VERB",
		Short: "Print the JSON Schema of what a verb's --json writes, with what each field means",
		Long: "Schema prints the JSON Schema (draft 2020-12) of what --json of a verb writes:\n" + strings.Join(reportNames(), ", ") +
			".\nOf study it prints that of a study's file, by which editors complete it.",
		Args:      cobra.RangeArgs(1, 2),
		ValidArgs: append(reportNames(), "study"),
		RunE: func(c *cobra.Command, args []string) error {
			verb := strings.Join(args, " ")
			if verb == "study" {
				e := json.NewEncoder(c.OutOrStdout())
				e.SetIndent("", "  ")
				e.SetEscapeHTML(false)
				return e.Encode(spec.Schema())
			}
			for _, r := range reports {
				if r.verb == verb {
					e := json.NewEncoder(c.OutOrStdout())
					e.SetIndent("", "  ")
					e.SetEscapeHTML(false)
					return e.Encode(report.SchemaOf(verb, reflect.TypeOf(r.of)))
				}
			}
			return fmt.Errorf("verb %q: has no report in JSON; there are %s", verb, strings.Join(append(reportNames(), "study"), ", "))
		},
	}
}

// complete are the names that a shell may put in for a flag's value.
func complete(root *cobra.Command) {
	all := values()
	for _, c := range append(slices.Clone(root.Commands()), subcommands(root)...) {
		for flag, names := range all {
			if c.Flags().Lookup(flag) != nil {
				// A verb that completes a flag by itself keeps its own way.
				_ = c.RegisterFlagCompletionFunc(flag, names)
			}
		}
	}
}

func subcommands(root *cobra.Command) []*cobra.Command {
	var out []*cobra.Command
	for _, c := range root.Commands() {
		out = append(out, c.Commands()...)
	}
	return out
}
