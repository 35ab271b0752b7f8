package offload

import (
	"context"
	"errors"
	"fmt"
	"io"

	"jitnic/host/loader"
	"jitnic/host/run/explore"
	"jitnic/host/run/observe"
	"jitnic/host/run/replay"
	"jitnic/host/vm"
	"jitnic/nic"
	"jitnic/nic/fit"
	"jitnic/nic/profile"
	"jitnic/nic/workload"
	"jitnic/pathcond/text"
	"jitnic/pcaps"
	"jitnic/trace"
)

// Alone is what can be said of a program without a capture: its paths, as far as
// they are found by changing packets the way conditions say (host/run/explore),
// each counted once, and what of them devices take.
type Alone struct {
	Program  string             `json:"program"`
	Paths    int                `json:"paths"`     // found that can be traces
	NotTrace int                `json:"not_trace"` // ways found that can't be
	Tries    int                `json:"tries"`     // packets tried
	Ended    string             `json:"ended"`     // why the search did
	Longest  int                `json:"longest_trace"`
	Trace    string             `json:"longest_trace_text"`
	Widest   int                `json:"longest_condition"`
	Cond     string             `json:"longest_condition_text"`
	Devices  []Taken            `json:"devices"`
	Workload *workload.Workload `json:"-"`
}

// Taken is what one device takes of a program: a report whose packets are paths,
// one of each.
type Taken struct {
	NIC   string      `json:"nic"`
	Title string      `json:"title"`
	Whole int         `json:"blockers_of_the_whole"` // of the blockers: those that stand in instructions no path found executes
	Fit   *fit.Report `json:"fit"`
}

// All says whether every path found fits, and the device holds them together.
func (t *Taken) All() bool {
	return t.Fit.Offloadable == t.Fit.Packets && len(t.Fit.Blockers) == 0 && t.Fit.Held() == "all"
}

// How far the search goes: enough for programs of hundreds of paths, and under a
// second.
const (
	aloneSeeds = 600
	aloneWant  = 400
	aloneTries = 12_000
)

// wayOut is a way not to be a trace.
type wayOut struct {
	why   trace.Abort
	fault string
}

// Judge explores a program and holds it against devices. in names no captures.
func Judge(ctx context.Context, in replay.Input, how replay.Remedies, nics ...*profile.NIC) (*Alone, error) {
	if err := replay.Whole(how, "where paths are cut is chosen by the packets of a capture: name one"); err != nil {
		return nil, err
	}
	o := explore.Options()
	o.Record, o.Remedies = true, how
	o.VM = vm.Options{CPUs: max(in.Queues, 1), Seed: in.Seed}
	r, obj, entry, err := replay.Runtime(in, o)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	if f := r.Doomed(); f != nil {
		return nil, fmt.Errorf("%w: every run comes to it, so no packet can be run", f)
	}
	seeds, err := frames(ctx)
	if err != nil {
		return nil, err
	}
	a := &Alone{Program: entry.Name}
	obs := observe.New(r, 1)
	seen := map[int32]bool{}
	outs := map[wayOut]bool{}
	_, err = explore.Walk(ctx, r, seeds, aloneWant, aloneTries, in.Seed, func(in *vm.Input, out *vm.Output, res nic.Result) error {
		a.Tries++
		if res.Path >= 0 {
			if !seen[res.Path] {
				seen[res.Path] = true
				a.Paths++
				obs.Packet(in, out, res)
			}
			return nil
		}
		var w wayOut
		if res.Abort != nil {
			w.why = *res.Abort
		}
		if out.Err != nil {
			w.fault = out.Err.Error()
		}
		if !outs[w] {
			outs[w] = true
			a.NotTrace++
			obs.Packet(in, out, res)
		}
		return nil
	})
	if err != nil && !errors.Is(err, context.Canceled) {
		return nil, err
	}
	switch {
	case err != nil:
		a.Ended = "interrupted"
	case a.Paths >= aloneWant:
		a.Ended = fmt.Sprintf("at %d paths", aloneWant)
	case a.Tries >= aloneTries:
		a.Ended = fmt.Sprintf("after %d packets", aloneTries)
	default:
		a.Ended = "no change of a packet led to another path"
	}
	if a.Workload, err = obs.Finish(); err != nil {
		return nil, err
	}
	a.Workload.Capture = "no capture"
	a.judge(obj, entry, nics)
	return a, nil
}

// judge holds the paths, and the program's other instructions, against devices.
func (a *Alone) judge(obj *loader.Object, entry *loader.Program, nics []*profile.NIC) {
	w := a.Workload
	index := func(p *loader.Program) int {
		for i, x := range obj.Programs {
			if x == p {
				return i
			}
		}
		return -1
	}
	for _, n := range nics {
		t := Taken{NIC: n.Name, Title: n.Title, Fit: fit.Check(w, n)}
		on := len(t.Fit.Blockers)
		t.Fit.Merge(fit.Whole([]*loader.Program{entry}, index, w.Maps, n))
		t.Whole = len(t.Fit.Blockers) - on
		a.Devices = append(a.Devices, t)
	}
	if len(a.Devices) == 0 {
		return
	}
	a.Longest, a.Widest = a.Devices[0].Fit.Longest()
	if a.Longest >= 0 {
		name := func(i int) string { return w.Maps[i].Name }
		a.Trace = trace.Format(w.Paths[a.Longest].Trace, name)
		a.Cond = text.Format(w.Compiler, w.Paths[a.Widest].Cond)
	}
}

// frames are what the search begins with: the first of the lab's capture, which
// has of most protocols some.
func frames(ctx context.Context) ([][]byte, error) {
	src, err := pcaps.Open(ctx, pcaps.Options{Paths: []string{"sample:lab"}, Limit: aloneSeeds})
	if err != nil {
		return nil, err
	}
	defer src.Close()
	var out [][]byte
	for {
		var p pcaps.Packet
		if err := src.Next(&p); err == io.EOF {
			return out, nil
		} else if err != nil {
			return nil, err
		}
		if len(p.Data) <= 1514 {
			out = append(out, append([]byte(nil), p.Data...))
		}
	}
}
