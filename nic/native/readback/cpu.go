package readback

import (
	"fmt"
	"math/bits"
)

// Memory is what code reads and writes. Values stand in the low bytes.
type Memory interface {
	Load(addr uint64, size int) (uint64, error)
	Store(addr, v uint64, size int) error
}

// CPU carries instructions out. Addresses of code count from Code.
type CPU struct {
	R    [32]uint64
	Code uint64
	IP   uint64
	Mem  Memory

	left, right uint64 // of the last comparison
	and, wide   bool   // what it was
	vec         [2]uint64
	stack       []uint64
}

func (c *CPU) reg(r uint8) uint64 {
	if r >= zero {
		return 0
	}
	return c.R[r]
}

func (c *CPU) set(r uint8, v uint64, wide bool) {
	if !wide {
		v = uint64(uint32(v))
	}
	if r < zero {
		c.R[r] = v
	}
}

// second is the second operand.
func (c *CPU) second(in *Inst) uint64 {
	if in.B == None {
		return in.Imm
	}
	return c.reg(in.B)
}

// Address is that of an access.
func (c *CPU) Address(in *Inst) uint64 {
	return c.reg(in.Base) + c.reg(in.Index) + uint64(in.Disp)
}

func (c *CPU) flags(l, r uint64, and, wide bool) {
	c.left, c.right, c.and, c.wide = l, r, and, wide
}

// holds evaluates a condition.
func (c *CPU) holds(cond Cond) bool {
	l, r := c.left, c.right
	if c.and {
		l, r = l&r, 0
	}
	if !c.wide {
		l, r = uint64(int64(int32(l))), uint64(int64(int32(r)))
	}
	switch cond { // sign-extending both keeps unsigned order, too
	case EQ:
		return l == r
	case NE:
		return l != r
	case LT:
		return l < r
	case LE:
		return l <= r
	case GT:
		return l > r
	case GE:
		return l >= r
	case SLT:
		return int64(l) < int64(r)
	case SLE:
		return int64(l) <= int64(r)
	case SGT:
		return int64(l) > int64(r)
	case SGE:
		return int64(l) >= int64(r)
	}
	d := l - r
	if !c.wide {
		d = uint64(int64(int32(d)))
	}
	return int64(d) < 0
}

func width(wide bool) uint64 {
	if wide {
		return 64
	}
	return 32
}

// Step carries one instruction out and moves IP on. A call isn't followed: that
// is the caller's. halted says that the code returned.
func (c *CPU) Step(in *Inst) (halted bool, err error) {
	c.IP += uint64(in.Len)
	switch in.Do {
	case Load, LoadS, Store, AddMem, CmpMem, Load16, Store16, JumpMem:
		return false, c.memory(in)
	case Branch:
		if c.holds(in.Cond) {
			c.IP = c.Code + uint64(in.To)
		}
	case Jump:
		c.IP = c.Code + uint64(in.To)
	case JumpTo:
		c.IP = c.reg(in.A)
	case Adr:
		c.set(in.Dst, c.Code+uint64(in.To), true)
	case Lea:
		c.set(in.Dst, c.Address(in), true)
	case Cmp:
		c.flags(c.reg(in.A), c.second(in), false, in.Wide)
	case Test:
		c.flags(c.reg(in.A), c.second(in), true, in.Wide)
	case Push:
		c.stack = append(c.stack, c.reg(in.A))
	case Pop:
		if len(c.stack) == 0 {
			return false, fmt.Errorf("nothing to pop")
		}
		c.set(in.Dst, c.stack[len(c.stack)-1], true)
		c.stack = c.stack[:len(c.stack)-1]
	case Ret:
		if len(c.stack) != 0 {
			return false, fmt.Errorf("a return with %d words pushed", len(c.stack))
		}
		return true, nil
	case Wide, DivWide:
		return false, c.long(in)
	default:
		return false, c.compute(in)
	}
	return false, nil
}

func (c *CPU) memory(in *Inst) error {
	at := c.Address(in)
	switch in.Do {
	case Store:
		return c.Mem.Store(at, c.second(in), int(in.Size))
	case Store16:
		if err := c.Mem.Store(at, c.vec[0], 8); err != nil {
			return err
		}
		return c.Mem.Store(at+8, c.vec[1], 8)
	case Load16:
		for i := range c.vec {
			v, err := c.Mem.Load(at+8*uint64(i), 8)
			if err != nil {
				return err
			}
			c.vec[i] = v
		}
		return nil
	}
	v, err := c.Mem.Load(at, int(in.Size))
	if err != nil {
		return err
	}
	switch in.Do {
	case Load:
		c.set(in.Dst, v, true)
	case LoadS:
		c.set(in.Dst, signExtend(v, int(in.Size)), true)
	case CmpMem:
		c.flags(c.reg(in.A), v, false, true)
	case JumpMem:
		c.IP = v
	case AddMem:
		k := in.Imm
		if in.Flags {
			c.flags(v, k, false, true)
			k = -k
		}
		return c.Mem.Store(at, v+k, 8)
	}
	return nil
}

