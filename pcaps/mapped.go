package pcaps

import (
	"errors"
	"fmt"
	"runtime/debug"
)

const (
	// mappedAtLeast is the shortest file that is mapped: of others copying costs
	// less than the address space.
	mappedAtLeast = 64 << 10
	// mappedChunk is how much of a mapped file is brought into memory at once.
	mappedChunk = 1 << 20
)

// errShrunk is what a file that was mapped and then cut short ends with.
var errShrunk = errors.New("the file was made shorter, or its disk failed, while it was read")

// Guarded runs f, which looks at packets of a Source with Options.Map: what it
// returns, or a *CaptureError where the bytes of a mapped file are gone.
func (s *Source) Guarded(f func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		r := recover()
		if r == nil {
			return
		}
		if e, ok := r.(interface{ Addr() uintptr }); ok && (s.mapped.has(e.Addr()) || s.before.has(e.Addr())) {
			err = s.end(s.fail(errShrunk))
			return
		}
		if e, ok := r.(error); ok {
			panic(fmt.Errorf("%w\n%s", e, debug.Stack())) // where it was, which a second panic would hide
		}
		panic(r)
	}()
	return f()
}
