package replay

import (
	"fmt"
	"strings"
)

// Which says in a sentence which mode suits the program, by its hits in a cache
// of 64 entries, and what that costs in instructions. Modes whose hits are within
// a twentieth of a point are told apart by what a packet runs.
func Which(modes []Side) string {
	if len(modes) == 0 || len(modes[0].Sizes) <= described {
		return ""
	}
	ratio := func(m *Side) float64 { return m.Sizes[described].HitRatio }
	best := &modes[0]
	for i := range modes {
		m := &modes[i]
		switch more := ratio(m) - ratio(best); {
		case more > 0.0005, more > -0.0005 && m.Executed < 0.99*best.Executed:
			best = m
		}
	}
	whole := &modes[0]
	if best == whole {
		return fmt.Sprintf("Whole paths suit it: at 64 entries no mode hits more (%.2f %%), and none of those that hit as much runs a hundredth fewer instructions than %.1f a packet.",
			100*ratio(whole), whole.Executed)
	}
	why := "as many hits"
	if more := 100 * (ratio(best) - ratio(whole)); more > 0.05 || more < -0.05 {
		since := "with"
		if best.Paths < whole.Paths {
			since = "since it has"
		}
		why = fmt.Sprintf("%.2f %% of hits in place of %.2f %%, %s %d paths in place of %d,", 100*ratio(best), 100*ratio(whole), since, best.Paths, whole.Paths)
	}
	return fmt.Sprintf("%s traces suit it: at 64 entries %s with %.1f instructions a packet in place of %.1f.", upper(best.Mode), why, best.Executed, whole.Executed)
}

// upper begins a sentence.
func upper(s string) string {
	if s == "" {
		return s
	}
	return string(s[0]&^0x20) + s[1:]
}

// ground is a figure that can speak for a mode.
type ground struct {
	format string // of the mode's and of that which it is held against
	of     func(m *Side) float64
	more   bool // more is better
}

var grounds = []ground{
	{"%.2f %% of hits in place of %.2f", func(m *Side) float64 { return 100 * m.Device.HitRatio }, true},
	{"%.1f instructions a packet in place of %.1f", func(m *Side) float64 { return m.Executed }, false},
	{"%.1f predicates a path in place of %.1f", func(m *Side) float64 { return m.Condition }, false},
	{"%.0f installs a second in place of %.0f", func(m *Side) float64 { return m.Device.Installs }, false},
	{"%.2f %% lost in place of %.2f", func(m *Side) float64 { return 100 * m.Device.Loss }, false},
}

// against says what speaks for a mode and what against it, of figures that differ as
// they are printed. Where nothing speaks for it, it says what the other is kept by.
func (m *Side) against(other *Side) string {
	var good, bad []string
	for _, g := range grounds {
		a, b := g.of(m), g.of(other)
		if s := fmt.Sprintf(g.format, a, b); s == fmt.Sprintf(g.format, b, a) {
			continue
		} else if (a > b) == g.more {
			good = append(good, s)
		} else {
			bad = append(bad, s)
		}
	}
	switch {
	case len(good) > 0 && len(bad) > 0:
		return strings.Join(good, ", ") + "; though " + strings.Join(bad, ", ")
	case len(good) > 0:
		return strings.Join(good, ", ")
	case m.Device.HitRatio < other.Device.HitRatio:
		return "though " + strings.Join(bad, ", ") + ": the host runs what misses beside the device, and " + other.Mode + " traces are kept by " + other.Device.Bound
	case len(bad) > 0:
		return "though " + strings.Join(bad, ", ") + ": its packets occupy what " + other.Mode + " traces are kept by, " + other.Device.Bound + ", for less time"
	}
	return "by less than hits, instructions, predicates and installs show"
}

// OnDevice says in a sentence which mode suits the program on the device: which
// carries most without loss, and whose packets take the least time; why, by the figures
// that speak for it and those that speak against it.
func OnDevice(modes []Side) string {
	var best, quick *Side
	hits := 0.0
	for i := range modes {
		m := &modes[i]
		if m.Device == nil || m.Device.Missing != "" {
			continue
		}
		hits = max(hits, m.Device.HitRatio)
		if best == nil || float64(m.Device.LossFree) > 1.01*float64(best.Device.LossFree) {
			best = m
		}
		if quick == nil || m.Device.Mean < 0.99*quick.Device.Mean {
			quick = m
		}
	}
	switch {
	case best == nil:
		return ""
	case hits == 0:
		return fmt.Sprintf("On %s no trace runs in any mode: every packet goes to the host (feasibility says what is in the way).", best.Device.NIC)
	}
	whole := &modes[0]
	millions := func(m *Side) string { return fmt.Sprintf("%.2f", float64(m.Device.LossFree)/1e6) }
	out := fmt.Sprintf("On %s no mode carries more without loss than whole paths, %s million packets a second", best.Device.NIC, millions(best))
	if best != whole {
		out = fmt.Sprintf("On %s %s traces carry most without loss, %s million packets a second in place of %s (%s)", best.Device.NIC, best.Mode, millions(best), millions(whole), best.against(whole))
	}
	if best.Device.Bound != "" {
		out += "; kept from more by " + best.Device.Bound
	}
	out += fmt.Sprintf(". At %.2f million a packet takes %.0f ns in whole paths", float64(whole.Device.Rate)/1e6, whole.Device.Mean)
	if quick == whole {
		return out + ", and no less in any other mode."
	}
	return out + fmt.Sprintf(" and %.0f in %s traces (%s).", quick.Device.Mean, quick.Mode, quick.against(whole))
}
