// Package gencmd is the verb `jitnic gen`: seeded synthetic traffic.
package gencmd

import (
	"fmt"
	"os"
	"strings"

	"jitnic/cmd/internal/report"
	"jitnic/cmd/internal/session"
	"jitnic/pcaps"
	"jitnic/pcaps/gen"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// Command is `jitnic gen`.
func Command() *cobra.Command {
	var out, preset, spec, attack string
	var s gen.Spec
	var share float64
	var paths uint64
	var search searched
	var programs []string
	c := &cobra.Command{
		Use:   "gen --out FILE.pcapng",
		Short: "Generate seeded synthetic traffic: flows, mixes, churn, attacks",
		Long:  "Generate seeded synthetic traffic. A preset or a JSON spec gives the start, flags change it.\n\nPresets:\n" + presets() + "\nAttacks (--attack):\n" + kinds(),
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, args []string) error {
			if out == "" {
				return fmt.Errorf("--out: name the capture to write (.pcap or .pcapng, .gz and .zst too)")
			}
			to := report.Outputs{Other: []report.Output{{Flag: "--out", Path: out}}}
			if err := to.CheckFiles(c, args); err != nil {
				return err
			}
			f := c.Flags()
			if f.Changed("spec") && f.Changed("preset") {
				return fmt.Errorf("--preset and --spec: give one of them")
			}
			base, err := start(preset, spec)
			if err != nil {
				return err
			}
			for name, set := range map[string]func(){
				"seed": func() { base.Seed = s.Seed }, "packets": func() { base.Packets = s.Packets },
				"rate": func() { base.RatePPS = s.RatePPS }, "flows": func() { base.Flows = s.Flows },
				"uniform": func() { base.Uniform = s.Uniform }, "alpha": func() { base.Alpha = s.Alpha },
				"churn": func() { base.Churn = s.Churn }, "size": func() { base.Size = s.Size },
				"ipv6": func() { base.IPv6 = s.IPv6 }, "vlan": func() { base.VLAN = s.VLAN }, "qinq": func() { base.QinQ = s.QinQ },
				"udp": func() { base.UDP = s.UDP }, "icmp": func() { base.ICMP = s.ICMP }, "replies": func() { base.Replies = s.Replies },
				"poisson": func() { base.Poisson = s.Poisson },
				"attack":  func() { base.Attack = &gen.Attack{Kind: attack} },
			} {
				if f.Changed(name) {
					set()
				}
			}
			if err := refuse(f, &s, base.Attack != nil, attack == "search"); err != nil {
				return err
			}
			if f.Changed("share") {
				base.Attack.Share = share
			}
			if f.Changed("paths") {
				base.Attack.Paths = paths
			}
			var found [][]byte
			if attack == "search" {
				switch {
				case len(programs) > 1:
					return fmt.Errorf("--program: %d were named: the packets of a capture are searched for one; run gen for each", len(programs))
				case len(programs) == 1:
					search.program = programs[0]
				}
				if search.program == "" {
					return fmt.Errorf("--attack search: --program names the program to attack")
				}
				base.Attack, search.paths, search.share = nil, paths, share
				if found, err = search.packets(c.Context(), base); err != nil {
					return err
				}
			}
			g, err := gen.New(base)
			if err != nil {
				return err
			}
			w, err := pcaps.Create(out)
			if err != nil {
				return err
			}
			tell := session.Progress(c)
			defer func() { tell(w.Packets(), true) }()
			g.Progress = func(packets uint64) { tell(packets, false) }
			if attack == "search" {
				err = search.write(c.Context(), g, found, w)
			} else {
				err = g.Write(c.Context(), w)
			}
			if err != nil {
				w.Abort()
				return err
			}
			if err := w.Close(); err != nil {
				return err
			}
			var l report.Facts
			l.Add("packets", report.Count(g.Spec().Packets))
			l.Add("seed", g.Spec().Seed)
			if attack == "search" {
				l.Add("distinct paths found", report.Count(uint64(len(found))))
			}
			l.Add("written", out)
			return l.Write(c.OutOrStdout())
		},
	}
	f := c.Flags()
	f.StringVarP(&out, "out", "o", "", "capture `FILE` to write; .pcapng keeps the labels legit and attack")
	f.StringVar(&preset, "preset", "zipf", "`NAME` of the traffic to start from")
	f.StringVar(&spec, "spec", "", "JSON spec to start from instead: `FILE`")
	f.Uint64Var(&s.Seed, "seed", 1, "seed")
	f.Uint64Var(&s.Packets, "packets", 1_000_000, "packets to make")
	f.Float64Var(&s.RatePPS, "rate", 1e6, "packets per second of the timestamps")
	f.BoolVar(&s.Poisson, "poisson", false, "exponential gaps between packets instead of equal ones")
	f.IntVar(&s.Flows, "flows", 1000, "live flows")
	f.BoolVar(&s.Uniform, "uniform", false, "equally popular flows instead of Zipf")
	f.Float64Var(&s.Alpha, "alpha", 1, "Zipf exponent")
	f.Float64Var(&s.Churn, "churn", 0, "new flows per second")
	f.IntVar(&s.Size, "size", 0, "frame size in bytes, FCS included; 0: simple IMIX")
	f.Float64Var(&s.IPv6, "ipv6", 0, "share of flows over IPv6")
	f.Float64Var(&s.VLAN, "vlan", 0, "share of flows with one VLAN tag")
	f.Float64Var(&s.QinQ, "qinq", 0, "share of flows with two VLAN tags")
	f.Float64Var(&s.UDP, "udp", 0, "share of UDP flows")
	f.Float64Var(&s.ICMP, "icmp", 0, "share of ICMP flows")
	f.Float64Var(&s.Replies, "replies", 0, "share of packets from server to client")
	f.StringVar(&attack, "attack", "", "mix in an attack of `KIND`")
	f.Float64Var(&share, "share", 0.5, "share of attack packets")
	f.Uint64Var(&paths, "paths", 4096, "thrash: header shapes in a cycle; search: distinct paths to look for")
	f.StringArrayVarP(&programs, "program", "p", nil, "search: the program to attack, `FILE` or sample:NAME")
	f.StringVar(&search.entry, "entry", "", "search: `NAME` of the program in the object")
	f.StringArrayVarP(&search.captures, "capture", "c", nil, "search: start from packets of `FILE` (default: of the traffic itself)")
	f.IntVar(&search.budget, "budget", 1_000_000, "search: packets to try at most")
	return c
}

