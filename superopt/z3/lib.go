package z3

import (
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"sync"

	"github.com/ebitengine/purego"
)

// The C functions, bound by Open by the names in their tags. Handles are C pointers kept as uintptr: they
// point into libz3's heap, which Go's collector never looks at.
var c struct {
	GlobalParamSet   func(id, value string)                                      `z3:"global_param_set"`
	GetFullVersion   func() string                                               `z3:"get_full_version"`
	MkConfig         func() uintptr                                              `z3:"mk_config"`
	DelConfig        func(cfg uintptr)                                           `z3:"del_config"`
	SetParamValue    func(cfg uintptr, id, value string)                         `z3:"set_param_value"`
	MkContext        func(cfg uintptr) uintptr                                   `z3:"mk_context"`
	DelContext       func(ctx uintptr)                                           `z3:"del_context"`
	SetErrorHandler  func(ctx, h uintptr)                                        `z3:"set_error_handler"`
	GetErrorCode     func(ctx uintptr) uint32                                    `z3:"get_error_code"`
	GetErrorMsg      func(ctx uintptr, code uint32) string                       `z3:"get_error_msg"`
	Interrupt        func(ctx uintptr)                                           `z3:"interrupt"`
	MkStringSymbol   func(ctx uintptr, s string) uintptr                         `z3:"mk_string_symbol"`
	MkBVSort         func(ctx uintptr, n uint32) uintptr                         `z3:"mk_bv_sort"`
	MkBoolSort       func(ctx uintptr) uintptr                                   `z3:"mk_bool_sort"`
	MkArraySort      func(ctx, dom, rng uintptr) uintptr                         `z3:"mk_array_sort"`
	MkConst          func(ctx, sym, sort uintptr) uintptr                        `z3:"mk_const"`
	MkUnsignedInt64  func(ctx uintptr, v uint64, sort uintptr) uintptr           `z3:"mk_unsigned_int64"`
	MkEq             func(ctx, a, b uintptr) uintptr                             `z3:"mk_eq"`
	MkNot            func(ctx, a uintptr) uintptr                                `z3:"mk_not"`
	MkIte            func(ctx, i, t, e uintptr) uintptr                          `z3:"mk_ite"`
	MkAnd            func(ctx uintptr, n uint32, args *uintptr) uintptr          `z3:"mk_and"`
	MkOr             func(ctx uintptr, n uint32, args *uintptr) uintptr          `z3:"mk_or"`
	MkSelect         func(ctx, a, i uintptr) uintptr                             `z3:"mk_select"`
	MkStore          func(ctx, a, i, v uintptr) uintptr                          `z3:"mk_store"`
	MkExtract        func(ctx uintptr, hi, lo uint32, a uintptr) uintptr         `z3:"mk_extract"`
	MkZeroExt        func(ctx uintptr, n uint32, a uintptr) uintptr              `z3:"mk_zero_ext"`
	MkSignExt        func(ctx uintptr, n uint32, a uintptr) uintptr              `z3:"mk_sign_ext"`
	MkParams         func(ctx uintptr) uintptr                                   `z3:"mk_params"`
	ParamsIncRef     func(ctx, p uintptr)                                        `z3:"params_inc_ref"`
	ParamsDecRef     func(ctx, p uintptr)                                        `z3:"params_dec_ref"`
	ParamsSetUint    func(ctx, p, k uintptr, v uint32)                           `z3:"params_set_uint"`
	ParamsSetBool    func(ctx, p, k uintptr, v bool)                             `z3:"params_set_bool"`
	MkSolver         func(ctx uintptr) uintptr                                   `z3:"mk_solver"`
	MkSimpleSolver   func(ctx uintptr) uintptr                                   `z3:"mk_simple_solver"`
	MkSolverForLogic func(ctx, logic uintptr) uintptr                            `z3:"mk_solver_for_logic"`
	SolverIncRef     func(ctx, s uintptr)                                        `z3:"solver_inc_ref"`
	SolverDecRef     func(ctx, s uintptr)                                        `z3:"solver_dec_ref"`
	SolverSetParams  func(ctx, s, p uintptr)                                     `z3:"solver_set_params"`
	SolverPush       func(ctx, s uintptr)                                        `z3:"solver_push"`
	SolverPop        func(ctx, s uintptr, n uint32)                              `z3:"solver_pop"`
	SolverReset      func(ctx, s uintptr)                                        `z3:"solver_reset"`
	SolverAssert     func(ctx, s, a uintptr)                                     `z3:"solver_assert"`
	SolverFromString func(ctx, s uintptr, text string)                           `z3:"solver_from_string"`
	SolverCheck      func(ctx, s uintptr) int32                                  `z3:"solver_check"`
	SolverGetModel   func(ctx, s uintptr) uintptr                                `z3:"solver_get_model"`
	SolverReason     func(ctx, s uintptr) string                                 `z3:"solver_get_reason_unknown"`
	ModelIncRef      func(ctx, m uintptr)                                        `z3:"model_inc_ref"`
	ModelDecRef      func(ctx, m uintptr)                                        `z3:"model_dec_ref"`
	ModelEval        func(ctx, m, t uintptr, completion bool, out *uintptr) bool `z3:"model_eval"`
	ModelToString    func(ctx, m uintptr) string                                 `z3:"model_to_string"`
	GetNumeralUint64 func(ctx, a uintptr, out *uint64) bool                      `z3:"get_numeral_uint64"`
	AstToString      func(ctx, a uintptr) string                                 `z3:"ast_to_string"`
	bin              map[string]func(ctx, a, b uintptr) uintptr
	un               map[string]func(ctx, a uintptr) uintptr
	EvalSMTLIB2      func(ctx uintptr, s string) string `z3:"eval_smtlib2_string"`
}

// sonames are tried in turn: Debian's run-time name first, then the name that
// comes with the headers.
var sonames = []string{"libz3.so.4", "libz3.so"}

var open struct {
	once sync.Once
	err  error
}

// DefaultMemory is how many megabytes the library takes at most (assumed): proofs within
// their budgets take a tenth of it, and a question that wants more is better
// left than the machine's memory taken.
const DefaultMemory = 2048

// Open loads libz3, once; later calls give the first one's answer. Versions
// before 4.8.12 are refused.
func Open() error {
	open.once.Do(func() {
		open.err = load(sonames)
		memory.Lock()
		defer memory.Unlock()
		if memory.loaded = open.err == nil; memory.loaded {
			limit(memory.megabytes)
		}
	})
	return open.err
}

// memory is what the library may take.
var memory = struct {
	sync.Mutex
	loaded    bool
	megabytes int
}{megabytes: DefaultMemory}

func limit(megabytes int) { c.GlobalParamSet("memory_max_size", strconv.Itoa(megabytes)) }

// Version names the library that is loaded, "no z3" where there is none.
func Version() string {
	if Open() != nil {
		return "no z3"
	}
	return "z3 " + strings.TrimPrefix(c.GetFullVersion(), "Z3 ")
}

// LimitMemory has the library give up, with an error, a question for which it
// would take more than so many megabytes; 0 is no limit. It is one of the
// whole process.
func LimitMemory(megabytes int) {
	memory.Lock()
	defer memory.Unlock()
	if memory.megabytes = megabytes; memory.loaded {
		limit(megabytes)
	}
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
	for v, i := reflect.ValueOf(&c).Elem(), 0; i < v.NumField(); i++ {
		if name := v.Type().Field(i).Tag.Get("z3"); name != "" {
			reg(v.Field(i).Addr().Interface(), name)
		}
	}
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
	return checkVersion(c.GetFullVersion())
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
