package diff

import (
	"bytes"
	"fmt"

	"jitnic/host/vm"
)

// What says in which respect two engines differ.
type What string

// The respects, in the order they are looked at.
const (
	Error    What = "error"
	Verdict  What = "verdict"
	Length   What = "length"
	Bytes    What = "bytes"
	Meta     What = "meta"
	Redirect What = "redirect"
	Map      What = "map"
)

// Difference is the first respect in which two engines differ. It is an error
// of one line: "verdict: got XDP_DROP (1), want XDP_PASS (2)".
type Difference struct {
	What   What
	Detail string
	Map    int // of What == Map: its index, else -1
}

func (d *Difference) Error() string { return string(d.What) + ": " + d.Detail }

func differ(w What, format string, args ...any) *Difference {
	return &Difference{What: w, Map: -1, Detail: fmt.Sprintf(format, args...)}
}

// Outputs compares what became of one packet in two engines, want being the
// oracle's. It returns nil, and allocates nothing, when they agree. Two runs
// that both failed agree: what a fault leaves behind means nothing.
func Outputs(want, got *vm.Output) *Difference {
	if want.Err != nil || got.Err != nil {
		if want.Err == nil || got.Err == nil {
			return differ(Error, "got %v, want %v", errText(got.Err), errText(want.Err))
		}
		return nil
	}
	switch {
	case want.Verdict != got.Verdict:
		return differ(Verdict, "got %s, want %s", VerdictName(got.Verdict), VerdictName(want.Verdict))
	case len(want.Data) != len(got.Data):
		return differ(Length, "got %d bytes, want %d", len(got.Data), len(want.Data))
	case !bytes.Equal(want.Data, got.Data):
		i := first(want.Data, got.Data)
		return differ(Bytes, "offset %d: got %#02x, want %#02x", i, got.Data[i], want.Data[i])
	case !bytes.Equal(want.Meta, got.Meta):
		return differ(Meta, "got %x, want %x", got.Meta, want.Meta)
	case want.Redirect != got.Redirect:
		return differ(Redirect, "got %v, want %v", got.Redirect, want.Redirect)
	}
	return nil
}

func errText(err error) string {
	if err == nil {
		return "none"
	}
	return err.Error()
}

// first is the offset of the first byte in which two slices of one length
// differ.
func first(a, b []byte) int {
	for i := range a {
		if a[i] != b[i] {
			return i
		}
	}
	return len(a)
}

// VerdictName is a verdict with its number: "XDP_PASS (2)".
func VerdictName(v uint32) string {
	names := [...]string{"XDP_ABORTED", "XDP_DROP", "XDP_PASS", "XDP_TX", "XDP_REDIRECT"}
	if int(v) < len(names) {
		return fmt.Sprintf("%s (%d)", names[v], v)
	}
	return fmt.Sprintf("verdict %d", v)
}
