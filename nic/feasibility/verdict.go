package feasibility

import (
	"fmt"
	"math"
	"strings"

	"jitnic/nic/device"
)

// Answer is whether an offload pays.
type Answer string

// The answers.
const (
	Pays    Answer = "pays"
	Doesnt  Answer = "does not pay"
	Depends Answer = "depends"
	Neither Answer = "neither keeps up" // with or without the NIC packets are lost
	None    Answer = "none"             // too many packets could not be run, or the link can't bring them in
)

// Verdict is the study's answer with its reasons.
type Verdict struct {
	Answer   Answer   `json:"answer"`
	Sentence string   `json:"sentence"`
	For      []string `json:"for"`
	Against  []string `json:"against"`
	On       []string `json:"depends_on,omitempty"`    // parameters that alone turn the answer, chance, or what counts
	Would    []string `json:"would_keep_up,omitempty"` // where neither does
}

// BreakEven is the hit ratio, of all packets looked up, below which the offload
// loses against the host alone, by two measures: 0 where it does not lose at any
// hit ratio, above 1 where it loses, or at least doesn't win, at every one that
// the packets allow. A hit, a miss and an install cost what they cost on average
// in this workload's run.
//
//	cores    hit × h + (miss + compile) × (s−h) + rest × (1−s) = host only × s + host only, rest × (1−s)
//	latency  hit × h + miss × (1−h) = host only
//
// h is the hit ratio and s the share of packets that the device can take; the
// rest costs more than on the host alone where its maps are on the device.
type BreakEven struct {
	Cores   float64 `json:"cores"`
	Latency float64 `json:"latency"`
	// What they are made of, ns a packet.
	Share       float64 `json:"offloadable"`
	MissCore    float64 `json:"miss_core_ns"`
	HitCore     float64 `json:"hit_core_ns"`
	Compile     float64 `json:"compile_ns_per_miss"`
	HostCore    float64 `json:"host_only_core_ns"`
	Rest        float64 `json:"rest_core_ns"`
	RestHost    float64 `json:"rest_host_only_core_ns"`
	MissLatency float64 `json:"miss_latency_ns"`
	HitLatency  float64 `json:"hit_latency_ns"`
	HostLatency float64 `json:"host_only_latency_ns"`
}

// never is the break-even of what loses at every hit ratio.
const never = 2

// breakEven is the hit ratio at which a cost that falls from none, where nothing
// hits, to all, where the share of packets that can hit does, is alone's.
func breakEven(none, all, alone, share float64) float64 {
	switch {
	case share == 0 || all >= alone:
		return never
	case none <= alone:
		return 0
	}
	return share * (none - alone) / (none - all)
}

// outcome is what an answer is judged by.
type outcome struct {
	Both, Host *Figures
	Servers    uint64  // cores that the host has
	Offload    float64 // share of packets that the device can take at all
	// CompileCores is how many cores make traces.
	CompileCores float64
	Even         BreakEven
}

// saved is the share of host cores that the offload saves, by need.
func (o *outcome) saved() float64 {
	if o.Host.CoresNeeded == 0 {
		return 0
	}
	return 1 - (o.Both.CoresNeeded+o.CompileCores)/o.Host.CoresNeeded
}

// lost is the share of the packets that the offload loses, or falls behind by,
// beyond the host's.
func (o *outcome) lost() float64 {
	return o.Both.Loss + o.Both.behind() - o.Host.Loss - o.Host.behind()
}

// faster is the share of the mean latency that the offload wins.
func (o *outcome) faster() float64 {
	if o.Host.Mean == 0 {
		return 0
	}
	return 1 - o.Both.Mean/o.Host.Mean
}

// least is the difference that counts: a hundredth of what is compared, and
// of losses one packet in ten thousand.
const (
	least     = 0.01
	lostLeast = 1e-4
)

// answer is that of a saving, a loss and a gain of speed: the offload pays where
// it saves host cores, loses no more packets and is no slower; it does not where
// it saves none or loses more; else it depends on what is asked for.
func (o *outcome) answer(saved, lost, faster float64) Answer {
	saves, slower := saved > least, faster < -least
	more, fewer := lost > lostLeast, lost < -lostLeast
	switch {
	case more && (!saves || o.Host.keepsUp()), !saves && !fewer:
		return Doesnt
	case more, !saves, slower:
		return Depends
	}
	return Pays
}

