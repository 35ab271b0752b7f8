package verify

import (
	"errors"
	"fmt"
	"io"

	"jitnic/host/diff"
	"jitnic/host/fib"
	"jitnic/host/kernel"
	"jitnic/host/loader"
	"jitnic/host/vm"

	cilium "github.com/cilium/ebpf"
)

// Report is the outcome. Packets is the sum of Compared and all of Skipped.
type Report struct {
	Packets    uint64            `json:"packets"`
	Compared   uint64            `json:"compared"`
	Mismatches uint64            `json:"mismatches"` // packets that differed, and maps that did at the end
	Skipped    map[string]uint64 `json:"skipped"`
	Maps       int               `json:"maps"`            // compared at the end
	First      string            `json:"first,omitempty"` // the first difference, in one line
	Notes      []string          `json:"notes,omitempty"` // what the kernel's maps couldn't be given
}

// Options say what the program is run with.
type Options struct {
	Seed uint64
	FIB  *fib.Table // nil: an empty one
	// Prepare fills the maps before the first packet; may be nil.
	Prepare func(*vm.State) error
	// Update changes maps before a packet and says whether it did; may be nil.
	Update func(*vm.State, *vm.Input) (bool, error)
}

// The reasons of Skipped.
const (
	SkipShort       = "short"
	SkipLong        = "long"
	SkipFIB         = "fib table"
	SkipUnsupported = "not supported"
	SkipSteps       = "step limit"
)

// fibLookup is the number of bpf_fib_lookup.
const fibLookup = 69

// Run compares packet after packet until next returns io.EOF. next fills the
// input; its CPU is overwritten by the one the kernel runs on. An error of next
// ends the run; the report then says what was done so far. It fails where
// bpf(2) can't be used, or the kernel refuses the program.
func Run(obj *loader.Object, entry *loader.Program, opt Options, next func(*vm.Input) error) (*Report, error) {
	if err := kernel.Available(); err != nil {
		return nil, err
	}
	cpu, err := kernel.CPU()
	if err != nil {
		return nil, err
	}
	rep := &Report{Skipped: map[string]uint64{}}
	err = kernel.Isolated(cpu, func() error {
		r, err := open(obj, entry, opt, cpu, rep)
		if err != nil {
			return err
		}
		defer r.close()
		return r.all(next)
	})
	return rep, err
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
	// record is set where calls must be watched.
	record bool
}

func open(obj *loader.Object, entry *loader.Program, opt Options, cpu int, rep *Report) (_ *run, err error) {
	cpus, err := cilium.PossibleCPU()
	if err != nil {
		return nil, err
	}
	r := &run{opt: opt, rep: rep, cpu: cpu}
	defer func() {
		if err != nil {
			r.close()
		}
	}()
	if r.state, err = vm.NewState(obj, vm.Options{CPUs: cpus, Seed: opt.Seed, FIB: opt.FIB, Track: true}); err != nil {
		return nil, err
	}
	if opt.Prepare != nil {
		if err := opt.Prepare(r.state); err != nil {
			return nil, err
		}
	}
	if r.it, err = vm.NewInterp(r.state, obj, entry); err != nil {
		return nil, err
	}
	if r.twin, err = newTwin(obj, r.state, cpu); err != nil {
		return nil, err
	}
	if r.prog, err = kernel.LoadWith(entry, r.twin.maps, kernel.Options{Latch: true, Plain: true}); err != nil {
		return nil, err
	}
	r.record = opt.FIB != nil
	rep.Notes = r.twin.notes
	return r, nil
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

func (r *run) all(next func(*vm.Input) error) error {
	var in vm.Input
	var out vm.Output
	for {
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
			return fmt.Errorf("packet %d: %w", in.Packet, err)
		}
	}
	return r.maps()
}

func (r *run) packet(in *vm.Input, out *vm.Output) error {
	r.rep.Packets++
	r.state.Writes = r.state.Writes[:0]
	if r.record {
		r.rec.Reset()
		r.it.RunRecorded(in, out, &r.rec)
	} else {
		r.it.Run(in, out)
	}
	ctx := kernel.Context{IfIndex: in.IfIndex, RxQueue: in.RxQueue}
	if in.IfIndex == 1 {
		ctx.IfIndex = 0 // the loopback device is what comes without being asked for
	}
	if why := r.skip(out); why != "" {
		r.rep.Skipped[why]++
		if why == SkipShort || why == SkipLong {
			if _, err := r.prog.Run(in.Data, ctx); !errors.Is(err, kernel.ErrShort) && !errors.Is(err, kernel.ErrLong) {
				r.differ(fmt.Sprintf("packet %d: %d bytes: the VM refuses them, the kernel says %v", in.Packet, len(in.Data), err))
			}
			return nil
		}
		if len(r.state.Writes) > 0 {
			return r.twin.push()
		}
		return nil
	}
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
	if d := diff.Outputs(&want, out); d != nil {
		r.differ(fmt.Sprintf("packet %d: %v (want is the kernel's, got the VM's)", in.Packet, d))
	}
	return nil
}

// skip says why a packet can't be compared.
func (r *run) skip(out *vm.Output) string {
	for i := range r.rec.Calls {
		if r.rec.Calls[i].Helper == fibLookup {
			return SkipFIB
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
	return ""
}

func (r *run) differ(what string) {
	r.rep.Mismatches++
	if r.rep.First == "" {
		r.rep.First = what
	}
}

// maps compares all maps at the end.
func (r *run) maps() error {
	for i := range r.twin.maps.Len() {
		what, ok, err := r.twin.compare(i)
		if err != nil {
			return err
		}
		if ok {
			r.rep.Maps++
		}
		if what != "" {
			r.differ(what)
		}
	}
	return nil
}
