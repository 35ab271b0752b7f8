package code

import (
	"bytes"
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/pprof"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
	"unsafe"

	"jitnic/host/hosttest/must"
	"jitnic/nic/native/asm"
)

func needNative(t testing.TB) {
	if !Supported {
		t.Skipf("no backend for %s", arch)
	}
}

func memory(t testing.TB, size int) *Memory {
	t.Helper()
	needNative(t)
	m, err := New(size)
	if err != nil {
		t.Skip(err)
	}
	t.Cleanup(func() { m.Close() })
	return m
}

// ways runs a test on pages of each kind that this machine has.
func ways(t *testing.T, size int, test func(t *testing.T, m *Memory)) {
	needNative(t)
	for name, way := range map[string]func(int) (pages, []byte, error){"written": reserveWritten, "turned": reserveTurned} {
		t.Run(name, func(t *testing.T) {
			m, err := reserve(size, way)
			if err != nil {
				t.Skip(err)
			}
			defer m.Close()
			test(t, m)
		})
	}
}

// block is the code that f writes.
func block(t testing.TB, m *Memory, f func(b asm.Backend)) *Block {
	t.Helper()
	b, err := asm.New(runtime.GOARCH)
	if err != nil {
		t.Skip(err)
	}
	f(b)
	code, err := b.Code()
	must.OK(t, err)
	bl, err := m.Put(code)
	must.OK(t, err)
	return bl
}

func TestEnter(t *testing.T) {
	m := memory(t, 0)
	var c struct{ in, base, out uint64 }
	b := block(t, m, func(b asm.Backend) {
		b.Load(8, asm.R1, asm.At(asm.Ctx, 0))
		b.OpK(asm.Mul, true, asm.R1, 3)
		b.Store(8, asm.R1, asm.At(asm.Ctx, 16))
		b.Store(8, asm.Base, asm.At(asm.Ctx, 8))
		b.Ret()
	})
	c.in = 14
	Enter(b.Addr(), unsafe.Pointer(&c), 77)
	if c.out != 42 || c.base != 77 {
		t.Errorf("out %d, base %d", c.out, c.base)
	}
	if n := testing.AllocsPerRun(10, func() { Enter(b.Addr(), unsafe.Pointer(&c), 77) }); n != 0 {
		t.Errorf("a call allocates %v", n)
	}
}

// Pages are writable or executable, never both, and gone when freed.
func TestRights(t *testing.T) { ways(t, 1<<20, rights) }

func rights(t *testing.T, m *Memory) {
	bl := block(t, m, func(b asm.Backend) { b.Ret() })
	maps, err := os.ReadFile("/proc/self/maps")
	if err != nil {
		t.Skip(err)
	}
	found := false
	for _, line := range strings.Split(string(maps), "\n") {
		var lo, hi uint64
		f := strings.Fields(line)
		if len(f) < 2 {
			continue
		}
		if strings.Contains(f[1], "wx") {
			t.Errorf("writable and executable: %s", line)
		}
		if strings.Contains(f[1], "w") && strings.Contains(line, "jitnic-code") {
			t.Errorf("what is executed can be written to: %s", line)
		}
		a, b, _ := strings.Cut(f[0], "-")
		lo, hi = hexOf(a), hexOf(b)
		if at := uint64(bl.Addr()); lo <= at && at < hi {
			found = true
			if f[1] != "r-xp" && f[1] != "r-xs" {
				t.Errorf("a block's page has rights %s", f[1])
			}
		}
	}
	if !found {
		t.Error("the block is not among the process's maps")
	}
	if m.Used() == 0 || m.Peak() < m.Used() {
		t.Errorf("used %d, peak %d", m.Used(), m.Peak())
	}
	bl.Free()
	bl.Free()
	if m.Used() != 0 {
		t.Errorf("used %d after all is freed", m.Used())
	}
}

func hexOf(s string) (v uint64) {
	for _, c := range s {
		v = v*16 + uint64(strings.IndexRune("0123456789abcdef", c))
	}
	return v
}

// The span is bounded, and holes join again.
func TestBounded(t *testing.T) { ways(t, 64<<10, bounded) }