// is is the outcome's answer by its own figures.
func (o *outcome) is() Answer {
	if o.overloaded() {
		return Neither
	}
	return o.answer(o.saved(), o.lost(), o.faster())
}

// overloaded says that neither keeps up.
func (o *outcome) overloaded() bool { return !o.Both.keepsUp() && !o.Host.keepsUp() }

// may says whether the answer may be this one, each figure being off by no more
// than chance makes it.
func (o *outcome) may(a Answer, by margins) bool {
	if o.is() == a {
		return true
	}
	if a == Neither || o.overloaded() { // by what both lose, which isn't little
		return math.Min(o.Both.Loss+o.Both.behind(), o.Host.Loss+o.Host.behind()) <= lostLeast+by.lost
	}
	for _, x := range []float64{-1, 0, 1} {
		for _, y := range []float64{-1, 0, 1} {
			for _, z := range []float64{-1, 0, 1} {
				if o.answer(o.saved()+x*by.saved, o.lost()+y*by.lost, o.faster()+z*by.faster) == a {
					return true
				}
			}
		}
	}
	return false
}

// judge answers for one outcome, with what speaks for the offload and what
// against it. What chance alone makes is neither.
func (o *outcome) judge(by margins) (a Answer, pro, con []string) {
	saved, lost, faster := o.saved(), o.lost(), o.faster()
	cores := fmt.Sprintf("%s of host cores (%s instead of %s)", percent(math.Abs(saved)), number(o.Both.CoresNeeded+o.CompileCores), number(o.Host.CoresNeeded))
	switch {
	case saved > least:
		pro = append(pro, "saves "+cores)
	case saved < -least:
		con = append(con, "costs another "+cores)
	default:
		con = append(con, "saves no host cores ("+number(o.Host.CoresNeeded)+" either way)")
	}
	if lost > max(lostLeast, by.lost) {
		con = append(con, fmt.Sprintf("loses %s%s (the host alone %s)", o.Both.loses(" of the packets"), o.Both.where(), o.Host.loses("")))
	} else if lost < -max(lostLeast, by.lost) {
		pro = append(pro, fmt.Sprintf("loses fewer packets (%s instead of %s)", o.Both.loses(""), o.Host.loses("")))
	}
	lat := fmt.Sprintf("takes %s a packet (the host alone %s)", nanos(o.Both.Mean), nanos(o.Host.Mean))
	if faster > max(least, by.faster) {
		pro = append(pro, lat)
	} else if faster < -max(least, by.faster) {
		con = append(con, lat)
	}
	return o.is(), pro, con
}

// loses says how much is lost, or will be: of what.
func (f *Figures) loses(of string) string {
	s := percent(f.Loss) + of
	if b := f.behind(); b > 0 {
		s += " yet, falling behind by " + percent(b)
	}
	return s
}

// where says where most of the packets are lost.
func (f *Figures) where() string {
	place, most := "", uint64(0)
	for _, p := range []struct {
		place string
		lost  uint64
	}{{"before the matcher", f.Ingress}, {"at the rings of the host's cores", f.AtHost}, {"on the way back from the host", f.Transmit}, {"at the port", f.Egress}} {
		if p.lost > most {
			place, most = p.place, p.lost
		}
	}
	if most == 0 {
		return ""
	}
	return ", most of them " + place
}

