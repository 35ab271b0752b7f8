// Package mapfile reads and writes the contents of maps as JSON: what
// `--maps FILE` puts in before a replay and changes during it, and what
// `--dump-maps FILE` writes after.
//
//	{
//	  "maps": {
//	    "allowed":  [ {"key": "10.0.0.0/8", "value": 1} ],
//	    "flows":    [ {"key": {"saddr": "10.0.0.1", "dport": {"be16": 80}}, "value": {"packets": 3}} ],
//	    "counters": [ {"key": 0, "values": [1, 2]}, {"key": 1, "value": 9} ],
//	    "jumps":    [ {"key": 0, "program": "xdp_ipv4"} ],
//	    "outer":    [ {"key": 7, "map": "blue", "entries": [ {"key": 0, "value": 1} ]} ],
//	    "tx":       [ {"key": 0, "value": 3, "program": "xdp_egress"} ],
//	    "todo":     [ {"value": 5}, {"value": 6} ],
//	    ".data":    [ {"value": {"limit": 100}} ]
//	  },
//	  "updates": [
//	    {"at": 1000,    "map": "flows", "key": "0a000001…", "value": …, "flags": "exist"},
//	    {"at": "1.5s",  "map": "allowed", "key": "10.0.0.0/8", "delete": true}
//	  ]
//	}
//
// # Entries
//
// An entry is a key and what stands there: "value"; of a per-CPU map "value"
// (every CPU gets it) or "values" (one for each CPU); in a program array
// "program"; in a map of maps "map", a map of the object or with "entries" a
// new one made after the outer map's blueprint; in a devmap or cpumap "value"
// (interface index, queue size) and perhaps "program". Queues, stacks and
// bloom filters have values only, in the order they are pushed; a bloom filter
// may be given whole as {"bits": hex}. The key may be left out of an array of
// one entry. {"key": …, "delete": true} takes an entry away. "flags" is "any",
// "noexist" or "exist". Entries are added to what the object file put there; a
// key may stand once.
//
// A file may also be the list of one map's entries, as `bpftool map dump` prints
// it with -j, with -p or by BTF: bytes as ["0x0a","0x00"], values of a per-CPU
// map as [{"cpu":0,"value":…}]; "formatted", the same again, is passed over.
// [Load] takes NAME=FILE for it; an object with one map needs no name.
//
// # Keys and values
//
// Where BTF tells the type, values are written as in C: objects of fields
// (left-out ones are 0; in .data, .bss and .rodata they keep their value, in
// structs and arrays inside them too),
// arrays, numbers, true and false, and names of enumerators. Otherwise, and
// everywhere else too:
//
//	5, -1, "0x1f"          an integer in the machine's byte order, at most 8 bytes
//	"0a000001"             hex digits: bytes as they lie in memory, all of them
//	[10, 0, 0, 1]          bytes; the items may be any of the forms below, one after the other
//	"10.0.0.1" "fd00::1"   an address in 4 or 16 bytes, network order
//	"02:00:00:00:00:01"    a MAC address in 6 bytes
//	"10.0.0.0/8"           the key of an LPM trie
//	{"ip4": …} {"ip6": …} {"mac": …} {"hex": …} {"text": …}
//	{"be16": 80} {"be32": …} {"be64": …}    an integer in network order
//	{"u8": …} {"u16": …} {"u32": …} {"u64": …}  one in the machine's order
//
// In a typed integer plain digits are decimal and not hex.
//
// # When
//
// "at" is a number of packets, the update coming before the packet that many
// others preceded, or a duration since the first packet by the capture's
// clock: "250us", "1.5s". Updates due at once are made in the file's order.
package mapfile
