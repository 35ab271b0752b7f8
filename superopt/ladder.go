package superopt

// Step is one rung of the ladder: K2's text, .maps and .desc.
type Step struct {
	Name, Code, Maps, Desc string
	Want                   int // slots it should come down to
}

const oneMap = "m { type = 2, key_size = 4, value_size = 8, max_entries = 4, fd = 0 }\n"

// Ladder goes from three instructions to programs like the kernel's samples.
var Ladder = []Step{
	{Name: "01-double", Code: "MOV64XC 0 1\nADD64XY 0 0\nEXIT\n", Want: 2},
	{Name: "02-times-16", Code: "MOV64XY 0 1\nADD64XY 0 0\nADD64XY 0 0\nADD64XY 0 0\nADD64XY 0 0\nEXIT\n", Desc: "{ pgm_input_type = 0, }\n", Want: 3},
	{Name: "03-low-half", Code: "MOV32XY 0 1\nLSH64XC 0 32\nRSH64XC 0 32\nEXIT\n", Want: 2},
	{Name: "04-dead-stores", Code: "MOV64XY 0 1\nSTXB 10 -1 1\nSTXB 10 -2 1\nEXIT\n", Want: 2},
	{Name: "05-bytes-to-half", Code: "LDXB 3 1 0\nLDXB 4 1 1\nLSH64XC 4 8\nOR64XY 4 3\nMOV64XY 0 4\nEXIT\n", Desc: "{ pgm_input_type = 1, }\n", Want: 2},
	{Name: "06-store-immediate", Code: "MOV64XC 1 0\nSTXW 10 -4 1\nMOV64XY 2 10\nADD64XC 2 -4\nLDMAPID 1 0\nCALL 1\nJEQXC 0 0 1\nMOV64XC 0 1\nEXIT\n", Maps: oneMap, Want: 9},
	{Name: "07-two-halves", Code: "LDXH 0 1 0\nSTXH 10 -4 0\nLDXH 0 1 2\nSTXH 10 -2 0\nLDMAPID 1 0\nMOV64XY 2 10\nADD64XC 2 -4\nCALL 1\nJEQXC 0 0 1\nMOV64XC 0 1\nEXIT\n", Maps: oneMap, Desc: "{ pgm_input_type = 1, }\n", Want: 10},
	{Name: "08-two-bytes", Code: "LDXB 0 1 0\nSTXB 10 -2 0\nLDXB 0 1 1\nSTXB 10 -1 0\nLDMAPID 1 0\nMOV64XY 2 10\nADD64XC 2 -2\nCALL 1\nJEQXC 0 0 1\nMOV64XC 0 1\nEXIT\n",
		Maps: "m { type = 2, key_size = 2, value_size = 8, max_entries = 4, fd = 0 }\n", Desc: "{ pgm_input_type = 1, }\n", Want: 10},
	{Name: "09-counter", Code: "MOV64XC 1 0\nSTXW 10 -4 1\nMOV64XY 2 10\nADD64XC 2 -4\nLDMAPID 1 0\nCALL 1\nJEQXC 0 0 3\nLDXDW 1 0 0\nADD64XC 1 1\nSTXDW 0 0 1\nMOV64XC 0 0\nEXIT\n", Maps: oneMap, Want: 11},
	{Name: "10-swap-mac", Code: `LDXW 2 1 4
LDXW 1 1 0
MOV64XY 3 1
ADD64XC 3 14
MOV64XC 0 1
JGTXY 3 2 13
LDXH 2 1 0
LDXH 3 1 6
STXH 1 0 3
LDXH 3 1 8
LDXH 4 1 2
STXH 1 8 4
STXH 1 2 3
LDXH 3 1 10
LDXH 4 1 4
STXH 1 10 4
STXH 1 4 3
STXH 1 6 2
MOV64XC 0 3
EXIT
`, Desc: "{ pgm_input_type = 2, }\n", Want: 16},
	{Name: "11-ethertype", Code: `LDXW 2 1 4
LDXW 1 1 0
MOV64XC 0 2
MOV64XY 3 1
ADD64XC 3 14
JGTXY 3 2 9
LDXB 3 1 12
LDXB 4 1 13
LSH64XC 4 8
OR64XY 4 3
BE 4 16
JEQXC 4 2048 2
MOV64XC 0 1
EXIT
MOV64XC 0 2
EXIT
`, Desc: "{ pgm_input_type = 2, }\n", Want: 10},
}
