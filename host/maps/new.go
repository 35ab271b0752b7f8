package maps

import (
	"fmt"

	"jitnic/host/mem"

	"github.com/cilium/ebpf"
)

// kind is what there is to know of a map type.
type kind struct {
	check func(s *Spec) *CreateError
	size  func(s *Spec, cpus int) uint64 // of its one region in the arena
	make  func(s *Spec, a *mem.Arena, index, cpus int) (Map, error)
}

// kinds lists the map types: a new one is a file and a line here.
var kinds map[ebpf.MapType]kind

func init() { kinds = kindTable() } // maps of maps look up their inner map's

func kindTable() map[ebpf.MapType]kind {
	return map[ebpf.MapType]kind{
		ebpf.Array:       {checkArray, arraySize, newArray},
		ebpf.PerCPUArray: {checkArray, arraySize, newArray},
		ebpf.Hash:        {checkHash, hashSize, newHash},
		ebpf.PerCPUHash:  {checkHash, perCPUHashSize, newPerCPUHash},
		ebpf.LRUHash:     {checkHash, lruHashSize, newLRUHash},
		ebpf.LRUCPUHash:  {checkHash, lruHashSize, newLRUPerCPUHash},
		ebpf.LPMTrie:     {checkLPM, lpmSize, newLPM},

		ebpf.ProgramArray:   {checkFDArray, cellsSize, newCells},
		ebpf.ArrayOfMaps:    {checkArrayOfMaps, cellsSize, newCells},
		ebpf.HashOfMaps:     {checkHashOfMaps, hashSize, newHashOfMaps},
		ebpf.DevMap:         {checkDevMap, cellsSize, newCells},
		ebpf.DevMapHash:     {checkDevMap, devmapHashSize, newDevmapHash},
		ebpf.CPUMap:         {checkCPUMap, cellsSize, newCells},
		ebpf.XSKMap:         {checkXSKMap, cellsSize, newCells},
		ebpf.PerfEventArray: {checkFDArray, cellsSize, newCells},

		ebpf.RingBuf:     {checkRing, ringSize, newRing},
		ebpf.Queue:       {checkQueue, queueSize, newQueue},
		ebpf.Stack:       {checkQueue, queueSize, newQueue},
		ebpf.BloomFilter: {checkBloom, bloomSize, newBloom},
	}
}

// CreateError says why the kernel would refuse to create a map.
type CreateError struct {
	Map    string
	Reason string
	Errno  Errno // what bpf(2) returns
}

func (e *CreateError) Error() string {
	return fmt.Sprintf("map %q: %s (%v)", e.Map, e.Reason, e.Errno)
}

func (e *CreateError) Unwrap() error { return e.Errno }

// Limits of the kernel on x86-64.
const (
	kmallocMax = 4 << 20  // KMALLOC_MAX_SIZE
	perCPUMax  = 32 << 10 // PCPU_MIN_UNIT_SIZE
	accessMask = FlagRdonly | FlagWronly | FlagRdonlyProg | FlagWronlyProg
	htabElem   = 48      // sizeof(struct htab_elem)
	sizeAtMost = 1 << 40 // of one map's flat memory: ours, not the kernel's
)

func refuse(s *Spec, e Errno, format string, args ...any) *CreateError {
	return &CreateError{Map: s.Name, Reason: fmt.Sprintf(format, args...), Errno: e}
}

// Check says whether the kernel would create a map of this spec, and if not,
// which attribute it refuses, as a *CreateError with the errno of bpf(2).
func Check(s *Spec) error {
	k, ok := kinds[s.Type]
	if !ok {
		return refuse(s, EINVAL, "type %v: not supported", s.Type)
	}
	if e := k.check(s); e != nil {
		return e
	}
	return nil
}

// ArenaSize is how many bytes of an arena New takes for s with cpus CPUs;
// the sum over all maps sizes the arena. 0 for a spec that Check refuses.
func ArenaSize(s *Spec, cpus int) uint64 {
	k, ok := kinds[s.Type]
	if !ok || k.check(s) != nil {
		return 0
	}
	return mem.Span(k.size(s, cpus))
}

