package spec

import (
	"fmt"
	"reflect"
	"strings"

	"jitnic/pcaps/gen"
)

// A schema is a piece of JSON Schema.
type schema = map[string]any

// Schema is the JSON Schema (draft 2020-12) of a study's file, for editors.
func Schema() map[string]any {
	s := object(studyWords)
	s["$schema"] = "https://json-schema.org/draft/2020-12/schema"
	s["$id"] = "jitnic:study"
	s["title"] = "a study of jitnic"
	s["description"] = "programs × captures × settings, as jitnic study run reads it"
	// Programs and captures stand at the top or under matrix; a study of commands alone
	// has neither.
	has := func(key string) schema {
		return either(schema{"required": []string{key}}, schema{"required": []string{"matrix"}, "properties": schema{"matrix": schema{"required": []string{key}}}})
	}
	alone := schema{"required": []string{"commands"}, "not": either(has("programs"), has("captures"), schema{"required": []string{"include"}})}
	s["anyOf"] = []any{schema{"allOf": []any{has("programs"), has("captures")}}, alone}
	return s
}

func object[T any](words []word[T]) schema {
	p := schema{}
	for _, w := range words {
		s := schema{}
		for k, v := range w.schema() {
			s[k] = v
		}
		s["description"] = w.is
		p[w.key] = s
	}
	return schema{"type": "object", "properties": p, "additionalProperties": false}
}

// objectOf is a mapping with keys that it must have.
func objectOf[T any](words []word[T], required ...string) schema {
	s := object(words)
	s["required"] = required
	return s
}

// captureSchema is a capture's mapping: of the keys that say where packets are from,
// one.
func captureSchema() schema {
	s := object(captureWords)
	one := make([]any, len(origins))
	for i, key := range origins {
		one[i] = schema{"required": []string{key}}
	}
	s["oneOf"] = one
	return s
}

func text() schema         { return schema{"type": "string"} }
func boolean() schema      { return schema{"type": "boolean"} }
func scalarSchema() schema { return schema{"type": []string{"string", "number", "boolean"}} }

func whole(least, most uint64) func() schema {
	return func() schema { return schema{"type": "integer", "minimum": least, "maximum": most} }
}

func pattern(re string) schema { return schema{"type": "string", "pattern": re} }

func oneOf(words []string) schema { return schema{"enum": words} }

func either(s ...schema) schema {
	all := make([]any, len(s))
	for i := range s {
		all[i] = s[i]
	}
	return schema{"anyOf": all}
}

// listOf is a list, or a value that stands alone.
func listOf(item schema) schema {
	return schema{"anyOf": []any{item, schema{"type": "array", "minItems": 1, "items": item}}}
}

func sizes() schema {
	return listOf(either(whole(1, 1<<40-1)(), pattern(`^[0-9]+[kKMGTiB]*(\.\.[0-9]+[kKMGTiB]*([+*][0-9.]+)?)?(,.*)?$`)))
}

func matchSchema() schema {
	p := schema{}
	for _, c := range Columns {
		p[c] = listOf(scalarSchema())
	}
	return schema{"type": "object", "properties": p, "additionalProperties": false, "minProperties": 1}
}

func generator() schema {
	s := structSchema(reflect.TypeFor[gen.Spec]())
	s["properties"].(schema)["preset"] = oneOf(presets())
	return s
}

func structSchema(t reflect.Type) schema {
	p := schema{}
	for i, name := range jsonNames(t) {
		f := t.Field(i).Type
		switch f.Kind() {
		case reflect.Pointer:
			p[name] = structSchema(f.Elem())
		case reflect.Bool:
			p[name] = boolean()
		case reflect.String:
			p[name] = text()
		case reflect.Float64:
			p[name] = schema{"type": "number"}
		default:
			p[name] = schema{"type": "integer"}
		}
	}
	return schema{"type": "object", "properties": p, "additionalProperties": false}
}

// Template is a study's file for these programs and captures, with a comment on
// each key.
func Template(programs, captures []string) string {
	var b strings.Builder
	b.WriteString("# yaml-language-server: $schema=study.schema.json  (jitnic schema study > study.schema.json)\n")
	b.WriteString("name: my study\nquestion: Which policy, which size, does it pay?\n\n")
	put := func(key, is, value string, on bool) {
		off := "# "
		if on {
			off = ""
		}
		fmt.Fprintf(&b, "# %s\n%s%s: %s\n\n", is, off, key, value)
	}
	for _, w := range axisWords {
		value, on := w.example, true
		switch w.key {
		case "programs":
			value = quoted(programs, value)
		case "captures":
			value = quoted(captures, value)
		case "slots", "install_delay", "hot", "split", "hosts", "devices", "rates", "tiers", "seeds", "repeats", "queues", "admissions", "segments":
			on = false
			if value == "" {
				value = "[256, 1024]"
			}
		}
		put(w.key, w.is, value, on)
	}
	for _, w := range studyWords {
		switch w.key {
		case "windows":
			put(w.key, w.is, "100", false)
		case "warmup":
			put(w.key, w.is, "10%", false)
		case "include":
			put(w.key, w.is, "\n#   - {modes: specialised, policies: lru, entries: 1..4096}", false)
		case "exclude":
			put(w.key, w.is, "\n#   - {policy: belady, entries: 64}", false)
		}
	}
	return strings.TrimRight(b.String(), "\n") + "\n"
}

// quoted is a list in YAML, a line each.
func quoted(words []string, or string) string {
	if len(words) == 0 {
		return or
	}
	var b strings.Builder
	for _, w := range words {
		fmt.Fprintf(&b, "\n  - %q", w)
	}
	return b.String()
}