// refuse says which flags don't go together. The generator takes 0 for "the default";
// a user who says 0 means it.
func refuse(f *pflag.FlagSet, s *gen.Spec, attack, search bool) error {
	switch {
	case f.Changed("packets") && s.Packets == 0:
		return fmt.Errorf("--packets 0: want 1 or more")
	case f.Changed("flows") && s.Flows == 0:
		return fmt.Errorf("--flows 0: want 1 or more")
	case f.Changed("rate") && s.RatePPS == 0:
		return fmt.Errorf("--rate 0: want more than 0")
	case !attack && (f.Changed("share") || f.Changed("paths")):
		return fmt.Errorf("--share and --paths: there is no attack (--attack KIND)")
	}
	for _, name := range []string{"program", "entry", "capture", "budget"} {
		if !search && f.Changed(name) {
			return fmt.Errorf("--%s: is for --attack search alone", name)
		}
	}
	return nil
}

// start is the spec that flags change.
func start(preset, file string) (gen.Spec, error) {
	if file == "" {
		s, err := gen.Preset(preset)
		if s.Seed == 0 {
			s.Seed = 1
		}
		return s, err
	}
	f, err := os.Open(file)
	if err != nil {
		return gen.Spec{}, err
	}
	defer f.Close()
	s, err := gen.ReadSpec(f)
	if err != nil {
		return s, fmt.Errorf("%s: %w", file, err)
	}
	return s, nil
}

func presets() string {
	var b strings.Builder
	for _, p := range gen.Presets {
		fmt.Fprintf(&b, "  %-10s %s\n", p.Name, p.Does)
	}
	return b.String()
}

func kinds() string {
	var b strings.Builder
	fmt.Fprintf(&b, "  %-10s %s\n", "search", "packets found to take distinct paths of --program, one after the other")
	for _, k := range gen.Kinds {
		fmt.Fprintf(&b, "  %-10s %s\n", k.Name, k.Does)
	}
	return b.String()
}