// New makes the map that s describes, in arena a, for cpus CPUs. index is the
// map's number, which its regions carry as their owner. Contents are not put
// in: see Fill.
func New(s *Spec, a *mem.Arena, index, cpus int) (Map, error) {
	if cpus < 1 || cpus > 1<<16 {
		return nil, fmt.Errorf("map %q: %d cpus: want 1 to 65536", s.Name, cpus)
	}
	if err := Check(s); err != nil {
		return nil, err
	}
	k := kinds[s.Type]
	if n := k.size(s, cpus); n > sizeAtMost {
		return nil, refuse(s, ENOMEM, "%d bytes of storage: more than %d", n, uint64(sizeAtMost))
	}
	m, err := k.make(s, a, index, cpus)
	if err != nil {
		return nil, fmt.Errorf("map %q: %w", s.Name, err)
	}
	return m, nil
}

// checkFlagsOf refuses flags outside allowed and contradicting access flags.
func checkFlagsOf(s *Spec, allowed uint32) *CreateError {
	if x := s.Flags &^ allowed; x != 0 {
		return refuse(s, EINVAL, "flags %#x: %#x is unknown for type %v", s.Flags, x, s.Type)
	}
	if s.Flags&FlagRdonlyProg != 0 && s.Flags&FlagWronlyProg != 0 {
		return refuse(s, EINVAL, "flags %#x: both read-only and write-only for programs", s.Flags)
	}
	return nil
}

func checkArray(s *Spec) *CreateError {
	const flags = FlagNumaNode | FlagMmapable | accessMask | FlagPreserveElems | FlagInnerMap
	switch {
	case s.Max == 0:
		return refuse(s, EINVAL, "max entries 0: want at least 1")
	case s.KeySize != 4:
		return refuse(s, EINVAL, "key size %d: an array's is 4", s.KeySize)
	case s.ValueSize == 0:
		return refuse(s, EINVAL, "value size 0: want at least 1")
	}
	if e := checkFlagsOf(s, flags); e != nil {
		return e
	}
	percpu := s.Type == ebpf.PerCPUArray
	switch {
	case s.Type != ebpf.Array && s.Flags&(FlagMmapable|FlagInnerMap) != 0,
		s.Type != ebpf.PerfEventArray && s.Flags&FlagPreserveElems != 0:
		return refuse(s, EINVAL, "flags %#x: not for type %v", s.Flags, s.Type)
	case s.ValueSize > 1<<31-1:
		return refuse(s, E2BIG, "value size %d: at most %d", s.ValueSize, 1<<31-1)
	case percpu && s.ValueSize > perCPUMax:
		return refuse(s, E2BIG, "value size %d: at most %d per cpu", s.ValueSize, perCPUMax)
	}
	return nil
}

func checkHash(s *Spec) *CreateError {
	const flags = FlagNoPrealloc | FlagNoCommonLRU | FlagNumaNode | accessMask | FlagZeroSeed
	isLRU := Ordered(s.Type)
	if e := checkFlagsOf(s, flags); e != nil {
		return e
	}
	switch {
	case !isLRU && s.Flags&FlagNoCommonLRU != 0:
		return refuse(s, EINVAL, "flags %#x: BPF_F_NO_COMMON_LRU is for LRU maps", s.Flags)
	case isLRU && s.Flags&FlagNoPrealloc != 0:
		return refuse(s, ENOTSUPP, "flags %#x: an LRU map is always preallocated", s.Flags)
	case s.Max == 0:
		return refuse(s, EINVAL, "max entries 0: want at least 1")
	case s.KeySize == 0:
		return refuse(s, EINVAL, "key size 0: want at least 1")
	case s.ValueSize == 0:
		return refuse(s, EINVAL, "value size 0: want at least 1")
	case uint64(s.KeySize)+uint64(s.ValueSize) >= kmallocMax-htabElem:
		return refuse(s, E2BIG, "key size %d and value size %d: together at most %d",
			s.KeySize, s.ValueSize, kmallocMax-htabElem-1)
	case IsPerCPU(s) && round8(s.ValueSize) > perCPUMax:
		return refuse(s, E2BIG, "value size %d: at most %d per cpu", s.ValueSize, perCPUMax)
	case s.Max > 1<<31:
		return refuse(s, E2BIG, "max entries %d: at most %d", s.Max, uint32(1<<31))
	}
	return nil
}
