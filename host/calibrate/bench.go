package calibrate

import (
	"fmt"
	"slices"

	"jitnic/host/ebpf"
	"jitnic/host/kernel"
	"jitnic/host/maps"

	cilium "github.com/cilium/ebpf"
)

// A bench is what the steps of a calibration share.
type bench struct {
	meter
	opt      Options
	study    *Study
	open     []interface{ Close() error } // of the step that runs
	progress func(what string)
}

// close gives back what a step has made.
func (b *bench) close() {
	slices.Reverse(b.open)
	for _, c := range b.open {
		c.Close()
	}
	b.open = b.open[:0]
}

// maps makes maps that end with the step.
func (b *bench) maps(specs ...*maps.Spec) (*kernel.Maps, error) {
	ms, err := kernel.NewMaps(specs)
	if err != nil {
		return nil, err
	}
	b.open = append(b.open, ms)
	return ms, nil
}

// prog loads a program that ends with the step.
func (b *bench) prog(name string, typ cilium.ProgramType, c code, ms *kernel.Maps) (*kernel.Prog, error) {
	if ms == nil {
		ms = &kernel.Maps{}
	}
	p, err := kernel.LoadRaw(kernel.Raw{Name: name, Insns: []ebpf.Insn(c), Type: typ}, ms, kernel.Options{})
	if err != nil {
		return nil, err
	}
	b.open = append(b.open, p)
	return p, nil
}

// checked loads a program and runs it once: it must return verdict.
func (b *bench) checked(name string, typ cilium.ProgramType, c code, ms *kernel.Maps, verdict uint32) (*kernel.Prog, error) {
	p, err := b.prog(name, typ, c, ms)
	if err != nil {
		return nil, err
	}
	return p, check(p, b.packet, verdict)
}

// A classifier is a program of one job that leaves xdpDrop as its result.
type classifier struct {
	name string
	code code
}

// classifiers times programs over the same maps, in turn: by program, then round.
func (b *bench) classifiers(ms *kernel.Maps, cs ...classifier) ([][]float64, error) {
	var jobs []job
	for _, c := range cs {
		p, err := b.checked(c.name, cilium.SchedCLS, c.code, ms, xdpDrop)
		if err != nil {
			return nil, err
		}
		jobs = append(jobs, job{prog: p})
	}
	return b.series(jobs...)
}

func (b *bench) note(f Figure) { b.study.Figures = append(b.study.Figures, f) }

// operation is code that is put into a program n times.
type operation struct {
	name string
	n    int
	body func(i int) code
	note string
	// per divides once more: instructions of a body that all count.
	per int
}

// operations times each of ops against the same program without any: before,
// then the bodies, then `return 1`.
func (b *bench) operations(group string, typ cilium.ProgramType, ms *kernel.Maps, before code, ops []operation) error {
	make := func(o operation) (*kernel.Prog, error) {
		c := slices.Clone(before)
		for i := range o.n {
			c.add(o.body(i)...)
		}
		c.add(mov(0, xdpDrop), exit())
		return b.checked(o.name, typ, c, ms, xdpDrop)
	}
	jobs := []job{{}}
	for _, o := range append([]operation{{name: "empty"}}, ops...) {
		p, err := make(o)
		if err != nil {
			return err
		}
		jobs = append(jobs, job{prog: p})
	}
	jobs = jobs[1:]
	times, err := b.series(jobs...)
	if err != nil {
		return err
	}
	for i, o := range ops {
		f := difference(times[i+1], times[0], o.n*max(o.per, 1))
		f.Group, f.Name, f.Note = group, o.name, o.note
		b.note(f)
	}
	return nil
}

// slowRounds are enough of what waits for RCU at each call: live frames.
const slowRounds = 15

// array is a map of one value that programs address directly.
func array(name string, size int) *maps.Spec {
	return &maps.Spec{Name: name, Type: cilium.Array, KeySize: 4, ValueSize: uint32(size), Max: 1}
}

func (f *Figure) String() string {
	return fmt.Sprintf("%s.%s %.3f %s", f.Group, f.Name, f.Value, f.Unit)
}
