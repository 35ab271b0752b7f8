package calibrate

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"jitnic/host/hosttest"
	"jitnic/host/hosttest/must"
	"jitnic/host/programs"
	"jitnic/host/vm"
	ncode "jitnic/nic/native/code"
)

// HITS_ONLY=telemetry/zoo
func TestHitsOurs(t *testing.T) {
	only := os.Getenv("HITS_ONLY")
	if os.Getenv("HITS_PERF") != "" {
		ncode.NameForPerf()
	}
	for _, capture := range []string{"echo-connections.pcap.gz", "zoo.pcap.gz"} {
		packets := hosttest.Packets(t, hosttest.Capture(t, capture), 0)
		var ins []vm.Input
		for in := range packets {
			in := *in
			in.Data = bytes.Clone(in.Data)
			ins = append(ins, in)
		}
		for _, p := range programs.All() {
			if !strings.Contains(p.Name+"/"+capture, only) {
				continue
			}
			hits, err := newHits(t, p.Name, ins)
			must.OK(t, err)
			if os.Getenv("HITS_DENSE") != "" {
				n := 0
				for i := range hits.ins {
					n += (len(hits.ins[i].Data) + 63) &^ 63
				}
				buf := make([]byte, n+64)
				n = 0
				for i := range hits.ins {
					n += copy(buf[n:], hits.ins[i].Data)
					hits.ins[i].Data = buf[n-len(hits.ins[i].Data) : n : n]
				}
				fmt.Println("bytes", n)
			}
			if s := os.Getenv("HITS_SMALL"); s != "" {
				n := 0
				fmt.Sscan(s, &n)
				hits.ins = hits.ins[:n]
			}
			ours := hits.ours(t)
			if os.Getenv("HITS_PERF") != "" {
				for b := time.Now(); time.Since(b) < 3*time.Second; {
					for in := 0; in < len(hits.ins); in += 128 {
						must.OK(t, hits.rt.Run(t.Context(), hits.ins[in:min(in+128, len(hits.ins))], nil))
					}
				}
			}
			if os.Getenv("HITS_PERF") != "" {
				maps, _ := os.ReadFile("/proc/self/maps")
				mem, _ := os.Open("/proc/self/mem")
				for _, l := range strings.Split(string(maps), "\n") {
					var lo, hi uint64
					var p string
					if n, _ := fmt.Sscanf(l, "%x-%x %s", &lo, &hi, &p); n == 3 && p == "r-xp" && !strings.Contains(l, "/") && !strings.Contains(l, "vdso") {
						x := make([]byte, hi-lo)
						mem.ReadAt(x, int64(lo))
						os.WriteFile(fmt.Sprintf("/tmp/hits.code.%x", lo), x, 0o644)
					}
				}
			}
			fmt.Printf("%-14s %-6s %9.1f\n", p.Name, capture[:4], ours)
			n := map[uint32]int{}
			for _, p := range hits.paths {
				n[p]++
			}
			fmt.Println(len(hits.ins), len(n))
			hits.rt.Close()
		}
	}
}