func signExtend(v uint64, n int) uint64 {
	s := 64 - 8*n
	return uint64(int64(v<<s) >> s)
}

// long is what works on two registers at once.
func (c *CPU) long(in *Inst) error {
	d := c.reg(in.A)
	if in.Do == Wide {
		if !in.Wide {
			return fmt.Errorf("a product of 64 bits")
		}
		hi, lo := bits.Mul64(c.reg(in.C), d)
		c.set(in.Dst, hi, true)
		c.set(in.C, lo, true)
		return nil
	}
	hi, lo := c.reg(in.Dst), c.reg(in.C)
	if !in.Wide {
		hi, lo, d = uint64(uint32(hi)), uint64(uint32(lo)), uint64(uint32(d))
	}
	if d == 0 {
		return fmt.Errorf("a division by zero")
	}
	// Dividends are numbers of one width, extended: that is all that is written.
	var q, r uint64
	switch {
	case !in.Signed && hi != 0:
		return fmt.Errorf("a division of more than one word")
	case !in.Signed:
		q, r = lo/d, lo%d
	case in.Wide:
		if hi != uint64(int64(lo)>>63) || lo == 1<<63 && d == ^uint64(0) {
			return fmt.Errorf("a signed division that overflows")
		}
		q, r = uint64(int64(lo)/int64(d)), uint64(int64(lo)%int64(d))
	default:
		if uint32(hi) != uint32(int32(lo)>>31) || lo == 1<<31 && d == 1<<32-1 {
			return fmt.Errorf("a signed division that overflows")
		}
		q, r = uint64(int32(lo)/int32(d)), uint64(int32(lo)%int32(d))
	}
	c.set(in.C, q, in.Wide)
	c.set(in.Dst, r, in.Wide)
	return nil
}

// compute is what reads and writes registers alone.
func (c *CPU) compute(in *Inst) error {
	a, b := c.reg(in.A), c.second(in)
	w := width(in.Wide)
	var v uint64
	switch in.Do {
	case Move:
		v = b
	case MoveK:
		v = c.reg(in.Dst)&^(0xffff<<in.Shift) | in.Imm
	case Add:
		v = a + b
		if in.Flags {
			c.flags(a, -b, false, in.Wide)
		}
	case Sub:
		v = a - b
		if in.Flags {
			c.flags(a, b, false, in.Wide)
		}
	case And:
		v = a & b
		if in.Flags {
			c.flags(a, b, true, in.Wide)
		}
	case Or:
		v = a | b
	case Xor:
		v = a ^ b
	case Mul:
		v = a * b
	case MulAdd:
		v = c.reg(in.C) + a*b
	case MulSub:
		v = c.reg(in.C) - a*b
	case MulHi:
		v, _ = bits.Mul64(a, b)
	case Lsh:
		v = a << (b & (w - 1))
	case Rsh:
		v = shorten(a, in.Wide) >> (b & (w - 1))
	case Arsh:
		v = uint64(int64(extend(a, in.Wide)) >> (b & (w - 1)))
	case UDiv, SDiv:
		v = divide(in, a, b)
	case Spread:
		v = uint64(int64(extend(c.reg(in.C), in.Wide)) >> 63)
	case Zext:
		v = a & (1<<(8*in.Size) - 1)
	case Sext:
		v = signExtend(a, int(in.Size))
	case Field:
		v = field(in, a, w)
	case Swap:
		switch in.Size {
		case 2:
			v = a&^0xffff | uint64(bits.ReverseBytes16(uint16(a)))
		case 4:
			v = uint64(bits.ReverseBytes32(uint32(a)))
		default:
			v = bits.ReverseBytes64(a)
		}
		c.set(in.Dst, v, in.Size != 4)
		return nil
	default:
		return fmt.Errorf("operation %d isn't carried out", in.Do)
	}
	c.set(in.Dst, v, in.Wide)
	return nil
}

func shorten(v uint64, wide bool) uint64 {
	if wide {
		return v
	}
	return uint64(uint32(v))
}

func extend(v uint64, wide bool) uint64 {
	if wide {
		return v
	}
	return uint64(int64(int32(v)))
}

// divide is arm64's division.
func divide(in *Inst, a, b uint64) uint64 {
	switch {
	case shorten(b, in.Wide) == 0:
		return 0
	case in.Do == UDiv:
		return shorten(a, in.Wide) / shorten(b, in.Wide)
	}
	x, y := int64(extend(a, in.Wide)), int64(extend(b, in.Wide))
	if y == -1 {
		return uint64(-x)
	}
	return uint64(x / y)
}

// field is UBFM's and SBFM's result (Arm ARM, C6.2).
func field(in *Inst, a, w uint64) uint64 {
	r, s := uint64(in.Shift), in.Imm
	var v, n, at uint64 // n bits, which go to bit at
	if s >= r {
		n = s - r + 1
		v = shorten(a, in.Wide) >> r
	} else {
		n, at = s+1, w-r
		v = a
	}
	if in.Signed {
		v = uint64(int64(v<<(64-n)) >> (64 - n))
	} else if n < 64 {
		v &= 1<<n - 1
	}
	return v << at
}
