package progen

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"
	"unsafe"

	"jitnic/host/ebpf"
	"jitnic/host/loader"

	cebpf "github.com/cilium/ebpf"
	"github.com/cilium/ebpf/rlimit"
	"golang.org/x/sys/unix"
)

// loaded is a case in the running kernel.
type loaded struct {
	maps  []*cebpf.Map
	progs []*cebpf.Program
}

func (l *loaded) Close() {
	for _, m := range l.maps {
		m.Close()
	}
	for _, p := range l.progs {
		p.Close()
	}
}

// rejected is the verifier's no.
type rejected struct {
	prog string
	log  string
}

func (r *rejected) Error() string { return "program " + r.prog + ": rejected\n" + r.log }

var errNoBPF = errors.New("bpf(2) isn't allowed here")

// loadKernel makes the maps and loads the programs, fills the maps.
func loadKernel(c *Case) (*loaded, error) {
	if err := rlimit.RemoveMemlock(); err != nil {
		return nil, errNoBPF
	}
	l := &loaded{}
	for _, m := range c.Object.Maps {
		spec := &cebpf.MapSpec{Name: m.Name, Type: m.Type, KeySize: m.KeySize, ValueSize: m.ValueSize, MaxEntries: m.Max, Flags: m.Flags}
		km, err := cebpf.NewMap(spec)
		if errors.Is(err, os.ErrPermission) {
			l.Close()
			return nil, errNoBPF
		}
		if err != nil {
			l.Close()
			return nil, fmt.Errorf("map %s: %w", m.Name, err)
		}
		l.maps = append(l.maps, km)
	}
	byName := map[string]*cebpf.Program{}
	for _, p := range c.Object.Programs {
		fd, log, err := progLoad(p, l.maps)
		if err != nil {
			l.Close()
			if errors.Is(err, unix.EPERM) && log == "" {
				return nil, errNoBPF
			}
			return nil, &rejected{p.Name, fmt.Sprintf("%v\n%s", err, log)}
		}
		kp, err := cebpf.NewProgramFromFD(fd)
		if err != nil {
			l.Close()
			return nil, err
		}
		l.progs = append(l.progs, kp)
		byName[p.Name] = kp
	}
	cpus := cebpf.MustPossibleCPU()
	for i, m := range c.Object.Maps {
		for _, e := range m.Contents {
			var err error
			switch {
			case e.Name != "":
				err = l.maps[i].Put(e.Key, byName[e.Name])
			case m.Type == cebpf.PerCPUArray || m.Type == cebpf.PerCPUHash:
				vs := make([][]byte, cpus)
				for j := range vs {
					vs[j] = e.Value
				}
				err = l.maps[i].Put(e.Key, vs)
			default:
				err = l.maps[i].Put(e.Key, e.Value)
			}
			if err != nil {
				l.Close()
				return nil, fmt.Errorf("map %s: key %x: %w", m.Name, e.Key, err)
			}
		}
	}
	return l, nil
}

// progLoad is BPF_PROG_LOAD of the slots as they are.
func progLoad(p *loader.Program, ms []*cebpf.Map) (int, string, error) {
	insns := append([]ebpf.Insn(nil), p.Insns...)
	for i := 0; i < len(insns); i++ {
		if insns[i].IsWide() {
			if s := insns[i].Src; s == ebpf.PseudoMapFD || s == ebpf.PseudoMapValue {
				insns[i].Imm = int32(ms[insns[i].Imm].FD())
			}
			i++
		}
	}
	code := ebpf.Encode(insns)
	license := append([]byte(p.License), 0)
	var log []byte
	for {
		attr := struct {
			typ, count               uint32
			insns, license           uint64
			logLevel, logSize        uint32
			log                      uint64
			version, flags           uint32
			name                     [16]byte
			ifindex, expected        uint32
			btf, infoSize            uint32
			info                     uint64
			infoCount, lineSize      uint32
			line                     uint64
			lineCount, attachBTF, fd uint32
		}{typ: 6, count: uint32(len(insns)), insns: addr(code), license: addr(license)}
		if log != nil {
			attr.logLevel, attr.logSize, attr.log = 1, uint32(len(log)), addr(log)
		}
		fd, _, errno := unix.Syscall(unix.SYS_BPF, 5, uintptr(unsafe.Pointer(&attr)), unsafe.Sizeof(attr))
		runtime.KeepAlive(code)
		runtime.KeepAlive(license)
		runtime.KeepAlive(log)
		switch {
		case errno == 0:
			return int(fd), "", nil
		case errno == unix.EINTR || errno == unix.EAGAIN:
			continue
		case log == nil && errno != unix.EPERM:
			log = make([]byte, 16<<20)
			continue
		}
		return -1, string(log[:bytes.IndexByte(append(log, 0), 0)]), errno
	}
}

func addr(b []byte) uint64 { return uint64(uintptr(unsafe.Pointer(unsafe.SliceData(b)))) }

// run is one packet through the entry program: verdict, metadata and bytes.
func (l *loaded) run(pkt []byte) (uint32, []byte, error) {
	opts := &cebpf.RunOptions{Data: pkt, DataOut: make([]byte, len(pkt)+512)}
	for {
		v, err := l.progs[0].Run(opts)
		if errors.Is(err, unix.EINTR) { // Go's preemption signal
			continue
		}
		return v, opts.DataOut, err
	}
}

// TestVerifierAccepts measures how many programs the kernel's verifier takes.
func TestVerifierAccepts(t *testing.T) {
	n := uint64(400)
	if testing.Short() {
		n = 60
	}
	for _, o := range []struct {
		name string
		opt  Options
	}{
		{"small", Options{Statements: 8, V4: true}},
		{"normal", Options{V4: true, Latched: true}},
		{"large", Options{Statements: 60, V4: true}},
	} {
		t.Run(o.name, func(t *testing.T) {
			took, slots := 0, 0
			why := map[string]int{}
			var first string
			for seed := range n {
				c := Generate(seed, o.opt)
				slots += c.Size()
				l, err := loadKernel(c)
				if errors.Is(err, errNoBPF) {
					t.Skip(err)
				}
				var r *rejected
				if errors.As(err, &r) {
					lines := strings.Split(strings.TrimSpace(r.log), "\n")
					if len(lines) > 1 && strings.HasPrefix(lines[len(lines)-1], "processed") {
						lines = lines[:len(lines)-1]
					}
					why[lines[len(lines)-1]]++
					if first == "" {
						first = fmt.Sprintf("seed %d, program %s: %s", seed, r.prog, strings.Join(lines[max(0, len(lines)-40):], "\n"))
					}
					continue
				}
				if err != nil {
					t.Fatalf("seed %d: %v", seed, err)
				}
				l.Close()
				took++
			}
			t.Logf("%d of %d accepted, %d slots on average", took, n, slots/int(n))
			if uint64(took)*10 < n*9 {
				t.Errorf("fewer than 90 in 100")
			}
			for w, k := range why {
				t.Logf("%4d %s", k, w)
			}
			if first != "" {
				t.Logf("%s", first)
			}
		})
	}
}
