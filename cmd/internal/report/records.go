package report

import (
	"encoding"
	"encoding/csv"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// Records are the rows of a CSV file. A column is what the JSON of a row has
// under a key, so the two can't differ.
type Records struct {
	Name    string // of the file in a folder
	Columns []Column
	Rows    []any // structs, or pointers to them
}

// A Column is one of a CSV file: its name, and the key of the JSON it is of, as
// a.b for what is inside; "" where it is called the same.
type Column struct{ Name, Key string }

// Columns are columns that are called as in the JSON.
func Columns(names ...string) []Column {
	out := make([]Column, len(names))
	for i, n := range names {
		out[i].Name = n
	}
	return out
}

// CSV writes the document's first records.
func (d *Document) CSV(w io.Writer) error {
	if len(d.Records) == 0 {
		return fmt.Errorf("report: %s has no rows", d.Verb)
	}
	return d.Records[0].Write(w, d.Run)
}

// Write writes head and rows, with the columns of the run behind where there is
// one. What a row lacks is empty; that no row of a type can have it is an error.
func (r *Records) Write(w io.Writer, run *Run) error {
	c := csv.NewWriter(w)
	line := make([]string, len(r.Columns))
	for i, col := range r.Columns {
		line[i] = col.Name
	}
	var values []string
	if run != nil {
		var names []string
		names, values = run.complete(r.Columns)
		c.Write(append(slices.Clone(line), names...))
	} else {
		c.Write(line)
	}
	for _, row := range r.Rows {
		for i, col := range r.Columns {
			key := col.Key
			if key == "" {
				key = col.Name
			}
			v, err := lookup(reflect.ValueOf(row), key)
			if err != nil {
				return fmt.Errorf("%s: column %s: %w", r.Name, col.Name, err)
			}
			line[i] = v
		}
		c.Write(append(slices.Clone(line), values...))
	}
	c.Flush()
	return c.Error()
}

// lookup is the value that v's JSON has under a key, as CSV has it.
func lookup(v reflect.Value, key string) (string, error) {
	for v.Kind() == reflect.Pointer || v.Kind() == reflect.Interface {
		if v.IsNil() {
			return "", nil
		}
		v = v.Elem()
	}
	if key == "" {
		return cell(v)
	}
	switch v.Kind() {
	case reflect.Slice: // of structs that are told apart by their first field
		head, rest, _ := strings.Cut(key, ".")
		for i := range v.Len() {
			if x := reflect.Indirect(v.Index(i)); x.Kind() == reflect.Struct && x.NumField() > 0 && x.Field(0).Kind() == reflect.String && x.Field(0).String() == head {
				return lookup(x, rest)
			}
		}
		return "", nil
	case reflect.Map:
		first, rest := v.MapIndex(reflect.ValueOf(key).Convert(v.Type().Key())), ""
		if !first.IsValid() {
			head, tail, _ := strings.Cut(key, ".")
			first, rest = v.MapIndex(reflect.ValueOf(head).Convert(v.Type().Key())), tail
		}
		if !first.IsValid() {
			return "", nil
		}
		return lookup(first, rest)
	case reflect.Struct:
		head, rest, _ := strings.Cut(key, ".")
		f, ok := field(v, head)
		if !ok {
			return "", fmt.Errorf("no %q in %s", head, v.Type())
		}
		return lookup(f, rest)
	}
	return "", fmt.Errorf("no %q in %s", key, v.Type())
}

// field is the field that JSON calls name; the zero Value where it is of a nil
// embedded pointer.
func field(v reflect.Value, name string) (reflect.Value, bool) {
	t := v.Type()
	for i := range t.NumField() {
		f := t.Field(i)
		tag, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		switch {
		case tag == "-":
		case f.Anonymous && tag == "":
			in := v.Field(i)
			if in.Kind() == reflect.Pointer {
				if in.IsNil() {
					in = reflect.Zero(in.Type().Elem())
				} else {
					in = in.Elem()
				}
			}
			if in.Kind() == reflect.Struct {
				if x, ok := field(in, name); ok {
					return x, true
				}
			}
		case !f.IsExported():
		case tag == name || tag == "" && f.Name == name:
			return v.Field(i), true
		}
	}
	return reflect.Value{}, false
}

// cell is a value as CSV has it: numbers exactly, lists joined by blanks, and what
// has a text of its own by that, as in JSON.
func cell(v reflect.Value) (string, error) {
	if m, ok := v.Interface().(encoding.TextMarshaler); ok {
		b, err := m.MarshalText()
		return string(b), err
	}
	switch v.Kind() {
	case reflect.String:
		return v.String(), nil
	case reflect.Bool:
		return strconv.FormatBool(v.Bool()), nil
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return strconv.FormatInt(v.Int(), 10), nil
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return strconv.FormatUint(v.Uint(), 10), nil
	case reflect.Float32, reflect.Float64:
		return strconv.FormatFloat(v.Float(), 'g', -1, 64), nil
	case reflect.Slice:
		var parts []string
		for i := range v.Len() {
			s, err := lookup(v.Index(i), "")
			if err != nil {
				return "", err
			}
			parts = append(parts, s)
		}
		return strings.Join(parts, " "), nil
	}
	return "", fmt.Errorf("a %s is no cell", v.Type())
}
