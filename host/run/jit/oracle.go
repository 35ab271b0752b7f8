package jit

import (
	"context"
	"fmt"

	"jitnic/cache"
	"jitnic/host/diff"
	"jitnic/host/vm"
	"jitnic/nic"
)

// oracle is the interpreter beside the device, on a state of its own.
type oracle struct {
	s     *vm.State
	it    *vm.Interp
	check *diff.Checker
	want  vm.Output
}

// packet runs a packet and compares what became of it: nil where it is the same.
func (o *oracle) packet(in *vm.Input, got *vm.Output) *diff.Difference {
	o.it.Run(in, &o.want)
	o.it.Deliver(&o.want, func(*vm.Delivery) {})
	return o.check.Packet(&o.want, got)
}

// Mismatch is a packet on which the NIC model and the oracle differ: a bug of
// jitnic.
type Mismatch struct {
	Packet  uint64 // its number, from 0
	Where   string // the same in words, with its frame
	Data    []byte
	Outcome cache.Outcome
	Path    nic.Path
	Diff    *diff.Difference
}

func (m *Mismatch) Error() string {
	return fmt.Sprintf("%s: %v: path %d: differs from the interpreter: %v", m.Where, m.Outcome, m.Path, m.Diff)
}

// CheckAll compares all maps with the oracle's; nil without Options.Check. An
// interrupt (ctx) is an error.
func (r *Runtime) CheckAll(ctx context.Context) error {
	if r.oracle == nil {
		return nil
	}
	if d := r.oracle.check.All(func() bool { return ctx.Err() == nil }); d != nil {
		return &Mismatch{Packet: r.Packets, Where: "after the last packet", Diff: d, Path: nic.NoPath}
	}
	return ctx.Err()
}
