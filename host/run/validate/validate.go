package validate

import (
	"context"
	"encoding/binary"
	"fmt"
	"math"

	"jitnic/host/loader"
	"jitnic/host/run/jit"
	"jitnic/host/run/observe"
	"jitnic/host/vm"
	"jitnic/nic/device"
	"jitnic/nic/device/load"
	"jitnic/nic/price"
	"jitnic/nic/profile"
	"jitnic/nic/published"
	"jitnic/nic/vliw"
	"jitnic/nic/workload"

	"github.com/cilium/ebpf"
)

// Verdicts on a row.
const (
	Within      = "within"       // within the tolerance
	Explained   = "explained"    // further off, and a cited fact says why
	Beyond      = "beyond"       // further off
	NotCompared = "not compared" // our program is of another length
)

// Row is a published figure beside what the model gives.
type Row struct {
	published.Figure
	Ours    int      `json:"our_slots"`          // instructions of our program
	Model   float64  `json:"model"`              // in the figure's unit
	Error   float64  `json:"error"`              // of the figure: 0.1 is 10 % above it
	LeftOut *float64 `json:"left_out,omitempty"` // error where this rate is left out of what parameters were derived from
	Verdict string   `json:"verdict"`
}

// Table is all rows of a profile.
type Table struct {
	Profile string  `json:"profile"` // or host:NAME
	Params  int     `json:"parameters"`
	Assumed int     `json:"assumed"` // of them, without a source
	Rows    []Row   `json:"rows"`
	Mean    float64 `json:"mean_error"` // of absolute errors, of rows that are compared and not explained
}

// Run makes the tables of all built-in profiles, devices first.
func Run(ctx context.Context) ([]Table, error) {
	var out []Table
	for _, name := range profile.Names() {
		n, err := profile.Load(name)
		if err != nil {
			return nil, err
		}
		h, err := profile.LoadHost("ideal")
		if err != nil {
			return nil, err
		}
		t := Table{Profile: name}
		t.count(n.Params())
		if err := t.fill(ctx, n, h); err != nil {
			return nil, err
		}
		out = append(out, t)
	}
	for _, name := range profile.HostNames() {
		h, err := profile.LoadHost(name)
		if err != nil {
			return nil, err
		}
		n, err := profile.Load("ideal")
		if err != nil {
			return nil, err
		}
		t := Table{Profile: "host:" + name}
		t.count(h.Params())
		if err := t.fill(ctx, n, h); err != nil {
			return nil, err
		}
		out = append(out, t)
	}
	return out, nil
}

func (t *Table) count(ps []profile.Param) {
	for i := range ps {
		if ps[i].Key == "name" || ps[i].Key == "title" {
			continue
		}
		t.Params++
		if ps[i].Assumed {
			t.Assumed++
		}
	}
}