// decide makes the study's verdict of its own outcome, of what is chance in it,
// and of what each assumed parameter makes of it.
func (s *Study) decide(o *outcome) {
	switch {
	case s.NotRun.TooMany():
		s.Verdict = Verdict{Answer: None, For: []string{}, Against: []string{}, Sentence: "No verdict: " + s.NotRun.String() + "."}
		return
	case o.Both.BeyondWire:
		s.Verdict = Verdict{Answer: None, For: []string{}, Against: []string{}, Sentence: "No verdict: " + s.wire() + "."}
		return
	}
	by := s.Chance.margins()
	a, pro, con := o.judge(by)
	if o.Offload == 0 && a != Neither {
		a, pro, con = Doesnt, nil, []string{"can take none of the packets"}
	}
	v := Verdict{Answer: a, For: pro, Against: con}
	for _, w := range s.Swings {
		if w.Turns {
			v.On = append(v.On, w.Key)
		}
	}
	at := fmt.Sprintf("at %s on %s", rate(float64(s.Rate)), s.NIC.Name)
	pros, cons := strings.Join(pro, "; "), strings.Join(con, "; ")
	switch {
	case a == Neither:
		v.Would = s.would(o)
		v.Sentence = fmt.Sprintf("Neither keeps up %s: NIC and host together lose %s%s, the host alone %s. What would: %s.", at,
			o.Both.loses(" of the packets"), o.Both.where(), o.Host.loses(""), strings.Join(v.Would, "; "))
	case o.Offload == 0:
		v.Sentence = fmt.Sprintf("The offload does not pay %s: the device can take none of the packets.", at)
	case a == Pays:
		v.Sentence = fmt.Sprintf("The offload pays %s: %s; it %s.", at, o.hits(), pros)
	case a == Doesnt:
		v.Sentence = fmt.Sprintf("The offload does not pay %s: %s; it %s.", at, o.hits(), cons)
	default:
		v.Sentence = fmt.Sprintf("Whether the offload pays %s depends on what counts: %s; it %s; but %s.", at, o.hits(), pros, cons)
	}
	if a == Depends {
		v.On = append(v.On, "what counts: "+cons)
	}
	if other := o.byChance(a, by); other != "" && o.Offload > 0 {
		v.On = append(v.On, "chance: other seeds may say "+string(other))
		v.Sentence += fmt.Sprintf(" It is within what is chance: over %d seeds, %s.", s.Chance.Runs, s.Chance.close(o))
		if a != Depends && a != Neither {
			v.Answer = Depends
			v.Sentence = strings.Replace(v.Sentence, "The offload "+string(a), "It depends: with this seed the offload "+string(a), 1)
		}
	}
	var figures []string
	for _, w := range s.Swings {
		if w.Turns {
			figures = append(figures, w.Key)
		}
	}
	if len(figures) > 0 {
		v.Sentence += fmt.Sprintf(" This stands on assumed figures: within its range, %s alone would turn it.", list(figures))
		if v.Answer != Depends && a != Neither {
			v.Answer = Depends
			v.Sentence = strings.Replace(v.Sentence, "The offload "+string(a), "It depends: with the figures assumed the offload "+string(a), 1)
		}
	}
	s.Verdict = v
}

// byChance is another answer that chance may give; "" where there is none.
func (o *outcome) byChance(a Answer, by margins) Answer {
	if a == Neither || by == (margins{}) {
		return ""
	}
	for _, b := range []Answer{Pays, Depends, Doesnt} {
		if b != a && o.may(b, by) {
			return b
		}
	}
	return ""
}

// close names the figures that are as near to what counts as chance is.
func (c *Chance) close(o *outcome) string {
	by := c.margins()
	var out []string
	for _, x := range []struct {
		name           string
		is, by, counts float64
	}{
		{"host cores saved", o.saved(), by.saved, least},
		{"packets lost beyond the host's", o.lost(), by.lost, lostLeast},
		{"mean latency won", o.faster(), by.faster, least},
	} {
		for _, edge := range []float64{-x.counts, x.counts} {
			if math.Abs(x.is-edge) <= x.by {
				out = append(out, fmt.Sprintf("%s are %s ± %s", x.name, percentSigned(x.is), percent(x.by)))
				break
			}
		}
	}
	return strings.Join(out, "; ")
}

func percentSigned(x float64) string {
	if x < 0 {
		return "-" + percent(-x)
	}
	return percent(x)
}

// wire says by how much the load is more than the link brings in.
func (s *Study) wire() string {
	return fmt.Sprintf("%s of this capture's frames, %.4g B each with what the link adds (link.overhead), are %.4g Gbit/s, and the link brings in %s of them (link.rate; --rate line)",
		rate(float64(s.Rate)), s.Frame, float64(s.Rate)*s.Frame*8/1e9, rate(float64(s.LineRate)))
}

