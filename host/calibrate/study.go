package calibrate

import (
	"bytes"
	"os"
	"runtime"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// A Study is what a calibration found out.
type Study struct {
	Machine  Machine  `json:"machine"`
	Rounds   int      `json:"rounds"`   // of a series
	RoundMS  float64  `json:"round_ms"` // of one program in a round
	Realtime bool     `json:"realtime"` // was the measuring thread SCHED_FIFO
	Partial  bool     `json:"partial"`  // interrupted
	Planned  int      `json:"planned"`  // steps
	Steps    []string `json:"steps"`    // finished
	Seconds  float64  `json:"seconds"`  // the calibration took
	Figures  []Figure `json:"figures"`
}

// Machine is what was measured on.
type Machine struct {
	CPU      string  `json:"cpu"` // model
	CPUs     int     `json:"cpus"`
	Pinned   int     `json:"pinned"` // CPU that was measured on
	Kernel   string  `json:"kernel"`
	Arch     string  `json:"arch"`
	JIT      string  `json:"bpf_jit"` // on, off, debug or unknown
	Harden   string  `json:"bpf_jit_harden"`
	Governor string  `json:"governor"`
	Virtual  bool    `json:"virtual"` // the CPU says hypervisor
	Load     string  `json:"load"`    // averages of 1, 5 and 15 minutes before it began
	Date     string  `json:"date"`
	MHz      float64 `json:"mhz"` // as /proc/cpuinfo has it
	// Mitigations are those against speculation that make calls dearer: what
	// the kernel says of return thunks and retpolines.
	Mitigations string `json:"mitigations"`
}

// machine reads what the machine says of itself.
func machine(cpu int) Machine {
	m := Machine{Pinned: cpu, CPUs: runtime.NumCPU(), Arch: runtime.GOARCH, Date: time.Now().UTC().Format("2006-01-02 15:04 UTC"), Governor: "none visible", CPU: "unknown"}
	var u unix.Utsname
	if unix.Uname(&u) == nil {
		m.Kernel = unix.ByteSliceToString(u.Release[:])
	}
	read := func(path string) string {
		b, err := os.ReadFile(path)
		if err != nil {
			return ""
		}
		return string(bytes.TrimSpace(b))
	}
	name := func(s string, of map[string]string) string {
		if n, ok := of[s]; ok {
			return n
		}
		return "unknown"
	}
	m.JIT = name(read("/proc/sys/net/core/bpf_jit_enable"), map[string]string{"0": "off", "1": "on", "2": "debug"})
	m.Harden = name(read("/proc/sys/net/core/bpf_jit_harden"), map[string]string{"0": "off", "1": "unprivileged", "2": "on"})
	if g := read("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"); g != "" {
		m.Governor = g
	}
	if f := strings.Fields(read("/proc/loadavg")); len(f) >= 3 {
		m.Load = strings.Join(f[:3], " ")
	}
	var against []string
	for _, v := range []string{"spec_rstack_overflow", "retbleed", "spectre_v2"} {
		if t := read("/sys/devices/system/cpu/vulnerabilities/" + v); t != "" && t != "Not affected" {
			against = append(against, v+": "+t)
		}
	}
	m.Mitigations = strings.Join(against, "; ")
	return m.cpuinfo(read("/proc/cpuinfo"))
}

// cpuinfo takes the first CPU's lines.
func (m Machine) cpuinfo(text string) Machine {
	for line := range strings.Lines(text) {
		key, value, ok := strings.Cut(line, ":")
		if !ok {
			break // the first CPU's end
		}
		value = strings.TrimSpace(value)
		switch strings.TrimSpace(key) {
		case "model name":
			m.CPU = value
		case "cpu MHz":
			m.MHz = parseFloat(value)
		case "flags":
			m.Virtual = strings.Contains(" "+value+" ", " hypervisor ")
		}
	}
	return m
}

// Find gives the figure of a group and name; of several the first, of none nil.
func (s *Study) Find(group, name string) *Figure {
	for i := range s.Figures {
		if f := &s.Figures[i]; f.Group == group && f.Name == name {
			return f
		}
	}
	return nil
}

func parseFloat(s string) float64 {
	x, err := strconv.ParseFloat(s, 64)
	if err != nil {
		return 0
	}
	return x
}

// FindMap gives the figure of a group, name and type of map.
func (s *Study) FindMap(group, name, kind string) *Figure {
	for i := range s.Figures {
		if f := &s.Figures[i]; f.Group == group && f.Name == name && f.Map == kind {
			return f
		}
	}
	return nil
}

// At gives the figure of a map's operation by size and keys.
func (s *Study) At(name, kind string, entries int, keys string) *Figure {
	for i := range s.Figures {
		if f := &s.Figures[i]; f.Group == "map" && f.Name == name && f.Map == kind && f.Entries == entries && f.Keys == keys {
			return f
		}
	}
	return nil
}
