package verify

import (
	"context"
	"errors"
	"fmt"
	"io"

	"jitnic/host/conntrack"
	"jitnic/host/diff"
	"jitnic/host/ebpf"
	"jitnic/host/fib"
	"jitnic/host/kernel"
	"jitnic/host/loader"
	"jitnic/host/vm"
	"jitnic/host/vm/shadow"

	cilium "github.com/cilium/ebpf"
)

// Report is the outcome. Packets is the sum of Compared and all of Skipped.
type Report struct {
	Packets    uint64            `json:"packets"`
	Compared   uint64            `json:"compared"`
	Mismatches uint64            `json:"mismatches"` // packets that differed, and maps that did at the end
	Skipped    map[string]uint64 `json:"skipped"`
	Maps       int               `json:"maps"`            // compared at the end
	Apart      map[string]uint64 `json:"apart,omitempty"` // bytes that differed and needn't be equal, by reason
	First      string            `json:"first,omitempty"` // the first difference, in one line
	Notes      []string          `json:"notes,omitempty"` // what the kernel's maps couldn't be given
}

// Options say what the program is run with.
type Options struct {
	Seed uint64
	// FIB is what bpf_fib_lookup answers from, in the VM and, where ip(8) is
	// there to set its routes up, in the kernel; nil: an empty one.
	FIB *fib.Table
	// CT is what bpf_xdp_ct_lookup answers from in the VM; nil: none, as in the
	// kernel. Runs that look a connection up aren't compared where there are any.
	CT *conntrack.Table
	// Prepare fills the maps before the first packet; may be nil.
	Prepare func(*vm.State) error
	// Update changes maps before a packet and says whether it did; may be nil.
	Update func(*vm.State, *vm.Input) (bool, error)

	// For tests: what the VM runs in place of the object, and what is done to
	// the kernel's maps before they are compared.
	broken *loader.Object
	meddle func(*kernel.Maps) error
}

// The reasons of Skipped.
const (
	SkipShort       = "short"
	SkipLong        = "long"
	SkipFIB         = "fib table"           // the kernel couldn't be given the routes
	SkipCT          = "connections of --ct" // the kernel can't be given them
	SkipUnsupported = "not supported"
	SkipSteps       = "step limit"
	SkipTimer       = "timer" // the kernel's run in its own time
	// The path depends on what the kernel needn't have alike.
	SkipUnset   = "depends on " + shadow.KindUnset
	SkipPointer = "depends on " + shadow.KindPointer
	SkipForeign = "depends on " + shadow.KindForeign
)

// Run compares packet after packet until next returns io.EOF. next fills the
// input; its CPU is overwritten by the one the kernel runs on. An error of next
// ends the run; the report then says what was done so far. It fails where
// bpf(2) can't be used, or the kernel refuses the program. Where ctx ends, so
// does the run, with its error, and the maps are no longer compared; the report
// is nil where the kernel is still at work.
func Run(ctx context.Context, obj *loader.Object, entry *loader.Program, opt Options, next func(*vm.Input) error) (*Report, error) {
	if err := kernel.Available(); err != nil {
		return nil, err
	}
	cpu, err := kernel.CPU()
	if err != nil {
		return nil, err
	}
	rep := &Report{Skipped: map[string]uint64{}}
	return kernel.Answered(ctx, func() (*Report, error) {
		return rep, kernel.Isolated(cpu, func() error {
			r, err := open(obj, entry, opt, cpu, rep)
			if err != nil {
				return err
			}
			defer r.close()
			return r.all(ctx, next)
		})
	})
}

type run struct {
	opt   Options
	rep   *Report
	cpu   int
	state *vm.State
	it    *vm.Interp
	twin  *twin
	prog  *kernel.Prog
	rec   vm.Recording
	// routed is set where the kernel has the routes of opt.FIB.
	routed bool
}