func bounded(t *testing.T, m *Memory) {
	var bs []*Block
	for {
		b, err := m.Put(make([]byte, 5000))
		if errors.Is(err, ErrFull) {
			break
		}
		must.OK(t, err)
		bs = append(bs, b)
	}
	if grain := m.in.grain(); len(bs) != 64<<10/((5000+grain-1)/grain*grain) {
		t.Errorf("%d blocks of 5000 bytes in 64 KiB", len(bs))
	}
	for _, i := range []int{1, 3, 2, 0, 7, 5, 6, 4, 12, 8, 10, 9, 11} {
		if i < len(bs) {
			bs[i].Free()
		}
	}
	if m.Used() != 0 || len(m.free) != 1 {
		t.Errorf("used %d in %d free runs", m.Used(), len(m.free))
	}
	if _, err := m.Put(make([]byte, 60<<10)); err != nil {
		t.Error(err)
	}
}

// spin is code that counts ctx[0] down and adds to ctx[1]: about a
// microsecond for every thousand.
func spin(b asm.Backend) {
	top := b.NewLabel()
	b.Load(8, asm.R1, asm.At(asm.Ctx, 0))
	b.Imm(asm.R2, 0)
	b.Bind(top)
	b.OpK(asm.Add, true, asm.R2, 3)
	b.OpK(asm.Sub, true, asm.R1, 1)
	b.BrK(asm.NE, true, asm.R1, 0, top)
	b.Store(8, asm.R2, asm.At(asm.Ctx, 8))
	b.Ret()
}

// TestHammer runs native code on several goroutines while garbage is
// collected, goroutines are preempted, stacks grow and the profiler ticks: all
// must come back with the right sums.
func TestHammer(t *testing.T) {
	m := memory(t, 0)
	bl := block(t, m, spin)
	var prof bytes.Buffer
	profiled := pprof.StartCPUProfile(&prof) == nil
	defer debug.SetGCPercent(debug.SetGCPercent(1))
	stop := make(chan struct{})
	var noise sync.WaitGroup
	for range 2 {
		noise.Add(1)
		go func() {
			defer noise.Done()
			var keep [][]byte
			for {
				select {
				case <-stop:
					return
				default:
				}
				if keep = append(keep, make([]byte, 1<<12)); len(keep) > 200 {
					keep = nil
					runtime.GC()
				}
			}
		}()
	}
	deadline := time.Now().Add(400 * time.Millisecond)
	if os.Getenv("JITNIC_HEAVY") != "" {
		deadline = time.Now().Add(30 * time.Second)
	}
	var work sync.WaitGroup
	calls := make([]int, 4)
	for w := range calls {
		work.Add(1)
		go func() {
			defer work.Done()
			pprof.Do(context.Background(), pprof.Labels("engine", "native"), func(context.Context) {
				c := new([2]uint64)
				for i := 0; i == 0 || time.Now().Before(deadline); i++ {
					n := uint64(1000 + i%40000)
					c[0], c[1] = n, 0
					Enter(bl.Addr(), unsafe.Pointer(c), 0)
					if c[1] != 3*n {
						t.Errorf("%d rounds: sum %d", n, c[1])
						return
					}
					if i%16 == 0 {
						deep(200 + i%200) // a growing stack moves
					}
					calls[w]++
				}
			})
		}()
	}
	work.Wait()
	close(stop)
	noise.Wait()
	if profiled {
		pprof.StopCPUProfile()
		if prof.Len() == 0 {
			t.Error("an empty profile")
		}
	}
	for w, n := range calls {
		if n == 0 {
			t.Errorf("goroutine %d never ran native code", w)
		}
	}
}

//go:noinline
func deep(n int) int {
	var pad [256]byte
	if n == 0 {
		return int(pad[0])
	}
	pad[n%256] = 1
	return deep(n-1) + int(pad[n%256])
}

// TestProfile demands that the profiler books native code as external, under
// the goroutine's labels.
func TestProfile(t *testing.T) {
	m := memory(t, 0)
	bl := block(t, m, spin)
	var prof bytes.Buffer
	if err := pprof.StartCPUProfile(&prof); err != nil {
		t.Skip(err)
	}
	c := new([2]uint64)
	pprof.Do(context.Background(), pprof.Labels("engine", "native-code"), func(context.Context) {
		for end := time.Now().Add(250 * time.Millisecond); time.Now().Before(end); {
			c[0] = 100000
			Enter(bl.Addr(), unsafe.Pointer(c), 0)
		}
	})
	pprof.StopCPUProfile()
	text := gunzip(t, prof.Bytes())
	for _, want := range []string{"runtime._ExternalCode", "native-code"} {
		if !strings.Contains(text, want) {
			t.Errorf("the profile has no %q", want)
		}
	}
}

