package maps

import (
	"encoding/binary"

	"jitnic/host/mem"

	"github.com/cilium/ebpf"
)

// Programs is met by program arrays: what bpf_tail_call jumps to.
type Programs interface {
	Map
	// Program is the number of the program at index, or -1.
	Program(index uint32) int
	// SetProgram puts a program there, or takes it away when prog is -1.
	SetProgram(index uint32, prog int) Errno
}

// OfMaps is met by arrays and hashes of maps. Inner maps are numbers in the
// caller's list of maps. In flat memory, and as the value of Lookup, Update
// and Range, an inner map is its number plus 1.
type OfMaps interface {
	Map
	// Inner is the number of the map under key, or -1.
	Inner(key []byte) int
	// SetInner puts a map there: EINVAL when its spec doesn't fit the
	// blueprint the outer map was made with (bpf_map_meta_equal).
	SetInner(key []byte, index int, inner *Spec, flags uint64) Errno
}

// Redirects is met by devmaps, cpumaps and xskmaps: where bpf_redirect_map
// can send a packet.
type Redirects interface {
	Map
	// Target is what stands at key (an interface's index, a CPU's queue
	// size, a socket's number) and the program to run there, as its number
	// plus 1 or 0. ok is false where nothing stands: redirect fails.
	Target(key uint32) (value, prog uint32, ok bool)
}

// cells is an array of things that are not bytes to a program: programs, maps,
// perf events, interfaces, CPUs, sockets. A cell is 8 bytes of flat memory,
// all 0 when empty:
//
//	type                 bytes 0–3          bytes 4–7
//	prog array           program + 1        0
//	array of maps        map + 1            0
//	perf event array     event, not 0       0
//	devmap               interface index    program + 1 or 0
//	cpumap               queue size         program + 1 or 0
//	xskmap               socket, not 0      0
//
// Only the control plane writes them; flags and errors are bpf(2)'s.
type cells struct {
	base
	count int
	key   [4]byte
}

const cellSize = 8

func cellsSize(s *Spec, cpus int) uint64 { return cellSize * uint64(s.Max) }

func newCells(s *Spec, a *mem.Arena, index, cpus int) (Map, error) {
	c := cells{base: base{spec: s, cpus: cpus}}
	if err := c.alloc(a, mem.KindMap, index, cellsSize(s, cpus)); err != nil {
		return nil, err
	}
	switch s.Type {
	case ebpf.ProgramArray:
		return &progArray{c}, nil
	case ebpf.ArrayOfMaps:
		return &arrayOfMaps{c}, nil
	case ebpf.PerfEventArray:
		return &perfArray{cells: c}, nil
	}
	return &redirectArray{c}, nil
}

func (m *cells) cell(i uint32) []byte { return m.mem[uint64(i)*cellSize:][:cellSize] }

func (m *cells) first(i uint32) uint32 {
	if i >= m.spec.Max {
		return 0
	}
	return binary.LittleEndian.Uint32(m.cell(i))
}

func (m *cells) Lookup(key []byte, cpu int) uint64 {
	i := binary.LittleEndian.Uint32(key)
	if m.first(i) == 0 {
		return 0
	}
	return m.addr + uint64(i)*cellSize
}

func (m *cells) Peek(key []byte, cpu int) uint64 { return m.Lookup(key, cpu) }

// set writes a cell; first 0 empties it.
func (m *cells) set(i, first, second uint32) {
	c := m.cell(i)
	if binary.LittleEndian.Uint32(c) != 0 {
		m.count--
	}
	if first != 0 {
		m.count++
	} else {
		second = 0
	}
	binary.LittleEndian.PutUint32(c, first)
	binary.LittleEndian.PutUint32(c[4:], second)
	if m.onWrite != nil {
		binary.LittleEndian.PutUint32(m.key[:], i)
		m.onWrite(m.key[:])
	}
}

// UpdateResult supposes a value that is accepted.
func (m *cells) UpdateResult(key []byte, flags uint64, cpu int) Errno {
	switch {
	case flags != Any:
		return EINVAL
	case binary.LittleEndian.Uint32(key) >= m.spec.Max:
		return E2BIG
	}
	return OK
}

// Update is bpf_fd_array_map_update_elem.
func (m *cells) Update(key, value []byte, flags uint64, cpu int) Errno {
	if e := m.UpdateResult(key, flags, cpu); e != OK {
		return e
	}
	v := binary.LittleEndian.Uint32(value)
	if v == 0 {
		return EBADF
	}
	m.set(binary.LittleEndian.Uint32(key), v, 0)
	return OK
}

