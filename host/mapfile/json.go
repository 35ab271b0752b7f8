package mapfile

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// node is a JSON value that knows where it stands.
type node struct {
	line int
	path string // "maps.flows[3].key"
	kind kind
	text string // of a string; of a number its digits
	yes  bool   // of true and false
	key  bool   // of a map's entry, or inside one
	list []*node
	keys []string // of an object, in list's order
}

type kind uint8

const (
	isNull kind = iota
	isBool
	isNumber
	isString
	isList
	isObject
)

func (k kind) String() string {
	return [...]string{"null", "true or false", "a number", "a string", "a list", "an object"}[k]
}

// field is a member of an object, or nil.
func (n *node) field(name string) *node {
	for i, k := range n.keys {
		if k == name {
			return n.list[i]
		}
	}
	return nil
}

// isKey marks a value as that of a map's key: a negative number there is a
// slip, where it is a way of writing in a value.
func (n *node) isKey() {
	n.key = true
	for _, c := range n.list {
		c.isKey()
	}
}

// Error says which place of which file is wrong, and why.
type Error struct {
	File string
	Line int
	Path string // "maps.flows[3].key"
	Err  error
}

func (e *Error) Error() string {
	s := e.File
	if e.Line > 0 {
		s += ":" + strconv.Itoa(e.Line)
	}
	if e.Path != "" {
		s += ": " + e.Path
	}
	return s + ": " + e.Err.Error()
}

func (e *Error) Unwrap() error { return e.Err }

// wrong is an Error at n; the file's name is put in later.
func (n *node) wrong(format string, args ...any) error {
	return &Error{Line: n.line, Path: n.path, Err: fmt.Errorf(format, args...)}
}

// deepest is how far values may nest.
const deepest = 64

// parseJSON reads one JSON value with the places of all in it.
func parseJSON(b []byte) (*node, error) {
	p := &parser{d: json.NewDecoder(bytes.NewReader(b)), src: b, line: 1}
	p.d.UseNumber()
	n, err := p.value("", 0)
	if err != nil {
		return nil, err
	}
	if _, err := p.d.Token(); err != io.EOF {
		return nil, &Error{Line: p.at(), Err: fmt.Errorf("more after the end")}
	}
	return n, nil
}

type parser struct {
	d       *json.Decoder
	src     []byte
	line    int
	counted int64 // newlines up to here are counted
}

// at is the line the decoder has come to.
func (p *parser) at() int {
	off := min(p.d.InputOffset(), int64(len(p.src)))
	p.line += bytes.Count(p.src[p.counted:off], []byte("\n"))
	p.counted = off
	return p.line
}

func (p *parser) token(path string) (json.Token, error) {
	t, err := p.d.Token()
	if err != nil {
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		return nil, &Error{Line: p.at(), Path: path, Err: fmt.Errorf("not JSON: %s", strings.ToLower(err.Error()))}
	}
	return t, nil
}

func (p *parser) value(path string, depth int) (*node, error) {
	t, err := p.token(path)
	if err != nil {
		return nil, err
	}
	n := &node{line: p.at(), path: path}
	if depth > deepest {
		return nil, n.wrong("nested deeper than %d", deepest)
	}
	switch t := t.(type) {
	case nil:
	case bool:
		n.kind, n.yes = isBool, t
	case json.Number:
		n.kind, n.text = isNumber, t.String()
	case string:
		n.kind, n.text = isString, t
	case json.Delim:
		switch t {
		case '[':
			n.kind = isList
			for p.d.More() {
				c, err := p.value(fmt.Sprintf("%s[%d]", path, len(n.list)), depth+1)
				if err != nil {
					return nil, err
				}
				n.list = append(n.list, c)
			}
		case '{':
			n.kind = isObject
			for p.d.More() {
				t, err := p.token(path)
				if err != nil {
					return nil, err
				}
				key := t.(string) // the decoder gives nothing else here
				if n.field(key) != nil {
					return nil, n.wrong("%q twice", key)
				}
				at := key
				if path != "" {
					at = path + "." + key
				}
				c, err := p.value(at, depth+1)
				if err != nil {
					return nil, err
				}
				n.keys = append(n.keys, key)
				n.list = append(n.list, c)
			}
		}
		if _, err := p.token(path); err != nil { // the closing bracket
			return nil, err
		}
	}
	return n, nil
}
