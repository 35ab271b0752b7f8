package feasibilitycmd

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"jitnic/cmd/internal/report"
	"jitnic/cmd/internal/session"
	"jitnic/host/run/replay"
	"jitnic/nic/device"
	"jitnic/nic/feasibility"
	"jitnic/pcaps"
)

// Report is the studies of one program and capture, a device each.
type Report struct {
	Studies []*feasibility.Study `json:"studies"`
	Partial bool                 `json:"partial"`
	// Superopt is what the optimiser did to the traces, with --superopt.
	Superopt *replay.Optimised `json:"superopt,omitempty"`
	// Segments tell where paths were cut, with --segments.
	Segments *session.Cut `json:"segments,omitempty"`

	notes []pcaps.Note // on the captures
}

// write gives the report to all that was asked for.
func (o *options) write(r *Report, stdout io.Writer) error {
	if err := o.to.Write(stdout, r.document()); err != nil {
		return err
	}
	if r.Partial {
		return fmt.Errorf("interrupted: sections are missing, marked as partial")
	}
	if len(r.Studies) > 0 {
		return r.Studies[0].NotRun.Err()
	}
	return nil
}

// slugs are the devices' names as files and elements of a page can have them.
func (r *Report) slugs() []string {
	var out []string
	for _, s := range r.Studies {
		slug := strings.Map(func(c rune) rune {
			if c == '_' || '0' <= c && c <= '9' || 'a' <= c|0x20 && c|0x20 <= 'z' {
				return c
			}
			return '-'
		}, s.NIC.Name)
		base := slug
		for k := 2; slices.Contains(out, slug); k++ {
			slug = fmt.Sprintf("%s-%d", base, k)
		}
		out = append(out, slug)
	}
	return out
}

// title names what was studied.
func (r *Report) title() string {
	if len(r.Studies) == 0 {
		return "nothing"
	}
	s := r.Studies[0]
	return s.Program + " on " + s.Capture
}

// facts are what all studies have in common.
func (r *Report) facts() (out report.Facts) {
	if len(r.Studies) == 0 {
		return nil
	}
	s := r.Studies[0]
	capture := fmt.Sprintf("%s: %s packets", s.Capture, report.Count(s.Packets))
	if s.Seconds > 0 {
		capture += " in " + seconds(s.Seconds)
	}
	best := "traces as recorded"
	if s.Optimised {
		best = "traces superoptimized"
	}
	admission := ""
	if s.Admission != "always" {
		admission = ", admission " + s.Admission
	}
	load := fmt.Sprintf("%s, %s Gbit/s on the wire, arrivals %s", pps(float64(s.Rate)), digits(float64(s.Rate)*s.Frame*8/1e9), s.Arrivals)
	for _, x := range r.Studies[1:] {
		if x.Rate != s.Rate { // a rate in bits, or the link's
			load = fmt.Sprintf("by device, see there; arrivals %s", s.Arrivals)
		}
	}
	if faster := float64(s.Rate) * s.Seconds / float64(max(s.Packets, 1)); s.Seconds > 0 && faster > 1.5 {
		times := "more than a million"
		if faster <= 1e6 {
			times = report.Count(uint64(faster + 0.5))
		}
		load += fmt.Sprintf("; that is the capture %s times as fast, so paths and flows change as much faster too", times)
	}
	if s.InOrder {
		load += "; flows are kept in order"
	}
	server := s.Host.Name + ": " + s.Host.Title
	if s.Remote {
		server += "; its memory is on the other socket (pcie.numa)"
	}
	out.Addf("program", "%s, %s; %s", s.Program, plural(s.Paths, "path", "paths"), best)
	out.Add("capture", capture)
	out = append(out, session.NotRun(s.NotRun, s.Packets)...)
	out = append(out, session.Superopt(r.Superopt)...)
	out = append(out, r.Segments.Where()...)
	for _, n := range r.notes {
		text := n.Text
		if n.Count > 0 {
			text = report.Count(n.Count) + " packets " + text
		}
		out.Add(n.Name, text)
	}
	out.Add("load", load)
	out.Addf("trace cache", "policy %s%s, installed when missed for the %s time", s.Policy, admission, ordinal(s.Hot))
	out.Add("host", server)
	return out
}

func ordinal(n uint32) string {
	switch {
	case n%100/10 == 1:
	case n%10 == 1:
		return fmt.Sprintf("%dst", n)
	case n%10 == 2:
		return fmt.Sprintf("%dnd", n)
	case n%10 == 3:
		return fmt.Sprintf("%drd", n)
	}
	return fmt.Sprintf("%dth", n)
}

// modeName is what a reader calls a mode of the model.
func modeName(mode string) string {
	switch mode {
	case device.Both.String():
		return "NIC + host"
	case device.HostOnly.String():
		return "host only"
	case device.NICOnly.String():
		return "NIC only"
	}
	return mode
}

// at is the run at the study's rate in a mode; nil where it is missing.
func at(s *feasibility.Study, mode device.Mode) *feasibility.Figures {
	for _, f := range s.Point {
		if f.Mode == mode.String() {
			return f
		}
	}
	return nil
}

// throughput is what the search found for a mode; nil where it is missing.
func throughput(s *feasibility.Study, mode device.Mode, optimised bool) *feasibility.Throughput {
	for i := range s.Throughput {
		if t := &s.Throughput[i]; t.Mode == mode.String() && t.Optimised == optimised {
			return t
		}
	}
	return nil
}

// rateText is the rate of a search.
func rateText(t *feasibility.Throughput) string {
	switch {
	case t == nil:
		return none
	case t.Rate == 0:
		return "0"
	}
	return pps(float64(t.Rate))
}

// nicRate is the rate of a search in which the NIC is alone: in parentheses the
// share of packets that it can run, where the others are just not counted.
func nicRate(s *feasibility.Study, t *feasibility.Throughput) string {
	x := rateText(t)
	if t != nil && t.Rate > 0 && s.Need.Offload < 1 {
		x += " (of " + percent(s.Need.Offload) + ")"
	}
	return x
}

// answer is a study's, or that there is none yet, or that there can't be one.
func answer(s *feasibility.Study) string {
	switch s.Verdict.Answer {
	case "":
		return "interrupted"
	case feasibility.None:
		return "no verdict"
	}
	return string(s.Verdict.Answer)
}

// judged says whether the verdict stands: both runs that it compares are there,
// and enough packets could be run.
func judged(s *feasibility.Study) bool {
	return s.Verdict.Answer != feasibility.None && at(s, device.Both) != nil && at(s, device.HostOnly) != nil && s.Verdict.Answer != ""
}
