package main

import (
	"errors"
	"os"
	"runtime/debug"
	"time"

	"jitnic/cmd/internal/report"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
)

// manCommand is `jitnic man`: the manual, made of the commands.
func manCommand() *cobra.Command {
	return &cobra.Command{
		Use:    "man FOLDER",
		Short:  "Write a manual page for each verb",
		Args:   cobra.ExactArgs(1),
		Hidden: true, // of those who pack it
		RunE: func(c *cobra.Command, args []string) error {
			if err := os.Mkdir(args[0], 0o777); err != nil && !errors.Is(err, os.ErrExist) {
				return err
			}
			root := c.Root()
			root.DisableAutoGenTag = true // it has the day in it
			date := committed()
			return doc.GenManTree(root, &doc.GenManHeader{Title: "JITNIC", Section: "1", Source: "jitnic " + report.Version(), Manual: "jitnic", Date: &date}, args[0])
		},
	}
}

// committed is when the binary's commit was made, where it knows: the same binary
// writes the same pages.
func committed() time.Time {
	if b, ok := debug.ReadBuildInfo(); ok {
		for _, s := range b.Settings {
			if t, err := time.Parse(time.RFC3339, s.Value); s.Key == "vcs.time" && err == nil {
				return t
			}
		}
	}
	return time.Unix(0, 0).UTC()
}
