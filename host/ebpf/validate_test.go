package ebpf

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"jitnic/host/hosttest/must"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func parse(t testing.TB, text string) []Insn {
	t.Helper()
	code := must.Get(Parser{}.Code(text))(t)
	return code
}

func TestValidate(t *testing.T) {
	for text, want := range map[string]string{
		"r0 = 0; exit":                             "",
		"r0 = 0 ll; exit":                          "",
		"goto +0; goto -2":                         "",
		"call pc+1; exit; r0 = 0; exit":            "",
		"r1 = func pc+2; exit; r0 = 0; exit":       "",
		"r0 = 0":                                   "insn 0: last insn is not an exit or jmp",
		"r0 = 0 ll":                                "insn 0: last insn is not an exit or jmp",
		"goto +1; exit":                            "insn 0: jump out of range from insn 0 to 2",
		"if r1 == 0 goto -2; exit":                 "insn 0: jump out of range from insn 0 to -1",
		"goto +1; r0 = 0 ll; exit":                 "insn 0: jump into the middle of ldimm64 insn 2",
		"r10 = 0; exit":                            "insn 0: frame pointer is read only",
		"r10 = *(u64 *)(r1 +0); exit":              "insn 0: frame pointer is read only",
		"insn 0x7 11 0 0 0; exit":                  "insn 0: R11 is invalid",
		"insn 0x0f 0 12 0 0; exit":                 "insn 0: R12 is invalid",
		"r0 /= 0; exit":                            "insn 0: div by zero",
		"w0 s>>= 32; exit":                         "insn 0: invalid shift 32",
		"r0 <<= 63; exit":                          "",
		"insn 0x6f 0 1 0 5; exit":                  "insn 0: BPF_ALU uses reserved fields",
		"insn 0x37 0 0 2 5; exit":                  "insn 0: BPF_ALU uses reserved fields",
		"insn 0x87 0 0 0 5; exit":                  "insn 0: BPF_NEG uses reserved fields",
		"insn 0xd4 0 0 0 8; exit":                  "insn 0: BPF_END uses reserved fields",
		"insn 0xdf 0 0 0 16; exit":                 "insn 0: unknown opcode df",
		"insn 0xbc 0 1 32 0; exit":                 "insn 0: BPF_MOV uses reserved fields",
		"insn 0xe7 0 0 0 0; exit":                  "insn 0: invalid BPF_ALU opcode e0",
		"insn 0x95 0 0 0 1":                        "insn 0: BPF_EXIT uses reserved fields",
		"insn 0x85 0 3 0 1; exit":                  "insn 0: BPF_CALL uses reserved fields",
		"callx r1; exit":                           "insn 0: unknown opcode 8d",
		"insn 0x1d 0 1 0 5; exit":                  "insn 0: BPF_JMP/JMP32 uses reserved fields",
		"insn 0xf5 0 0 0 0; exit":                  "insn 0: unknown opcode f5",
		"insn 0x61 0 1 0 5; exit":                  "insn 0: BPF_LDX uses reserved fields",
		"insn 0x62 0 1 0 5; exit":                  "insn 0: BPF_ST uses reserved fields",
		"insn 0x63 0 1 0 5; exit":                  "insn 0: BPF_STX uses reserved fields",
		"insn 0xcb 0 1 0 0; exit":                  "insn 0: invalid atomic operand size",
		"insn 0xdb 0 1 0 2; exit":                  "insn 0: BPF_ATOMIC uses invalid atomic opcode 02",
		"r10 = load_acquire(*(u8 *)(r1 +0)); exit": "insn 0: frame pointer is read only",
		"insn 0x18 0 0 0 0":                        "insn 0: invalid bpf_ld_imm64 insn",
		"insn 0x18 0 0 0 0; exit":                  "insn 0: invalid bpf_ld_imm64 insn",
		"insn 0x18 0 7 0 0; insn 0 0 0 0 0; exit":  "insn 0: BPF_LD_IMM64 uses reserved fields",
		"insn 0x18 0 1 0 0; insn 0 0 0 0 9; exit":  "insn 0: unrecognized bpf_ld_imm64 insn",
		"insn 0x91 0 1 0 0; exit":                  "",
		"insn 0x99 0 1 0 0; exit":                  "insn 0: unknown opcode 99",
		"insn 0x38 0 1 0 0; exit":                  "insn 0: unknown opcode 38",
	} {
		got := ""
		if err := Validate(parse(t, text)); err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("%s: got %q, want %q", text, got, want)
		}
	}
	if Validate(nil) == nil {
		t.Error("no instructions are valid")
	}
}

// Insns draws one valid instruction, one or two slots.
func drawInsn(t *rapid.T) []Insn {
	for {
		in := Insn{
			Op:  rapid.Uint8().Draw(t, "op"),
			Dst: uint8(rapid.IntRange(0, 10).Draw(t, "dst")),
			Src: uint8(rapid.IntRange(0, 10).Draw(t, "src")),
			Off: rapid.OneOf(rapid.Just(int16(0)), rapid.Int16()).Draw(t, "off"),
			Imm: rapid.OneOf(rapid.Just(int32(0)), rapid.SampledFrom([]int32{1, 16, 32, 64, 0x01, 0x41, 0x51, 0xa1, 0xe1, 0xf1, 0x100, 0x110}), rapid.Int32()).Draw(t, "imm"),
		}
		out := []Insn{in}
		var hi *Insn
		if in.IsWide() {
			out = append(out, Insn{Imm: rapid.Int32().Draw(t, "hi")})
			hi = &out[1]
		}
		if in.Check(hi) == nil {
			return out
		}
		// Most draws fall on reserved fields: clear them one at a time.
		for _, clear := range []func(*Insn){func(i *Insn) { i.Off = 0 }, func(i *Insn) { i.Src = 0 }, func(i *Insn) { i.Dst = 0 }, func(i *Insn) { i.Imm = 0 }} {
			clear(&out[0])
			if out[0].Check(hi) == nil {
				return out
			}
		}
	}
}

