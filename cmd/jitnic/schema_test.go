package main

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"jitnic/cmd/internal/report"
	"jitnic/host/hosttest/must"
	"jitnic/host/kernel"
	"jitnic/superopt/z3"
)

// TestSchema holds what each verb writes to its schema, which allows no key that
// it doesn't name.
func TestSchema(t *testing.T) {
	bpf := func() error { return kernel.Available() }
	replay := "-p sample:firewall -c sample:vlan --limit 300 "
	for _, c := range []struct {
		verb, args string
		need       func() error
	}{
		{"replay", replay + "--check --modes", nil},
		{"replay", replay + "--superopt --layers p", z3.Open},
		{"traces", replay + "--schedule hxdp", nil},
		{"traces", "-p sample:telemetry -c sample:lab --limit 200", nil},
		{"explain", replay + "--entries 8", nil},
		{"explain", replay + "--packet 200", nil},
		{"compare", replay + "--policies lru,belady --entries 1..8 --slots 500 --attack cycle --shards 0.5", nil},
		{"feasibility", replay + "--rate 5Mpps --packets 300 --compare-designs", nil},
		{"verify", replay, bpf},
		{"calibrate", "--quick --rounds 3 --share --steps floor,atomic", bpf},
		{"samples", "", nil},
		{"superopt", "../../host/programs/ipv6filter.o --layers p", z3.Open},
		{"superopt rules", "", nil},
		{"superopt bench", "--build=false --only xdp_exception", nil},
		{"superopt ladder", "--traces 1 --samples ipv6filter --layers p", z3.Open},
	} {
		t.Run(c.verb, func(t *testing.T) {
			if c.need != nil {
				if err := c.need(); err != nil {
					t.Skip(err)
				}
			}
			code, text, stderr := jitnic(t.Context(), append(append(strings.Fields(c.verb), strings.Fields(c.args)...), "--json", "-")...)
			if code != 0 {
				t.Fatalf("exit code %d: %s", code, stderr)
			}
			code, schema, stderr := jitnic(t.Context(), append([]string{"schema"}, strings.Fields(c.verb)...)...)
			if code != 0 {
				t.Fatalf("schema: exit code %d: %s", code, stderr)
			}
			var v any
			var s map[string]any
			d := json.NewDecoder(strings.NewReader(text))
			d.UseNumber()
			must.OK(t, d.Decode(&v))
			must.OK(t, json.Unmarshal([]byte(schema), &s))
			if err := valid(v, s, s, "$"); err != nil {
				t.Error(err)
			}
			for _, field := range undescribed(s, "$") {
				t.Errorf("%s has no description: a comment at the field, or a word in report/words.go", field)
			}
			// A key that the schema doesn't name is found.
			if m, ok := v.(map[string]any); ok {
				m["no such key"] = true
				if err := valid(v, s, s, "$"); err == nil || !strings.Contains(err.Error(), "no such key") {
					t.Errorf("a key too many: error %v", err)
				}
			}
		})
	}
}

// undescribed lists the properties of a schema, and of what it defines, that
// don't say what they are.
func undescribed(s map[string]any, at string) (out []string) {
	properties, _ := s["properties"].(map[string]any)
	for k, v := range properties {
		p := v.(map[string]any)
		if text, _ := p["description"].(string); text == "" {
			out = append(out, at+"."+k)
		}
		out = append(out, undescribed(p, at+"."+k)...)
	}
	for _, k := range []string{"items", "additionalProperties"} {
		if in, ok := s[k].(map[string]any); ok {
			out = append(out, undescribed(in, at+"[]")...)
		}
	}
	defs, _ := s["$defs"].(map[string]any)
	for k, v := range defs {
		out = append(out, undescribed(v.(map[string]any), k)...)
	}
	slices.Sort(out)
	return out
}

// valid holds a value to a schema, of which it knows the words that ours have.
func valid(v any, s, root map[string]any, at string) error {
	if ref, ok := s["$ref"].(string); ok {
		def, ok := root["$defs"].(map[string]any)[strings.TrimPrefix(ref, "#/$defs/")].(map[string]any)
		if !ok {
			return fmt.Errorf("%s: %s is not there", at, ref)
		}
		return valid(v, def, root, at)
	}
	if any, ok := s["anyOf"].([]any); ok {
		var errs []string
		for _, x := range any {
			err := valid(v, x.(map[string]interface{}), root, at)
			if err == nil {
				return nil
			}
			errs = append(errs, err.Error())
		}
		return fmt.Errorf("%s", strings.Join(errs, "; or "))
	}
	var kinds []string
	switch x := s["type"].(type) {
	case string:
		kinds = []string{x}
	case []any:
		for _, k := range x {
			kinds = append(kinds, k.(string))
		}
	}
	kind := map[reflect.Kind]string{reflect.Bool: "boolean", reflect.String: "string", reflect.Slice: "array", reflect.Map: "object", reflect.Invalid: "null"}[reflect.ValueOf(v).Kind()]
	if n, ok := v.(json.Number); ok {
		kind = "number"
		if !strings.ContainsAny(n.String(), ".eE") && slices.Contains(kinds, "integer") {
			kind = "integer"
		}
	}
	if len(kinds) > 0 && !slices.Contains(kinds, kind) {
		return fmt.Errorf("%s: is %s, want %v", at, kind, kinds)
	}
	switch x := v.(type) {
	case []any:
		items, _ := s["items"].(map[string]any)
		for i, y := range x {
			if err := valid(y, items, root, fmt.Sprintf("%s[%d]", at, i)); err != nil {
				return err
			}
		}
	case map[string]any:
		properties, _ := s["properties"].(map[string]any)
		required, _ := s["required"].([]any)
		for _, k := range required {
			if _, ok := x[k.(string)]; !ok {
				return fmt.Errorf("%s: lacks %v", at, k)
			}
		}
		for k, y := range x {
			p, ok := properties[k].(map[string]any)
			if !ok {
				if p, ok = s["additionalProperties"].(map[string]any); !ok {
					if s["additionalProperties"] == false {
						return fmt.Errorf("%s: no %q in the schema", at, k)
					}
					continue
				}
			}
			if err := valid(y, p, root, at+"."+k); err != nil {
				return err
			}
		}
	}
	return nil
}

// TestDescription: what a schema says of a field is what its comment says.
func TestDescription(t *testing.T) {
	s := report.SchemaOf("replay", reflect.TypeFor[report.RunFile]())
	if d := s["properties"].(map[string]any)["sha256"].(map[string]any)["description"]; d != "none of stdin and of what can't be read twice" {
		t.Errorf("the description of a field is %q", d)
	}
}
