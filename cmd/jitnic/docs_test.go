package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"strings"
	"testing"

	"jitnic/host/hosttest/must"
)

// TestDocsNameTheirSymbol reads every doc comment of the tree: one that begins
// with the name of another declaration of its package was copied from a
// neighbour, or outlived a renaming. (That exported symbols are named at all is
// staticcheck's, see staticcheck.conf.)
func TestDocsNameTheirSymbol(t *testing.T) {
	root := filepath.Join("..", "..")
	dirs := map[string][]string{}
	must.OK(t, filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && path != root && strings.HasPrefix(d.Name(), ".") {
			return filepath.SkipDir
		}
		if strings.HasSuffix(path, ".go") {
			dirs[filepath.Dir(path)] = append(dirs[filepath.Dir(path)], path)
		}
		return nil
	}))
	read := 0
	for _, files := range dirs {
		set := token.NewFileSet()
		var docs []documented
		for _, f := range files {
			file := must.Get(parser.ParseFile(set, f, nil, parser.ParseComments|parser.SkipObjectResolution))(t)
			docs = append(docs, declarations(file)...)
		}
		names := map[string]bool{}
		for _, d := range docs {
			names[d.name] = true
		}
		for _, d := range docs {
			if d.doc == nil {
				continue
			}
			read++
			first, _, _ := strings.Cut(strings.TrimSpace(d.doc.Text()), " ")
			if first = strings.TrimRight(first, ",.:;()"); misnames(first, d.name, names) {
				t.Errorf("%s: the comment of %s begins with %s", set.Position(d.doc.Pos()), d.name, first)
			}
		}
	}
	if read < 1000 {
		t.Fatalf("only %d doc comments found", read)
	}
}

type documented struct {
	name string
	doc  *ast.CommentGroup
}

// declarations are a file's functions, methods, and types, constants and
// variables that are declared one by one.
func declarations(file *ast.File) (docs []documented) {
	for _, decl := range file.Decls {
		switch d := decl.(type) {
		case *ast.FuncDecl:
			docs = append(docs, documented{d.Name.Name, d.Doc})
		case *ast.GenDecl:
			for _, spec := range d.Specs {
				doc := d.Doc
				if d.Lparen.IsValid() {
					doc = nil
				}
				switch s := spec.(type) {
				case *ast.TypeSpec:
					if doc == nil {
						doc = s.Doc
					}
					docs = append(docs, documented{s.Name.Name, doc})
				case *ast.ValueSpec:
					if len(s.Names) == 1 {
						if doc == nil {
							doc = s.Doc
						}
						docs = append(docs, documented{s.Names[0].Name, doc})
					}
				}
			}
		}
	}
	return docs
}

// fieldWords are in camel case and no names of ours.
var fieldWords = map[string]bool{"eBPF": true, "cBPF": true, "uPlot": true, "oracleGeneral": true}

// misnames says whether a comment that begins with this word speaks of another
// symbol than the one it stands on: the word is a name (in camel case, as no
// plain word is) and not this one's, or it is this one's with its end cut off.
func misnames(word, name string, names map[string]bool) bool {
	if word == "" || word == name || !token.IsIdentifier(word) {
		return false
	}
	if fieldWords[word] {
		return false
	}
	if strings.TrimSuffix(word, "s") == name { // "a pair's", "pairs of"
		return false
	}
	camel := strings.ToLower(word[1:]) != word[1:] && strings.ToUpper(word) != word
	lower := word[0] >= 'a' && word[0] <= 'z'
	cut := lower && len(word) > 2 && strings.HasPrefix(name, word) && !names[word]
	return camel && (lower || names[word]) || cut
}