func open(obj *loader.Object, entry *loader.Program, opt Options, cpu int, rep *Report) (_ *run, err error) {
	cpus, err := cilium.PossibleCPU()
	if err != nil {
		return nil, err
	}
	r := &run{opt: opt, rep: rep, cpu: cpu, routed: true}
	defer func() {
		if err != nil {
			r.close()
		}
	}()
	if r.state, err = vm.NewState(obj, vm.Options{CPUs: cpus, Seed: opt.Seed, FIB: opt.FIB, CT: opt.CT, Track: true}); err != nil {
		return nil, err
	}
	if opt.Prepare != nil {
		if err := opt.Prepare(r.state); err != nil {
			return nil, err
		}
	}
	runs, from := obj, entry
	if opt.broken != nil {
		runs, from = opt.broken, opt.broken.Named(entry.Name)
	}
	if r.it, err = vm.NewInterp(r.state, runs, from); err != nil {
		return nil, err
	}
	if f := r.it.Doomed(); f != nil {
		return nil, fmt.Errorf("%w: every run comes to it, so no packet can be compared", f)
	}
	if opt.FIB != nil {
		if err := opt.FIB.Install(); err != nil {
			r.routed = false
			rep.Notes = append(rep.Notes, "the routes can't be set up in the kernel: "+err.Error())
		}
	}
	routes := opt.FIB
	if !r.routed {
		routes = nil
	}
	if r.twin, err = newTwin(obj, r.state, routes); err != nil {
		return nil, err
	}
	r.twin.marks.Drawn = opt.FIB != nil && opt.FIB.Several()
	if r.prog, err = r.load(entry); err != nil {
		return nil, err
	}
	return r, nil
}

// ErrNoTestRun is of programs that the kernel takes as what they are, but can't
// run: those of map entries that read the interface they go out by.
var ErrNoTestRun = errors.New("BPF_PROG_TEST_RUN runs no programs of map entries, and as an ordinary one the kernel refuses it")

// load loads the entry. Programs of map entries are judged as such by the
// verifier, and run as ordinary ones where it takes them so.
func (r *run) load(entry *loader.Program) (*kernel.Prog, error) {
	ofEntry := entry.AttachType == cilium.AttachXDPDevMap || entry.AttachType == cilium.AttachXDPCPUMap
	if ofEntry {
		own, err := kernel.LoadWith(entry, r.twin.maps, kernel.Options{Latch: true})
		if err != nil {
			return nil, err
		}
		own.Close()
	}
	p, err := kernel.LoadWith(entry, r.twin.maps, kernel.Options{Latch: true, Plain: true})
	if err != nil && ofEntry {
		return nil, fmt.Errorf("program %q: %w: %w", entry.Name, ErrNoTestRun, err)
	}
	return p, err
}

func (r *run) close() {
	if r.prog != nil {
		r.prog.Close()
	}
	if r.twin != nil {
		r.twin.close()
	}
	if r.state != nil {
		r.state.Close()
	}
}

func (r *run) all(ctx context.Context, next func(*vm.Input) error) error {
	defer func() { r.rep.Notes = append(r.rep.Notes, r.twin.notes...) }()
	var in vm.Input
	var out vm.Output
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := next(&in); err == io.EOF {
			break
		} else if err != nil {
			return err
		}
		if r.opt.Update != nil {
			changed, err := r.opt.Update(r.state, &in)
			if err == nil && changed {
				err = r.twin.push()
			}
			if err != nil {
				return err
			}
		}
		in.CPU = r.cpu
		if err := r.packet(&in, &out); err != nil {
			return fmt.Errorf("%s: %w", in.Where(), err)
		}
	}
	if r.opt.meddle != nil {
		if err := r.opt.meddle(r.twin.maps); err != nil {
			return err
		}
	}
	return r.maps(ctx)
}

