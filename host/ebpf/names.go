package ebpf

// aluNames are the mnemonics of arithmetic (RFC 9669, section 4.1).
var aluNames = map[uint8]string{
	ALUAdd: "add", ALUSub: "sub", ALUMul: "mul", ALUDiv: "div", ALUOr: "or", ALUAnd: "and", ALULsh: "lsh", ALURsh: "rsh",
	ALUNeg: "neg", ALUMod: "mod", ALUXor: "xor", ALUMov: "mov", ALUArsh: "arsh",
}

var aluByName = func() map[string]uint8 {
	m := make(map[string]uint8, len(aluNames))
	for op, name := range aluNames {
		m[name] = op
	}
	return m
}()

// ALUName is the mnemonic of an arithmetic operation: add for [ALUAdd].
func ALUName(op uint8) string { return aluNames[op] }

// ALUNamed is the inverse of [ALUName].
func ALUNamed(name string) (op uint8, ok bool) {
	op, ok = aluByName[name]
	return op, ok
}
