# Functions that no symbol of type FUNC begins: one at a local label that has a
# symbol, one at a label that has none. Behind a function that gets shorter.
#	clang -target bpf -c labels.s -o labels.o
	.section xdp,"ax",@progbits
	.globl	prog
	.type	prog,@function
prog:
	r2 = 5
	r2 = 6
	r1 = r2
	call inner
	r1 = r0
	call .Lother
	r0 = 2
	exit
inner:
	r3 = r1
	r0 = r3
	r0 += 1
	exit
.Lother:
	r3 = r1
	r0 = r3
	exit
	.section license,"aw",@progbits
	.asciz "GPL"
