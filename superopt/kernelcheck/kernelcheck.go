// Package kernelcheck puts the optimiser's programs before the running kernel:
// host/kernel/pair loads original and result and compares them.
package kernelcheck

import (
	"context"
	"strings"

	"jitnic/host/kernel"
	"jitnic/host/kernel/pair"
	"jitnic/host/loader"
	"jitnic/superopt"

	cilium "github.com/cilium/ebpf"
)

// Allowed says why bpf(2) can't be used here, or nil.
func Allowed() error { return kernel.Available() }

// ways are how a program of a kind may be loaded, those that can be run first. A
// flat context may be anything: a tracing program's, read only, or one of a
// cgroup's socket hooks.
var ways = map[superopt.Kind][]kernel.Way{
	superopt.KindXDP: {{Type: cilium.XDP}},
	superopt.KindSKB: {{Type: cilium.SchedCLS}, {Type: cilium.SocketFilter}},
	superopt.KindTracing: {{Type: cilium.RawTracepoint}, {Type: cilium.TracePoint},
		{Type: cilium.CGroupSockAddr, Attach: cilium.AttachCGroupUDP4Recvmsg}, {Type: cilium.CGroupSockAddr, Attach: cilium.AttachCGroupInet4Connect},
		{Type: cilium.CGroupSockAddr, Attach: cilium.AttachCGroupUDP6Recvmsg}, {Type: cilium.CGroupSockAddr, Attach: cilium.AttachCGroupInet6Connect}},
	superopt.KindCgroup: {{Type: cilium.CGroupSKB}, {Type: cilium.CGroupSockAddr, Attach: cilium.AttachCGroupInet4Connect}, {Type: cilium.CGroupSock}},
	superopt.KindOther:  {{Type: cilium.SocketFilter}},
	superopt.KindConst:  {{Type: cilium.SocketFilter}},
}

// Compare compares two programs that came from no object file.
func Compare(ctx context.Context, old, new *superopt.Prog, opt pair.Options) pair.Outcome {
	a, err := asObject(old)
	if err != nil {
		return pair.Outcome{Status: pair.OriginalRefused, Reason: err.Error()}
	}
	b, err := asObject(new)
	if err != nil {
		return pair.Outcome{Status: pair.ResultRefused, Differences: 1, Reason: err.Error()}
	}
	if opt.Ways == nil {
		opt.Ways = ways[old.Kind]
	}
	return pair.Compare(ctx, pair.Pair{Old: a, New: b, Name: a.Programs[0].Name}, opt)
}

func asObject(p *superopt.Prog) (*loader.Object, error) {
	slots, err := p.ToSlots()
	if err != nil {
		return nil, err
	}
	o, err := loader.FromCode(p.Name, slots, p.Maps)
	if err != nil {
		return nil, err
	}
	o.Programs[0].License = "GPL" // K2's files say none
	return o, nil
}

// CompareObjects compares the programs of two object files, each by itself: by
// the name of the program. An error is about the original file.
func CompareObjects(ctx context.Context, old, new []byte, opt pair.Options) (map[string]pair.Outcome, error) {
	a, err := loader.LoadBytes("original", old, loader.Options{})
	if err != nil {
		return nil, err
	}
	out := map[string]pair.Outcome{}
	b, err := loader.LoadBytes("result", new, loader.Options{})
	for _, p := range a.Programs {
		if strings.HasPrefix(p.Name, p.Section+"+") {
			continue // a function that no symbol names: it is no program, those who call it run it
		}
		if err != nil {
			out[p.Name] = pair.Outcome{Status: pair.ResultRefused, Differences: 1, Reason: err.Error()}
			continue
		}
		out[p.Name] = pair.Compare(ctx, pair.Pair{Old: a, New: b, Name: p.Name}, opt)
	}
	return out, nil
}

// Kernel is an outcome as the optimiser's reports have it.
func Kernel(o pair.Outcome) *superopt.Kernel {
	k := &superopt.Kernel{Status: o.Status.String(), Loaded: o.Loaded, Runs: o.Runs, Differences: o.Differences, Reason: o.Reason}
	if t := o.Time; t != nil {
		k.Time = &superopt.KernelTime{OldNS: t.OldNS, NewNS: t.NewNS, Ratio: t.Median, Q1: t.Q1, Q3: t.Q3, Rounds: t.Rounds}
	}
	if o.Status == pair.OriginalRefused {
		k.Reason = "the original is not loaded: " + o.Reason
	}
	return k
}
