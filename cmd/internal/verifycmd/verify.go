// Package verifycmd is the verb `jitnic verify`: the VM held against the
// running kernel on a program and captures.
package verifycmd

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"jitnic/cmd/internal/report"
	"jitnic/cmd/internal/session"
	"jitnic/host/conntrack"
	"jitnic/host/fib"
	"jitnic/host/kernel"
	"jitnic/host/mapfile"
	"jitnic/host/run/replay"
	"jitnic/host/verify"
	"jitnic/host/vm"
	"jitnic/pcaps"

	"github.com/spf13/cobra"
)

// Report is what --json writes.
type Report struct {
	Program  string   `json:"program"`
	Entry    string   `json:"entry"`
	Captures []string `json:"captures"`
	Seed     uint64   `json:"seed"`
	*verify.Report
	Partial bool `json:"partial,omitempty"`

	notes []pcaps.Note // of the captures
}

// Command is `jitnic verify`.
func Command() *cobra.Command {
	var in replay.Input
	var out report.Outputs
	c := &cobra.Command{
		Use:   "verify --program FILE.o --capture FILE.pcap",
		Short: "Run captures through the running kernel and through the VM and name the first difference",
		Long: `Verify runs every packet through BPF_PROG_TEST_RUN and through the VM, with the
same maps, clock, random draws and CPU, and compares verdict, bytes, length and
metadata; at the end it compares every map. Bytes that nobody initialised,
addresses kept in maps and what depends on entries the kernel's maps can't have
are told apart: they need not be equal. With --fib the routes are set up in a
network namespace of its own, by ip(8), so that bpf_fib_lookup is compared too;
the kernel can't be given the connections of --ct, so packets whose run looks one
up are left out then, and counted. A program that no run of which can be completed
is refused before the first packet.
Where nothing could be compared the exit code is 1. It needs bpf(2): root, or
CAP_BPF, CAP_NET_ADMIN and CAP_SYS_ADMIN.`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, args []string) error {
			if err := out.Check(c, args); err != nil {
				return err
			}
			r, err := run(c.Context(), in)
			if r == nil {
				return err
			}
			if err := out.Write(c.OutOrStdout(), r.document()); err != nil {
				return err
			}
			switch {
			case err != nil:
				return err
			case r.Partial:
				return fmt.Errorf("interrupted after %d packets", r.Packets)
			case r.Mismatches > 0:
				return fmt.Errorf("%s: the VM differs from the kernel: %s", in.Program, r.First)
			case r.Compared == 0:
				return fmt.Errorf("%s: nothing was compared: %s", in.Program, r.why())
			}
			return nil
		},
	}
	session.InputFlags(&in, c)
	// One packet at a time runs in the kernel, on one CPU and queue.
	_ = c.Flags().MarkHidden("queues") // the flag is there
	out.Flags(c, "report")
	return c
}

