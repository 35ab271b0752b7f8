package profile

import (
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
)

//go:embed profiles/*.nic hosts/*.host
var builtins embed.FS

// Names lists the built-in device profiles.
func Names() []string { return names("profiles", ".nic") }

// HostNames lists the built-in host profiles.
func HostNames() []string { return names("hosts", ".host") }

func names(dir, ext string) []string {
	entries, err := builtins.ReadDir(dir)
	if err != nil {
		panic(err) // the folder is compiled in
	}
	var out []string
	for _, e := range entries {
		out = append(out, strings.TrimSuffix(e.Name(), ext))
	}
	slices.Sort(out)
	return out
}

// Text is the file of a built-in device profile, the example to copy.
func Text(name string) (string, error) {
	b, err := builtins.ReadFile("profiles/" + name + ".nic")
	return string(b), notBuiltin(err, name, "profile", Names())
}

// HostText is the file of a built-in host profile.
func HostText(name string) (string, error) {
	b, err := builtins.ReadFile("hosts/" + name + ".host")
	return string(b), notBuiltin(err, name, "host profile", HostNames())
}

func notBuiltin(err error, name, what string, have []string) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%q: no built-in %s of that name: want %s", clip(name), what, strings.Join(have, ", "))
}

// Load reads a device profile: the name of a built-in one (see [Names]) or a
// file.
func Load(name string) (*NIC, error) {
	file, text, err := read(name, "profiles", nicSchema(), Names())
	if err != nil {
		return nil, err
	}
	return Parse(file, text)
}

// LoadHost reads a host profile: the name of a built-in one (see [HostNames])
// or a file.
func LoadHost(name string) (*Host, error) {
	file, text, err := read(name, "hosts", hostSchema(), HostNames())
	if err != nil {
		return nil, err
	}
	return ParseHost(file, text)
}

// Profiles are short: a longer file is something else.
const maxFile = 1 << 20

func read(name, dir string, s *schema, have []string) (file string, text []byte, err error) {
	if slices.Contains(have, name) {
		text, err = builtins.ReadFile(path.Join(dir, name+s.ext))
		return name + s.ext, text, err
	}
	st, err := os.Stat(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "", nil, fmt.Errorf("%s: no such file, and no built-in %s: want %s", name, s.what, strings.Join(have, ", "))
	case err != nil:
		return "", nil, err
	case !st.Mode().IsRegular() && st.Mode()&(os.ModeNamedPipe|os.ModeCharDevice) == 0:
		return "", nil, fmt.Errorf("%s: not a file", name)
	case st.Size() > maxFile:
		return "", nil, fmt.Errorf("%s: %d bytes: too long for a %s", name, st.Size(), s.what)
	}
	text, err = os.ReadFile(name)
	return name, text, err
}

// Parse reads the text of a device profile; file names it in errors and gives
// the profile's default name.
func Parse(file string, text []byte) (*NIC, error) {
	n := &NIC{Name: stem(file), From: Origins{}}
	err := n.record().parse(file, text, func(name string) (record, error) {
		if !slices.Contains(Names(), name) {
			return record{}, notBuiltin(fs.ErrNotExist, name, "profile", Names())
		}
		b, err := Load(name)
		if err != nil {
			return record{}, err
		}
		return b.record(), nil
	})
	if err == nil {
		err = n.check()
	}
	if err != nil {
		return nil, err
	}
	return n, nil
}

// ParseHost reads the text of a host profile.
func ParseHost(file string, text []byte) (*Host, error) {
	h := &Host{Name: stem(file), From: Origins{}}
	err := h.record().parse(file, text, func(name string) (record, error) {
		if !slices.Contains(HostNames(), name) {
			return record{}, notBuiltin(fs.ErrNotExist, name, "host profile", HostNames())
		}
		b, err := LoadHost(name)
		if err != nil {
			return record{}, err
		}
		return b.record(), nil
	})
	if err != nil {
		return nil, err
	}
	return h, nil
}

// stem is a file's name without folder and extension.
func stem(file string) string {
	b := filepath.Base(file)
	return strings.TrimSuffix(b, filepath.Ext(b))
}

func (n *NIC) record() record {
	return record{nicSchema(), reflect.ValueOf(n).Elem(), n.From}
}

func (h *Host) record() record {
	return record{hostSchema(), reflect.ValueOf(h).Elem(), h.From}
}
