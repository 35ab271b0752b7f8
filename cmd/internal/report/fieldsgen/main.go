// Fieldsgen collects what the comments in the sources say of fields that stand in
// JSON, for jitnic schema: it writes fields.json, an object of the comments by
// PACKAGE.TYPE.KEY. Run it by go generate in cmd/internal/report.
package main

import (
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
)

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: fieldsgen ROOT OUT")
		os.Exit(2)
	}
	out, err := Collect(os.Args[1])
	if err == nil {
		err = os.WriteFile(os.Args[2], out, 0o644)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "fieldsgen:", err)
		os.Exit(1)
	}
}

// Collect reads all packages below the module's root.
func Collect(root string) ([]byte, error) {
	fields := map[string]string{}
	err := filepath.WalkDir(root, func(file string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && file != root && (d.Name() == "testdata" || strings.HasPrefix(d.Name(), ".")) {
			return filepath.SkipDir
		}
		if d.IsDir() || !strings.HasSuffix(file, ".go") || strings.HasSuffix(file, "_test.go") {
			return nil
		}
		dir, err := filepath.Rel(root, filepath.Dir(file))
		if err != nil {
			return err
		}
		return collect(file, path.Join("jitnic", filepath.ToSlash(dir)), fields)
	})
	if err != nil {
		return nil, err
	}
	b, err := json.MarshalIndent(fields, "", " ") // keys are sorted
	return append(b, '\n'), err
}

func collect(file, pkg string, fields map[string]string) error {
	f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return err
	}
	ast.Inspect(f, func(n ast.Node) bool {
		t, ok := n.(*ast.TypeSpec)
		if !ok {
			return true
		}
		s, ok := t.Type.(*ast.StructType)
		if !ok {
			return true
		}
		for _, x := range s.Fields.List {
			if x.Tag == nil {
				continue
			}
			tag, err := strconv.Unquote(x.Tag.Value)
			if err != nil {
				continue
			}
			key, _, _ := strings.Cut(reflect.StructTag(tag).Get("json"), ",")
			if text := said(x); key != "" && key != "-" && text != "" {
				fields[pkg+"."+t.Name.Name+"."+key] = text
			}
		}
		return true
	})
	return nil
}

// said is what stands above a field and beside it, in one line.
func said(x *ast.Field) string {
	text := x.Doc.Text() + " " + x.Comment.Text()
	return strings.Join(strings.Fields(text), " ")
}
