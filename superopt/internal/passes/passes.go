package passes

import "jitnic/superopt/internal/rewrite"

// pass is one deterministic rewrite. run proposes rewrites until one is
// accepted (true) or it has no more (false).
type pass struct {
	name string
	run  func(o *rewrite.Gate) bool
}

// passTable lists every dataflow pass, in the order they are tried. After any
// success the order begins again.
var passTable = []pass{
	{"dead-branch", passDeadBranch},
	{"jump-thread", passJumpThread},
	{"path-branch", passPathBranch},
	{"dead-code", passDeadCode},
	{"const-prop", passConstProp},
	{"copy-prop", passCopyProp},
	{"value-number", passValueNumber},
	{"coalesce", passCoalesce},
	{"join", passJoin},
	{"store-imm", passStoreImm},
	{"store-merge", passStoreMerge},
	{"copy-merge", passCopyMerge},
	{"store-cover", passStoreCover},
	{"store-widen", passStoreWiden},
	{"narrow", passNarrow},
	{"rules", passRules},
	{"delete", passDelete},
	{"xadd", passXadd},
	{"swap-compare", passSwapCompare},
	{"branch-shape", passBranchShape},
	{"tail-merge", passTailMerge},
}

// passOrder says which pass must come before which, and why; a test checks it
// against the table.
var passOrder = []struct{ before, after, why string }{
	{"dead-branch", "dead-code", "code behind a branch that is never taken is dead"},
	{"const-prop", "store-imm", "a store needs its register known"},
	{"const-prop", "store-merge", "constants merge without a register"},
	{"coalesce", "join", "a copy with one definition needs no look at the others"},
	{"value-number", "copy-merge", "bytes put together become one load first"},
	{"store-imm", "store-merge", "immediates merge, registers do not"},
	{"store-merge", "store-cover", "halves side by side need no byte that somebody else writes"},
	{"copy-merge", "delete", "whole copies are cheaper found than searched"},
	{"delete", "xadd", "an atomic costs more than what a deletion leaves"},
}

// Run runs the table to a fixed point.
func Run(o *rewrite.Gate) {
	for {
		done := true
		for _, p := range passTable {
			layer := byte('p')
			if p.name == "rules" {
				layer = 'r'
			}
			if !o.Options.Runs(layer) {
				continue
			}
			o.From = 0
			for o.Ctx.Err() == nil && p.run(o) {
				done = false
			}
		}
		if o.Ctx.Err() != nil || done && !o.Known.Stale {
			return
		}
		if done { // in loops more may be so than is known
			o.Analyse()
		}
	}
}
