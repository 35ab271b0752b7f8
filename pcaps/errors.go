package pcaps

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
)

// A CaptureError says where a capture could not be read further.
type CaptureError struct {
	File    string // as given, "-" for standard input
	Offset  int64  // of the header or block that is damaged, in the decompressed stream
	Packets uint64 // delivered by the Source before, all files together
	Err     error  // the cause; io.ErrUnexpectedEOF is in its chain when bytes are missing
}

// Error is one line: the place, the cause, and what was read so far.
func (e *CaptureError) Error() string {
	return fmt.Sprintf("capture %q: offset %d: %v (%d packets read before)", e.File, e.Offset, e.Err, e.Packets)
}

// Unwrap returns the cause.
func (e *CaptureError) Unwrap() error { return e.Err }

// An EmptyError says that captures held no packet that could be delivered, and
// what became of those they held.
type EmptyError struct {
	Files    []string
	Counters Counters
}

// Error is one line: the captures, and why nothing was left.
func (e *EmptyError) Error() string {
	what := fmt.Sprintf("capture %q", e.Files[0])
	if n := len(e.Files); n > 1 {
		what = fmt.Sprintf("captures %q and %d more", e.Files[0], n-1)
	}
	var why []string
	for _, name := range slices.Sorted(maps.Keys(e.Counters.Skipped)) {
		why = append(why, fmt.Sprintf("%d of link type %s skipped", e.Counters.Skipped[name], name))
	}
	if n := e.Counters.Filtered; n > 0 {
		why = append(why, fmt.Sprintf("%d not matched by the filter", n))
	}
	if why == nil {
		why = []string{"there are none in it"}
	}
	return what + ": no packets: " + strings.Join(why, ", ")
}

// short explains why only have of want bytes of a thing could be read.
func short(w *window, what string, have, want int64) error {
	if w.err == nil || errors.Is(w.err, io.EOF) || errors.Is(w.err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("%s cut short: %d of %d bytes: %w", what, have, want, io.ErrUnexpectedEOF)
	}
	return fmt.Errorf("%s: %w", what, w.err)
}
