// Package pathscmd is the verb `jitnic paths`: the stream of path numbers that
// a program and captures give, for the cache laboratory and for other tools.
package pathscmd

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"jitnic/cache/stream"
	"jitnic/cmd/internal/report"
	"jitnic/cmd/internal/session"
	"jitnic/host/run/jit"
	"jitnic/host/run/replay"

	"github.com/spf13/cobra"
)

// Command is `jitnic paths`.
func Command() *cobra.Command {
	var in replay.Input
	var out, format string
	var how jit.Remedies
	c := &cobra.Command{
		Use:   "paths --program FILE.o --capture FILE.pcap --out FILE",
		Short: "Write the stream of path numbers, as jitnic compare --requests and libCacheSim read it",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, args []string) error {
			if out == "" {
				return fmt.Errorf("--out: name the file to write (- for stdout)")
			}
			to := report.Outputs{Other: []report.Output{{Flag: "--out", Path: out}}}
			if err := to.CheckFiles(c, args); err != nil {
				return err
			}
			out := to.Path(out)
			if format != "" && !slices.Contains(stream.Written(), format) {
				return fmt.Errorf("--format %q: not known; there are %s", format, strings.Join(stream.Written(), ", "))
			}
			st, s, err := replay.Paths(c.Context(), in, how)
			if err != nil {
				return err
			}
			defer s.Close()
			if out == "-" {
				err = report.WriteFile(out, c.OutOrStdout(), func(w io.Writer) error { return write(w, format, st) })
				if err == nil && s.Partial {
					err = fmt.Errorf("interrupted after %d packets", st.Len())
				}
				if err == nil {
					err = s.NotRun().Err()
				}
				return err
			}
			dropped, err := stream.Save(out, format, st)
			if err != nil {
				return err
			}
			var f report.Facts
			f.Add("requests", report.Count(uint64(st.Len())))
			f = append(f, session.NotRun(s.NotRun(), uint64(st.Len()))...)
			f.Notes(s.Source.Notes())
			f.Add("paths", report.Count(uint64(st.NumIDs())))
			f.Add("invalidations", report.Count(uint64(len(st.Invalidations))))
			if dropped > 0 {
				f.Add("left out", report.Count(uint64(dropped)), "what the format can't hold: uncacheable packets and invalidations")
			}
			f.Add("written", out)
			if err := f.Write(c.OutOrStdout()); err != nil {
				return err
			}
			if s.Partial {
				return fmt.Errorf("interrupted after %d packets", st.Len())
			}
			return s.NotRun().Err()
		},
	}
	session.InputFlags(&in, c)
	c.Flags().StringVarP(&out, "out", "o", "", "`FILE` to write (- for stdout)")
	c.Flags().StringVar(&format, "format", "", "`FORMAT`: "+strings.Join(stream.Written(), ", ")+"; default: by the file's name")
	session.RemedyFlags(&how, c.Flags())
	return c
}

// write gives the stream to stdout in the format, jitnic's own when not named.
func write(w io.Writer, format string, st *stream.Stream) error {
	var err error
	switch format {
	case "csv":
		_, err = stream.WriteCSV(w, st)
	case "oracle":
		_, err = stream.WriteOracle(w, st)
	default:
		err = stream.Write(w, st)
	}
	return err
}
