package mapfile

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"jitnic/host/maps"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/btf"
)

// Machine is what a map file is applied to and dumped from.
type Machine struct {
	// Maps are the machine's maps by number: those of the object, then those
	// added since. It is asked again after each Add.
	Maps func() []maps.Map
	// Add makes one more map, an inner map, and returns its number.
	Add func(*maps.Spec) (int, error)
	// Program is the number of the program with that name, or -1.
	Program func(name string) int
	// ProgramName is the name of program n, "" where there is none.
	ProgramName func(n int) string
	// CPUs is how many values a per-CPU map holds.
	CPUs int
	// Own is how many of the maps are the object's: the first ones.
	Own int
}

// Of is the Machine of a set of maps, all of them an object's, whose programs
// have those names.
func Of(s *maps.Set, programs []string) *Machine {
	return &Machine{
		Maps:    func() []maps.Map { return s.Maps },
		Add:     s.Add,
		Program: func(name string) int { return slices.Index(programs, name) },
		ProgramName: func(n int) string {
			if n < 0 || n >= len(programs) {
				return ""
			}
			return programs[n]
		},
		CPUs: s.CPUs,
		Own:  len(s.Maps),
	}
}

func (m *Machine) find(name string) int {
	for i, mp := range m.Maps() {
		if mp.Spec().Name == name {
			return i
		}
	}
	return -1
}

// named puts the file's name into an Error.
func named(name string, err error) error {
	if e, ok := errors.AsType[*Error](err); ok {
		e.File = name
		return e
	}
	return fmt.Errorf("%s: %w", name, err)
}

// Plan is a map file held against a machine's maps: every key and value is
// bytes.
type Plan struct {
	machine *Machine
	name    string // of the file being bound
	seen    map[place]*node
	initial []change
	byCount []change // by packet, then by place in the file
	byTime  []change // by time, then by place in the file
	count   uint64   // when the next of byCount is due
	time    uint64   // and of byTime; the largest number when none is
}

// change is one update or deletion.
type change struct {
	file   string // it stands in
	order  int    // place in the files
	at     uint64 // packets or nanoseconds
	where  *node  // for messages
	m      int    // the map's number
	key    []byte
	value  []byte // nil for a deletion; of every CPU in turn when all is set
	mask   []byte // of a data section: which bytes of value count
	all    bool
	del    bool
	bits   bool // value is a bloom filter's whole state
	number int  // program or inner map, -1 for none
	second bool // number is the program beside a devmap's or cpumap's value
	flags  uint64
}

func (p *Plan) next() {
	p.count, p.time = math.MaxUint64, math.MaxUint64
	if len(p.byCount) > 0 {
		p.count = p.byCount[0].at
	}
	if len(p.byTime) > 0 {
		p.time = p.byTime[0].at
	}
}

func (p *Plan) bindMaps(n *node) error {
	if n.kind != isObject {
		return n.wrong("%v: want an object of maps", n.kind)
	}
	for i, name := range n.keys {
		m := p.machine.find(name)
		if m < 0 {
			return n.list[i].wrong("no map %q: %s", name, p.mapNames())
		}
		if err := p.bindEntries(n.list[i], m); err != nil {
			return err
		}
	}
	return nil
}

func (p *Plan) mapNames() string {
	s := "there is no map"
	for i, m := range p.machine.Maps() {
		if i == 0 {
			s = "there is "
		} else {
			s += ", "
		}
		s += m.Spec().Name
	}
	return s
}

func (p *Plan) bindEntries(n *node, m int) error {
	if n.kind != isList {
		return n.wrong("%v: want a list of entries", n.kind)
	}
	for _, e := range n.list {
		c, err := p.bind(e, m, "")
		if err != nil {
			return err
		}
		c.order = len(p.initial)
		if err := p.once(&c); err != nil {
			return err
		}
		p.initial = append(p.initial, c)
	}
	return nil
}

func (p *Plan) bindUpdates(n *node) error {
	if n.kind != isList {
		return n.wrong("%v: want a list of updates", n.kind)
	}
	for _, e := range n.list {
		if e.kind != isObject {
			return e.wrong("%v: want an object", e.kind)
		}
		name := e.field("map")
		if name == nil || name.kind != isString {
			return e.wrong("want the \"map\" to update")
		}
		m := p.machine.find(name.text)
		if m < 0 {
			return name.wrong("no map %q: %s", name.text, p.mapNames())
		}
		if p.machine.Maps()[m].Spec().ReadOnly {
			return name.wrong("map %q: read-only once the program runs", name.text)
		}
		at := e.field("at")
		if at == nil {
			return e.wrong("want \"at\": a number of packets, or a duration such as \"1.5s\"")
		}
		c, err := p.bind(e, m, "inner")
		if err != nil {
			return err
		}
		c.order = len(p.byCount) + len(p.byTime)
		if at.kind == isString {
			d, err := time.ParseDuration(at.text)
			if err != nil || d < 0 {
				return at.wrong("%q: want a duration such as \"1.5s\"", clip(at.text))
			}
			c.at = uint64(d)
			p.byTime = append(p.byTime, c)
			continue
		}
		if at.kind != isNumber {
			return at.wrong("%v: want a number of packets, or a duration such as \"1.5s\"", at.kind)
		}
		if c.at, err = integer(at, 8, true); err != nil || int64(c.at) < 0 {
			return at.wrong("%s: want a number of packets", clip(at.text))
		}
		p.byCount = append(p.byCount, c)
	}
	return nil
}

