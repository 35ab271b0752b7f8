package pathcond

import (
	"jitnic/host/ebpf"
	"jitnic/pathcond/bv"
	"jitnic/trace"
)

// room is memory that one execution after the other uses.
type room struct {
	stack  []byteRef
	frames int // of the stack that were used
	stores []overwritten
	code   []ebpf.Insn
	meta   []trace.Meta
	weave  weave
}

// fresh is the stack of an execution that begins.
func (s *room) fresh() []byteRef {
	if s.stack == nil {
		s.stack = make([]byteRef, trace.Frames*trace.FrameStride)
	}
	clear(s.stack[:s.frames*trace.FrameStride])
	s.frames = 1
	return s.stack
}

// fresh is n zeros, in the memory of list where it has room.
func fresh[T any](list []T, n int) []T {
	if cap(list) < n {
		return make([]T, n, 2*n)
	}
	list = list[:n]
	clear(list)
	return list
}

// emptied is n empty lists, in the memory of lists.
func emptied[T any](lists [][]T, n int) [][]T {
	if k := cap(lists); k < n {
		lists = append(lists[:k], make([][]T, n-k)...)
	}
	lists = lists[:n]
	for i := range lists {
		lists[i] = lists[i][:0]
	}
	return lists
}

// byteRef is one byte of a term; term 0 is a byte never written, which is 0.
type byteRef struct {
	term bv.Term
	idx  uint8
}

// overwritten is what a stack byte was before a region was followed.
type overwritten struct {
	at  uint64
	was byteRef
}

// noteStack begins to note what stack bytes were before they are overwritten.
func (x *exec) noteStack() { x.c.room.stores, x.noting = x.c.room.stores[:0], true }

// setByte makes a byte of the stack what it is from now on.
func (x *exec) setByte(at uint64, b byteRef) {
	if x.noting {
		x.c.room.stores = append(x.c.room.stores, overwritten{at, x.stack[at]})
	}
	x.stack[at] = b
}
