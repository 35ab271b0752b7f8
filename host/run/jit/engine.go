package jit

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"jitnic/host/loader"
	"jitnic/host/vm"
	"jitnic/nic"
	"jitnic/nic/exec"
	"jitnic/nic/native"
	"jitnic/pathcond/tree"
)

// Engine is a way to run code; results are the same with all of them, byte for
// byte.
type Engine struct {
	Name string
	Is   string
	make func(s *vm.State, obj *loader.Object, t *tree.Tree, check bool) (*parts, error)
}

// checkedSets is how many sets of numbers machine code of traces is read back on
// where a run is checked.
const checkedSets = 8

// parts are what runs the code of one State.
type parts struct {
	first   nic.Table // of paths, or of their first segments
	program vm.Engine // beside the interpreter; nil: none
	// table is one of the other tables that segments stand in.
	table func(t *tree.Tree) nic.Table
	is    string // the engine of the traces: native, go
	// host has batches go on with packets that miss, as whole programs; nil: they end.
	host  func(it *vm.Interp) bool
	close func()
}

// engines are all of them; the first is the default.
var engines = []Engine{
	{"auto", "native where the machine can, else go", choose(native.Auto)},
	{"native", "machine code for traces, guard tree and programs", choose(native.Native)},
	{"go", "the executors and the interpreter in Go", choose(native.Go)},
}

func choose(c native.Choice) func(*vm.State, *loader.Object, *tree.Tree, bool) (*parts, error) {
	return func(s *vm.State, obj *loader.Object, t *tree.Tree, check bool) (*parts, error) {
		ex := exec.New(s)
		inGo := func(t *tree.Tree) nic.Table { return nic.Table{Match: t, Exec: ex} }
		plain := &parts{first: inGo(t), table: inGo, is: "go", close: func() {}}
		mem, err := c.Memory()
		if mem == nil {
			return plain, err
		}
		program, err := native.NewEngine(s, obj, mem)
		if err != nil {
			mem.Close()
			if c == native.Auto && !errors.Is(err, native.ErrReadBack) {
				err = nil
			}
			return plain, err
		}
		// The places of traces belong to the code of one tree: a machine for each.
		var first *native.Machine
		table := func(t *tree.Tree) nic.Table {
			m := native.NewMachine(s, mem)
			if first == nil {
				first = m
			}
			if check {
				m.ReadBack(checkedSets)
			}
			match := native.NewMatcher(m, t)
			return nic.Table{Match: match, Exec: native.NewTraces(m, match, ex, c)}
		}
		return &parts{first: table(t), program: program, table: table, is: "native",
			host: func(it *vm.Interp) bool { return first.Host(it) }, close: func() { mem.Close() }}, nil
	}
}

// Engines lists the ways to run code, the default first.
func Engines() []Engine { return slices.Clone(engines) }

// engineOf finds an engine by name; "" is the default.
func engineOf(name string) (Engine, error) {
	if name == "" {
		return engines[0], nil
	}
	var names []string
	for _, e := range engines {
		if e.Name == name {
			return e, nil
		}
		names = append(names, e.Name)
	}
	return Engine{}, fmt.Errorf("engine %q: not one of %s", name, strings.Join(names, ", "))
}
