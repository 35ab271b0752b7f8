package profile

// A Host is what the slow path costs, parameter by parameter, as `jitnic
// calibrate` measures it or a paper gives it. Times are in picoseconds in the
// fields (a map access is a few ns) and written in ns in a profile file.
type Host struct {
	Name  string `key:"name" doc:"name in reports"`
	Title string `key:"title" doc:"one line: what the machine is"`

	Cores    uint64 `key:"cores" unit:"cores" range:"1..4096" doc:"cores that receive packets"`
	Queue    uint64 `key:"queue" unit:"packets" range:"1..16777216" doc:"receive ring of one core"`
	Driver   uint64 `key:"driver" unit:"ns" doc:"a packet through driver and XDP hook, whatever the program"` // 41.6 ns is XDP_DROP
	Insn     uint64 `key:"insn" unit:"ns" doc:"an instruction of the JIT's code"`
	Byte     uint64 `key:"byte" unit:"ns" doc:"a byte of packet, where length counts"`
	Helper   uint64 `key:"helper" unit:"ns" doc:"a helper call without an entry below"`
	Tail     uint64 `key:"call.tail" unit:"ns" doc:"a tail call"`
	Call     uint64 `key:"call.local" unit:"ns" doc:"a bpf-to-bpf call"`
	Atomic   uint64 `key:"atomic" unit:"ns" doc:"an atomic on a map value"`
	Array    uint64 `key:"map.array" unit:"ns" doc:"a look-up in an array"`
	PerCPU   uint64 `key:"map.percpu" unit:"ns" doc:"a look-up in a per-CPU array"`
	Hash     uint64 `key:"map.hash" unit:"ns" doc:"a look-up in a hash or per-CPU hash"`
	LRU      uint64 `key:"map.lru" unit:"ns" doc:"a look-up in an LRU hash"`
	LPM      uint64 `key:"map.lpm" unit:"ns" doc:"a look-up in a longest-prefix trie"`
	Update   uint64 `key:"map.update" unit:"ns" doc:"an update or delete of a hash"`
	Redir    uint64 `key:"map.redirect" unit:"ns" doc:"bpf_redirect_map and its kind"`
	Tx       uint64 `key:"verdict.tx" unit:"ns" doc:"XDP_TX, beyond driver"`
	Redirect uint64 `key:"verdict.redirect" unit:"ns" doc:"XDP_REDIRECT, beyond driver"`
	Pass     uint64 `key:"verdict.pass" unit:"ns" doc:"XDP_PASS, beyond driver: building an skb and entering the stack"`

	// The compiler's side.
	Compilers    uint64 `key:"compile.workers" unit:"cores" range:"1..4096" doc:"cores that make traces"`
	CompileQueue uint64 `key:"compile.queue" unit:"traces" range:"0..16777216" doc:"paths that may wait for a compiler"`
	CompileBase  uint64 `key:"compile.base" unit:"ns" doc:"a path: record, condition, trace"`
	CompileInsn  uint64 `key:"compile.insn" unit:"ns/insn" doc:"and for each instruction of the path"`
	Optimise     uint64 `key:"compile.optimise" unit:"ns/insn" doc:"and with all layers of the superoptimizer"`
	Unit         uint64 `key:"compile.unit" unit:"ns" default:"1369" doc:"and, with tiers, a unit of tier 1's counted work: an instruction followed"`
	Search       uint64 `key:"compile.search" unit:"ns" default:"155" doc:"and a unit of tier 2's: a proposal tried"`

	// What user space pays (Table 4 of the paper calibrate follows).
	UserArray  uint64 `key:"user.array" unit:"ns" doc:"a look-up in an array from user space"`
	UserHash   uint64 `key:"user.hash" unit:"ns" doc:"a look-up in a hash from user space"`
	UserPerCPU uint64 `key:"user.percpu" unit:"ns" doc:"a look-up in a per-CPU array from user space"`

	From Origins // where each parameter's value comes from, by key
}