var flagNames = map[string]uint64{"any": maps.Any, "noexist": maps.NoExist, "exist": maps.Exist}

// bind makes an entry of map m a change. In an update the inner map of a map
// of maps stands under the key inner, "map" being the outer one.
func (p *Plan) bind(e *node, m int, inner string) (change, error) {
	mp := p.machine.Maps()[m]
	s := mp.Spec()
	c := change{file: p.name, where: e, m: m, number: -1}
	if e.kind != isObject {
		return c, e.wrong("%v: want an object with key and value", e.kind)
	}
	innerName := cmp.Or(inner, "map")
	for i, k := range e.keys {
		ok := false
		switch k {
		case "key", "value", "delete", "flags":
			ok = true
		case "formatted": // bpftool's second rendering of the same bytes
			ok = true
		case "values":
			ok = maps.IsPerCPU(s)
		case "program":
			ok = s.Type == ebpf.ProgramArray || hasProgram(s)
		case "entries", innerName:
			ok = s.Inner != nil
		case "bits":
			ok = s.Type == ebpf.BloomFilter
		}
		if inner != "" && (k == "at" || k == "map") {
			ok = true
		}
		if !ok {
			return c, e.list[i].wrong("not in an entry of a %v map", s.Type)
		}
	}
	if err := p.bindKey(e, s, &c); err != nil {
		return c, err
	}
	if f := e.field("flags"); f != nil {
		v, ok := flagNames[f.text]
		if f.kind != isString || !ok {
			return c, f.wrong("want any, noexist or exist")
		}
		c.flags = v
	}
	if d := e.field("delete"); d != nil {
		if d.kind != isBool {
			return c, d.wrong("%v: want true or false", d.kind)
		}
		if d.yes {
			for _, k := range []string{"value", "values", "program", "entries", "bits"} {
				if v := e.field(k); v != nil {
					return c, v.wrong("beside \"delete\"")
				}
			}
			c.del = true
			return c, nil
		}
	}
	return c, p.bindValue(e, mp, &c, innerName)
}

func hasProgram(s *maps.Spec) bool {
	return s.ValueSize == 8 && (s.Type == ebpf.DevMap || s.Type == ebpf.DevMapHash || s.Type == ebpf.CPUMap)
}

func (p *Plan) bindKey(e *node, s *maps.Spec, c *change) error {
	k := e.field("key")
	if s.KeySize == 0 {
		if k != nil {
			return k.wrong("a %v map has no keys", s.Type)
		}
		return nil
	}
	c.key = make([]byte, s.KeySize)
	if k == nil {
		if s.Max == 1 && s.KeySize == 4 && (s.Type == ebpf.Array || s.Type == ebpf.PerCPUArray) {
			return nil
		}
		return e.wrong("want a \"key\"")
	}
	if s.Type == ebpf.LPMTrie {
		if done, err := encodePrefix(k, c.key); done || err != nil {
			return err
		}
	}
	k.isKey()
	if err := encode(k, typeFor(s.Key, int(s.KeySize)), c.key); err != nil {
		return err
	}
	return inRange(k, s, c.key)
}

// typeFor is t where it has that size, and else nothing.
func typeFor(t btf.Type, size int) btf.Type {
	if t == nil {
		return nil
	}
	if n, err := btf.Sizeof(t); err != nil || n != size {
		return nil
	}
	return t
}

