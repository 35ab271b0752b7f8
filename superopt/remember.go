package superopt

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	cebpf "github.com/cilium/ebpf"

	"jitnic/host/ebpf"
	"jitnic/host/maps"
	"jitnic/superopt/internal/ir"
	"jitnic/superopt/internal/proof"
	"jitnic/superopt/internal/rewrite"
)

// question is all that the outcome of an optimisation follows from, beside the
// versions (Versions) that a memo's file is of. It is compared in full, and read
// again where an answer is to be checked.
type question struct {
	Program   program
	Options   setting
	Condition []byte `json:",omitempty"` // a trace's path condition
	Restore   bool   `json:",omitempty"`
	Steps     bool   `json:",omitempty"` // the rewrites taken are wanted in words
}

// program is an ir.Prog as it is kept.
type program struct {
	Name  string
	Kind  ir.Kind
	Sub   bool `json:",omitempty"`
	Trace bool `json:",omitempty"`
	Goes  bool `json:",omitempty"`
	// Resumes is ir.Prog's.
	Resumes bool `json:",omitempty"`
	Entry   []int32
	Insts   []byte
	Maps    []mapped
}

// mapped is what proofs and the verifier's rules ask of a map.
type mapped struct {
	Name                    string
	Type                    cebpf.MapType
	KeySize, ValueSize, Max uint32
	Flags                   uint32  `json:",omitempty"`
	Extra                   uint64  `json:",omitempty"`
	ReadOnly                bool    `json:",omitempty"`
	Inner                   *mapped `json:",omitempty"`
}

// setting are the options that change an outcome.
type setting struct {
	Cost      string      `json:",omitempty"`
	CostName  string      `json:",omitempty"`
	Table     *ir.Latency `json:",omitempty"`
	Seed      uint64
	Proposals int          `json:",omitempty"`
	Windows   [][2]int     `json:",omitempty"`
	RLimit    uint32       `json:",omitempty"`
	FailLimit int          `json:",omitempty"`
	Accel     *proof.Accel `json:",omitempty"`
	Tier      int          `json:",omitempty"`
	Layers    string       `json:",omitempty"`
}

// answer is what came of it. A hit is charged all that finding it has cost.
type answer struct {
	*rewrite.Result
	Whole verdict `json:"whole_program"`
	Spent int
	Walks int // Stats.Steps
	Found int64
	Entry []int32
	Insts []byte
	Steps []string `json:",omitempty"`
}

// verdict is a rewrite.Whole as it is kept.
type verdict struct {
	Proved  *proof.Proved  `json:",omitempty"`
	Refuted *proof.Refuted `json:",omitempty"`
	Unknown *proof.Unknown `json:",omitempty"`
	Why     string         `json:",omitempty"`
}

// memory is what a work has to do with the memo: the question it puts, and the
// answer it had or will give. A question isn't put where rules are learnt, as then
// the outcome follows from all that was asked before, nor where the cost has no
// name, or rules are a caller's own, or more than the best is wanted.
type memory struct {
	question []byte          // nil: none is put
	known    *rewrite.Result // the answer that was there
	steps    []string        // rewrites taken, in words
	layers   int             // how many were run
	cut      bool            // not to their end
}

// allLayers are the parts before the last one.
const allLayers = 3

// ask looks the program up, where there is a memo.
func (w *Work) ask(p *ir.Prog) error {
	o := w.opt
	if o.Memo == nil || o.Store != nil || o.CostFunc != nil && o.CostName == "" || len(o.Rules) > 0 || o.Top > 1 || w.tamper != nil {
		return nil
	}
	began := time.Now()
	var err error
	if w.question, err = asked(p, o, w.given); err != nil {
		return err
	}
	if a, ok := o.Memo.Get(w.question); ok {
		if r, err := recall(a, p, o); err == nil {
			r.Seconds = time.Since(began).Seconds()
			w.known = r
			return nil
		}
	}
	if o.Log != nil {
		log := *o
		log.Log = func(format string, args ...any) {
			o.Log(format, args...)
			if strings.Contains(format, "accepted") {
				w.steps = append(w.steps, fmt.Sprintf(format, args...))
			}
		}
		w.opt = &log
	}
	return nil
}

