package loader

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"jitnic/host/maps"

	cilium "github.com/cilium/ebpf"
	"github.com/cilium/ebpf/btf"
	"golang.org/x/sys/unix"
)

// linkKconfig makes the virtual map .kconfig, whose one value holds the
// variables declared `extern … __kconfig`.
func (l *linker) linkKconfig() error {
	ds := l.kconfig()
	if ds == nil {
		return nil
	}
	weak := map[string]bool{}
	used := map[string]bool{}
	for _, e := range l.im.externs {
		weak[e.name] = weak[e.name] || e.weak
		used[e.name] = true
	}
	value := make([]byte, ds.Size)
	for _, v := range ds.Vars {
		va, ok := v.Type.(*btf.Var)
		if !ok || !used[va.Name] {
			continue
		}
		if uint64(v.Offset)+uint64(v.Size) > uint64(len(value)) {
			return fmt.Errorf("kconfig variable %q lies outside of .kconfig", va.Name)
		}
		text, ok := l.kconfigValue(va.Name)
		if !ok {
			if weak[va.Name] || strings.HasPrefix(va.Name, "CONFIG_") && l.haveConfig() {
				continue // not set: zero
			}
			return fmt.Errorf("kconfig variable %q: the running kernel doesn't tell its value", va.Name)
		}
		if err := putKconfig(value[v.Offset:v.Offset+v.Size], va.Type, text); err != nil {
			return fmt.Errorf("kconfig variable %q: %w", va.Name, err)
		}
	}
	l.mapIndex[".kconfig"] = len(l.obj.Maps)
	l.obj.Maps = append(l.obj.Maps, &maps.Spec{
		Name: ".kconfig", Type: cilium.Array, KeySize: 4, ValueSize: ds.Size, Max: 1,
		Flags: unix.BPF_F_RDONLY_PROG, ReadOnly: true, Value: ds,
		Contents: []maps.Entry{{Key: make([]byte, 4), Value: value}},
	})
	return nil
}

func (l *linker) kconfig() *btf.Datasec {
	var ds *btf.Datasec
	if l.spec.Types == nil || l.spec.Types.TypeByName(".kconfig", &ds) != nil {
		return nil
	}
	return ds
}

// kconfigOffset returns where a variable stands in .kconfig, -1 if it doesn't.
func (l *linker) kconfigOffset(name string) int {
	ds := l.kconfig()
	if ds == nil {
		return -1
	}
	for _, v := range ds.Vars {
		if v.Type.TypeName() == name {
			return int(v.Offset)
		}
	}
	return -1
}

// kconfigValue looks a variable up: given by the caller, known by its name
// (libbpf's virtual ones), or in the running kernel's configuration.
func (l *linker) kconfigValue(name string) (string, bool) {
	if v, ok := l.opt.Kconfig[name]; ok {
		return v, true
	}
	switch name {
	case "LINUX_KERNEL_VERSION":
		return strconv.Itoa(kernelVersion()), true
	case "LINUX_HAS_BPF_COOKIE", "LINUX_HAS_SYSCALL_WRAPPER":
		return "1", true
	}
	v, ok := runningConfig()[name]
	return v, ok
}

func (l *linker) haveConfig() bool { return len(runningConfig()) > 0 }

// kernelVersion is KERNEL_VERSION of the running kernel.
func kernelVersion() int {
	var u unix.Utsname
	if unix.Uname(&u) != nil {
		return 0
	}
	var v [3]int
	fmt.Sscanf(unix.ByteSliceToString(u.Release[:]), "%d.%d.%d", &v[0], &v[1], &v[2]) // what isn't there stays 0
	return v[0]<<16 | v[1]<<8 | min(v[2], 255)
}

// runningConfig reads the kernel's .config from where kernels keep it.
func runningConfig() map[string]string {
	var u unix.Utsname
	if unix.Uname(&u) != nil {
		return nil
	}
	for _, file := range []string{"/proc/config.gz", "/boot/config-" + unix.ByteSliceToString(u.Release[:])} {
		data, err := os.ReadFile(file)
		if err != nil {
			continue
		}
		var r io.Reader = bytes.NewReader(data)
		if strings.HasSuffix(file, ".gz") {
			if r, err = gzip.NewReader(r); err != nil {
				continue
			}
		}
		out := map[string]string{}
		for sc := bufio.NewScanner(r); sc.Scan(); {
			if k, v, ok := strings.Cut(sc.Text(), "="); ok && !strings.HasPrefix(k, "#") {
				out[k] = v
			}
		}
		return out
	}
	return nil
}

// putKconfig writes the value of a .config line as the variable's type has it
// (libbpf set_kcfg_value_*): y, n, m as bool, char or enum libbpf_tristate;
// numbers; "text" into a char array.
func putKconfig(dst []byte, typ btf.Type, text string) error {
	num := func(n uint64) error {
		var b [8]byte
		binary.LittleEndian.PutUint64(b[:], n)
		if len(dst) > 8 {
			return fmt.Errorf("%q doesn't fit its type", text)
		}
		for _, x := range b[len(dst):] {
			if x != 0 && x != 0xff {
				return fmt.Errorf("%q doesn't fit %d bytes", text, len(dst))
			}
		}
		copy(dst, b[:])
		return nil
	}
	typ = btf.UnderlyingType(typ)
	switch text {
	case "y", "n", "m":
		i, isInt := typ.(*btf.Int)
		switch {
		case isInt && i.Encoding == btf.Bool:
			if text == "m" {
				return fmt.Errorf("m is no bool")
			}
			return num(uint64(strings.Index("ny", text)))
		case isInt && i.Size == 1:
			return num(uint64(text[0]))
		}
		if _, ok := typ.(*btf.Enum); ok {
			return num(uint64(strings.Index("nym", text))) // TRI_NO, TRI_YES, TRI_MODULE
		}
		return fmt.Errorf("%s is neither bool, char nor tristate", typ)
	}
	if strings.HasPrefix(text, `"`) {
		s, err := strconv.Unquote(text)
		if _, ok := typ.(*btf.Array); err != nil || !ok {
			return fmt.Errorf("%s is no text of type %s", text, typ)
		}
		if len(dst) > 0 {
			copy(dst[:len(dst)-1], s)
		}
		return nil
	}
	if n, err := strconv.ParseInt(text, 0, 64); err == nil {
		return num(uint64(n))
	}
	n, err := strconv.ParseUint(text, 0, 64)
	if err != nil {
		return fmt.Errorf("%q is no number", text)
	}
	return num(n)
}
