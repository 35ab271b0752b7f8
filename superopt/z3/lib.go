package z3

import (
	"fmt"
	"strconv"
	"strings"
	"sync"

	"github.com/ebitengine/purego"
)

// The C functions, bound by Open. Handles are C pointers kept as uintptr: they
// point into libz3's heap, which Go's collector never looks at.
var c struct {
	globalParamSet     func(id, value string)
	getFullVersion     func() string
	mkConfig           func() uintptr
	delConfig          func(cfg uintptr)
	setParamValue      func(cfg uintptr, id, value string)
	mkContext          func(cfg uintptr) uintptr
	delContext         func(ctx uintptr)
	setErrorHandler    func(ctx, h uintptr)
	getErrorCode       func(ctx uintptr) uint32
	getErrorMsg        func(ctx uintptr, code uint32) string
	interrupt          func(ctx uintptr)
	mkStringSymbol     func(ctx uintptr, s string) uintptr
	mkBVSort           func(ctx uintptr, n uint32) uintptr
	mkBoolSort         func(ctx uintptr) uintptr
	mkArraySort        func(ctx, dom, rng uintptr) uintptr
	mkConst            func(ctx, sym, sort uintptr) uintptr
	mkUnsignedInt64    func(ctx uintptr, v uint64, sort uintptr) uintptr
	mkEq               func(ctx, a, b uintptr) uintptr
	mkNot              func(ctx, a uintptr) uintptr
	mkIte              func(ctx, i, t, e uintptr) uintptr
	mkAnd              func(ctx uintptr, n uint32, args *uintptr) uintptr
	mkOr               func(ctx uintptr, n uint32, args *uintptr) uintptr
	mkSelect           func(ctx, a, i uintptr) uintptr
	mkStore            func(ctx, a, i, v uintptr) uintptr
	mkExtract          func(ctx uintptr, hi, lo uint32, a uintptr) uintptr
	mkZeroExt          func(ctx uintptr, n uint32, a uintptr) uintptr
	mkSignExt          func(ctx uintptr, n uint32, a uintptr) uintptr
	mkParams           func(ctx uintptr) uintptr
	paramsIncRef       func(ctx, p uintptr)
	paramsDecRef       func(ctx, p uintptr)
	paramsSetUint      func(ctx, p, k uintptr, v uint32)
	paramsSetBool      func(ctx, p, k uintptr, v bool)
	mkSolver           func(ctx uintptr) uintptr
	mkSimpleSolver     func(ctx uintptr) uintptr
	mkSolverForLogic   func(ctx, logic uintptr) uintptr
	solverIncRef       func(ctx, s uintptr)
	solverDecRef       func(ctx, s uintptr)
	solverSetParams    func(ctx, s, p uintptr)
	solverPush         func(ctx, s uintptr)
	solverPop          func(ctx, s uintptr, n uint32)
	solverReset        func(ctx, s uintptr)
	solverAssert       func(ctx, s, a uintptr)
	solverFromString   func(ctx, s uintptr, text string)
	solverCheck        func(ctx, s uintptr) int32
	solverGetModel     func(ctx, s uintptr) uintptr
	solverReason       func(ctx, s uintptr) string
	modelIncRef        func(ctx, m uintptr)
	modelDecRef        func(ctx, m uintptr)
	modelEval          func(ctx, m, t uintptr, completion bool, out *uintptr) bool
	modelToString      func(ctx, m uintptr) string
	getNumeralUint64   func(ctx, a uintptr, out *uint64) bool
	astToString        func(ctx, a uintptr) string
	bin                map[string]func(ctx, a, b uintptr) uintptr
	un                 map[string]func(ctx, a uintptr) uintptr
	evalSMTLIB2        func(ctx uintptr, s string) string
	getEstimatedAllocs func() uint64
}

// sonames are tried in turn: Debian's run-time name first, then the name that
// comes with the headers.
var sonames = []string{"libz3.so.4", "libz3.so"}

var open struct {
	once sync.Once
	err  error
}

// Open loads libz3, once; later calls give the first one's answer. Versions
// before 4.8.12 are refused.
func Open() error {
	open.once.Do(func() { open.err = load(sonames) })
	return open.err
}

// Version names the library that is loaded, "no z3" where there is none.
func Version() string {
	if Open() != nil {
		return "no z3"
	}
	return "z3 " + strings.TrimPrefix(c.getFullVersion(), "Z3 ")
}

// LimitMemory has the library give up, with an error, a question for which it
// would take more than so many megabytes; 0 is no limit. It is one of the
// whole process.
func LimitMemory(megabytes int) error {
	if err := Open(); err != nil {
		return err
	}
	c.globalParamSet("memory_max_size", strconv.Itoa(megabytes))
	return nil
}

// loadError is one line in Error; what the linker said stands behind %+v.
type loadError struct{ tried []string }

func (e *loadError) Error() string {
	return "libz3: not found: install the Debian package libz3-4 (version 4.8.12 or later)"
}

func (e *loadError) Format(f fmt.State, verb rune) {
	fmt.Fprint(f, e.Error())
	if verb == 'v' && f.Flag('+') {
		for _, t := range e.tried {
			fmt.Fprintf(f, "\n\t%s", t)
		}
	}
}