// remember keeps the outcome, unless something was cut short or the solver failed.
func (w *Work) remember(r *rewrite.Result) error {
	if w.question == nil || w.cut || w.layers != allLayers || r.Interrupted || r.Faults > 0 {
		return nil
	}
	a, err := keep(r, w.steps)
	if err == nil {
		w.opt.Memo.Put(w.question, a)
	}
	return err
}

// asked writes the question down.
func asked(p *ir.Prog, o *rewrite.Options, g given) ([]byte, error) {
	q := question{Program: kept(p), Restore: g.restore, Steps: o.Log != nil}
	q.Options = setting{o.Cost, o.CostName, o.Table, o.Seed, o.Proposals, o.Windows, o.RLimit, o.FailLimit, o.Accel, o.Tier, o.Layers}
	if g.cond != nil {
		q.Condition = g.cond.Append(nil)
	}
	return json.Marshal(&q)
}

// read is the other way.
func (q *question) read() (*ir.Prog, *rewrite.Options, given, error) {
	x := &q.Options
	o := &rewrite.Options{Cost: x.Cost, CostName: x.CostName, Table: x.Table, Seed: x.Seed, Proposals: x.Proposals, Windows: x.Windows,
		RLimit: x.RLimit, FailLimit: x.FailLimit, Accel: x.Accel, Tier: x.Tier, Layers: x.Layers}
	if q.Steps {
		o.Log = func(string, ...any) {}
	}
	g := given{restore: q.Restore}
	p, err := q.Program.read()
	if err == nil && q.Condition != nil {
		g.cond, err = proof.ReadCondition(q.Condition)
	}
	return p, o, g, err
}

func kept(p *ir.Prog) program {
	k := program{Name: p.Name, Kind: p.Kind, Sub: p.Sub, Trace: p.Trace, Goes: p.Goes, Resumes: p.Resumes, Entry: p.Entry, Insts: packed(p.Insts)}
	for _, m := range p.Maps {
		k.Maps = append(k.Maps, *mappedOf(m))
	}
	return k
}

func mappedOf(m *maps.Spec) *mapped {
	if m == nil {
		return nil
	}
	return &mapped{m.Name, m.Type, m.KeySize, m.ValueSize, m.Max, m.Flags, m.Extra, m.ReadOnly, mappedOf(m.Inner)}
}

func (m *mapped) spec() *maps.Spec {
	if m == nil {
		return nil
	}
	return &maps.Spec{Name: m.Name, Type: m.Type, KeySize: m.KeySize, ValueSize: m.ValueSize, Max: m.Max, Flags: m.Flags, Extra: m.Extra, ReadOnly: m.ReadOnly, Inner: m.Inner.spec()}
}

func (k *program) read() (*ir.Prog, error) {
	insts, err := unpacked(k.Insts)
	if err != nil {
		return nil, err
	}
	p := &ir.Prog{Name: k.Name, Kind: k.Kind, Sub: k.Sub, Trace: k.Trace, Goes: k.Goes, Resumes: k.Resumes, Entry: k.Entry, Insts: insts}
	for i := range k.Maps {
		p.Maps = append(p.Maps, k.Maps[i].spec())
	}
	return p, p.Wellformed()
}

// instBytes is one instruction as it is kept.
const instBytes = 22

func packed(insts []ir.Inst) []byte {
	b := make([]byte, 0, instBytes*len(insts))
	for i := range insts {
		in := &insts[i]
		fixed := byte(0)
		if in.Fixed {
			fixed = 1
		}
		b = append(b, in.Op, in.Dst, in.Src, fixed)
		b = binary.LittleEndian.AppendUint16(b, uint16(in.Off))
		for _, v := range [4]int32{in.Imm, in.Hi, in.To, in.Slot} {
			b = binary.LittleEndian.AppendUint32(b, uint32(v))
		}
	}
	return b
}

func unpacked(b []byte) ([]ir.Inst, error) {
	if len(b)%instBytes != 0 {
		return nil, errors.New("code of half an instruction")
	}
	insts := make([]ir.Inst, 0, len(b)/instBytes)
	for ; len(b) > 0; b = b[instBytes:] {
		n := func(k int) int32 { return int32(binary.LittleEndian.Uint32(b[6+4*k:])) }
		in := ir.Inst{Insn: ebpf.Insn{Op: b[0], Dst: b[1], Src: b[2], Off: int16(binary.LittleEndian.Uint16(b[4:])), Imm: n(0)}, Hi: n(1), To: n(2), Slot: n(3), Fixed: b[3] == 1}
		insts = append(insts, in)
	}
	return insts, nil
}

