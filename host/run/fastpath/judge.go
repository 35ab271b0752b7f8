package fastpath

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"

	"jitnic/host/diff"
	"jitnic/host/kernel"
	"jitnic/host/kernel/pair"
	"jitnic/host/loader"
	"jitnic/host/maps"
	"jitnic/host/vm"
	"jitnic/nic/fastpath"
	"jitnic/pcaps"

	cilium "github.com/cilium/ebpf"
)

// Verdict is what judging a fast path came to.
type Verdict struct {
	Kernel   pair.Outcome
	VM       uint64   // packets compared in the VM
	Differs  string   // the first difference there; "": none
	Counters []uint64 // of the VM's run: packets by leaf, and last of none
	InKernel []uint64 // likewise of the kernel's test runs
	Notes    []string
}

// Judge runs the original and the fast path on the captures again: in the VM,
// with redirects, and in the kernel by test run.
func (p *Plan) Judge(ctx context.Context, inKernel bool) (*Verdict, error) {
	v := &Verdict{}
	if err := p.judgeVM(ctx, v); err != nil {
		return nil, err
	}
	if !inKernel {
		v.Kernel.Reason = "the kernel was not asked"
		return v, nil
	}
	return v, p.judgeKernel(ctx, v)
}

func (p *Plan) judgeVM(ctx context.Context, v *Verdict) error {
	old, err := p.Session.Machine(p.Session.Obj, p.Session.Entry)
	if err != nil {
		return err
	}
	defer old.S.Close()
	fast, err := p.Session.Machine(p.Built.Object, p.Built.Program)
	if err != nil {
		return err
	}
	defer fast.S.Close()
	err = p.each(ctx, func(pkt *vm.Input) error {
		var a, b vm.Output
		old.Run(pkt, &a)
		fast.Run(pkt, &b)
		v.VM++
		if d := diff.Outputs(&a, &b); d != nil && v.Differs == "" {
			v.Differs = fmt.Sprintf("packet %d: %v", pkt.Packet+1, d)
		}
		return nil
	})
	if err != nil {
		return err
	}
	n := len(p.Session.Obj.Maps)
	if d := diff.Maps(old.S.Maps[:n], fast.S.Maps[:n]); d != nil && v.Differs == "" {
		v.Differs = "after the run: " + d.Error()
	}
	v.Counters = counters(p.Built, fast.S)
	return nil
}

// counters reads a fast path's counters.
func counters(b *fastpath.Built, s *vm.State) []uint64 {
	for _, m := range s.Maps {
		if m.Spec().Name != fastpath.CounterName {
			continue
		}
		out := make([]uint64, len(b.Leaves)+1)
		m.Range(func(key, value []byte) bool {
			k := binary.LittleEndian.Uint32(key)
			for i := 0; i+8 <= len(value) && int(k) < len(out); i += 8 {
				out[k] += binary.LittleEndian.Uint64(value[i:])
			}
			return true
		})
		return out
	}
	return nil
}

// each calls f with every packet of the captures.
func (p *Plan) each(ctx context.Context, f func(in *vm.Input) error) error {
	in := p.Session.In
	src, err := in.Source(ctx)
	if err != nil {
		return err
	}
	defer src.Close()
	var pkt pcaps.Packet
	for {
		if err := src.Next(&pkt); err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
		v := in.Packet(&pkt, src.Files())
		v.CPU, v.RxQueue = 0, 0
		if err := f(&v); err != nil {
			return err
		}
	}
}

// judgeKernel has the kernel run both.
func (p *Plan) judgeKernel(ctx context.Context, v *Verdict) error {
	in := p.Session.In
	filled, err := p.Session.Machine(p.Session.Obj, p.Session.Entry)
	if err != nil {
		return err
	}
	defer filled.S.Close()
	src, err := in.Source(ctx)
	if err != nil {
		return err
	}
	defer src.Close()
	var pkt pcaps.Packet
	noted := map[string]bool{}
	v.Kernel = pair.Compare(ctx, pair.Pair{Old: p.Session.Obj, New: p.Built.Object, Name: p.Session.Entry.Name}, pair.Options{
		Seed: in.Seed, Made: p.Built.Program.Name,
		Ways: []kernel.Way{{Type: cilium.XDP}},
		Fill: func(ms *kernel.Maps) error {
			return Pour(filled.S, p.Session.Obj, ms, loopback, func(note string) {
				if !noted[note] {
					noted[note] = true
					v.Notes = append(v.Notes, note)
				}
			})
		},
		Ran: func(ms *kernel.Maps) { v.InKernel = kernelCounters(p.Built, ms) },
		Next: func(f *pair.Feed) error {
			if err := src.Next(&pkt); err != nil {
				return err
			}
			index, now := pkt.Index, pkt.KTimeNS
			*f = pair.Feed{Packet: pkt.Data, Inputs: kernel.Inputs{TimeNS: now, CoarseNS: vm.Coarse(now), Jiffies: vm.Jiffies(now),
				Draw: func(n uint64) uint32 { return vm.Random(in.Seed, index, n) }}}
			return nil
		},
	})
	return nil
}

// loopback is the device that stands in for all others in test runs.
const loopback = 1

// Pour fills the kernel's maps with what the VM's hold. Devices become one that
// is there; what can't be brought over stays empty, and note is told.
func Pour(s *vm.State, obj *loader.Object, ms *kernel.Maps, device int, note func(string)) error {
	for i, spec := range obj.Maps {
		m, to := s.Maps[i], ms.Map(i)
		switch spec.Type {
		case cilium.ProgramArray, cilium.PerfEventArray, cilium.RingBuf:
			continue // programs stand in it already; the others begin empty
		case cilium.ArrayOfMaps, cilium.HashOfMaps, cilium.XSKMap, cilium.Queue, cilium.Stack, cilium.BloomFilter:
			if m.Len() > 0 {
				note(fmt.Sprintf("map %q, of type %v, is not filled in the kernel", spec.Name, spec.Type))
			}
			continue
		}
		if spec.ReadOnly {
			continue // filled from the object, and frozen
		}
		var err error
		m.Range(func(key, value []byte) bool {
			v := bytes.Clone(value)
			switch {
			case spec.Type == cilium.DevMap || spec.Type == cilium.DevMapHash:
				v = make([]byte, len(value))
				binary.LittleEndian.PutUint32(v, uint32(device))
			case maps.IsPerCPU(spec):
				v = everyCPU(v, to.ValueLen())
			}
			if err = to.Update(key, v, 0); err != nil && (spec.Type == cilium.CPUMap || spec.Type == cilium.DevMap || spec.Type == cilium.DevMapHash) {
				note(fmt.Sprintf("map %q: an entry is not filled in the kernel: %v", spec.Name, err))
				err = nil
			}
			return err == nil
		})
		if err != nil {
			return fmt.Errorf("map %q: %w", spec.Name, err)
		}
	}
	return nil
}

// everyCPU is the value of a map with one for each CPU: the VM's first ones, and
// zeros for the machine's others.
func everyCPU(v []byte, n int) []byte {
	out := make([]byte, n)
	copy(out, v)
	return out
}
