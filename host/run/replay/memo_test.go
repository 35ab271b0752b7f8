package replay

import (
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"jitnic/host/hosttest/must"
	"jitnic/host/programs"
	"jitnic/superopt"
	"jitnic/superopt/memo"

	"github.com/google/go-cmp/cmp"
)

// remembering is a run of a sample whose traces go through both tiers.
func remembering(sample, file string, say func(string)) made {
	return made{in: Input{Program: "sample:" + sample, Captures: []string{"sample:lab"}, Seed: 1, Limit: 80},
		opt: &Optimiser{On: true, Tier2After: 16, Proposals: 50, Memo: file, Say: say}}
}

// TestMemoChangesNothing sets a run without a memo beside those with an empty one,
// a full one, and one that other runs have filled: verdicts, bytes, maps, counters
// and traces are the same.
func TestMemoChangesNothing(t *testing.T) {
	shared := filepath.Join(t.TempDir(), "shared")
	for _, s := range programs.All() {
		t.Run(s.Name, func(t *testing.T) {
			t.Parallel()
			without := remembering(s.Name, "", nil).run(t)
			file := filepath.Join(t.TempDir(), "memo")
			for _, k := range []struct{ name, file, want string }{
				{"empty", file, ": 0 of "},
				{"full", file, ", 0 added to "},
				{"shared", shared, ""},
			} {
				var said []string
				got := remembering(s.Name, k.file, func(line string) { said = append(said, line) }).run(t)
				if k.file == file && (len(said) != 1 || !strings.Contains(said[0], k.want)) {
					t.Errorf("%s: %q, want %q", k.name, said, k.want)
				}
				if d := cmp.Diff(without, got, cmp.AllowUnexported(told{})); d != "" {
					t.Errorf("%s memo:\n%s", k.name, d)
				}
			}
		})
	}
}

// forged writes the entries of a memo to another file, the n-th with another answer.
func forged(t *testing.T, file string, n int, change func(a map[string]any)) string {
	t.Helper()
	from, _, err := memo.Open(file, superopt.Versions())
	must.OK(t, err)
	defer from.Close()
	path := filepath.Join(t.TempDir(), "forged")
	to, _, err := memo.Open(path, superopt.Versions())
	must.OK(t, err)
	defer to.Close()
	i := 0
	if err := from.Each(func(q, a []byte) error {
		if i++; i == n {
			var m map[string]any
			if err := json.Unmarshal(a, &m); err != nil {
				return err
			}
			change(m)
			if a, err = json.Marshal(m); err != nil {
				return err
			}
		}
		to.Put(q, a)
		if i == 8 { // enough of them
			return io.EOF
		}
		return nil
	}); err != nil && !errors.Is(err, io.EOF) {
		t.Fatal(err)
	}
	return path
}

// TestMemoCheck finds what was forged, and nothing else.
func TestMemoCheck(t *testing.T) {
	file := filepath.Join(t.TempDir(), "memo")
	remembering("firewall", file, nil).run(t)
	open := func(file string) (string, error) {
		var said []string
		o := &Optimiser{On: true, Memo: file, MemoCheck: true, Say: func(l string) { said = append(said, l) }}
		err := o.Open(t.Context())
		o.Keep()
		return strings.Join(said, "; "), err
	}
	said, err := open(forged(t, file, 0, nil))
	if err != nil || !strings.Contains(said, "8 entries proved anew, none differs") {
		t.Fatal(said, err)
	}
	for name, c := range map[string]struct {
		change func(a map[string]any)
		want   string
	}{
		"an instruction is gone": {func(a map[string]any) {
			insts := a["Insts"].(string) // base64: 30 bytes of 4 letters are no whole instruction, 88 letters are three
			a["Insts"] = insts[88:]
		}, "forged: it makes"},
		"another verdict": {func(a map[string]any) { a["proved"] = 7 }, "forged: what it says of the proofs"},
		"no code":         {func(a map[string]any) { a["Insts"] = "AAAA" }, "forged: its answer is none"},
	} {
		if _, err := open(forged(t, file, 5, c.change)); err == nil || !strings.Contains(err.Error(), "entry 5: "+c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
	if err := (&Optimiser{On: true, MemoCheck: true}).Open(t.Context()); err == nil {
		t.Error("a check of nothing")
	}
	if err := (&Optimiser{On: true, Memo: file, Rules: filepath.Join(t.TempDir(), "rules")}).Open(t.Context()); err == nil {
		t.Error("a memo beside a store that grows")
	}
	os.Chmod(file, 0o666)
	if _, err := open(file); err == nil || !strings.Contains(err.Error(), "other users can write it") {
		t.Error(err)
	}
}
