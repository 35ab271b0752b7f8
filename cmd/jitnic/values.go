package main

import (
	"strings"

	"jitnic/cache"
	"jitnic/cache/policy"
	"jitnic/cache/stream"
	"jitnic/host/loader"
	"jitnic/host/programs"
	"jitnic/host/run/explain"
	"jitnic/host/run/replay"
	"jitnic/nic/device"
	"jitnic/nic/profile"
	"jitnic/pcaps/gen"
	"jitnic/pcaps/samples"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// values are what a shell puts in for flags, by their name.
func values() map[string]cobra.CompletionFunc {
	return map[string]cobra.CompletionFunc{
		"program":    orFile(sampled(programNames())),
		"capture":    orFile(sampled(captureNames())),
		"policy":     oneOf(policyNames()),
		"policies":   listOf(append([]string{"all", "software", "hardware", "bound", "reference"}, policyNames()...)),
		"admission":  oneOf(cache.AdmissionNames()),
		"admissions": listOf(append([]string{"all"}, cache.AdmissionNames()...)),
		"nic":        listOf(append([]string{"all"}, profile.Names()...)),
		"cost-nic":   orFile(profile.Names()),
		"schedule":   orFile(profile.Names()),
		"host":       orFile(profile.HostNames()),
		"base":       orFile(profile.HostNames()),
		"format":     oneOf(stream.Formats()),
		"arrivals":   oneOf(device.ArrivalNames()),
		"preset":     oneOf(presetNames()),
		"by":         oneOf(foldNames()),
		"entry":      entries,
	}
}

func programNames() []string {
	var out []string
	for _, p := range append(programs.All(), programs.Modelled()...) {
		out = append(out, p.Name)
	}
	return out
}

func captureNames() []string {
	var out []string
	for _, s := range samples.List {
		out = append(out, s.Name)
	}
	return out
}

func policyNames() []string {
	return append(policy.Names(), policy.OfflineNames()...)
}

// foldNames are what explain folds by, and traces groups by.
func foldNames() []string { return append(explain.Folds(), "condition", "verdict") }

func presetNames() []string {
	var out []string
	for _, p := range gen.Presets {
		out = append(out, p.Name)
	}
	return out
}

func sampled(names []string) []string {
	out := make([]string, len(names))
	for i, n := range names {
		out[i] = "sample:" + n
	}
	return out
}

func oneOf(names []string) cobra.CompletionFunc {
	return cobra.FixedCompletions(names, cobra.ShellCompDirectiveNoFileComp)
}

func orFile(names []string) cobra.CompletionFunc {
	return cobra.FixedCompletions(names, cobra.ShellCompDirectiveDefault)
}

// listOf completes the last of names joined by commas.
func listOf(names []string) cobra.CompletionFunc {
	return func(_ *cobra.Command, _ []string, typed string) ([]string, cobra.ShellCompDirective) {
		head := ""
		if i := strings.LastIndexByte(typed, ','); i >= 0 {
			head = typed[:i+1]
		}
		var out []string
		for _, n := range names {
			out = append(out, head+n)
		}
		return out, cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace
	}
}

// entries are the XDP programs of the object that --program names.
func entries(c *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	in := replay.Input{}
	if f := c.Flags().Lookup("program"); f != nil {
		in.Program = f.Value.String()
		if list, ok := f.Value.(pflag.SliceValue); ok { // cobra has read it twice by now
			all := list.GetSlice()
			in.Program = strings.Join(all[max(len(all)-1, 0):], "")
		}
	} else if len(args) > 0 {
		in.Program = args[0]
	}
	if in.Program == "" {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	obj, _, _, _ := replay.LoadProgram(&in) // of an error there is nothing to tell a shell
	if obj == nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return names(obj), cobra.ShellCompDirectiveNoFileComp
}

func names(obj *loader.Object) []string {
	var out []string
	for _, p := range obj.Programs {
		out = append(out, p.Name)
	}
	return out
}
