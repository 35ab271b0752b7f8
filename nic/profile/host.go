package profile

// A Host is what the slow path costs, parameter by parameter, as `jitnic
// calibrate` measures it or a paper gives it. Times are in picoseconds in the
// fields (a map access is a few ns) and written in ns in a profile file.
type Host struct {
	Name  string `key:"name"`
	Title string `key:"title"`

	Cores    uint64 `key:"cores" unit:"cores"`
	Queue    uint64 `key:"queue" unit:"packets"`   // receive ring of one core
	Driver   uint64 `key:"driver" unit:"ns"`       // a packet through driver and XDP hook, whatever the program: 41.6 ns is XDP_DROP
	Insn     uint64 `key:"insn" unit:"ns"`         // an instruction of the JIT's code
	Byte     uint64 `key:"byte" unit:"ns"`         // a byte of packet, where length counts
	Helper   uint64 `key:"helper" unit:"ns"`       // a helper call without an entry below
	Tail     uint64 `key:"call.tail" unit:"ns"`    // a tail call
	Call     uint64 `key:"call.local" unit:"ns"`   // a bpf-to-bpf call
	Atomic   uint64 `key:"atomic" unit:"ns"`       // an atomic on a map value
	Array    uint64 `key:"map.array" unit:"ns"`    // look-ups by type of map
	PerCPU   uint64 `key:"map.percpu" unit:"ns"`   // per-CPU array
	Hash     uint64 `key:"map.hash" unit:"ns"`     // also per-CPU hash
	LRU      uint64 `key:"map.lru" unit:"ns"`      // LRU hash
	LPM      uint64 `key:"map.lpm" unit:"ns"`      // longest-prefix trie
	Update   uint64 `key:"map.update" unit:"ns"`   // an update or delete of a hash
	Redir    uint64 `key:"map.redirect" unit:"ns"` // bpf_redirect_map and its kind
	Tx       uint64 `key:"verdict.tx" unit:"ns"`   // beyond driver: XDP_TX
	Redirect uint64 `key:"verdict.redirect" unit:"ns"`
	Pass     uint64 `key:"verdict.pass" unit:"ns"` // beyond driver: building an skb and entering the stack

	// The compiler's side.
	Compilers    uint64 `key:"compile.workers" unit:"cores"` // cores that make traces
	CompileQueue uint64 `key:"compile.queue" unit:"traces"`
	CompileBase  uint64 `key:"compile.base" unit:"ns"`          // record, condition, trace
	CompileInsn  uint64 `key:"compile.insn" unit:"ns/insn"`     // for each instruction of the path
	Optimise     uint64 `key:"compile.optimise" unit:"ns/insn"` // and with the superoptimizer

	// What user space pays (Table 4 of the paper calibrate follows).
	UserArray  uint64 `key:"user.array" unit:"ns"`
	UserHash   uint64 `key:"user.hash" unit:"ns"`
	UserPerCPU uint64 `key:"user.percpu" unit:"ns"`
}
