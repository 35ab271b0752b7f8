package result

import (
	"encoding/csv"
	"fmt"
	"io"
	"math"
	"os"
	"reflect"
	"strconv"
	"strings"

	"github.com/parquet-go/parquet-go"
)

// A Writer writes rows as Parquet and as CSV, while they come.
type Writer struct {
	parquet *parquet.GenericWriter[Row]
	csv     *csv.Writer
	rows    int
}

// rowGroup is how many rows Parquet puts together: what a reader takes at once.
const rowGroup = 1 << 16

// NewWriter begins both. about is put into the Parquet file's metadata as "jitnic".
func NewWriter(pq, text io.Writer, about string) *Writer {
	w := &Writer{parquet: parquet.NewGenericWriter[Row](pq, parquet.Compression(&parquet.Zstd), parquet.KeyValueMetadata("jitnic", about), parquet.MaxRowsPerRowGroup(rowGroup),
		parquet.CreatedBy("jitnic", "1", "")), csv: csv.NewWriter(text)}
	var head []string
	for _, c := range Columns() {
		head = append(head, c.Name)
	}
	_ = w.csv.Write(head) // the error stays, and Close returns it
	return w
}

// Write adds rows.
func (w *Writer) Write(rows []Row) error {
	if len(rows) == 0 {
		return nil
	}
	if _, err := w.parquet.Write(rows); err != nil {
		return err
	}
	for i := range rows {
		if err := w.csv.Write(Record(&rows[i])); err != nil {
			return err
		}
	}
	w.rows += len(rows)
	return nil
}

// Rows is how many were written.
func (w *Writer) Rows() int { return w.rows }

// Close ends both; it does not close what they are written to.
func (w *Writer) Close() error {
	w.csv.Flush()
	if err := w.csv.Error(); err != nil {
		return err
	}
	return w.parquet.Close()
}

// Record is a row as CSV has it: numbers exactly, nothing for what it hasn't.
func Record(r *Row) []string { return record(reflect.ValueOf(r).Elem()) }

func record(v reflect.Value) []string {
	var out []string
	for i := range v.NumField() {
		out = append(out, cellText(v.Field(i)))
	}
	return out
}

func cellText(f reflect.Value) string {
	switch f.Kind() {
	case reflect.Pointer:
		if f.IsNil() {
			return ""
		}
		return cellText(f.Elem())
	case reflect.String:
		return f.String()
	case reflect.Bool:
		return strconv.FormatBool(f.Bool())
	case reflect.Float64:
		if math.IsNaN(f.Float()) {
			return ""
		}
		return strconv.FormatFloat(f.Float(), 'g', -1, 64)
	case reflect.Int, reflect.Int32, reflect.Int64:
		return strconv.FormatInt(f.Int(), 10)
	}
	return strconv.FormatUint(f.Uint(), 10)
}

// Read reads the rows of a Parquet file that a Writer wrote.
func Read(path string) ([]Row, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return nil, err
	}
	rows, err := parquet.Read[Row](f, st.Size())
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return rows, nil
}

// WriteTable writes structs as CSV, columns named by the keys of their JSON.
func WriteTable[T any](w io.Writer, rows []T) error {
	c := csv.NewWriter(w)
	var head []string
	names(reflect.TypeFor[T](), &head)
	if err := c.Write(head); err != nil {
		return err
	}
	for i := range rows {
		var line []string
		flat(reflect.ValueOf(rows[i]), &line)
		if err := c.Write(line); err != nil {
			return err
		}
	}
	c.Flush()
	return c.Error()
}

func names(t reflect.Type, out *[]string) {
	for i := range t.NumField() {
		f := t.Field(i)
		if f.Anonymous {
			names(f.Type, out)
			continue
		}
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		*out = append(*out, name)
	}
}

func flat(v reflect.Value, out *[]string) {
	for i := range v.NumField() {
		if v.Type().Field(i).Anonymous {
			flat(v.Field(i), out)
			continue
		}
		*out = append(*out, cellText(v.Field(i)))
	}
}

// ReadTable reads what WriteTable wrote.
func ReadTable[T any](path string) ([]T, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	all, err := csv.NewReader(f).ReadAll()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	var out []T
	for n, line := range all {
		if n == 0 {
			continue
		}
		var x T
		at := 0
		if err := fill(reflect.ValueOf(&x).Elem(), line, &at); err != nil {
			return nil, fmt.Errorf("%s: line %d: %w", path, n+1, err)
		}
		out = append(out, x)
	}
	return out, nil
}

func fill(v reflect.Value, line []string, at *int) error {
	for i := range v.NumField() {
		f := v.Field(i)
		if v.Type().Field(i).Anonymous {
			if err := fill(f, line, at); err != nil {
				return err
			}
			continue
		}
		if *at >= len(line) {
			return fmt.Errorf("%d columns: too few", len(line))
		}
		text := line[*at]
		*at++
		var err error
		switch f.Kind() {
		case reflect.String:
			f.SetString(text)
		case reflect.Float64:
			x := math.NaN()
			if text != "" {
				x, err = strconv.ParseFloat(text, 64)
			}
			f.SetFloat(x)
		case reflect.Int:
			var x int64
			x, err = strconv.ParseInt(text, 10, 64)
			f.SetInt(x)
		default:
			var x uint64
			x, err = strconv.ParseUint(text, 10, 64)
			f.SetUint(x)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
