package jit

import (
	"fmt"
	"jitnic/host/hosttest"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestHitsDist(t *testing.T) {
	testing.Benchmark(func(b *testing.B) {
		if b.N < 100 {
			return
		}
		pkts, times := held(b, hosttest.Capture(b, "echo-connections.pcap.gz"), 0)
		n := 0
		for _, p := range pkts {
			n += len(p)
		}
		fmt.Println(b.N, len(pkts), n)
		_, run := oneRuntime(b, "", pkts, times)
		var alu, ns []float64
		for i := 0; i < 2000; i++ {
			begin := time.Now()
			run(0, len(pkts))
			d := time.Since(begin)
			t0 := time.Now()
			spin()
			alu = append(alu, float64(time.Since(t0).Microseconds()))
			_ = d
			ns = append(ns, float64(d)/float64(len(pkts)))
		}
		fmt.Println("first", fmt.Sprintf("%.1f", ns[:100]))
		type pair struct{ a, b float64 }
		var ps []pair
		for i := range ns {
			ps = append(ps, pair{ns[i], alu[i]})
		}
		slices.SortFunc(ps, func(a, b pair) int { return int(1000 * (a.a - b.a)) })
		for i := 0; i < len(ps); i += len(ps) / 20 {
			m := 0.
			for _, p := range ps[i : i+len(ps)/20] {
				m += p.b
			}
			fmt.Printf("%.1f:%.0f ", ps[i].a, m/float64(len(ps)/20))
		}
		fmt.Println()
		slices.Sort(ns)
		for _, q := range []int{0, 1, 10, 25, 50, 75, 90, 99, 100} {
			fmt.Printf("%d%%: %.1f  ", q, ns[min(len(ns)-1, q*len(ns)/100)])
		}
		fmt.Println()
		b.SkipNow()
	})
}

var sink [8]uint64

func spin() {
	var a, b, c, d, e, f, g, h uint64 = 1, 2, 3, 4, 5, 6, 7, 8
	for i := uint64(0); i < 200000; i++ {
		a += i ^ b
		b += i ^ a>>1
		c += i ^ 5
		d += i ^ 9
		e += i ^ 11
		f += i ^ 13
		g += i ^ 15
		h += i ^ 17
	}
	sink = [8]uint64{a, b, c, d, e, f, g, h}
}

func TestHitsDump(t *testing.T) {
	testing.Benchmark(func(b *testing.B) {
		if b.N < 100 {
			return
		}
		pkts, times := held(b, hosttest.Capture(b, "echo-connections.pcap.gz"), 0)
		_, run := oneRuntime(b, "", pkts, times)
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
		for i := 0; i < 2000; i++ {
			run(0, len(pkts))
		}
		b.SkipNow()
	})
}

func TestHitsFew(t *testing.T) {
	testing.Benchmark(func(b *testing.B) {
		if b.N < 100 {
			return
		}
		all, times := held(b, hosttest.Capture(b, "echo-connections.pcap.gz"), 0)
		for _, n := range []int{1, 128, 512, 2048, 8192, len(all)} {
			pkts := all[:n]
			if n == 1 {
				pkts = [][]byte{whole(all)}
			}
			_, run := oneRuntime(b, "", pkts, times)
			flows := map[string]bool{}
			for _, p := range pkts {
				if len(p) >= 38 {
					flows[string(p[26:38])] = true
				}
			}
			for range 10 {
				run(0, 10000)
			}
			var ns, al []float64
			for range 20000000 / 20000 {
				t0 := time.Now()
				run(0, 20000)
				ns = append(ns, float64(time.Since(t0))/20000)
				t0 = time.Now()
				spin()
				al = append(al, float64(time.Since(t0).Microseconds()))
			}
			var ps [2]float64
			var k [2]float64
			for i := range ns {
				j := 0
				if al[i] > 550 {
					j = 1
				}
				if i > 0 && (al[i-1] > 550) == (al[i] > 550) {
					ps[j] += ns[i]
					k[j]++
				}
			}
			slices.Sort(ns)
			fmt.Printf("%d packets %d flows: best %.1f p10 %.1f median %.1f; calm %.1f busy %.1f (%.0f%%)\n", n, len(flows), ns[0], ns[len(ns)/10], ns[len(ns)/2], ps[0]/k[0], ps[1]/k[1], 100*k[1]/(k[0]+k[1]))
		}
		b.SkipNow()
	})
}
