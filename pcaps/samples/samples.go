// Package samples holds captures that this project recorded itself.
package samples

import (
	"bytes"
	"embed"
	"fmt"
	"io"
	"strings"
)

//go:embed *.go
var files embed.FS

// A Sample is one embedded capture.
type Sample struct {
	Name        string // what follows "sample:" in a path
	File        string // its file in this folder
	Packets     int
	Description string
	Recorded    string // how it came about
}

// List holds all samples, the most general one first.
var List = []Sample{}

// Open returns the bytes of the capture called name.
func Open(name string) (io.Reader, error) {
	for _, s := range List {
		if s.Name == name {
			b, err := files.ReadFile(s.File)
			if err != nil {
				return nil, err
			}
			return bytes.NewReader(b), nil
		}
	}
	return nil, fmt.Errorf("sample capture %q: not one of %s", name, strings.Join(Names(), ", "))
}

// Names returns the names of all samples in List's order.
func Names() []string {
	var names []string
	for _, s := range List {
		names = append(names, s.Name)
	}
	return names
}
