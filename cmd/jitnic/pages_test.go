package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"jitnic/host/hosttest/must"
)

// tree is what the pages for builders may name.
type tree struct {
	dirs  map[string]bool            // of packages, from the root
	files map[string]bool            // by their last name
	tests map[string]bool            // test and benchmark functions
	names map[string]map[string]bool // by package name: what it declares
}

func readTree(t *testing.T, root string) *tree {
	x := &tree{map[string]bool{}, map[string]bool{}, map[string]bool{}, map[string]map[string]bool{}}
	must.OK(t, filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir():
			if path != root && (strings.HasPrefix(d.Name(), ".") || d.Name() == "testdata" || d.Name() == "bin") {
				return filepath.SkipDir
			}
			return nil
		}
		x.files[d.Name()] = true
		if !strings.HasSuffix(path, ".go") {
			return nil
		}
		f, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		if !strings.HasSuffix(path, "_test.go") {
			rel, err := filepath.Rel(root, filepath.Dir(path))
			if err != nil {
				return err
			}
			x.dirs[filepath.ToSlash(rel)] = true
			if x.names[f.Name.Name] == nil {
				x.names[f.Name.Name] = map[string]bool{}
			}
		}
		ast.Inspect(f, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.FuncDecl:
				if strings.HasSuffix(path, "_test.go") {
					x.tests[n.Name.Name] = true
				} else {
					x.names[f.Name.Name][n.Name.Name] = true
				}
				return false
			case *ast.Field: // of structs, and methods of interfaces
				for _, id := range n.Names {
					x.declare(f.Name.Name, path, id)
				}
			case *ast.TypeSpec:
				x.declare(f.Name.Name, path, n.Name)
			case *ast.ValueSpec:
				for _, id := range n.Names {
					x.declare(f.Name.Name, path, id)
				}
			}
			return true
		})
		return nil
	}))
	return x
}

func (x *tree) declare(pkg, path string, id *ast.Ident) {
	if !strings.HasSuffix(path, "_test.go") {
		x.names[pkg][id.Name] = true
	}
}

var (
	quoted    = regexp.MustCompile("`([^`\n]+)`")
	symbol    = regexp.MustCompile(`^([a-z][a-z0-9]*)((?:\.[A-Z]\w*)+)$`)
	goFile    = regexp.MustCompile(`^[a-z0-9_]+\.go$`)
	testName  = regexp.MustCompile(`\b(?:Test|Benchmark)[A-Z]\w+`)
	topLevel  = regexp.MustCompile(`^(?:cache|cmd|host|nic|pathcond|pcaps|superopt|trace|\.ci)/`)
	ownModule = "cmd/jitnic-beam" // read as a folder
)

// missing says what a page names and the tree does not have.
func (x *tree) missing(root, page string) (out []string) {
	for _, m := range quoted.FindAllStringSubmatch(page, -1) {
		word, _, _ := strings.Cut(m[1], " ")
		if s := symbol.FindStringSubmatch(word); s != nil && x.names[s[1]] != nil {
			for _, name := range strings.Split(s[2][1:], ".") {
				if !x.names[s[1]][name] {
					out = append(out, word)
				}
			}
		}
		if goFile.MatchString(word) && !x.files[word] {
			out = append(out, word)
		}
		if topLevel.MatchString(word) && !strings.ContainsAny(word, "N*_:") {
			if _, err := os.Stat(filepath.Join(root, strings.TrimSuffix(word, "/…"))); err != nil {
				out = append(out, word)
			}
		}
	}
	for _, name := range testName.FindAllString(page, -1) {
		if !x.tests[name] {
			out = append(out, name)
		}
	}
	return out
}

// TestPagesNameWhatIs: every path, file, symbol and test that the pages for
// builders name is there, and ARCHITECTURE.md names every package.
func TestPagesNameWhatIs(t *testing.T) {
	root := filepath.Join("..", "..")
	x := readTree(t, root)
	if len(x.dirs) < 100 || len(x.tests) < 1000 {
		t.Fatalf("only %d packages and %d tests found", len(x.dirs), len(x.tests))
	}
	for _, name := range []string{"ARCHITECTURE.md", "CONTRIBUTING.md", "RATIONALE.md", "README.md"} {
		page := must.Get(os.ReadFile(filepath.Join(root, name)))(t)
		for _, what := range x.missing(root, string(page)) {
			t.Errorf("%s names %s, which is not there", name, what)
		}
		if name != "ARCHITECTURE.md" {
			continue
		}
		words := map[string]bool{}
		for _, m := range quoted.FindAllStringSubmatch(string(page), -1) {
			words[m[1]] = true
		}
		for dir := range x.dirs {
			named := words[dir] || strings.HasPrefix(dir, ownModule)
			for up := dir; !named && strings.Contains(up, "/"); {
				up = up[:strings.LastIndex(up, "/")]
				named = words[up+"/…"]
			}
			if !named {
				t.Errorf("%s does not name the package %s", name, dir)
			}
		}
	}
	for _, wrong := range []string{"`vm.Interpreter`", "`memory2.go`", "`host/nowhere`", "TestNobodyWrote"} {
		if len(x.missing(root, wrong)) != 1 {
			t.Errorf("%s was found", wrong)
		}
	}
}
