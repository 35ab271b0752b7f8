package studycmd

import (
	"fmt"
	"runtime"
	"time"

	"jitnic/cmd/internal/report"
	"jitnic/host/run/jit"
	"jitnic/host/study/cell"
	"jitnic/host/study/run"
)

// planned tells what a study will do.
func planned(p *cell.Plan, jobs int) *report.Document {
	if jobs <= 0 {
		jobs = runtime.GOMAXPROCS(0)
	}
	var seconds, longest, memory, kept, packets float64
	doomed := 0
	programs, captures := map[string]bool{}, map[string]bool{}
	t := &report.Table{ID: "cells", Title: "Cells", Head: []string{"program", "capture", "mode", "queues", "split", "seed", "about packets", "points", "devices", "about seconds"}, Left: 3}
	for _, c := range p.Cells {
		e := run.Cost(c)
		seconds, longest, memory, kept, packets = seconds+e.Seconds, max(longest, e.Seconds), max(memory, e.Memory), kept+e.Stream, packets+c.Estimated()
		programs[c.Program+" "+c.Entry], captures[c.Capture] = true, true
		if c.Fail != "" {
			doomed++
		}
		split := c.Split
		if split != "none" {
			split = fmt.Sprintf("%s #%d", split, c.Part)
		}
		t.Add(c.Program, c.Capture, made(c.Mode, jit.SegmentsName(c.Segments)), fmt.Sprint(c.Queues), split, fmt.Sprint(c.Seed), report.Count(uint64(c.Estimated())), fmt.Sprint(len(c.Points)), fmt.Sprint(len(c.Devices)), fmt.Sprintf("%.1f", e.Seconds))
	}
	var f report.Facts
	f.Add("programs", len(programs))
	f.Add("captures", len(captures))
	f.Add("cells", len(p.Cells), "runs of a program over a capture")
	if doomed > 0 {
		f.Add("  will fail", doomed, "what they are of can't be loaded, or not be split")
	}
	f.Add("points", report.Count(uint64(p.Points())), "caches on a cell's paths")
	if p.Skipped > 0 {
		f.Add("  excluded", report.Count(uint64(p.Skipped)))
	}
	f.Add("rows", report.Count(uint64(p.Rows())))
	f.Add("packets", "about "+report.Count(uint64(packets)))
	wall := max(seconds/float64(jobs), longest)
	f.Add("time", "about "+(time.Duration(wall*1e9)).Round(time.Second).String(), fmt.Sprintf("on %d cores, %s of one", jobs, time.Duration(seconds*1e9).Round(time.Second)))
	f.Add("memory", fmt.Sprintf("about %.0f MB", memory*float64(jobs)/1e6), "beside the programs' maps")
	f.Add("store", fmt.Sprintf("about %.1f MB", kept/1e6), "of paths, kept for later studies")
	d := &report.Document{Verb: "study plan", Title: p.Study.Name}
	d.Add(report.Section{ID: "plan", Title: "Plan", Blocks: []report.Block{{Facts: f}}})
	d.Add(report.Section{ID: "cells", Title: "Cells", Blocks: []report.Block{{Table: t, Apart: true}}})
	return d
}
