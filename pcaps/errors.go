package pcaps

import (
	"errors"
	"fmt"
	"io"
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

// short explains why only have of want bytes of a thing could be read.
func short(w *window, what string, have, want int64) error {
	if w.err == nil || errors.Is(w.err, io.EOF) || errors.Is(w.err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("%s cut short: %d of %d bytes: %w", what, have, want, io.ErrUnexpectedEOF)
	}
	return fmt.Errorf("%s: %w", what, w.err)
}
