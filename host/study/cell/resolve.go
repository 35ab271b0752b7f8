package cell

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"jitnic/host/ebpf"
	"jitnic/host/loader"
	"jitnic/host/programs"
	"jitnic/host/run/replay"
	"jitnic/host/study/spec"
	"jitnic/nic/profile"

	cebpf "github.com/cilium/ebpf"
)

// A Plan is the cells of a study.
type Plan struct {
	Study *spec.Study
	Cells []*Cell
	// Skipped counts the points that exclude took out.
	Skipped int
}

// Points is how many there are in all cells.
func (p *Plan) Points() (n int) {
	for _, c := range p.Cells {
		n += len(c.Points)
	}
	return n
}

// Rows is how many rows the points make with the devices.
func (p *Plan) Rows() (n int) {
	for _, c := range p.Cells {
		n += len(c.Points) * max(1, len(c.Devices))
	}
	return n
}

// resolver reads each input once.
type resolver struct {
	study    *spec.Study
	files    Files
	programs map[string]*program
	sums     map[string]summed
	plan     *Plan
	seen     map[string]*Cell
	counted  map[string]uint64 // packets, by captures and filter
	ctx      context.Context
}

// program is one entry of an object.
type program struct {
	name, entry string
	object      string // sha256
	code        string
	fail        string
	draws       bool
	obj         *loader.Object
	main        *loader.Program
}

// capture is one, with all that it is read as.
type capture struct {
	*spec.Capture
	name  string
	paths []string
	sums  []string
	bytes int64
}

// Resolve lists the cells of a study. An input that isn't there is an error with
// its place in the file; an object that can't be loaded makes cells that fail.
func Resolve(ctx context.Context, s *spec.Study, files Files) (*Plan, error) {
	r := &resolver{study: s, files: files, programs: map[string]*program{}, sums: map[string]summed{},
		plan: &Plan{Study: s}, seen: map[string]*Cell{}, counted: map[string]uint64{}, ctx: ctx}
	for _, a := range append([]spec.Axes{s.Axes}, s.Include...) {
		if err := r.axes(ctx, &a); err != nil {
			return nil, err
		}
	}
	if len(r.plan.Cells) == 0 && len(s.Commands) == 0 {
		return nil, fmt.Errorf("%s: nothing is left to run", s.File)
	}
	return r.plan, nil
}

func (r *resolver) axes(ctx context.Context, a *spec.Axes) error {
	var captures []*capture
	for i := range a.Captures {
		cs, err := r.captures(&a.Captures[i])
		if err != nil {
			return err
		}
		captures = append(captures, cs...)
	}
	devices, err := r.allDevices(a)
	if err != nil {
		return err
	}
	for i := range a.Programs {
		p := &a.Programs[i]
		list, err := r.entries(p)
		if err != nil {
			return err
		}
		for _, prog := range list {
			for _, c := range captures {
				for _, made := range howMade(a) {
					for _, queues := range a.Queues {
						for _, split := range a.Splits {
							for _, seed := range a.EachSeed() {
								if err := ctx.Err(); err != nil {
									return err
								}
								if err := r.cell(a, p, prog, c, made, queues, split, seed, devices); err != nil {
									return err
								}
							}
						}
					}
				}
			}
		}
	}
	return nil
}

// made is how paths become traces: a mode, and how many segments they are cut into.
type made struct {
	mode     string
	segments int
}

func howMade(a *spec.Axes) (out []made) {
	for _, m := range a.Modes {
		for _, k := range a.Segments {
			out = append(out, made{m, k})
		}
	}
	return out
}

func (r *resolver) captures(c *spec.Capture) ([]*capture, error) {
	if c.Optional && !r.there(c.Files) {
		return nil, nil
	}
	if c.Gen != nil {
		name := c.Name
		if name == "" {
			name = "gen"
		}
		return []*capture{{Capture: c, name: name}}, nil
	}
	var groups [][]string
	if len(c.Files) == 1 {
		files, err := r.expand(c.At, c.Files[0])
		if err != nil {
			return nil, err
		}
		for _, f := range files {
			groups = append(groups, []string{f})
		}
	} else {
		var all []string
		for _, f := range c.Files {
			files, err := r.expand(c.At, f)
			if err != nil {
				return nil, err
			}
			all = append(all, files...)
		}
		groups = [][]string{all}
	}
	var out []*capture
	for _, g := range groups {
		x := &capture{Capture: c, paths: g}
		var names []string
		for _, f := range g {
			s, err := r.sum(f)
			if err != nil {
				return nil, c.At.Fail(err)
			}
			x.sums = append(x.sums, s.sum)
			x.bytes += s.size
			names = append(names, r.name(f))
		}
		x.name = strings.Join(names, ",")
		if c.Name != "" && len(groups) == 1 {
			x.name = c.Name
		}
		out = append(out, x)
	}
	return out, nil
}

