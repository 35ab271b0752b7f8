package filter

import (
	"strconv"
	"strings"
)

type kind uint8

type token struct {
	kind kind
	text string // "&&" is "and", "||" is "or", "!" is "not"
	esc  bool   // written with a backslash: a name, not a keyword
	col  int
}

func (t token) String() string {
	if t.kind == end {
		return "end of expression"
	}
	return strconv.Quote(t.text)
}

func isWord(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("._:/-", c) >= 0
}

func (p *parser) lex() {
	s := p.expr
	inside := 0 // brackets, where a colon stands before a size
	for i := 0; i < len(s); {
		c := s[i]
		switch {
		case c == ' ' || c == '\t' || c == '\n' || c == '\r':
			i++
		case c == '$':
			name := paramName(s[i+1:])
			if name == "" {
				p.fail(i, "a parameter's name must follow the dollar")
			}
			if !p.generic {
				p.fail(i, "parameter $%s has no value", name)
			}
			p.toks = append(p.toks, token{kind: parameter, text: name, col: i})
			i += 1 + len(name)
		case isWord(c) && c != '-' && c != '/' && (c != ':' || inside == 0 && strings.HasPrefix(s[i:], "::")) || c == '\\':
			j := i + 1
			for j < len(s) && isWord(s[j]) && (inside == 0 || s[j] != ':' && s[j] != '/') {
				j++
			}
			t := token{kind: word, text: s[i:j], col: i}
			if c == '\\' {
				t.esc, t.text = true, s[i+1:j]
				if t.text == "" {
					p.fail(i, "a name must follow the backslash")
				}
			}
			p.toks = append(p.toks, t)
			i = j
		default:
			t := token{kind: mark, text: s[i : i+1], col: i}
			if i+1 < len(s) {
				switch two := s[i : i+2]; two {
				case "&&":
					t = token{kind: word, text: "and", col: i}
					i++
				case "||":
					t = token{kind: word, text: "or", col: i}
					i++
				case "==", "!=", "<=", ">=", "<<", ">>":
					t.text = two
					i++
				}
			}
			if t.text == "!" {
				t = token{kind: word, text: "not", col: i}
			}
			if t.kind == mark && !strings.Contains("( ) [ ] & | = == != < > <= >= << >> + - * / % ^ :", t.text) {
				p.fail(i, "unexpected character %q", c)
			}
			switch t.text {
			case "[":
				inside++
			case "]":
				inside--
			}
			p.toks = append(p.toks, t)
			i++
		}
	}
	p.toks = append(p.toks, token{kind: end, col: len(s)})
}

func (p *parser) peek() token { return p.toks[p.pos] }

func (p *parser) ahead(n int) token { return p.toks[min(p.pos+n, len(p.toks)-1)] }

func (p *parser) take() token {
	t := p.toks[p.pos]
	if t.kind != end {
		p.pos++
	}
	return t
}

// accept consumes the keyword or mark s if it is next.
func (p *parser) accept(s string) bool {
	if t := p.peek(); t.kind != end && !t.esc && t.text == s {
		p.pos++
		return true
	}
	return false
}

func (p *parser) expect(s string) {
	if t := p.peek(); !p.accept(s) {
		p.fail(t.col, "%q expected, not %s", s, t)
	}
}