func load(names []string) (err error) {
	var lib uintptr
	var tried []string
	for _, n := range names {
		lib, err = purego.Dlopen(n, purego.RTLD_NOW|purego.RTLD_LOCAL)
		if err == nil {
			break
		}
		tried = append(tried, err.Error())
	}
	if lib == 0 {
		return &loadError{tried}
	}
	// RegisterLibFunc panics where a symbol is missing: a library that is not
	// libz3, or much too old.
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("libz3: %v: version 4.8.12 or later is needed (Debian: libz3-4)", r)
		}
	}()
	reg := func(f any, name string) { purego.RegisterLibFunc(f, lib, "Z3_"+name) }
	reg(&c.globalParamSet, "global_param_set")
	reg(&c.getFullVersion, "get_full_version")
	reg(&c.mkConfig, "mk_config")
	reg(&c.delConfig, "del_config")
	reg(&c.setParamValue, "set_param_value")
	reg(&c.mkContext, "mk_context")
	reg(&c.delContext, "del_context")
	reg(&c.setErrorHandler, "set_error_handler")
	reg(&c.getErrorCode, "get_error_code")
	reg(&c.getErrorMsg, "get_error_msg")
	reg(&c.interrupt, "interrupt")
	reg(&c.mkStringSymbol, "mk_string_symbol")
	reg(&c.mkBVSort, "mk_bv_sort")
	reg(&c.mkBoolSort, "mk_bool_sort")
	reg(&c.mkArraySort, "mk_array_sort")
	reg(&c.mkConst, "mk_const")
	reg(&c.mkUnsignedInt64, "mk_unsigned_int64")
	reg(&c.mkEq, "mk_eq")
	reg(&c.mkNot, "mk_not")
	reg(&c.mkIte, "mk_ite")
	reg(&c.mkAnd, "mk_and")
	reg(&c.mkOr, "mk_or")
	reg(&c.mkSelect, "mk_select")
	reg(&c.mkStore, "mk_store")
	reg(&c.mkExtract, "mk_extract")
	reg(&c.mkZeroExt, "mk_zero_ext")
	reg(&c.mkSignExt, "mk_sign_ext")
	reg(&c.mkParams, "mk_params")
	reg(&c.paramsIncRef, "params_inc_ref")
	reg(&c.paramsDecRef, "params_dec_ref")
	reg(&c.paramsSetUint, "params_set_uint")
	reg(&c.paramsSetBool, "params_set_bool")
	reg(&c.mkSolver, "mk_solver")
	reg(&c.mkSimpleSolver, "mk_simple_solver")
	reg(&c.mkSolverForLogic, "mk_solver_for_logic")
	reg(&c.solverIncRef, "solver_inc_ref")
	reg(&c.solverDecRef, "solver_dec_ref")
	reg(&c.solverSetParams, "solver_set_params")
	reg(&c.solverPush, "solver_push")
	reg(&c.solverPop, "solver_pop")
	reg(&c.solverReset, "solver_reset")
	reg(&c.solverAssert, "solver_assert")
	reg(&c.solverFromString, "solver_from_string")
	reg(&c.solverCheck, "solver_check")
	reg(&c.solverGetModel, "solver_get_model")
	reg(&c.solverReason, "solver_get_reason_unknown")
	reg(&c.modelIncRef, "model_inc_ref")
	reg(&c.modelDecRef, "model_dec_ref")
	reg(&c.modelEval, "model_eval")
	reg(&c.modelToString, "model_to_string")
	reg(&c.getNumeralUint64, "get_numeral_uint64")
	reg(&c.astToString, "ast_to_string")
	reg(&c.evalSMTLIB2, "eval_smtlib2_string")
	reg(&c.getEstimatedAllocs, "get_estimated_alloc_size")
	c.bin = map[string]func(ctx, a, b uintptr) uintptr{}
	for _, n := range []string{"bvadd", "bvsub", "bvmul", "bvudiv", "bvurem", "bvsdiv", "bvsrem", "bvand", "bvor",
		"bvxor", "bvshl", "bvlshr", "bvashr", "bvult", "bvule", "bvslt", "bvsle", "concat"} {
		var f func(ctx, a, b uintptr) uintptr
		reg(&f, "mk_"+n)
		c.bin[n] = f
	}
	c.un = map[string]func(ctx, a uintptr) uintptr{}
	for _, n := range []string{"bvnot", "bvneg"} {
		var f func(ctx, a uintptr) uintptr
		reg(&f, "mk_"+n)
		c.un[n] = f
	}
	return checkVersion(c.getFullVersion())
}

// checkVersion refuses libraries older than what the binding was tried with.
func checkVersion(full string) error {
	f := strings.Fields(full) // "Z3 4.8.12.0"
	v := full
	if len(f) > 1 {
		v = f[1]
	}
	var n [3]int
	for i, p := range strings.SplitN(v, ".", 4) {
		if i < 3 {
			n[i], _ = strconv.Atoi(p)
		}
	}
	if n[0] < 4 || n[0] == 4 && (n[1] < 8 || n[1] == 8 && n[2] < 12) {
		return fmt.Errorf("libz3: version %s: 4.8.12 or later is needed (Debian: libz3-4)", v)
	}
	return nil
}