// fill measures the figures of the table's profile.
func (t *Table) fill(ctx context.Context, n *profile.NIC, h *profile.Host) error {
	var rates []rate
	for _, f := range published.Figures() {
		if f.Profile != t.Profile {
			continue
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		b, err := newBench(&f, n)
		if err != nil {
			return fmt.Errorf("%s: %s: %w", f.Profile, f.Program, err)
		}
		r := Row{Figure: f, Ours: len(b.entry.Insns)}
		switch f.Kind {
		case published.Rows:
			r.Model = float64(b.sched.Bundles)
		case published.HostRate:
			r.Model, err = b.host(ctx, n, h)
		default:
			if r.Model, err = b.rate(ctx, n, h); f.Differs == "" {
				rates = append(rates, rate{row: len(t.Rows), ran: b.ran, forward: b.fate != device.Drop})
			}
		}
		b.close()
		if err != nil {
			return fmt.Errorf("%s: %s: %w", f.Profile, f.Program, err)
		}
		r.Error = r.Model/f.Value - 1
		r.Verdict = judge(&r)
		t.Rows = append(t.Rows, r)
	}
	if n.Extended == 1 {
		leaveOut(t.Rows, rates, n)
	}
	k := 0
	for i := range t.Rows {
		if v := t.Rows[i].Verdict; v == Within || v == Beyond {
			t.Mean += math.Abs(t.Rows[i].Error)
			k++
		}
	}
	t.Mean /= float64(max(k, 1))
	return nil
}

func judge(r *Row) string {
	switch {
	case r.Slots > 0 && math.Abs(float64(r.Ours-r.Slots)) > published.SameLength*float64(r.Slots):
		return NotCompared
	case math.Abs(r.Error) <= published.Tolerance:
		return Within
	case r.Differs != "":
		return Explained
	}
	return Beyond
}

// bench is a program that has run on its packet, and what that takes.
type bench struct {
	obj   *loader.Object
	entry *loader.Program
	r     *jit.Runtime
	w     *workload.Workload
	sched *vliw.ProgramSchedule
	ran   vliw.Ran
	fate  device.Fate
	size  int
}

func (b *bench) close() { b.r.Close() }

// frame is how many bytes of a 64-byte frame a capture has: all but the FCS.
const frame = 60

func newBench(f *published.Figure, n *profile.NIC) (*bench, error) {
	o, err := published.Object(f.Program)
	if err != nil {
		return nil, err
	}
	b := &bench{size: frame}
	if f.Program == "too_big" {
		b.size = 700
	}
	if b.obj, err = loader.LoadBytes(f.Program+".o", o, loader.Options{}); err != nil {
		return nil, err
	}
	b.entry = b.obj.Programs[0]
	if b.r, err = jit.New(b.obj, b.entry, jit.Options{Record: true, Prepare: prepare}); err != nil {
		return nil, err
	}
	m := price.Machine(b.r.Comp, n)
	switch f.Variant {
	case published.PlainExit:
		m.ExitImm = false
	case published.KeepBounds: // and what comes of it: branches stay where they are
		m.NoBounds, m.NoZeroing, m.Branches, m.Copies = false, false, 1, 0
	}
	if b.sched, err = vliw.Program(b.obj, b.entry, m); err != nil {
		b.close()
		return nil, err
	}
	obs := observe.New(b.r, 1)
	for i := range 2 { // the first opens the flow
		in := &vm.Input{Data: udp(b.size), Packet: uint64(i), TimeNS: uint64(i) * 1000, IfIndex: 4}
		var out vm.Output
		res, err := b.r.Process(in, &out)
		if err == nil {
			err = out.Err
		}
		if err != nil {
			b.close()
			return nil, err
		}
		obs.Packet(in, &out, res)
		b.ran = b.sched.Run(b.r.Recording().Steps)
		b.fate = device.Drop
		if out.Verdict == 3 || out.Verdict == 4 {
			b.fate = device.Wire
		}
	}
	b.w, err = obs.Finish()
	return b, err
}

// prepare gives each device map its ports.
func prepare(s *vm.State) error {
	for _, m := range s.Maps {
		spec := m.Spec()
		if spec.Type != ebpf.DevMap {
			continue
		}
		for port := range min(spec.Max, 8) {
			key, value := make([]byte, spec.KeySize), make([]byte, spec.ValueSize)
			binary.NativeEndian.PutUint32(key, port)
			binary.NativeEndian.PutUint32(value, port+1)
			if e := m.Update(key, value, 0, 0); e != 0 {
				return fmt.Errorf("map %q: port %d: %v", spec.Name, port, e)
			}
		}
	}
	return nil
}

// udp is a frame of n bytes without FCS: UDP over IPv4 from inside.
func udp(n int) []byte {
	p := make([]byte, n)
	copy(p, []byte{2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0, 0x45, 0, 0, 0, 0, 1, 0, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2, 4, 0, 8, 0})
	binary.BigEndian.PutUint16(p[16:], uint16(n-14))
	binary.BigEndian.PutUint16(p[38:], uint16(n-34))
	return p
}

// packets of a trial: the same one again and again, so few are enough.
const packets = 20_000

// input is the device's, with this price of the whole program on it or on the host.
func (b *bench) input(n *profile.NIC, cycles, host uint32) *device.Input {
	in := &device.Input{
		Packets: []device.Packet{{Len: uint16(b.size), OutLen: uint16(b.size), Fate: b.fate, Host: host, Miss: uint32(n.MatcherBase)}},
		Paths:   []device.Path{{Match: uint32(n.MatcherBase), Exec: cycles}},
	}
	return in
}

// rate is the highest rate without loss in Mpps, the whole program on the device.
func (b *bench) rate(ctx context.Context, n *profile.NIC, h *profile.Host) (float64, error) {
	return b.search(ctx, n, h, b.input(n, b.ran.Cycles()+uint32(n.Dispatch), 0), device.NICOnly)
}

// host is that of one core of the host.
func (b *bench) host(ctx context.Context, n *profile.NIC, h *profile.Host) (float64, error) {
	one := *h
	one.Cores = 1
	last := b.w.Packets[len(b.w.Packets)-1]
	ps := price.Shape(&b.w.Shapes[last.Shape], &one) + price.Verdict(last.Fate, &one)
	return b.search(ctx, n, &one, b.input(n, 0, uint32(ps)), device.HostOnly)
}

func (b *bench) search(ctx context.Context, n *profile.NIC, h *profile.Host, in *device.Input, mode device.Mode) (float64, error) {
	l := load.Bench{Input: in, NIC: n, Host: h, Load: device.Load{Packets: packets, Arrivals: device.Constant}, Options: device.Options{Warm: packets / 10}}
	found, err := l.Throughputs(ctx, []device.Mode{mode}, 0)
	if err != nil {
		return 0, err
	}
	return float64(found[0].Rate) / 1e6, nil
}