// Delete is fd_array_map_delete_elem.
func (m *cells) Delete(key []byte) Errno {
	i := binary.LittleEndian.Uint32(key)
	switch {
	case i >= m.spec.Max:
		return E2BIG
	case m.first(i) == 0:
		return ENOENT
	}
	m.set(i, 0, 0)
	return OK
}

func (m *cells) Len() int { return m.count }

func (m *cells) Range(f func(key, value []byte) bool) {
	var key [4]byte
	k := key[:]
	for i, left := uint32(0), m.count; left > 0; i++ {
		if m.first(i) == 0 {
			continue
		}
		left--
		binary.LittleEndian.PutUint32(k, i)
		if !f(k, m.cell(i)[:m.spec.ValueSize]) {
			return
		}
	}
}

func (m *cells) KeyOf(addr uint64) []byte {
	i := (addr - m.addr) / cellSize
	if i >= uint64(m.spec.Max) || m.first(uint32(i)) == 0 {
		return nil
	}
	binary.LittleEndian.PutUint32(m.key[:], uint32(i))
	return m.key[:]
}

func (m *cells) ValueOf(addr uint64) uint64 {
	if addr-m.addr >= uint64(len(m.mem)) {
		return 0
	}
	return addr - (addr-m.addr)%cellSize
}

func (m *cells) copyCells(o *cells) {
	copy(m.mem, o.mem)
	m.count = o.count
}

// progArray is BPF_MAP_TYPE_PROG_ARRAY.
type progArray struct{ cells }

func (m *progArray) Program(index uint32) int { return int(m.first(index)) - 1 }

func (m *progArray) SetProgram(index uint32, prog int) Errno {
	if index >= m.spec.Max {
		return E2BIG
	}
	m.set(index, uint32(prog+1), 0)
	return OK
}

func (m *progArray) copyFrom(src Map) { m.copyCells(&src.(*progArray).cells) }

// arrayOfMaps is BPF_MAP_TYPE_ARRAY_OF_MAPS.
type arrayOfMaps struct{ cells }

func (m *arrayOfMaps) Inner(key []byte) int {
	return int(m.first(binary.LittleEndian.Uint32(key))) - 1
}

func (m *arrayOfMaps) SetInner(key []byte, index int, inner *Spec, flags uint64) Errno {
	if e := m.UpdateResult(key, flags, 0); e != OK {
		return e
	}
	if !Fits(m.spec.Inner, inner) {
		return EINVAL
	}
	m.set(binary.LittleEndian.Uint32(key), uint32(index+1), 0)
	return OK
}

func (m *arrayOfMaps) copyFrom(src Map) { m.copyCells(&src.(*arrayOfMaps).cells) }

// Fits says whether a map of spec s can stand where an outer map was made for
// inner maps like blueprint (bpf_map_meta_equal and the types' own).
func Fits(blueprint, s *Spec) bool {
	if blueprint.Type != s.Type || blueprint.KeySize != s.KeySize ||
		blueprint.ValueSize != s.ValueSize || blueprint.Flags != s.Flags {
		return false
	}
	switch s.Type {
	case ebpf.Array:
		return blueprint.Flags&FlagInnerMap != 0 || blueprint.Max == s.Max
	case ebpf.XSKMap:
		return blueprint.Max == s.Max
	}
	return true
}

// redirectArray is a devmap, cpumap or xskmap.
type redirectArray struct{ cells }

func (m *redirectArray) UpdateResult(key []byte, flags uint64, cpu int) Errno {
	i := binary.LittleEndian.Uint32(key)
	switch {
	case flags > Exist:
		return EINVAL
	case i >= m.spec.Max:
		return E2BIG
	}
	if m.spec.Type == ebpf.XSKMap {
		return checkFlags(m.first(i) != 0, flags)
	}
	if flags == NoExist {
		return EEXIST
	}
	return OK
}

// Update puts value at key: __dev_map_update_elem, cpu_map_update_elem,
// xsk_map_update_elem. Every interface and CPU is taken to be there.
func (m *redirectArray) Update(key, value []byte, flags uint64, cpu int) Errno {
	first := binary.LittleEndian.Uint32(value)
	second := uint32(0)
	if len(value) >= 8 {
		second = binary.LittleEndian.Uint32(value[4:])
	}
	// An empty socket number stands for a bad file descriptor, and is seen
	// before what stands at the key is looked at.
	if m.spec.Type == ebpf.XSKMap && first == 0 &&
		flags <= Exist && binary.LittleEndian.Uint32(key) < m.spec.Max {
		return EBADF
	}
	if e := m.UpdateResult(key, flags, cpu); e != OK {
		return e
	}
	switch {
	case m.spec.Type == ebpf.DevMap && first == 0 && int32(second) > 0:
		return EINVAL // a program without an interface
	case m.spec.Type == ebpf.CPUMap && first > 16384:
		return EOVERFLOW
	}
	m.set(binary.LittleEndian.Uint32(key), first, second)
	return OK
}

