package superopt

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// room is one package of the optimiser.
type room struct {
	name  string
	knows []string
	why   string
}

// rooms lists the optimiser's rooms from the ground up, each with those it may
// know beside the repository's lower rooms.
var rooms = []room{
	{"z3", nil, "the solver's binding knows no eBPF"},
	{"internal/sample", nil, "numbers only"},
	{"internal/ir", nil, "a program is a list: nothing is known of it"},
	{"internal/dataflow", []string{"internal/ir"}, "what is known is no proof and asks no solver"},
	{"internal/proof", []string{"z3", "internal/sample", "internal/ir", "internal/dataflow"}, "a proof knows nothing of who asks"},
	{"internal/rules", []string{"internal/sample", "internal/ir", "internal/dataflow", "internal/proof"}, "a rule is data: it is not known where it fires"},
	{"internal/rewrite", []string{"internal/ir", "internal/dataflow", "internal/proof", "internal/rules"}, "the gate doesn't know who proposes"},
	{"internal/passes", []string{"internal/ir", "internal/dataflow", "internal/proof", "internal/rules", "internal/rewrite"}, "passes don't search"},
	{"internal/straight", []string{"internal/ir", "internal/dataflow", "internal/proof", "internal/rules", "internal/rewrite"}, "the walks take no pass's word"},
	{"internal/search", []string{"internal/sample", "internal/ir", "internal/dataflow", "internal/proof", "internal/rules", "internal/rewrite", "internal/passes"}, "the search is the last layer"},
	{"internal/superopttest", []string{"z3", "internal/sample", "internal/ir"}, "tests of every room use it"},
	{"internal/rewrite/rewritetest", []string{"internal/ir", "internal/rewrite"}, "tests of passes and search use it"},
}

// TestRooms holds the order of the rooms: an import that isn't listed is one
// that goes up, or sideways.
func TestRooms(t *testing.T) {
	const root = "jitnic/superopt/"
	out, err := exec.Command("go", "list", "-json=ImportPath,Imports", root+"z3", root+"internal/...").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	seen := 0
	for dec := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p struct {
			ImportPath string
			Imports    []string
		}
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		seen++
		name := strings.TrimPrefix(p.ImportPath, root)
		i := slices.IndexFunc(rooms, func(r room) bool { return r.name == name })
		if i < 0 {
			t.Errorf("%s: not in the list of rooms", name)
			continue
		}
		for _, im := range p.Imports {
			if to, ok := strings.CutPrefix(im, root); ok && !slices.Contains(rooms[i].knows, to) {
				t.Errorf("%s imports %s: %s", name, to, rooms[i].why)
			}
		}
	}
	if seen != len(rooms) {
		t.Errorf("%d packages, %d rooms listed", seen, len(rooms))
	}
}