// TestValidRoundTrip: what is valid prints as an instruction, never as a raw
// slot, and reads back to the same bits.
func TestValidRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		code := drawInsn(t)
		text := Printer{}.Code(code)
		if strings.HasPrefix(text, "insn") && code[0].Src != PseudoBTFID {
			t.Fatalf("%+v is valid but prints as %s", code, text)
		}
		got, err := Parser{}.Code(text)
		must.OK(t, err)
		if d := cmp.Diff(code, got); d != "" {
			t.Fatal(text, d)
		}
		raw, err := Decode(Encode(code))
		if err != nil || cmp.Diff(code, raw) != "" {
			t.Fatalf("%+v encodes to %+v, %v", code, raw, err)
		}
	})
}

// TestHelperNames compares the names with the kernel's own list.
func TestHelperNames(t *testing.T) {
	h, err := os.ReadFile("/usr/include/linux/bpf.h")
	if err != nil {
		t.Skip("no kernel headers: ", err)
	}
	n := 0
	for _, m := range regexp.MustCompile(`(?m)^\s+FN\((\w+)(?:, (\d+), ##ctx)?\),?\s*\\?$`).FindAllStringSubmatch(string(h), -1) {
		if got := HelperName(int32(n)); got != m[1] {
			t.Errorf("helper %d is %q, the kernel's %q", n, got, m[1])
		}
		if k, ok := HelperNumber("bpf_" + m[1]); n > 0 && (!ok || int(k) != n) {
			t.Errorf("helper %q is %d, the kernel's %d", m[1], k, n)
		}
		n++
	}
	if n < 200 {
		t.Errorf("only %d helpers in /usr/include/linux/bpf.h", n)
	}
}

func TestFlow(t *testing.T) {
	code := parse(t, `
		r6 = r1
		if r6 == 0 goto +3
		r2 = 5 ll
		goto +1
		r2 = 6
		call pc+1
		exit
		r0 = r1
		exit
		r0 = 9
		exit`)
	var got [][]int
	for _, b := range Blocks(code) {
		got = append(got, append([]int{b.Start, b.End}, b.Succ...))
	}
	want := [][]int{{0, 2, 1, 2}, {2, 5, 3}, {5, 6, 3}, {6, 8}, {8, 10}, {10, 12}}
	if d := cmp.Diff(want, got); d != "" {
		t.Error("blocks (-want +got):\n", d)
	}
	seen := Reachable(code)
	for pc, ok := range seen {
		if ok != (pc < 10) {
			t.Errorf("slot %d reachable: %v", pc, ok)
		}
	}
	for line, rw := range map[string][2]Regs{
		"r1 += r2":                   {1<<1 | 1<<2, 1 << 1},
		"r1 = r2":                    {1 << 2, 1 << 1},
		"r1 = 7":                     {0, 1 << 1},
		"r1 = be16 r1":               {1 << 1, 1 << 1},
		"r1 = 7 ll":                  {0, 1 << 1},
		"r3 = *(u32 *)(r4 +0)":       {1 << 4, 1 << 3},
		"*(u32 *)(r4 +0) = r5":       {1<<4 | 1<<5, 0},
		"*(u32 *)(r4 +0) = 1":        {1 << 4, 0},
		"lock *(u64 *)(r1 +0) += r2": {1<<1 | 1<<2, 0},
		"r2 = atomic64_fetch_add(*(u64 *)(r1 +0), r2)":   {1<<1 | 1<<2, 1 << 2},
		"r0 = atomic64_cmpxchg(*(u64 *)(r1 +0), r0, r2)": {1 | 1<<1 | 1<<2, 1},
		"r2 = load_acquire(*(u64 *)(r1 +0))":             {1 << 1, 1 << 2},
		"store_release(*(u64 *)(r1 +0), r2)":             {1<<1 | 1<<2, 0},
		"r0 = *(u16 *)skb[12]":                           {1 << 6, 0x3f},
		"r0 = *(u16 *)skb[r7 +12]":                       {1<<6 | 1<<7, 0x3f},
		"call map_lookup_elem":                           {0x06, 0x3f},
		"call ktime_get_ns":                              {0, 0x3f},
		"call helper#9999":                               {0x3e, 0x3f},
		"call kfunc#9":                                   {0x3e, 0x3f},
		"call pc+0":                                      {0x3e, 0x3f},
		"callx r7":                                       {0x3e | 1<<7, 0x3f},
		"may_goto +0":                                    {0, 0},
		"exit":                                           {1, 0},
		"if r1 > r2 goto +0":                             {1<<1 | 1<<2, 0},
		"if w1 > 2 goto +0":                              {1 << 1, 0},
		"goto +0":                                        {0, 0},
	} {
		in := parse(t, line)[0]
		if in.Reads() != rw[0] || in.Writes() != rw[1] {
			t.Errorf("%s reads %b and writes %b, want %b and %b", line, in.Reads(), in.Writes(), rw[0], rw[1])
		}
	}
}