// Delete is dev_map_delete_elem and its like: of an empty cell it succeeds.
func (m *redirectArray) Delete(key []byte) Errno {
	i := binary.LittleEndian.Uint32(key)
	if i >= m.spec.Max {
		return EINVAL
	}
	if m.first(i) != 0 {
		m.set(i, 0, 0)
	}
	return OK
}

func (m *redirectArray) Target(key uint32) (value, prog uint32, ok bool) {
	if value = m.first(key); value == 0 {
		return 0, 0, false
	}
	return value, binary.LittleEndian.Uint32(m.cell(key)[4:]), true
}

func (m *redirectArray) copyFrom(src Map) { m.copyCells(&src.(*redirectArray).cells) }

// checkFDArray is fd_array_map_alloc_check.
func checkFDArray(s *Spec) *CreateError {
	switch {
	case s.ValueSize != 4:
		return refuse(s, EINVAL, "value size %d: type %v takes 4", s.ValueSize, s.Type)
	case s.Flags&(FlagRdonlyProg|FlagWronlyProg) != 0:
		return refuse(s, EINVAL, "flags %#x: type %v has no access flags for programs", s.Flags, s.Type)
	}
	return checkArray(s)
}

// checkInner says whether s.Inner can be a blueprint (bpf_map_meta_alloc).
func checkInner(s *Spec) *CreateError {
	in := s.Inner
	if in == nil {
		return refuse(s, EBADF, "type %v without an inner map", s.Type)
	}
	switch in.Type {
	case ebpf.ArrayOfMaps, ebpf.HashOfMaps:
		return refuse(s, EINVAL, "inner map %q: maps of maps don't nest", in.Name)
	case ebpf.ProgramArray:
		return refuse(s, ENOTSUPP, "inner map %q: type %v can't be an inner map", in.Name, in.Type)
	}
	if err := Check(in); err != nil {
		e := err.(*CreateError)
		return refuse(s, e.Errno, "inner map %q: %s", in.Name, e.Reason)
	}
	return nil
}

func checkArrayOfMaps(s *Spec) *CreateError {
	if e := checkFDArray(s); e != nil {
		return e
	}
	return checkInner(s)
}

// checkTargets is of maps of devices and CPUs: where packets are sent to.
func checkTargets(s *Spec) *CreateError {
	switch {
	case s.Max == 0:
		return refuse(s, EINVAL, "max entries 0: want at least 1")
	case s.KeySize != 4:
		return refuse(s, EINVAL, "key size %d: type %v takes 4", s.KeySize, s.Type)
	case s.ValueSize != 4 && s.ValueSize != 8:
		return refuse(s, EINVAL, "value size %d: type %v takes 4 or 8", s.ValueSize, s.Type)
	}
	return nil
}

func checkDevMap(s *Spec) *CreateError {
	if e := checkTargets(s); e != nil {
		return e
	}
	if s.Type == ebpf.DevMapHash && s.Max > 1<<31 {
		return refuse(s, EINVAL, "max entries %d: at most %d", s.Max, uint32(1<<31))
	}
	return checkFlagsOf(s, FlagNumaNode|FlagRdonly|FlagWronly)
}

// nrCPUs is NR_CPUS of a distribution's x86-64 kernel.
const nrCPUs = 8192

func checkCPUMap(s *Spec) *CreateError {
	if e := checkTargets(s); e != nil {
		return e
	}
	if e := checkFlagsOf(s, FlagNumaNode); e != nil {
		return e
	}
	if s.Max > nrCPUs {
		return refuse(s, E2BIG, "max entries %d: at most %d cpus", s.Max, nrCPUs)
	}
	return nil
}

func checkXSKMap(s *Spec) *CreateError {
	switch {
	case s.Max == 0:
		return refuse(s, EINVAL, "max entries 0: want at least 1")
	case s.KeySize != 4:
		return refuse(s, EINVAL, "key size %d: type %v takes 4", s.KeySize, s.Type)
	case s.ValueSize != 4:
		return refuse(s, EINVAL, "value size %d: type %v takes 4", s.ValueSize, s.Type)
	}
	return checkFlagsOf(s, FlagNumaNode|FlagRdonly|FlagWronly)
}
