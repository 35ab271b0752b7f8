package feasibility

import (
	"fmt"
	"math"
	"strings"
)

// Answer is whether an offload pays.
type Answer string

// The answers.
const (
	Pays    Answer = "pays"
	Doesnt  Answer = "does not pay"
	Depends Answer = "depends"
	None    Answer = "none" // too many packets could not be run
)

// Verdict is the study's answer with its reasons.
type Verdict struct {
	Answer   Answer   `json:"answer"`
	Sentence string   `json:"sentence"`
	For      []string `json:"for"`
	Against  []string `json:"against"`
	On       []string `json:"depends_on,omitempty"` // parameters that alone turn the answer
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

// least is the difference that counts: a hundredth of what is compared, and
// of losses one packet in ten thousand.
const (
	least     = 0.01
	lostLeast = 1e-4
)

// judge answers for one outcome: the offload pays where it saves host cores,
// loses no more packets and is no slower; it does not where it saves none or
// loses more; else it depends on what is asked for.
func (o *outcome) judge() (a Answer, pro, con []string) {
	saved := o.saved()
	cores := fmt.Sprintf("%s of host cores (%s instead of %s)", percent(math.Abs(saved)), number(o.Both.CoresNeeded+o.CompileCores), number(o.Host.CoresNeeded))
	switch {
	case saved > least:
		pro = append(pro, "saves "+cores)
	case saved < -least:
		con = append(con, "costs another "+cores)
	default:
		con = append(con, "saves no host cores ("+number(o.Host.CoresNeeded)+" either way)")
	}
	lost := o.Both.Loss - o.Host.Loss
	if lost > lostLeast {
		con = append(con, fmt.Sprintf("loses %s of the packets%s (the host alone %s)", percent(o.Both.Loss), o.Both.where(), percent(o.Host.Loss)))
	} else if lost < -lostLeast {
		pro = append(pro, fmt.Sprintf("loses fewer packets (%s instead of %s)", percent(o.Both.Loss), percent(o.Host.Loss)))
	}
	faster := 0.0
	if o.Host.Mean > 0 {
		faster = 1 - o.Both.Mean/o.Host.Mean
	}
	lat := fmt.Sprintf("takes %s a packet (the host alone %s)", nanos(o.Both.Mean), nanos(o.Host.Mean))
	if faster > least {
		pro = append(pro, lat)
	} else if faster < -least {
		con = append(con, lat)
	}
	saves, slower := saved > least, faster < -least
	more, fewer := lost > lostLeast, lost < -lostLeast
	switch {
	case more && (!saves || o.Host.Loss <= lostLeast), !saves && !fewer:
		return Doesnt, pro, con
	case more, !saves, slower:
		return Depends, pro, con
	}
	return Pays, pro, con
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

// decide makes the study's verdict of its own outcome and of what each assumed
// parameter makes of it.
func (s *Study) decide(o *outcome) {
	if s.NotRun.TooMany() {
		s.Verdict = Verdict{Answer: None, For: []string{}, Against: []string{}, Sentence: "No verdict: " + s.NotRun.String() + "."}
		return
	}
	a, pro, con := o.judge()
	if o.Offload == 0 {
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
	case o.Offload == 0:
		v.Sentence = fmt.Sprintf("The offload does not pay %s: the device can take none of the packets.", at)
	case a == Pays:
		v.Sentence = fmt.Sprintf("The offload pays %s: %s; it %s.", at, o.hits(), pros)
	case a == Doesnt:
		v.Sentence = fmt.Sprintf("The offload does not pay %s: %s; it %s.", at, o.hits(), cons)
	default:
		v.Sentence = fmt.Sprintf("Whether the offload pays %s depends on what counts: %s; it %s; but %s.", at, o.hits(), pros, cons)
	}
	if o.Both.Loss > lostLeast && o.Host.Loss > lostLeast {
		v.Sentence += " Neither keeps up with this load."
	}
	if len(v.On) > 0 {
		v.Sentence += fmt.Sprintf(" This stands on assumed figures: within its range, %s alone would turn it.", list(v.On))
		if a != Depends {
			v.Answer = Depends
			v.Sentence = strings.Replace(v.Sentence, "The offload "+string(a), "It depends: with the figures assumed the offload "+string(a), 1)
		}
	} else if a == Depends {
		v.On = append(v.On, "what counts: "+cons)
	}
	s.Verdict = v
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
