package report

import (
	"cmp"
	_ "embed" // fields.json, words.txt
	"encoding"
	"encoding/json"
	"reflect"
	"strings"
	"sync"
)

//go:generate go run ./fieldsgen ../../.. fields.json

//go:embed fields.json
var fieldsJSON []byte

// said is what comments in the sources say of fields, by PACKAGE.TYPE.KEY.
var said = sync.OnceValue(func() map[string]string {
	m := map[string]string{}
	if err := json.Unmarshal(fieldsJSON, &m); err != nil {
		panic("report: fields.json: " + err.Error())
	}
	return m
})

//go:embed words.txt
var wordsText string

// words says what a key of JSON output means wherever the field has no comment of
// its own: the words all reports share, a line a key. A count is a whole number, a
// ratio or share is from 0 to 1, and a name that ends in a unit is in that unit.
var words = sync.OnceValue(func() map[string]string {
	out := map[string]string{}
	for line := range strings.Lines(wordsText) {
		key, meaning, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ": ")
		out[key] = meaning
	}
	return out
})

// SchemaOf is the JSON Schema (draft 2020-12) of what a verb's --json writes: the
// type's JSON with the run before it.
func SchemaOf(verb string, t reflect.Type) map[string]any {
	s := &schemas{defs: map[string]any{}}
	out := s.of(t)
	if ref, ok := out["$ref"].(string); ok { // the report itself stands at the top
		name := strings.TrimPrefix(ref, "#/$defs/")
		out = s.defs[name].(map[string]any)
		delete(s.defs, name)
		run := s.of(reflect.TypeFor[Run]())
		run["description"] = words()["run"]
		out["properties"].(map[string]any)["run"] = run
		out["required"] = append([]string{"run"}, out["required"].([]string)...)
	}
	out["$schema"] = "https://json-schema.org/draft/2020-12/schema"
	out["$id"] = "jitnic:" + strings.ReplaceAll(verb, " ", ":")
	out["title"] = "jitnic " + verb + " --json"
	out["version"] = Schema
	out["$defs"] = s.defs
	return out
}

// schemas collects those of named structs.
type schemas struct{ defs map[string]any }

var (
	textMarshaler = reflect.TypeFor[encoding.TextMarshaler]()
	jsonMarshaler = reflect.TypeFor[json.Marshaler]()
)

func (s *schemas) of(t reflect.Type) map[string]any {
	switch {
	case t.Implements(jsonMarshaler) || reflect.PointerTo(t).Implements(jsonMarshaler):
		return map[string]any{}
	case t.Implements(textMarshaler) || reflect.PointerTo(t).Implements(textMarshaler):
		return map[string]any{"type": "string"}
	}
	switch t.Kind() {
	case reflect.Pointer:
		return map[string]any{"anyOf": []any{s.of(t.Elem()), map[string]any{"type": "null"}}}
	case reflect.Bool:
		return map[string]any{"type": "boolean"}
	case reflect.String:
		return map[string]any{"type": "string"}
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return map[string]any{"type": "integer"}
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return map[string]any{"type": "integer", "minimum": 0}
	case reflect.Float32, reflect.Float64:
		return map[string]any{"type": "number"}
	case reflect.Array:
		return map[string]any{"type": "array", "items": s.of(t.Elem())}
	case reflect.Slice:
		return map[string]any{"type": []string{"array", "null"}, "items": s.of(t.Elem())}
	case reflect.Map:
		return map[string]any{"type": []string{"object", "null"}, "additionalProperties": s.of(t.Elem())}
	case reflect.Struct:
		return s.object(t)
	}
	return map[string]any{}
}

// object is a struct's, a reference where it has a name.
func (s *schemas) object(t reflect.Type) map[string]any {
	name := strings.TrimPrefix(t.PkgPath(), "jitnic/") + "." + t.Name()
	name = strings.ReplaceAll(name, "/", ".")
	ref := map[string]any{"$ref": "#/$defs/" + name}
	if _, ok := s.defs[name]; ok && t.Name() != "" {
		return ref
	}
	properties, required := map[string]any{}, []string{}
	o := map[string]any{"type": "object", "properties": properties, "required": required, "additionalProperties": false}
	if t.Name() != "" {
		s.defs[name] = o // before its fields: they may be of its own type
	}
	s.fields(t, properties, &required)
	o["required"] = required
	if t.Name() == "" {
		return o
	}
	return ref
}

func (s *schemas) fields(t reflect.Type, properties map[string]any, required *[]string) {
	for i := range t.NumField() {
		f := t.Field(i)
		key, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		if key == "-" {
			continue
		}
		in := f.Type
		if in.Kind() == reflect.Pointer {
			in = in.Elem()
		}
		if f.Anonymous && key == "" && in.Kind() == reflect.Struct {
			var inner []string
			s.fields(in, properties, &inner)
			if f.Type.Kind() != reflect.Pointer { // nil, it has no keys
				*required = append(*required, inner...)
			}
			continue
		}
		if !f.IsExported() {
			continue
		}
		if key == "" {
			key = f.Name
		}
		if _, ok := properties[key]; ok {
			continue // the outer one hides it
		}
		x := s.of(f.Type)
		if text := cmp.Or(said()[t.PkgPath()+"."+t.Name()+"."+key], words()[key]); text != "" {
			x["description"] = text
		}
		properties[key] = x
		if !strings.Contains(options, "omitempty") && !strings.Contains(options, "omitzero") {
			*required = append(*required, key)
		}
	}
}