func (r *run) packet(in *vm.Input, out *vm.Output) error {
	r.rep.Packets++
	r.state.Writes = r.state.Writes[:0]
	r.it.RunRecorded(in, out, &r.rec)
	// What needn't be equal is decided before the kernel is asked.
	r.twin.marks.Run(&r.rec, out.Err)
	ctx := kernel.Context{IfIndex: in.IfIndex, RxQueue: in.RxQueue}
	if in.IfIndex == 1 {
		ctx.IfIndex = 0 // the loopback device is what comes without being asked for
	}
	if why := r.skip(out); why != "" {
		r.rep.Skipped[why]++
		if why == SkipShort || why == SkipLong {
			if _, err := r.prog.Run(in.Data, ctx); !errors.Is(err, kernel.ErrShort) && !errors.Is(err, kernel.ErrLong) {
				r.differ(fmt.Sprintf("%s: %d bytes: the VM refuses them, the kernel says %v", in.Where(), len(in.Data), err))
			}
			return nil
		}
		return r.twin.push()
	}
	r.twin.settled()
	err := r.twin.maps.Latch(kernel.Inputs{
		TimeNS: in.TimeNS, CoarseNS: vm.Coarse(in.TimeNS), Jiffies: vm.Jiffies(in.TimeNS),
		Draw: func(n uint64) uint32 { return vm.Random(r.opt.Seed, in.Packet, n) },
	})
	if err != nil {
		return err
	}
	res, err := r.prog.Run(in.Data, ctx)
	want := vm.Output{Verdict: res.Verdict, Data: res.Data, Meta: res.Meta, Redirect: out.Redirect}
	switch {
	case errors.Is(err, kernel.ErrShort):
		want = vm.Output{Err: vm.ErrShort}
	case errors.Is(err, kernel.ErrLong):
		want = vm.Output{Err: vm.ErrLong}
	case err != nil:
		return err
	}
	r.rep.Compared++
	if want.Err == nil {
		r.apart(&want, out, in)
	}
	if d := diff.Outputs(&want, out); d != nil {
		r.differ(fmt.Sprintf("%s: %v (want is the kernel's, got the VM's)", in.Where(), d))
	}
	return nil
}

// apart has the bytes of the packet that needn't be equal taken for equal.
func (r *run) apart(want, got *vm.Output, in *vm.Input) {
	for _, part := range []struct {
		name      string
		want, got *[]byte
		at        uint64
	}{{"packet", &want.Data, &got.Data, r.state.Data}, {"metadata", &want.Meta, &got.Meta, r.state.DataMeta}} {
		if len(*part.want) != len(*part.got) || len(*part.got) == 0 {
			continue
		}
		masked, kind, first, n := mask(*part.want, *part.got, r.twin.marks.At(part.at, uint64(len(*part.got))))
		*part.want = masked
		if n > 0 {
			r.leave(apart{kind, n, fmt.Sprintf("%s: from byte %d of the %s", in.Where(), first, part.name)})
		}
	}
}

// leave counts bytes that needn't be equal, and tells of the first.
func (r *run) leave(a apart) {
	if r.rep.Apart == nil {
		r.rep.Apart = map[string]uint64{}
	}
	if r.rep.Apart[a.kind] == 0 {
		r.twin.note("%s: %s", a.where, a.kind)
	}
	r.rep.Apart[a.kind] += a.bytes
}

// skip says why a packet can't be compared.
func (r *run) skip(out *vm.Output) string {
	for i := range r.rec.Calls {
		h := ebpf.HelperByID(r.rec.Calls[i].Helper)
		switch {
		case r.opt.CT != nil && r.rec.Calls[i].LooksUpConn():
			return SkipCT
		case h == nil:
		case h.ID == ebpf.FnFibLookup && !r.routed:
			return SkipFIB
		case (h.Reads|h.Writes)&ebpf.Timers != 0:
			return SkipTimer
		}
	}
	var f *vm.Fault
	switch {
	case errors.Is(out.Err, vm.ErrShort):
		return SkipShort
	case errors.Is(out.Err, vm.ErrLong):
		return SkipLong
	case errors.As(out.Err, &f):
		switch f.Reason {
		case vm.NotSupportedFn, vm.NotSupported:
			return SkipUnsupported
		case vm.TooManySteps:
			return SkipSteps
		}
	}
	if why := r.twin.marks.Why(); why != 0 {
		reason := "depends on " + why.Kind()
		if r.rep.Skipped[reason] == 0 {
			r.twin.note("%s: a packet's path depends on %s", r.twin.marks.Where(), why.Kind())
		}
		return reason
	}
	return ""
}

func (r *run) differ(what string) {
	r.rep.Mismatches++
	if r.rep.First == "" {
		r.rep.First = what
	}
}

// maps compares all maps at the end.
func (r *run) maps(ctx context.Context) error {
	for i := range r.twin.maps.Len() {
		f, err := r.twin.compare(ctx, i)
		if err != nil {
			return err
		}
		if f.compared {
			r.rep.Maps++
		}
		for _, a := range f.apart {
			r.leave(a)
		}
		if f.what != "" {
			r.differ(fmt.Sprintf("map %q: %s", r.state.Maps[i].Spec().Name, f.what))
		}
	}
	return nil
}
