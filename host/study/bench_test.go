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

	"jitnic/host/hosttest/must"
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
	must.OK(b, syscall.Getrusage(syscall.RUSAGE_SELF, &u))
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkCells runs a study of 112 cells: overhead-% is what its run takes beyond
// its cells, one after the other; busy-% how much of two cores it uses with two
// workers; ran-again how much a second run of a finished study makes, and again-s
// what that takes.
func BenchmarkCells(b *testing.B) {
	s := must.Get(spec.Parse("s.yaml", ".", []byte(hundred)))(b)
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

// BenchmarkCosts measures the constants that a cell's estimate is made of
// (host/study/run): ns of a core for a packet that is run and packed, for a request of
// one cache, and for a packet that is recorded for devices; s for a device's models;
// and what is kept, bytes a packet.
func BenchmarkCosts(b *testing.B) {
	const head = "programs: [sample:ipv6filter, sample:firewall, sample:conntrack, sample:loadbalancer, sample:router, sample:ratelimiter, sample:nat, sample:telemetry]\n" +
		"captures: {file: sample:lab, loop: 10}\n"
	type step struct{ more, unit string }
	steps := []step{
		{"policies: infinite\nentries: 1\n", ""},
		{"policies: [lru, s3-fifo, sieve, arc, slru, 2q, lfu, w-tinylfu]\nentries: 1..512\n", "ns/request"},
		{"policies: infinite\nentries: 1\ndevices: hxdp\n", "ns/packet-observed"},
		{"policies: infinite\nentries: 1\ndevices: [hxdp, {nic: hxdp, set: {clock: 300 MHz}}, {nic: hxdp, set: {clock: 301 MHz}}]\n", "s/device"},
	}
	for b.Loop() {
		store := b.TempDir()
		var packets, stored uint64
		var observed time.Duration
		for i, st := range steps {
			s, err := spec.Parse("s.yaml", ".", []byte(head+st.more))
			if err != nil {
				b.Fatal(err)
			}
			before := cpu(b)
			r, err := study.Run(context.Background(), s, study.Options{Out: b.TempDir(), Cells: store, Options: run.Options{Jobs: 1, Tell: func(d *run.Done, _ time.Duration) {
				if d.Ran {
					packets, stored = packets+d.Facts.Requests, stored+d.Facts.Stored
				}
			}}})
			if err != nil || r.Failed > 0 {
				b.Fatalf("%v, %+v", err, r)
			}
			used := cpu(b) - before
			switch i {
			case 0:
				b.ReportMetric(float64(used.Nanoseconds())/float64(packets), "ns/packet-run")
				b.ReportMetric(float64(stored)/float64(packets), "bytes/packet")
			case 1:
				b.ReportMetric(float64(used.Nanoseconds())/float64(packets)/float64(r.Summary.Points)*float64(r.Cells), st.unit)
			case 2:
				observed = used
			case 3: // two devices that are new, where there was one
				each := (used - observed).Seconds() / float64(r.Devices-r.Cells)
				b.ReportMetric(max(each, 0), st.unit)
				b.ReportMetric((observed.Seconds()-each*float64(r.Cells))*1e9/float64(packets), "ns/packet-observed")
			}
		}
	}
}
