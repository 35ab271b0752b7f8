package pair

import (
	"math/rand/v2"
	"slices"

	"jitnic/host/ebpf"
	"jitnic/host/loader"
	"jitnic/host/vm"

	cilium "github.com/cilium/ebpf"
)

// Programs that loop may take seconds for one run. How many runs of them are compared
// follows from counted work, not from time: the same number on every machine.
const (
	// workLimit is how many instructions the runs of a program that loops may take, as
	// the VM counts them: assumed, some seconds for the VM and three programs.
	workLimit = 100_000_000
	// untold is what a run counts that the VM can't follow to its end: the verifier looks
	// at no more instructions (BPF_COMPLEXITY_LIMIT_INSNS, include/linux/bpf_verifier.h).
	untold = 1_000_000
)

// work is what is left of workLimit. The zero value bounds nothing.
type work struct {
	loops bool
	left  int
	it    *vm.Interp // nil: none can follow
	s     *vm.State
}

// newWork is of the runs of a program whose maps are filled as fill does.
func newWork(obj *loader.Object, p *loader.Program, seed uint64) *work {
	w := &work{loops: loops(p), left: workLimit}
	if !w.loops || p.Type != cilium.XDP && p.Type != cilium.UnspecifiedProgram {
		return w
	}
	s, err := vm.NewState(obj, vm.Options{Seed: seed})
	if err != nil {
		return w
	}
	it, err := vm.NewInterp(s, obj, p)
	if err != nil {
		s.Close()
		return w
	}
	rng := rand.New(rand.NewPCG(seed, 9))
	for _, m := range s.Maps[:len(obj.Maps)] {
		for n := range 8 {
			key, value := entry(rng, m.Spec(), n, int(m.Spec().ValueSize))
			if value == nil {
				break
			}
			m.Update(key, value, 0, 0) // what isn't taken isn't there in the kernel either
		}
	}
	w.it, w.s = it, s
	return w
}

func (w *work) close() {
	if w.s != nil {
		w.s.Close()
	}
}

// run counts a run.
func (w *work) run(in input, latched uint64, n int) {
	switch {
	case !w.loops:
	case w.it == nil:
		w.left -= untold
	default:
		var out vm.Output
		w.it.Limit = w.left
		w.it.Run(&vm.Input{Data: in.packet, TimeNS: latched, IfIndex: 1, Packet: uint64(n)}, &out)
		if w.left -= out.Steps; out.Err != nil {
			w.left -= untold
		}
	}
}

// done says that no more should be run.
func (w *work) done() bool { return w.loops && w.left <= 0 }

// loops says whether a run of the program may take more instructions than it has: a way
// back, a function called for each of many, a tail call.
func loops(p *loader.Program) bool {
	var next [2]int
	for pc := 0; pc < len(p.Insns); pc++ {
		in := p.Insns[pc]
		for _, to := range ebpf.Next(p.Insns, pc, next[:0]) {
			if to <= pc {
				return true
			}
		}
		if h := in.Called(); h != nil && (h.ID == ebpf.FnTailCall || slices.ContainsFunc(h.Args[:], func(a ebpf.Arg) bool { return a.Kind == ebpf.Callback })) {
			return true
		}
		if in.IsWide() {
			pc++
		}
	}
	return false
}
