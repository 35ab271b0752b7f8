package ebpf

import "testing"

// What a buffer held before a call matters where the call looks at it, and
// where a failing one leaves it.
func TestNeeds(t *testing.T) {
	for _, c := range []struct {
		id, arg int32
		want    bool
	}{
		{FnMapUpdateElem, 3, true},
		{FnMapPeekElem, 2, true}, // of a bloom filter it is the question
		{FnMapPopElem, 2, false},
		{FnXdpLoadBytes, 3, true}, // kept by a call that fails
		{FnProbeReadKernel, 1, false},
		{FnFibLookup, 2, true},
	} {
		if got := HelperByID(c.id).Args[c.arg-1].Needs(); got != c.want {
			t.Errorf("%s, argument %d: %v", HelperName(c.id), c.arg, got)
		}
	}
}
