package native

import (
	"errors"

	"jitnic/nic"
	"jitnic/nic/native/code"
	"jitnic/trace"
)

// hot is the run of a trace from which on it runs as machine code with [Auto].
// A compilation takes some 40 microseconds, which two or three hundred runs win
// back, and most traces that a small cache soon evicts don't come to so many
// (measured on the corpus' zoo at 64 entries: 16 and 64 runs, 64 the faster).
const hot = 64

// later is a trace that another engine runs until it has run often enough to be
// worth compiling.
type later struct {
	e      *Traces
	path   nic.Path
	trace  *trace.Trace
	held   *nic.Held // nil: its stores stand
	runs   int
	slow   nic.Code
	native *Trace // nil: not yet
}

// Run executes the trace; on the hot run it is compiled before.
func (l *later) Run() (uint64, error) {
	if l.native != nil {
		return l.native.Run()
	}
	if err := l.ran(); err != nil {
		return 0, err
	}
	if l.native != nil {
		return l.native.Run()
	}
	return l.slow.Run()
}

// ran counts a run, and compiles the trace on the hot one.
func (l *later) ran() error {
	if l.runs++; l.runs != hot {
		return nil
	}
	return l.compile()
}

// compile makes machine code of it, if there is room.
func (l *later) compile() error {
	x, err := l.e.compile(l.path, l.trace, l.held)
	if errors.Is(err, code.ErrFull) {
		return nil
	}
	l.native = x
	delete(l.e.m.cold, l.path)
	return err
}

// Free gives what it has back.
func (l *later) Free() {
	l.slow.Free()
	if l.e.m.cold[l.path] == l {
		delete(l.e.m.cold, l.path)
	}
	if l.native != nil {
		l.native.Free()
	}
}