// entries are the programs that an item of the study stands for.
func (r *resolver) entries(p *spec.Program) ([]*program, error) {
	if p.Optional && !r.there([]string{p.File}) {
		return nil, nil
	}
	files, err := r.expand(p.At, p.File)
	if err != nil {
		return nil, err
	}
	var out []*program
	for _, f := range files {
		if p.Entry != "*" {
			x, err := r.program(p, f, p.Entry)
			if err != nil {
				return nil, err
			}
			out = append(out, x)
			continue
		}
		x, err := r.program(p, f, "")
		if err != nil {
			return nil, err
		}
		n := 0
		if x.obj != nil {
			for _, e := range x.obj.Programs {
				if e.Type == cebpf.XDP {
					y, err := r.program(p, f, e.Name)
					if err != nil {
						return nil, err
					}
					out = append(out, y)
					n++
				}
			}
		}
		if n == 0 {
			out = append(out, x)
		}
	}
	return out, nil
}

func (r *resolver) program(p *spec.Program, file, entry string) (*program, error) {
	key := file + "\x00" + entry + "\x00" + p.BTF
	if x := r.programs[key]; x != nil {
		return x, nil
	}
	x := &program{name: r.name(file), entry: entry}
	if name, ok := strings.CutPrefix(file, "sample:"); ok {
		s, err := programs.Get(name)
		if err != nil {
			return nil, p.At.Fail(err)
		}
		sum, _ := sumOf(bytes.NewReader(s.Object)) // memory reads without errors
		x.object = sum.sum
	} else if builtIn(file) { // what it is made into counts, below
		x.object = Hash(file)
	} else {
		s, err := r.sum(file)
		if err != nil {
			return nil, p.At.Fail(err)
		}
		x.object = s.sum
	}
	r.programs[key] = x
	in := replay.Input{Program: file, Entry: entry, BTF: p.BTF, Maps: []string{}}
	var err error
	if !builtIn(file) {
		if in.Program, err = r.files.Local(file); err != nil {
			return nil, p.At.Fail(err)
		}
	}
	obj, main, _, err := replay.LoadProgram(&in)
	if err != nil {
		x.fail = strings.ReplaceAll(err.Error(), in.Program, x.name)
		if obj, err := loader.Load(in.Program, loader.Options{BTF: p.BTF}); err == nil {
			x.obj = obj // its entries can be listed all the same
		}
		return x, nil
	}
	x.obj, x.main, x.entry = obj, main, main.Name
	h := sha256.New()
	for _, q := range obj.Programs {
		fmt.Fprintf(h, "%s %s %v\n", q.Name, q.Section, q.Unsupported)
		for _, i := range q.Insns {
			fmt.Fprintf(h, "%v\n", i)
			if c := i.Called(); c != nil && (c.Latch == ebpf.LatchRandom || strings.Contains(c.Name, "syncookie")) {
				x.draws = true
			}
		}
	}
	for _, m := range obj.Maps {
		for ; m != nil; m = m.Inner {
			fmt.Fprintf(h, "%s %v %d %d %d %d %d %v %q\n", m.Name, m.Type, m.KeySize, m.ValueSize, m.Max, m.Flags, m.Extra, m.ReadOnly, m.Contents)
		}
	}
	x.code = hex.EncodeToString(h.Sum(nil))
	return x, nil
}

// allDevices are the devices of the axes with each host, rate and tier.
func (r *resolver) allDevices(a *spec.Axes) ([]Device, error) {
	var out []Device
	for i := range a.Devices {
		d := &a.Devices[i]
		for _, h := range a.Hosts {
			nic, host, err := LoadProfiles(r.profile(d.NIC), r.profile(h), d.Set)
			if err != nil {
				return nil, d.At.Fail(err)
			}
			name := nic.Name
			if len(d.Set) > 0 {
				name += " " + strings.Join(d.Set, " ")
			}
			x := Device{Name: name, NIC: r.profile(d.NIC), Host: r.profile(h), Set: d.Set, NICHash: Hash(nic.Params()), HostHash: Hash(host.Params())}
			for _, rate := range a.Rates {
				for _, tier := range a.Tiers {
					x.Rate, x.Tier = rate, tier
					out = append(out, x)
				}
			}
		}
	}
	return out, nil
}