// run returns a report where packets ran, with the error that ended the run.
func run(ctx context.Context, in replay.Input) (*Report, error) {
	switch {
	case in.Program == "":
		return nil, errors.New("--program: name an object file, sample:NAME or filter:EXPR")
	case len(in.Captures) == 0:
		return nil, errors.New("--capture: name a capture file, or sample:NAME")
	case in.Engine == "native":
		return nil, fmt.Errorf("--engine native: every run is recorded here, which the interpreter does")
	case in.Queues != 1:
		return nil, fmt.Errorf("--queues %d: the kernel runs one packet at a time, on one queue", in.Queues)
	}
	obj, entry, mf, err := replay.LoadProgram(&in)
	if err != nil {
		return nil, err
	}
	opt := verify.Options{Seed: in.Seed}
	if in.FIB != "" {
		if opt.FIB, err = fib.Load(in.FIB); err != nil {
			return nil, err
		}
	}
	if in.CT != "" {
		if opt.CT, err = conntrack.Load(in.CT); err != nil {
			return nil, err
		}
	}
	if err := kernel.Available(); err != nil {
		return nil, err
	}
	src, err := in.Source(ctx)
	if err != nil {
		return nil, err
	}
	defer src.Close()

	var pkt pcaps.Packet
	var first uint64
	var plan *mapfile.Plan
	if mf != nil {
		opt.Prepare = func(s *vm.State) (err error) {
			plan, err = mf.Fill(s, obj)
			return err
		}
		opt.Update = func(*vm.State, *vm.Input) (bool, error) {
			if !plan.Due(pkt.Index, pkt.KTimeNS-first) {
				return false, nil
			}
			n, err := plan.Apply(pkt.Index, pkt.KTimeNS-first)
			return n > 0, err
		}
	}
	if in.Progress != nil {
		defer func() { in.Progress(pkt.Index, true) }()
	}
	r := &Report{Program: report.Name(in.Program), Entry: entry.Name, Seed: in.Seed}
	r.Report, err = verify.Run(ctx, obj, entry, opt, func(v *vm.Input) error {
		if err := src.Next(&pkt); err != nil {
			return err
		}
		if pkt.Index == 0 {
			first = pkt.KTimeNS
		}
		if in.Progress != nil && pkt.Index&0xff == 0 {
			in.Progress(pkt.Index, false)
		}
		*v = in.Packet(&pkt, src.Files())
		v.Tag = vm.Tag{} // BPF_PROG_TEST_RUN has no metadata
		return nil
	})
	var refused *kernel.LoadError
	if errors.As(err, &refused) {
		for _, m := range obj.Maps {
			if m.Untold {
				err = fmt.Errorf("%w; nobody said what map %q holds, which --inner does", err, m.Name)
				break
			}
		}
	}
	r.Captures, r.notes = report.Names(src.Files()), src.Notes()
	if errors.Is(err, context.Canceled) && r.Report != nil && r.Packets > 0 {
		r.Partial, err = true, nil
	}
	if errors.Is(err, context.Canceled) {
		return nil, errors.New("interrupted before the first packet")
	}
	if err != nil && (r.Report == nil || r.Packets == 0) {
		return nil, err
	}
	return r, err
}

// why says why no packet was compared.
func (r *Report) why() string {
	if r.Packets == 0 {
		return "no packets"
	}
	var out []string
	for _, why := range slices.Sorted(maps.Keys(r.Skipped)) {
		out = append(out, fmt.Sprintf("%d packets: %s", r.Skipped[why], why))
	}
	return strings.Join(out, "; ")
}

// document tells what was compared.
func (r *Report) document() *report.Document {
	var f report.Facts
	f.Add("program", r.Program, r.Entry)
	for _, c := range r.Captures {
		f.Add("capture", c)
	}
	f.Notes(r.notes)
	f.Add("seed", r.Seed)
	f.Add("packets", report.Count(r.Packets))
	f.Add("compared", report.Count(r.Compared), report.Share(r.Compared, r.Packets))
	for _, why := range slices.Sorted(maps.Keys(r.Skipped)) {
		f.Add("skipped", report.Count(r.Skipped[why]), why)
	}
	for _, why := range slices.Sorted(maps.Keys(r.Apart)) {
		f.Add("not compared", report.Count(r.Apart[why])+" bytes", why)
	}
	f.Add("maps compared", r.Maps)
	f.Add("mismatches", report.Count(r.Mismatches))
	if r.First != "" {
		f.Add("first", r.First)
	}
	for _, n := range r.Notes {
		f.Add("note", n)
	}
	d := &report.Document{Verb: "verify", Title: r.Entry + " on " + strings.Join(r.Captures, ", "), About: "the VM against the running kernel", Data: r, Footer: "Every number is also in the JSON.",
		Records: []report.Records{{Name: "rows.csv", Rows: []any{r}, Columns: report.Columns("program", "entry", "captures", "seed", "packets", "compared", "maps", "mismatches", "first", "partial")}}}
	if r.Partial {
		d.Partial = "What stands here is of the packets until then."
	}
	d.Add(report.Section{ID: "verify", Title: "Compared", Blocks: []report.Block{{Facts: f}}})
	return d
}