func (p *Plan) bindValue(e *node, mp maps.Map, c *change, innerName string) error {
	s := mp.Spec()
	switch {
	case s.Type == ebpf.ProgramArray:
		return p.bindProgram(e, c, true)
	case s.Inner != nil:
		return p.bindInner(e, s, c, innerName)
	case s.Type == ebpf.RingBuf:
		return e.wrong("a ring buffer has no entries to set")
	}
	if b := e.field("bits"); b != nil {
		return bindBits(e, b, mp, c)
	}
	v, vs := e.field("value"), e.field("values")
	t := typeFor(s.Value, int(s.ValueSize))
	switch {
	case (v == nil) == (vs == nil):
		if v != nil {
			return vs.wrong("beside \"value\"")
		}
		return e.wrong("want a \"value\"")
	case vs != nil && byCPU(vs):
		var err error
		c.value, err = p.bindByCPU(vs, s, t)
		c.all = true
		return err
	case vs != nil:
		return p.bindList(vs, s, t, c)
	}
	c.value = make([]byte, s.ValueSize)
	if hasProgram(s) && (v.kind == isNumber || v.kind == isString) {
		// The number is the interface or queue size; the program goes beside.
		x, err := integer(v, 4, false)
		if err != nil {
			return err
		}
		binary.LittleEndian.PutUint32(c.value, uint32(x))
		c.second = true
		return p.bindProgram(e, c, false)
	}
	if pr := e.field("program"); pr != nil {
		return pr.wrong("only beside a number as \"value\"")
	}
	if err := encode(v, t, c.value); err != nil {
		return err
	}
	if err := maskOf(v, t, c); err != nil {
		return err
	}
	if maps.IsPerCPU(s) {
		stride := maps.ValueStride(s)
		all := make([]byte, stride*p.machine.CPUs)
		for i := range p.machine.CPUs {
			copy(all[i*stride:], c.value)
		}
		c.value, c.all = all, true
	}
	return nil
}

// bindBits takes the bits of a bloom filter.
func bindBits(e, b *node, mp maps.Map, c *change) error {
	if e.field("value") != nil {
		return b.wrong("beside \"value\"")
	}
	bits, ok := mp.(maps.Bits)
	if !ok || b.kind != isString {
		return b.wrong("want the bloom filter's bits in hex")
	}
	v, err := hexBytes(b, len(bits.Bits()))
	if err != nil {
		return err
	}
	c.value, c.bits = v, true
	return nil
}

// bindList takes a list with a value for each CPU.
func (p *Plan) bindList(vs *node, s *maps.Spec, t btf.Type, c *change) error {
	if vs.kind != isList || len(vs.list) != p.machine.CPUs {
		return vs.wrong("want a list of %d values, one for each cpu", p.machine.CPUs)
	}
	stride := maps.ValueStride(s)
	c.value, c.all = make([]byte, stride*p.machine.CPUs), true
	for i, one := range vs.list {
		if err := encode(one, t, c.value[i*stride:][:s.ValueSize]); err != nil {
			return err
		}
	}
	return nil
}

// maskOf notes which bytes an object of variables sets: what it leaves out keeps its
// value. Encoding into ones instead of zeros shows them.
func maskOf(v *node, t btf.Type, c *change) error {
	sec, ok := underlying(t).(*btf.Datasec)
	if !ok || v.kind != isObject || isForm(v) {
		return nil
	}
	ones := slices.Repeat([]byte{0xff}, len(c.value))
	if err := encodeVars(v, sec, ones); err != nil {
		return err
	}
	c.mask = make([]byte, len(c.value))
	for i := range ones {
		if ones[i] == c.value[i] {
			c.mask[i] = 0xff
		}
	}
	return nil
}

func isForm(n *node) bool {
	_, ok := form(n)
	return ok
}

func (p *Plan) bindProgram(e *node, c *change, need bool) error {
	n := e.field("program")
	if n == nil {
		if need {
			return e.wrong("want a \"program\" by name")
		}
		return nil
	}
	if n.kind != isString {
		return n.wrong("%v: want a program by name", n.kind)
	}
	if p.machine.Program != nil {
		c.number = p.machine.Program(n.text)
	}
	if c.number < 0 {
		return n.wrong("no program %q", n.text)
	}
	return nil
}

func (p *Plan) bindInner(e *node, s *maps.Spec, c *change, innerName string) error {
	name, entries := e.field(innerName), e.field("entries")
	switch {
	case name == nil && entries == nil:
		return e.wrong("want the inner %q by name, or its \"entries\"", innerName)
	case name != nil && name.kind != isString:
		return name.wrong("%v: want a map by name", name.kind)
	}
	if s.Untold {
		return e.wrong("the object doesn't say what maps map %q holds: --inner %s=MAP does, or %s=TYPE:KEY:VALUE:ENTRIES", s.Name, s.Name, s.Name)
	}
	if name != nil {
		c.number = p.machine.find(name.text)
	}
	if c.number < 0 {
		if entries == nil {
			return name.wrong("no map %q: %s; with \"entries\" one is made", name.text, p.mapNames())
		}
		in := *s.Inner
		if name != nil {
			in.Name = name.text
		} else {
			in.Name = fmt.Sprintf("%s/%d", s.Name, len(p.machine.Maps()))
		}
		if in.Name == "" {
			return name.wrong("an empty name")
		}
		in.Contents = nil
		n, err := p.machine.Add(&in)
		if err != nil {
			return entries.wrong("%w", err)
		}
		c.number = n
	} else if !maps.Fits(s.Inner, p.machine.Maps()[c.number].Spec()) {
		return name.wrong("map %q doesn't fit: map %q takes inner maps like %q", name.text, s.Name, s.Inner.Name)
	}
	if entries != nil {
		return p.bindEntries(entries, c.number)
	}
	return nil
}
