package ebpf

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
)

func ExamplePrinter() {
	code, err := Parser{MapIndex: func(name string) (int, bool) { return 3, name == "flows" }}.Code(`
		r6 = *(u32 *)(r1 +0)     # data
		r2 = r10
		r2 += -8
		r1 = map[flows]
		call map_lookup_elem
		if r0 == 0 goto +1
		lock *(u64 *)(r0 +0) += r6
		exit`)
	if err != nil {
		fmt.Println(err)
	}
	fmt.Print(Printer{MapName: func(i int) string { return map[int]string{3: "flows"}[i] }}.Code(code))
	// Output:
	// r6 = *(u32 *)(r1 +0)
	// r2 = r10
	// r2 += -8
	// r1 = map[flows]
	// call map_lookup_elem#1
	// if r0 == 0 goto +1
	// lock *(u64 *)(r0 +0) += r6
	// exit
}

// TestEachForm prints and reads back one line of each form.
func TestEachForm(t *testing.T) {
	p := Parser{MapIndex: func(n string) (int, bool) { return len(n), n == "m" || n == ".data" || n == "a b" }}
	pr := Printer{MapName: func(i int) string { return map[int]string{1: "m", 5: ".data", 3: "a b"}[i] }}
	for _, line := range strings.Split(strings.TrimSpace(`
r1 += 5
w1 -= w2
r3 *= -7
r3 s/= r4
w3 s%= 9
r3 s>>= 63
r1 = -r1
w1 = -w1
r1 = r2
w1 = 4
r1 = (s8)r2
w1 = (s16)w2
r1 = (s32)r2
r1 = le16 r1
r1 = be32 r1
r1 = bswap64 r1
r3 = *(u32 *)(r1 +4)
r3 = *(s8 *)(r10 -4)
*(u64 *)(r10 -8) = r1
*(u8 *)(r10 -8) = -1
lock *(u64 *)(r1 +0) += r2
lock *(u32 *)(r1 +0) ^= r2
r2 = atomic64_fetch_add(*(u64 *)(r1 +0), r2)
r2 = atomic32_xchg(*(u32 *)(r1 +8), r2)
r0 = atomic64_cmpxchg(*(u64 *)(r1 +8), r0, r2)
r2 = load_acquire(*(u16 *)(r1 +8))
store_release(*(u64 *)(r1 +8), r2)
r1 = 0xffffffffffffffff ll
r1 = map[m]
r1 = map[.data] +16
r1 = map["a b"] +0
r1 = map[#7]
r1 = btf#12
r1 = func pc+3
r0 = *(u16 *)skb[12]
r0 = *(u8 *)skb[r3 -1]
goto +3
gotol -70000
may_goto +2
if r1 == 5 goto +3
if w1 s>= w2 goto -3
if r1 & 4 goto +0
if r2 s< -1 goto +1
call ktime_get_ns#5
call helper#9999
call pc-3
call kfunc#44
callx r3
exit
insn 0x07 1 2 0 5
`), "\n") {
		ins, err := p.Insn(line)
		if err != nil {
			t.Errorf("%s: %v", line, err)
			continue
		}
		var hi Insn
		if len(ins) > 1 {
			hi = ins[1]
		}
		if got := pr.Insn(ins[0], hi); got != line {
			t.Errorf("%s is printed as %s", line, got)
		}
	}
}

// TestRoundTrip prints random slots, each of the 256 opcodes among them.
func TestRoundTrip(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for i := 0; i < 1<<16; i++ {
		in := Insn{Op: uint8(i), Dst: uint8(rng.IntN(16)), Src: uint8(rng.IntN(16))}
		if rng.IntN(2) == 0 {
			in.Off = int16(rng.Uint32())
		}
		if rng.IntN(2) == 0 {
			in.Imm = int32(rng.Uint32())
		} else {
			in.Imm = []int32{0, 1, 16, 32, 64, AtomicXchg, AtomicCmpXchg, AtomicLoadAcq, AtomicStRel, 0xa1}[rng.IntN(10)]
		}
		code := []Insn{in}
		if in.IsWide() {
			code = append(code, Insn{Imm: int32(rng.Uint32()), Off: int16(rng.IntN(2))})
		}
		text := Printer{}.Code(code)
		got, err := Parser{}.Code(text)
		if err != nil || len(got) != len(code) || got[0] != code[0] || got[len(got)-1] != code[len(code)-1] {
			t.Fatalf("%+v is printed as %q and read as %+v, %v", code, text, got, err)
		}
	}
}

func TestBadLines(t *testing.T) {
	for line, want := range map[string]string{
		"r1 += w2":                    "column 6: operands of different widths",
		"r1 = 0x1ffffffff":            "column 6: number of 32 bits expected",
		"r1 = *(u24 *)(r2 +0)":        "column 11: u8, u16, u32 or u64 expected",
		"*(u8 *)(r1 +40000) = 1":      "column 11: signed number of 16 bits expected",
		"call no_such_helper":         `column 20: helper "no_such_helper": not known`,
		"r1 = map[x]":                 `column 10: map "x": not known`,
		"exit now":                    "column 6: end of line expected",
		"":                            "column 1: instruction expected",
		"r1 = be16 r2":                "column 10: a byte swap has one register",
		"if r1 goto +1":               "column 7: comparison expected",
		"r17 = 1":                     "column 1: register expected",
		`r1 = map["x`:                 "column 10: quoted name doesn't end",
		"lock *(u64 *)(r1 +0) -= r2":  "column 22: +=, |=, &= or ^= expected",
		"w1 = *(u8 *)(r1 +0)":         "column 1: 64-bit register expected",
		"exit; r1 += w2":              "column 12: operands of different widths",
		"r1 = atomic8_xchg(*(u8 *)(r": "column 27: register expected",
	} {
		_, err := Parser{}.Insn(line)
		if err == nil || err.Error() != want {
			t.Errorf("%q: %v, want %s", line, err, want)
		}
	}
	_, err := Parser{}.Code("exit\n  r1 + 2\n")
	if err == nil || err.Error() != `line 2: column 6: "=" expected` {
		t.Error(err)
	}
}

func FuzzParser(f *testing.F) {
	f.Add("r1 = map[flows] +4\nexit")
	f.Add("insn 0x18 1 2 3 4; insn 0 0 0 0 1")
	f.Add("r0 = atomic64_cmpxchg(*(u64 *)(r1 +8), r0, r2)")
	f.Fuzz(func(t *testing.T, text string) {
		code, err := Parser{}.Code(text)
		if err != nil {
			return
		}
		again, err := Parser{}.Code(Printer{}.Code(code))
		if err != nil || len(again) != len(code) {
			t.Fatalf("%q: %v", text, err)
		}
		for i := range code {
			if code[i] != again[i] {
				t.Fatalf("%q: slot %d: %+v, %+v", text, i, code[i], again[i])
			}
		}
	})
}
