package trace

import (
	"fmt"
	"reflect"
	"testing"
)

func names(i int) string {
	if i == 0 {
		return "hits"
	}
	return ""
}

func index(name string) (int, bool) { return 0, name == "hits" }

func ExampleFormat() {
	t, err := Parse(`
		r0 = 1
		r1 = map[hits] +0
		lock *(u64 *)(r1 +0) += r0
		exit`, index)
	if err != nil {
		fmt.Println(err)
		return
	}
	t.Raw, t.Straight = 9, 7
	fmt.Print(Format(t, names))
	// Output:
	// # trace: raw 9, straight 7, length 4
	// r0 = 1
	// r1 = map[hits] +0
	// lock *(u64 *)(r1 +0) += r0
	// exit
}

func TestParseTrace(t *testing.T) {
	for text, want := range map[string]string{
		"r0 = 1\n":                                         "trace: does not end in exit",
		"r0 = 1\nexit\nexit\n":                             "trace: insn 1: exit before the end",
		"goto +0\nexit\n":                                  "trace: insn 0: a jump in a trace",
		"r1 = 5\nif r1 == 5 goto +0\nexit":                 "trace: insn 1: a jump in a trace",
		"insn 0x18 0 0 0 0\n":                              "trace: insn 0: half a wide instruction",
		"r0 = \nexit":                                      "trace: line 1: column 6: number of 64 bits expected",
		"# trace: raw 5, straight 4, length 3\nexit":       "trace: line 1: length 3: the code has 1 instructions",
		"# trace: raw x\nexit":                             `trace: line 1: column 9: "raw N, straight N, length N" expected`,
		"# trace: raw 5, straight 4, length 1\nexit":       "",
		"# trace: raw 5, straight 4, length 1, more\nexit": `trace: line 1: column 9: "raw N, straight N, length N" expected`,
	} {
		tr, err := Parse(text, nil)
		got := ""
		if err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
		if err == nil {
			if back, err := Parse(Format(tr, nil), nil); err != nil || !reflect.DeepEqual(back, tr) {
				t.Errorf("%q: %+v, %+v, %v", text, tr, back, err)
			}
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add("# trace: raw 5, straight 4, length 1\nexit")
	f.Add("r1 = map[hits]\ncall map_lookup_elem\nexit")
	f.Fuzz(func(t *testing.T, text string) {
		tr, err := Parse(text, index)
		if err != nil {
			return
		}
		if back, err := Parse(Format(tr, names), index); err != nil || !reflect.DeepEqual(back, tr) {
			t.Fatalf("%q: %v", text, err)
		}
	})
}