// keep writes down what came of a question, without the times of this machine.
func keep(r *rewrite.Result, steps []string) ([]byte, error) {
	c := *r
	c.Seconds, c.SecondsBest, c.PerSecond, c.SearchSeconds, c.AskingSeconds = 0, 0, 0, 0, 0
	a := answer{Result: &c, Spent: r.Spent, Walks: r.Stats.Steps, Found: r.Stats.Searched, Entry: r.Prog.Entry, Insts: packed(r.Prog.Insts), Steps: steps}
	a.Whole.Why = r.Whole.Why
	switch v := r.Whole.Verdict.(type) {
	case proof.Proved:
		a.Whole.Proved = &v
	case proof.Refuted:
		a.Whole.Refuted = &v
	case proof.Unknown:
		a.Whole.Unknown = &v
	}
	return json.Marshal(&a)
}

// recall is the other way; p is the program that was asked about.
func recall(b []byte, p *ir.Prog, o *rewrite.Options) (*rewrite.Result, error) {
	a := answer{Result: &rewrite.Result{}}
	if err := json.Unmarshal(b, &a); err != nil {
		return nil, err
	}
	insts, err := unpacked(a.Insts)
	if err != nil {
		return nil, err
	}
	r := a.Result
	r.Name, r.Original, r.Prog = p.Name, p, p.Clone()
	r.Prog.Insts, r.Prog.Entry = insts, a.Entry
	if err := r.Prog.Wellformed(); err != nil {
		return nil, err
	}
	r.Spent, r.Stats.Steps, r.Stats.Searched = a.Spent, a.Walks, a.Found
	r.Whole.Why = a.Whole.Why
	switch w := a.Whole; {
	case w.Proved != nil:
		r.Whole.Verdict = *w.Proved
	case w.Refuted != nil:
		r.Whole.Verdict = *w.Refuted
	case w.Unknown != nil:
		r.Whole.Verdict = *w.Unknown
	}
	if o.Log != nil {
		for _, s := range a.Steps {
			o.Log("%s", s)
		}
	}
	return r, nil
}

// CheckAnswer finds the answer to a question that a memo keeps anew, and says
// what is other than what is kept. o prices code where the question names a cost
// that it has; ok is false where it hasn't.
func CheckAnswer(ctx context.Context, ask, kept []byte, o *rewrite.Options) (ok bool, err error) {
	var q question
	if err := json.Unmarshal(ask, &q); err != nil {
		return true, fmt.Errorf("forged: its question is none: %w", err)
	}
	if q.Options.CostName != "" && q.Options.CostName != o.CostName {
		return false, nil
	}
	p, opt, g, err := q.read()
	if err != nil {
		return true, fmt.Errorf("forged: its question is none: %w", err)
	}
	if opt.CostName != "" {
		opt.CostFunc = o.CostFunc
	}
	var anew catch
	opt.Memo = &anew
	r, err := optimize(ctx, p, opt, g)
	a := anew.answer
	switch {
	case err != nil:
		return true, fmt.Errorf("forged: %w", err)
	case r.Interrupted:
		return true, context.Canceled
	case a == nil:
		return true, errors.New("the solver failed, so it can't be proved")
	case string(a) == string(kept):
		return true, nil
	}
	was, err := recall(kept, p, &rewrite.Options{})
	if err != nil {
		return true, fmt.Errorf("forged: its answer is none: %w", err)
	}
	if x, y := was.Prog.String(), r.Prog.String(); x != y {
		return true, fmt.Errorf("forged: it makes %d slots of %q, and %d are proved", was.After, p.Name, r.After)
	}
	return true, fmt.Errorf("forged: what it says of the proofs of %q is not so", p.Name)
}

// catch is a memo that knows nothing and gives out what it is told.
type catch struct{ answer []byte }

// Get finds nothing.
func (c *catch) Get([]byte) ([]byte, bool) { return nil, false }

// Put keeps the last answer.
func (c *catch) Put(_, answer []byte) { c.answer = answer }
