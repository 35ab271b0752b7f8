package spec

import (
	"errors"
	"fmt"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
)

// An Error is what is wrong at a place of a study's file.
type Error struct {
	File         string
	Line, Column int
	Err          error
}

func (e *Error) Error() string {
	if e.Line == 0 {
		return fmt.Sprintf("%s: %v", e.File, e.Err)
	}
	return fmt.Sprintf("%s:%d:%d: %v", e.File, e.Line, e.Column, e.Err)
}

func (e *Error) Unwrap() error { return e.Err }

// A node is a value of the file with its place.
type node struct {
	file      string
	line, col int
	kind      kind
	text      string // of a scalar
	list      []*node
	keys      []*node // of a mapping; vals beside them
	vals      []*node
}

type kind uint8

const (
	null kind = iota
	scalar
	list
	mapping
)

func (n *node) fail(format string, args ...any) error {
	return &Error{n.file, n.line, n.col, fmt.Errorf(format, args...)}
}

// is says what a node is, for errors.
func (n *node) is() string {
	switch n.kind {
	case scalar:
		return fmt.Sprintf("%q", n.text)
	case list:
		return "a list"
	case mapping:
		return "a mapping"
	}
	return "nothing"
}

// items are the values of a list, or of one that stands alone.
func (n *node) items() []*node {
	switch n.kind {
	case list:
		return n.list
	case null:
		return nil
	}
	return []*node{n}
}

// parse reads YAML.
func parse(file string, text []byte) (*node, error) {
	f, err := parser.ParseBytes(text, 0)
	if err != nil {
		return nil, syntax(file, err)
	}
	if len(f.Docs) > 1 {
		return nil, &Error{file, f.Docs[1].GetToken().Position.Line, 1, errors.New("a second document: a study is one")}
	}
	if len(f.Docs) == 0 || f.Docs[0].Body == nil {
		return nil, &Error{File: file, Err: errors.New("empty: a study names programs and captures")}
	}
	c := converter{file: file, anchors: map[string]*node{}}
	return c.node(f.Docs[0].Body, 0)
}

// syntax is the parser's error in one line.
func syntax(file string, err error) error {
	e := &Error{File: file, Err: err}
	var y yaml.Error
	if errors.As(err, &y) {
		e.Err = errors.New(strings.ReplaceAll(y.GetMessage(), "\n", " "))
		if t := y.GetToken(); t != nil && t.Position != nil {
			e.Line, e.Column = t.Position.Line, t.Position.Column
		}
	}
	return e
}

type converter struct {
	file    string
	anchors map[string]*node
	n       int
}

// Bounds on what a file may hold: an alias of aliases must not take all memory.
const (
	deepest   = 50
	mostNodes = 1 << 20
)

func (c *converter) node(a ast.Node, depth int) (*node, error) {
	n := &node{file: c.file}
	if t := a.GetToken(); t != nil && t.Position != nil {
		n.line, n.col = t.Position.Line, t.Position.Column
	}
	if c.n++; depth > deepest || c.n > mostNodes {
		return nil, n.fail("too much is nested in each other here")
	}
	switch a := a.(type) {
	case *ast.NullNode:
	case *ast.MappingNode:
		n.kind = mapping
		if len(a.Values) > 0 && a.Start.Value != "{" { // a block begins at its first key
			n.line, n.col = a.Values[0].Key.GetToken().Position.Line, a.Values[0].Key.GetToken().Position.Column
		}
		for _, v := range a.Values {
			if err := c.pair(n, v, depth); err != nil {
				return nil, err
			}
		}
	case *ast.MappingValueNode:
		n.kind = mapping
		n.line, n.col = a.Key.GetToken().Position.Line, a.Key.GetToken().Position.Column
		if err := c.pair(n, a, depth); err != nil {
			return nil, err
		}
	case *ast.SequenceNode:
		n.kind = list
		for _, v := range a.Values {
			x, err := c.node(v, depth+1)
			if err != nil {
				return nil, err
			}
			n.list = append(n.list, x)
		}
	case *ast.AnchorNode:
		x, err := c.node(a.Value, depth+1)
		if err != nil {
			return nil, err
		}
		c.anchors[a.Name.GetToken().Value] = x
		return x, nil
	case *ast.AliasNode:
		x := c.anchors[a.Value.GetToken().Value]
		if x == nil {
			return nil, n.fail("*%s: no such anchor before it", a.Value.GetToken().Value)
		}
		return x, nil
	case *ast.TagNode:
		return c.node(a.Value, depth+1)
	case *ast.StringNode:
		n.kind, n.text = scalar, a.Value
	case *ast.LiteralNode:
		n.kind, n.text = scalar, a.Value.Value
	case ast.ScalarNode: // numbers and the like: as they were written
		n.kind, n.text = scalar, a.GetToken().Value
	default:
		return nil, n.fail("not a value that a study has")
	}
	return n, nil
}

func (c *converter) pair(n *node, v *ast.MappingValueNode, depth int) error {
	if _, ok := v.Key.(*ast.MergeKeyNode); ok {
		from, err := c.node(v.Value, depth+1)
		if err != nil {
			return err
		}
		if from.kind != mapping {
			return from.fail("<<: %s: want a mapping", from.is())
		}
		for i, k := range from.keys {
			if n.get(k.text) == nil {
				n.keys, n.vals = append(n.keys, k), append(n.vals, from.vals[i])
			}
		}
		return nil
	}
	t := v.Key.GetToken()
	k := &node{file: c.file, line: t.Position.Line, col: t.Position.Column, kind: scalar, text: t.Value}
	x, err := c.node(v.Value, depth+1)
	if err != nil {
		return err
	}
	if x.kind == null {
		x.line, x.col = k.line, k.col
	}
	if n.get(k.text) != nil {
		return k.fail("%s: twice", k.text)
	}
	n.keys, n.vals = append(n.keys, k), append(n.vals, x)
	return nil
}

// get is the value under a key; nil: there is none.
func (n *node) get(key string) *node {
	for i, k := range n.keys {
		if k.text == key {
			return n.vals[i]
		}
	}
	return nil
}