// would says what keeps up with a load that neither keeps up with.
func (s *Study) would(o *outcome) (out []string) {
	for _, x := range []struct {
		name string
		f    *Figures
	}{{"the host alone", o.Host}, {"NIC and host", o.Both}} {
		switch f := x.f; {
		case f.CoresNeeded*max(f.Uneven, 1) > float64(o.Servers): // some core is asked for more than there is of it
			text := fmt.Sprintf("%s with %.0f cores (there are %d)", x.name, math.Ceil(f.CoresNeeded*max(f.Uneven, 1)), o.Servers)
			if even := math.Ceil(f.CoresNeeded); f.Uneven > 1.05 {
				text += fmt.Sprintf(" as flows are spread now, %.0f spread evenly", even)
			}
			out = append(out, text)
		default:
			st := f.busiest()
			switch {
			case st == nil:
			case st.Utilisation > 0.9:
				out = append(out, fmt.Sprintf("%s with more of its %s, %s busy", x.name, st.Name, percent(min(st.Utilisation, 1))))
			default:
				out = append(out, fmt.Sprintf("%s with longer queues, as the load comes in bursts (the busiest are %s, %s on average)", x.name, st.Name, percent(st.Utilisation)))
			}
		}
	}
	for _, x := range []struct{ mode, name string }{{"nic+host", "NIC and host"}, {"host", "the host alone"}} {
		for _, t := range s.Throughput {
			if t.Mode != x.mode || t.Rate == 0 || t.Optimised != s.Optimised && x.mode != "host" {
				continue
			}
			gaps := ""
			if s.Arrivals != string(device.Constant) { // of which the search is
				gaps = " with all gaps alike"
			}
			out = append(out, fmt.Sprintf("%s at %s%s", x.name, rate(float64(min(t.Rate, s.Rate))), gaps))
		}
	}
	if len(out) == 0 {
		out = append(out, "a lower rate")
	}
	return out
}

// busiest is the station of packets that is busiest.
func (f *Figures) busiest() (most *Station) {
	for i := range f.Stations {
		st := &f.Stations[i]
		if forPackets(st.Name) && (most == nil || st.Utilisation > most.Utilisation) {
			most = st
		}
	}
	return most
}

// hits says how many packets hit, and how many would have to.
func (o *outcome) hits() string {
	h, even := o.Both.HitRatio, o.Even.Cores
	hit := percent(h) + " of packets hit"
	switch {
	case even > 1:
		return hit + ", and no hit ratio would save host cores"
	case even > h:
		return hit + ", and " + percent(even) + " would have to, to save host cores"
	case o.saved() < -least: // the means above do not tell all
		return hit
	case o.saved() <= least:
		return hit + ", which saves next to nothing"
	case even > 0:
		return hit + ", and " + percent(even) + " would do to save host cores"
	}
	return hit + ", and any hit ratio saves host cores"
}

// list is words with commas and an or, the first few of them.
func list(words []string) string {
	const few = 4
	switch n := len(words); {
	case n == 1:
		return words[0]
	case n > few+1:
		return fmt.Sprintf("%s or any of %d more", strings.Join(words[:few], ", "), n-few)
	default:
		return strings.Join(words[:n-1], ", ") + " or " + words[n-1]
	}
}

func percent(x float64) string {
	switch {
	case x > 0 && x < 0.00005:
		return "under 0.01 %"
	case x < 1 && x > 0.99995:
		return "over 99.99 %"
	}
	return trim(fmt.Sprintf("%.2f", 100*x)) + " %"
}

// trim takes zeros off behind the point.
func trim(s string) string { return strings.TrimSuffix(strings.TrimRight(s, "0"), ".") }

func number(x float64) string {
	switch {
	case x >= 999.5:
		return fmt.Sprintf("%.0f", x)
	case math.Abs(x) < 0.00005: // as good as nothing
		return "0"
	}
	return fmt.Sprintf("%.3g", x)
}

func nanos(x float64) string {
	switch {
	case x >= 999.5e6:
		return number(x/1e9) + " s"
	case x >= 999.5e3:
		return number(x/1e6) + " ms"
	case x >= 9999.5:
		return number(x/1e3) + " us"
	}
	return fmt.Sprintf("%.0f ns", x)
}

func rate(x float64) string {
	switch {
	case x >= 1e6:
		return fmt.Sprintf("%.4g Mpps", x/1e6)
	case x >= 1e3:
		return fmt.Sprintf("%.4g kpps", x/1e3)
	}
	return fmt.Sprintf("%.4g pps", x)
}
