package study_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"jitnic/host/study"
	"jitnic/host/study/run"
	"jitnic/host/study/spec"
)

// hundred is a study of 112 cells.
const hundred = `
programs: [sample:ipv6filter, sample:firewall, sample:conntrack, sample:loadbalancer, sample:router, sample:ratelimiter, sample:nat, sample:telemetry]
captures: [sample:lab, sample:web, sample:dns, sample:vlan, sample:ipv6, sample:bulk, {name: attack, gen: {preset: thrash, packets: 40000}}]
modes: [generic, specialised]
policies: [lru, s3-fifo, sieve, arc, slru, belady]
entries: 1..512
devices: hxdp
`

// cpu is the time that this process has had of all cores.
func cpu(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkCells runs a study of 112 cells: overhead-% is what its run takes beyond
// its cells, one after the other; busy-% how much of two cores it uses with two
// workers; ran-again how much a second run of a finished study makes, and again-s
// what that takes.
func BenchmarkCells(b *testing.B) {
	s, err := spec.Parse("s.yaml", ".", []byte(hundred))
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		for _, jobs := range []int{1, 2} {
			out := filepath.Join(b.TempDir(), fmt.Sprint(jobs))
			opt := study.Options{Out: out, Options: run.Options{Jobs: jobs}}
			before := cpu(b)
			r, err := study.Run(context.Background(), s, opt)
			if err != nil || r.Failed > 0 || r.Ran != r.Cells || r.Cells < 100 {
				b.Fatalf("%v, %+v", err, r)
			}
			used := cpu(b) - before
			if jobs == 1 {
				b.ReportMetric(100*float64(r.Elapsed-r.Busy)/float64(r.Busy), "overhead-%")
				continue
			}
			b.ReportMetric(float64(r.Cells), "cells")
			b.ReportMetric(100*used.Seconds()/(2*r.Elapsed.Seconds()), "busy-%")
			again, err := study.Run(context.Background(), s, opt)
			if err != nil || again.Found != again.Cells {
				b.Fatalf("%v, %+v", err, again)
			}
			b.ReportMetric(float64(again.Ran+again.Summary.Points+again.Devices), "ran-again")
			b.ReportMetric(again.Elapsed.Seconds(), "again-s")
		}
	}
}

// BenchmarkMemory runs a cell over a short capture and over long ones, each in a
// process of its own: MB is the most it has held.
func BenchmarkMemory(b *testing.B) {
	for _, packets := range []int{17516, 3 << 20, 12 << 20} {
		b.Run(fmt.Sprint(packets), func(b *testing.B) {
			for b.Loop() {
				dir := b.TempDir()
				path := filepath.Join(dir, "s.yaml")
				text := fmt.Sprintf("programs: sample:conntrack\ncaptures: {file: sample:lab, loop: %d, limit: %d}\npolicies: [lru, s3-fifo, arc%s]\nentries: 4..256\n",
					packets/17516+1, packets, map[bool]string{true: ", belady"}[packets <= 3<<20])
				if err := os.WriteFile(path, []byte(text), 0o666); err != nil {
					b.Fatal(err)
				}
				begin := time.Now()
				c := exec.CommandContext(b.Context(), os.Args[0], path, filepath.Join(dir, "r"))
				c.Env = append(os.Environ(), killed+"=1000000")
				if text, err := c.CombinedOutput(); err != nil {
					b.Fatalf("%v\n%s", err, strings.TrimSpace(string(text)))
				}
				u := c.ProcessState.SysUsage().(*syscall.Rusage)
				b.ReportMetric(float64(u.Maxrss)/1024, "MB")
				b.ReportMetric(float64(packets)/time.Since(begin).Seconds(), "packets/s")
			}
		})
	}
}
