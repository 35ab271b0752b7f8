package observe

import (
	"testing"

	"jitnic/host/vm"
)

// frame is an IPv4 UDP frame with these bytes at these places.
func frame(size int, at ...int) []byte {
	b := make([]byte, size)
	b[12], b[13], b[14], b[23] = 8, 0, 0x45, 17
	b[16], b[17] = byte((size-14)>>8), byte(size-14)
	b[38], b[39] = byte((size-34)>>8), byte(size-34)
	for i := 0; i+1 < len(at); i += 2 {
		b[at[i]] = byte(at[i+1])
	}
	return b
}

// Bytes that follow from others are no outcome of their own, the others are;
// where a header comes in front, the rest has only moved.
func TestPacketEffects(t *testing.T) {
	of := func(before, after []byte) string {
		var e effects
		e.packet(before, after)
		return string(e.buf)
	}
	plain := frame(60)
	for name, c := range map[string]struct {
		a, b [2][]byte
		same bool
	}{
		"nothing":                     {[2][]byte{plain, plain}, [2][]byte{frame(80), frame(80)}, true},
		"the same address":            {[2][]byte{plain, frame(60, 30, 9)}, [2][]byte{frame(90), frame(90, 30, 9)}, true},
		"another address":             {[2][]byte{plain, frame(60, 30, 9)}, [2][]byte{plain, frame(60, 30, 8)}, false},
		"only one of them":            {[2][]byte{plain, frame(60, 30, 9)}, [2][]byte{plain, plain}, false},
		"checksums":                   {[2][]byte{plain, frame(60, 30, 9, 24, 1, 25, 2, 40, 3)}, [2][]byte{plain, frame(60, 30, 9, 24, 4, 40, 7, 41, 8)}, true},
		"a header in front":           {[2][]byte{plain, append(make([]byte, 20), plain...)}, [2][]byte{frame(70, 50, 3), append(make([]byte, 20), frame(70, 50, 3)...)}, true},
		"another header in front":     {[2][]byte{plain, append(make([]byte, 20), plain...)}, [2][]byte{plain, append(make([]byte, 16), plain...)}, false},
		"cut at the end, and further": {[2][]byte{frame(100), frame(100)[:90]}, [2][]byte{frame(100), frame(100)[:80]}, false},
	} {
		if got := of(c.a[0], c.a[1]) == of(c.b[0], c.b[1]); got != c.same {
			t.Errorf("%s: the same is %v", name, got)
		}
	}
}

// What is added to a word counts, not the word; the packet's length and time
// count as such.
func TestWordEffects(t *testing.T) {
	of := func(size int, time, was, is uint64) string {
		var e effects
		e.loaded, e.clocks = []word{{0x1000, was}}, []uint64{time}
		e.value(&vm.Input{Data: make([]byte, size)}, 0x1000, is)
		return string(e.buf)
	}
	for name, c := range map[string]struct {
		a, b string
		same bool
	}{
		"one more":              {of(60, 5, 10, 11), of(90, 6, 20, 21), true},
		"two more":              {of(60, 5, 10, 11), of(60, 5, 10, 12), false},
		"as many as bytes":      {of(60, 5, 10, 70), of(90, 6, 20, 110), true},
		"the time":              {of(60, 5_000_000, 0, 5_000_000), of(90, 6_000_000, 0, 6_000_000), true},
		"the time or something": {of(60, 5_000_000, 0, 5_000_000), of(60, 6_000_000, 0, 5_000_000), false},
	} {
		if (c.a == c.b) != c.same {
			t.Errorf("%s: the same is %v", name, !c.same)
		}
	}
}
