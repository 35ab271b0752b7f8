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

// least is the difference that counts: a hundredth of what is compared.
const least = 0.01

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
	loss := fmt.Sprintf("loses %s of the packets (the host alone %s)", percent(o.Both.Loss), percent(o.Host.Loss))
	if lost > 1e-4 {
		con = append(con, loss)
	} else if lost < -1e-4 {
		pro = append(pro, loss)
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
	more, fewer := lost > 1e-4, lost < -1e-4
	switch {
	case more && (!saves || o.Host.Loss <= 1e-4), !saves && !fewer:
		return Doesnt, pro, con
	case more, !saves, slower:
		return Depends, pro, con
	}
	return Pays, pro, con
}

// decide makes the study's verdict of its own outcome and of what each assumed
// parameter makes of it.
func (s *Study) decide(o *outcome) {
	a, pro, con := o.judge()
	v := Verdict{Answer: a, For: pro, Against: con}
	for _, w := range s.Swings {
		if w.Turns {
			v.On = append(v.On, w.Key)
		}
	}
	at := fmt.Sprintf("at %s on %s", rate(o.Both.Offered), s.NIC.Name)
	hits := fmt.Sprintf("%s of packets hit", percent(o.Both.HitRatio))
	even := ""
	switch {
	case o.Even.Cores > 1:
		even = "no hit ratio would save host cores"
	case o.Even.Cores > 0:
		even = fmt.Sprintf("%s would do to save host cores", percent(o.Even.Cores))
	default:
		even = "any hit ratio saves host cores"
	}
	reasons := func(list []string) string { return strings.Join(list, "; ") }
	switch a {
	case Pays:
		v.Sentence = fmt.Sprintf("The offload pays %s: %s, and %s; it %s.", at, hits, even, reasons(pro))
	case Doesnt:
		v.Sentence = fmt.Sprintf("The offload does not pay %s: %s, and %s; it %s.", at, hits, even, reasons(con))
	default:
		v.Sentence = fmt.Sprintf("Whether the offload pays %s depends on what counts: it %s; but %s.", at, reasons(pro), reasons(con))
	}
	if o.Offload == 0 {
		v.Answer = Doesnt
		v.Sentence = fmt.Sprintf("The offload does not pay %s: the device can take none of the packets.", at)
	}
	if len(v.On) > 0 {
		turn := v.On
		more := ""
		if len(turn) > 4 {
			more = fmt.Sprintf(" and %d more", len(turn)-4)
			turn = turn[:4]
		}
		v.Sentence += fmt.Sprintf(" This stands on assumed figures: within its range %s alone would turn it.", join(turn)+more)
		if a != Depends {
			v.Answer = Depends
			v.Sentence = strings.Replace(v.Sentence, "The offload "+string(a), "It depends: with the figures assumed the offload "+string(a), 1)
		}
	} else if a == Depends {
		v.On = append(v.On, "what counts: "+reasons(con))
	}
	s.Verdict = v
}

func join(list []string) string {
	if len(list) == 1 {
		return list[0]
	}
	return strings.Join(list[:len(list)-1], ", ") + " or " + list[len(list)-1]
}

func percent(x float64) string { return fmt.Sprintf("%.4g %%", 100*x) }

func number(x float64) string { return fmt.Sprintf("%.3g", x) }

func nanos(x float64) string {
	switch {
	case x >= 1e6:
		return fmt.Sprintf("%.3g ms", x/1e6)
	case x >= 1e4:
		return fmt.Sprintf("%.3g us", x/1e3)
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
