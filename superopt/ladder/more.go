package ladder

import "jitnic/superopt"

const (
	flat = "{ pgm_input_type = 1, }\n"
	xdp  = "{ pgm_input_type = 2, }\n"
	key4 = "m { type = 2, key_size = 4, value_size = 16, max_entries = 4, fd = 0 }\n"
)

// more rungs stand behind the optimiser's own.
var more = []superopt.Step{
	{Name: "20-redundant-stack-store", Want: 9, Maps: key4, Code: `MOV64XC 1 0
STXW 10 -4 1
STXW 10 -8 1
LDMAPID 1 0
MOV64XY 2 10
ADD64XC 2 -4
CALL 1
JEQXC 0 0 1
MOV64XC 0 1
EXIT
`},
	{Name: "21-clear-struct", Want: 10, Maps: "m { type = 1, key_size = 16, value_size = 4, max_entries = 4, fd = 0 }\n", Code: `MOV64XC 1 0
STXW 10 -4 1
STXW 10 -8 1
STXW 10 -12 1
STXW 10 -16 1
LDMAPID 1 0
MOV64XY 2 10
ADD64XC 2 -16
CALL 1
JEQXC 0 0 1
MOV64XC 0 1
EXIT
`},
	{Name: "22-two-counters", Want: 13, Maps: key4, Desc: flat, Code: `LDXW 6 1 0
STDW 10 -8 0
MOV64XY 2 10
ADD64XC 2 -4
LDMAPID 1 0
CALL 1
JEQXC 0 0 6
LDXDW 1 0 0
ADD64XC 1 1
STXDW 0 0 1
LDXDW 1 0 8
ADD64XY 1 6
STXDW 0 8 1
MOV64XC 0 0
EXIT
`},
	{Name: "23-branch-known", Want: 2, Desc: flat, Code: `LDXB 2 1 0
AND64XC 2 7
JGTXC 2 8 2
MOV64XC 0 1
EXIT
MOV64XC 0 2
EXIT
`},
	{Name: "24-same-tails", Want: 3, Desc: flat, Code: `LDXW 2 1 0
JEQXC 2 1 3
LDXW 0 1 4
ADD64XC 0 3
EXIT
LDXW 0 1 4
ADD64XC 0 3
EXIT
`},
	{Name: "25-ttl", Want: 11, Desc: xdp, Code: `LDXW 2 1 4
LDXW 1 1 0
MOV64XC 0 1
MOV64XY 3 1
ADD64XC 3 34
JGTXY 3 2 6
LDXB 3 1 22
ADD64XC 3 -1
AND64XC 3 255
STXB 1 22 3
MOV64XC 0 1
MOV64XC 0 3
EXIT
`},
	{Name: "26-shift-after-join", Want: 5, Desc: flat, Code: `LDXW 1 1 0
MOV64XC 4 1
JGTXC 1 65535 1
MOV64XC 4 0
LSH64XC 4 4
MOV64XY 0 4
EXIT
`},
	{Name: "27-loads-meet", Want: 6, Desc: flat, Code: `LDXW 2 1 0
JEQXC 2 1 2
LDXW 3 1 4
JA 1
LDXW 3 1 8
MOV64XY 0 3
EXIT
`},
}