// profile is a built-in one's name, or a file of the study's folder.
func (r *resolver) profile(name string) string {
	if slices.Contains(profile.Names(), name) || slices.Contains(profile.HostNames(), name) {
		return name
	}
	return r.at(name)
}

// LoadProfiles loads a device and a host, with what is changed of them.
func LoadProfiles(nicName, hostName string, set []string) (*profile.NIC, *profile.Host, error) {
	nic, err := profile.Load(nicName)
	if err != nil {
		return nil, nil, err
	}
	host, err := profile.LoadHost(hostName)
	if err != nil {
		return nil, nil, err
	}
	for _, kv := range set {
		key, value, _ := strings.Cut(kv, "=")
		if hostKey, ok := strings.CutPrefix(key, "host."); ok {
			err = host.Set(hostKey, value)
		} else {
			err = nic.Set(key, value)
		}
		if err != nil {
			return nil, nil, err
		}
	}
	return nic, host, nil
}

// cell adds one run, or its parts, with its points, to the plan.
func (r *resolver) cell(a *spec.Axes, p *spec.Program, prog *program, c *capture, how made, queues int, split spec.Split, seed uint64, devices []Device) error {
	x := Cell{Program: prog.name, Entry: prog.entry, Capture: c.name, Mode: how.mode, Segments: how.segments, Queues: queues, Split: split.String(), Seed: seed,
		Windows: r.study.Windows, Warmup: r.study.Warmup, Fail: prog.fail, Bytes: c.bytes}
	id := Identity{Semantics: Semantics, Object: prog.object, Code: prog.code, Entry: prog.entry, Maps: []string{}, Captures: c.sums, Limit: c.Limit,
		LinkType: c.LinkType, PadCut: c.PadCut, StripVLAN: c.Strip, Mode: how.mode, Segments: how.segments, Queues: queues}
	if c.Loop > 1 {
		id.Loop = c.Loop
	}
	if prog.draws {
		id.Seed = seed
	}
	x.Filter = both(p.Filter, c.Filter)
	id.Filter = x.Filter
	in := replay.Input{Program: r.at(p.File), Entry: prog.entry, BTF: p.BTF, Captures: c.paths, Filter: x.Filter, Limit: c.Limit, Loop: c.Loop,
		LinkType: c.LinkType, PadCut: c.PadCut, Strip: c.Strip, Queues: queues, Seed: seed}
	if strings.ContainsAny(p.File, "*?[") || !builtIn(p.File) {
		in.Program = r.object(p, prog)
	}
	var names []string
	for _, m := range p.Maps {
		name, file, of := strings.Cut(m, "=")
		if !of {
			name, file = "", m
		}
		s, err := r.sum(r.at(file))
		if err != nil {
			return p.At.Fail(err)
		}
		full := r.at(file)
		names = append(names, r.name(full))
		if of {
			full, s.sum = name+"="+full, name+"="+s.sum
		}
		in.Maps = append(in.Maps, full)
		id.Maps = append(id.Maps, s.sum)
	}
	x.Maps = strings.Join(names, ",")
	if name, ok := strings.CutPrefix(p.File, "sample:"); ok && p.Maps == nil {
		if s, err := programs.Get(name); err == nil {
			sum, _ := sumOf(bytes.NewReader(s.Maps)) // memory reads without errors
			id.Maps = append(id.Maps, sum.sum)
		}
	}
	if p.FIB != "" {
		s, err := r.sum(r.at(p.FIB))
		if err != nil {
			return p.At.Fail(err)
		}
		in.FIB, id.FIB, x.FIB = r.at(p.FIB), s.sum, r.name(r.at(p.FIB))
	}
	if c.Gen != nil {
		g := *c.Gen
		if !c.Seeded {
			g.Seed = seed
		}
		x.Gen, id.Captures = &g, []string{"gen:" + Hash(g)}
	}
	x.Identity, x.Input = id, in
	parts, err := r.parts(&x, split, prog)
	if err != nil {
		return err
	}
	for _, y := range parts {
		y.Address = y.Identity.Address()
		y.Points, y.Devices = r.points(a, y, seed), r.wanted(y, devices)
		if len(y.Points) == 0 {
			continue
		}
		if have := r.seen[y.coordinates()]; have != nil { // of another product: what is new of its points
			have.join(y)
			continue
		}
		r.seen[y.coordinates()] = y
		r.plan.Cells = append(r.plan.Cells, y)
	}
	return nil
}

// object is the file that a program was loaded from.
func (r *resolver) object(p *spec.Program, prog *program) string {
	for key, x := range r.programs {
		if x == prog {
			file, _, _ := strings.Cut(key, "\x00")
			return file
		}
	}
	return r.at(p.File)
}
