package xdpfilter

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strings"

	"jitnic/host/loader"
	"jitnic/host/maps"
	"jitnic/pcaps/filter"

	cilium "github.com/cilium/ebpf"
	"github.com/cilium/ebpf/btf"
)

// Prefix is what the name of a program begins with that is an expression.
const Prefix = "filter:"

// Options say what becomes of an expression's parameters.
type Options struct {
	Params []string // NAME=VALUE
	// Generic leaves parameters in the program though their values are given:
	// these are what its .data holds then.
	Generic bool
}

// Filter is an expression in all its forms.
type Filter struct {
	Expr    string          // with what was folded in
	Program *filter.Program // matches packets
	Classic []filter.Insn   // classic BPF; see filter.Encode
	Object  *loader.Object  // the XDP program
	Words   []uint32        // of the parameters that stayed, as .data has them
}

// Load is the XDP program of an expression.
func Load(name, expr string, opt Options) (*loader.Object, error) {
	f, err := New(name, expr, opt)
	if err != nil {
		return nil, err
	}
	return f.Object, nil
}

// New compiles an expression; name stands for it in messages.
func New(name, expr string, opt Options) (*Filter, error) {
	if strings.TrimSpace(expr) == "" {
		return nil, errors.New("filter: no expression")
	}
	values, err := filter.ParseValues(opt.Params)
	if err != nil {
		return nil, fmt.Errorf("param %w", err)
	}
	folded, err := values.Fold(expr)
	if err != nil {
		return nil, err
	}
	f := &Filter{Expr: expr}
	if !opt.Generic {
		f.Expr = folded
	}
	if f.Program, err = filter.CompileGeneric(f.Expr, values); err != nil {
		return nil, err
	}
	f.Classic = f.Program.Code()
	for _, c := range f.Classic {
		if (c.Code == filter.ClsST || c.Code == filter.ClsLD|filter.ModeMEM) && c.K >= maxCells {
			return nil, fmt.Errorf("filter %q: it needs more than %d words of scratch memory", expr, maxCells)
		}
	}
	code, err := translate(f.Classic)
	if err != nil {
		return nil, fmt.Errorf("filter %q: %w", expr, err)
	}
	var specs []*maps.Spec
	if len(f.Program.Params) > 0 {
		spec, words, err := data(f.Program.Params, values)
		if err != nil {
			return nil, err
		}
		specs, f.Words = append(specs, spec), words
	}
	if f.Object, err = loader.FromCode(name, code, specs); err != nil {
		return nil, err
	}
	return f, nil
}

// data is where parameters stand that have no value yet: one entry with a
// variable for each, as a compiler lays out globals.
func data(params []filter.Param, values filter.Values) (*maps.Spec, []uint32, error) {
	u32 := &btf.Int{Name: "unsigned int", Size: 4, Encoding: btf.Unsigned}
	sec := &btf.Datasec{Name: ".data", Size: uint32(4 * filter.ParamWords * len(params))}
	var all []uint32
	for i, p := range params {
		var typ btf.Type = u32
		size := uint32(4)
		if p.Kind == filter.Host6 || p.Six {
			typ, size = &btf.Array{Index: u32, Type: u32, Nelems: filter.ParamWords}, 4*filter.ParamWords
		}
		sec.Vars = append(sec.Vars, btf.VarSecinfo{
			Type:   &btf.Var{Name: p.Name, Type: typ, Linkage: btf.GlobalVar},
			Offset: uint32(4 * filter.ParamWords * i), Size: size,
		})
		var w [filter.ParamWords]uint32
		if value, ok := values[p.Name]; ok {
			var err error
			if w, err = p.Words(value); err != nil {
				return nil, nil, err
			}
		}
		all = append(all, w[:]...)
	}
	entry := make([]byte, 0, sec.Size)
	for _, w := range all {
		entry = binary.LittleEndian.AppendUint32(entry, w)
	}
	return &maps.Spec{Name: ".data", Type: cilium.Array, KeySize: 4, ValueSize: sec.Size, Max: 1, Value: sec,
		Contents: []maps.Entry{{Key: make([]byte, 4), Value: entry}}}, all, nil
}
