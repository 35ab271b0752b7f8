package superopt

import (
	"bytes"
	"crypto/sha256"
	"debug/elf"
	"fmt"
	"io"
	"os"
	"sync"

	"jitnic/host/ebpf"
	"jitnic/pathcond/bv"
	"jitnic/superopt/internal/rules"
	"jitnic/superopt/z3"
)

// Versions names, in a line, all that answers of the optimiser follow from beside
// the questions: the solver, the tables that proofs and rewrites rest on, and the
// code itself.
var Versions = sync.OnceValue(func() string {
	return fmt.Sprintf("%s, helpers %s, simplifier %s, rules %s, code %s", z3.Version(),
		hashOf(func(w io.Writer) {
			for _, rows := range [2][]ebpf.Helper{ebpf.Helpers(), ebpf.Kfuncs()} {
				for i := range rows {
					fmt.Fprintf(w, "%+v\n", rows[i])
				}
			}
		}),
		hashOf(func(w io.Writer) {
			for _, r := range bv.Rules() {
				fmt.Fprintln(w, r.Name, r.Ops, r.On, r.With, r.Sizes, r.Vars, r.From, r.When, r.To)
			}
		}),
		hashOf(func(w io.Writer) {
			for _, r := range rules.Builtin() {
				fmt.Fprintln(w, r.Line)
			}
		}),
		hashOf(build))
})

// hashOf is a short name of what is written.
func hashOf(write func(w io.Writer)) string {
	h := sha256.New()
	write(h)
	return fmt.Sprintf("%x", h.Sum(nil)[:6])
}

// build writes what tells this program's code from any other's: the linker's build
// ID, or all of its file.
func build(w io.Writer) {
	path, err := os.Executable()
	if err != nil {
		return
	}
	f, err := os.Open(path)
	if err != nil {
		return
	}
	defer f.Close()
	if x, err := elf.NewFile(f); err == nil {
		if s := x.Section(".note.go.buildid"); s != nil {
			if id, err := s.Data(); err == nil && len(bytes.TrimRight(id, "\x00")) > 16 {
				w.Write(id)
				return
			}
		}
	}
	io.Copy(w, f)
}
