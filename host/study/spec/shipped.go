package spec

import (
	"embed"
	"fmt"
	"io/fs"
	"strings"
)

//go:embed studies/*.yaml
var studies embed.FS

// Shipped lists the studies that the binary carries.
func Shipped() []string {
	var out []string
	all, err := fs.Glob(studies, "studies/*.yaml")
	if err != nil {
		panic(err) // the pattern is fixed
	}
	for _, f := range all {
		out = append(out, strings.TrimSuffix(strings.TrimPrefix(f, "studies/"), ".yaml"))
	}
	return out
}

// ShippedText is the file of a study that the binary carries.
func ShippedText(name string) ([]byte, error) {
	text, err := studies.ReadFile("studies/" + name + ".yaml")
	if err != nil {
		return nil, fmt.Errorf("study %q: not known; there are %s", name, strings.Join(Shipped(), ", "))
	}
	return text, nil
}