func BenchmarkEnter(b *testing.B) {
	m := memory(b, 0)
	bl := block(b, m, func(b asm.Backend) { b.Ret() })
	c := new([2]uint64)
	addr := bl.Addr()
	for b.Loop() {
		Enter(addr, unsafe.Pointer(c), 0)
	}
}

func BenchmarkPut(b *testing.B) {
	m := memory(b, 0)
	code := make([]byte, 1500)
	for b.Loop() {
		bl, err := m.Put(code)
		if err != nil {
			b.Fatal(err)
		}
		bl.Free()
	}
}

// Pages that keep their memory keep no code: behind a block there are zeros or traps,
// whatever stood there before.
func TestFreedCodeIsGone(t *testing.T) {
	ways(t, 1<<20, func(t *testing.T, m *Memory) {
		page := os.Getpagesize()
		for range 40 {
			old, err := m.Put(bytes.Repeat([]byte{0xc3}, page))
			must.OK(t, err)
			old.Free()
		}
		for range 40 {
			b, err := m.Put([]byte{0xc3})
			must.OK(t, err)
			if rest := m.span[b.off+1 : b.off+b.n]; bytes.IndexByte(rest, 0xc3) >= 0 {
				t.Fatal("code that was freed is in an executable page")
			}
		}
		switch p := m.in.(type) {
		case *turned:
			if p.warm < 0 || p.warm > warmest {
				t.Errorf("free pages keep %d bytes", p.warm)
			}
		case *written:
			code := 0
			for i, ready := range p.ready {
				if ready {
					code += bytes.Count(p.span[i*page:(i+1)*page], []byte{0xc3})
				}
			}
			if code != 40 {
				t.Errorf("40 blocks of a byte, and %d such bytes can be executed", code)
			}
		}
	})
}

// What blocks held is given back to the system when they are freed, in any order, and pages
// that were given back can be used again.
func TestMemoryIsGivenBack(t *testing.T) {
	ways(t, 16<<20, func(t *testing.T, m *Memory) {
		draw := rand.New(rand.NewPCG(1, 2))
		for range 3 {
			var bs []*Block
			for m.Used() < 12<<20 {
				n := 1 + draw.IntN(9000)
				b, err := m.Put(bytes.Repeat([]byte{0xc3}, n))
				must.OK(t, err)
				bs = append(bs, b)
			}
			draw.Shuffle(len(bs), func(i, j int) { bs[i], bs[j] = bs[j], bs[i] })
			for _, b := range bs[100:] {
				b.Free()
			}
			for _, b := range bs[:100] {
				if code := b.Bytes(); bytes.Count(code, []byte{0xc3}) != b.Len {
					t.Fatal("a block was written over")
				}
			}
			// A block may hold two pages it only touches, and a MiB may be kept.
			if got, most := resident(t, m), 100*(9000+2*os.Getpagesize())+2*warmest; got > most {
				t.Errorf("%d bytes are resident, %d used", got, m.Used())
			}
			for _, b := range bs[:100] {
				b.Free()
			}
			if m.Used() != 0 || len(m.free) > 2 {
				t.Errorf("used %d in %d free runs", m.Used(), len(m.free))
			}
		}
	})
}

// resident is how many bytes of a Memory's span are in memory (proc(5), smaps).
func resident(t *testing.T, m *Memory) (bytes int) {
	smaps, err := os.ReadFile("/proc/self/smaps")
	if err != nil {
		t.Skip(err)
	}
	lo := uint64(uintptr(unsafe.Pointer(&m.span[0])))
	in := false
	for _, line := range strings.Split(string(smaps), "\n") {
		f := strings.Fields(line)
		if len(f) == 0 {
			continue
		}
		if a, _, ok := strings.Cut(f[0], "-"); ok {
			at := hexOf(a)
			in = lo <= at && at < lo+uint64(len(m.span))
		}
		if in && f[0] == "Rss:" {
			n, err := strconv.Atoi(f[1])
			must.OK(t, err)
			bytes += n << 10
		}
	}
	return bytes
}
