package explaincmd

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"jitnic/cmd/internal/report"
	"jitnic/cmd/internal/session"
	"jitnic/host/run/explain"
	"jitnic/host/run/replay"
	"jitnic/pcaps"

	"github.com/spf13/cobra"
)

// Command is `jitnic explain`.
func Command() *cobra.Command {
	var in replay.Input
	var ca replay.Cache
	var out report.Outputs
	var packet uint64
	var by string
	var top int
	c := &cobra.Command{
		Use:   "explain --program FILE.o --capture FILE.pcap",
		Short: "Explain why there are so many paths: the choices that make them, by source line, what they cost, and why a packet missed",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, args []string) error {
			switch {
			case !slices.Contains(explain.Folds(), by):
				return fmt.Errorf("--by %s: want %s", by, strings.Join(explain.Folds(), ", "))
			case top < 1:
				return fmt.Errorf("--top %d: want 1 or more", top)
			case c.Flags().Changed("packet") && packet == 0:
				return errors.New("--packet 0: the first packet is 1")
			}
			out.Name = "explain.json"
			if err := out.Check(c, args); err != nil {
				return err
			}
			if packet > 0 {
				return one(c, in, ca, packet, &out)
			}
			s, ended := explain.Run(c.Context(), in, ca, nil)
			if s == nil {
				return ended
			}
			defer s.Session.Close()
			var damaged *pcaps.CaptureError
			if ended != nil && !errors.As(ended, &damaged) {
				return ended
			}
			all := out.JSON+out.CSV+out.HTML+out.Dir != ""
			costed := top
			if all {
				costed = max(top, costedInFiles)
				if err := s.Specialise(c.Context()); err != nil {
					return err
				}
			}
			if err := s.Cost(costed); err != nil {
				return err
			}
			folds, err := s.Fold(by)
			if err != nil {
				return err
			}
			r := summarise(s, folds, by, top, all)
			r.Partial = r.Partial || ended != nil
			if err := out.Write(c.OutOrStdout(), r.document()); err != nil {
				return err
			}
			if ended != nil {
				return ended
			}
			if s.Session.Partial {
				return fmt.Errorf("interrupted after %d packets", r.Packets)
			}
			return r.NotRun.Err()
		},
	}
	session.InputFlags(&in, c)
	session.CacheFlags(&ca, c)
	out.Flags(c, "report")
	f := c.Flags()
	f.StringVar(&out.Dir, "out", "", "write page, rows and JSON into `DIR`")
	f.Uint64Var(&packet, "packet", 0, "say of packet `N` alone why it missed; the first is 1, as in Wireshark")
	f.StringVar(&by, "by", explain.Folds()[0], "fold choice points by `WHAT`: "+strings.Join(explain.Folds(), ", "))
	f.IntVar(&top, "top", 12, "so many rows on the terminal; files have all")
	return c
}

// costedInFiles is how many points have their misses for room worked out where more
// than the terminal is written.
const costedInFiles = 24

// one explains one packet.
func one(c *cobra.Command, in replay.Input, ca replay.Cache, number uint64, out *report.Outputs) error {
	fate, s, err := explain.Packet(c.Context(), in, ca, nil, number)
	if err != nil {
		return err
	}
	defer s.Close()
	r := head(s, &ca)
	r.Fate = fate
	return out.Write(c.OutOrStdout(), r.fateDocument())
}
