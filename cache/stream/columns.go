package stream

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// A role is what a column of a text file holds.
type role int

const (
	roleID role = iota
	roleSize
	roleCost
	roleBytes
	roleTime
	roleLabel
	roles
)

// csvColumns are the roles' names as the header lines we write have them.
var csvColumns = [roles]string{"id", "size", "cost", "bytes", "time_ns", "label"}

// aliases are other names under which columns are found, in the headers of
// libCacheSim's and of public traces.
var aliases = map[string]role{
	"key": roleID, "obj": roleID, "obj_id": roleID, "objid": roleID, "object": roleID, "object_id": roleID, "objectid": roleID,
	"item": roleID, "item_id": roleID, "lbn": roleID, "lba": roleID, "block": roleID, "block_id": roleID, "page": roleID,
	"addr": roleID, "address": roleID, "url": roleID, "cachekey": roleID, "cache_key": roleID, "anonymized_key": roleID,
	"obj_size": roleSize, "objsize": roleSize, "object_size": roleSize, "length": roleSize, "len": roleSize,
	"time": roleTime, "timestamp": roleTime, "ts": roleTime, "clock": roleTime, "clock_time": roleTime,
	"time_s": roleTime, "time_ms": roleTime, "time_us": roleTime,
}

// units are nanoseconds of a time column by its name; a time without unit is in
// seconds, as libCacheSim has them.
var units = map[string]int64{"time_ns": 1, "time_us": 1e3, "time_ms": 1e6}

// Columns say how a text file's lines are read; the zero value leaves it to the
// file.
type Columns struct {
	at     [roles]int // 1-based column; 0: not said
	names  [roles]string
	said   bool
	delim  rune // 0: found in the first lines
	header int8 // +1 yes, −1 no, 0: found
}

// ParseColumns reads what --columns says: id=2,size=3,time=1 with numbers from 1
// or names from the header line, and delimiter=tab and header=no beside them.
func ParseColumns(s string) (Columns, error) {
	var c Columns
	if s == "" {
		return c, nil
	}
	// A delimiter of "," would cut the list: it is written comma.
	for _, part := range strings.Split(s, ",") {
		key, value, ok := strings.Cut(part, "=")
		if !ok || value == "" {
			return c, fmt.Errorf("%q: want NAME=COLUMN, as in id=2,size=3,time=1,delimiter=tab,header=no", part)
		}
		if err := c.set(strings.TrimSpace(key), strings.TrimSpace(value)); err != nil {
			return c, err
		}
	}
	if c.said && c.at[roleID] == 0 && c.names[roleID] == "" {
		return c, fmt.Errorf("%q: which column is the id? id=N", s)
	}
	return c, nil
}

var delimiters = map[string]rune{"comma": ',', "semicolon": ';', "tab": '\t', "\\t": '\t', "space": ' ', "pipe": '|', "colon": ':'}

func (c *Columns) set(key, value string) error {
	switch key {
	case "delimiter", "delim":
		d, ok := delimiters[value]
		if !ok {
			r := []rune(value)
			if len(r) != 1 || r[0] == '"' {
				return fmt.Errorf("delimiter %q: want one character, comma, semicolon, tab, space or pipe", value)
			}
			d = r[0]
		}
		c.delim = d
		return nil
	case "header":
		switch value {
		case "yes", "true":
			c.header = 1
		case "no", "false":
			c.header = -1
		default:
			return fmt.Errorf("header %q: want yes or no", value)
		}
		return nil
	}
	r := slices.Index(csvColumns[:], key)
	if a, ok := aliases[key]; r < 0 && ok {
		r = int(a)
	}
	if r < 0 {
		return fmt.Errorf("column %q: there are %s, delimiter and header", key, strings.Join(csvColumns[:], ", "))
	}
	c.said = true
	n, err := strconv.Atoi(value)
	switch {
	case err != nil:
		c.names[r] = value
	case n < 1 || n > 1000:
		return fmt.Errorf("%s=%s: columns are counted from 1", key, value)
	default:
		c.at[r] = n
	}
	return nil
}

// table is how one file's lines are read.
type table struct {
	delim  rune
	header bool
	at     [roles]int // 0-based; −1: not there
	unit   int64      // nanoseconds of a time
	strict bool       // times in our own column: they may not fall
	unused []string
}

// Candidates for a delimiter, in the order they are tried. A space is none: it
// may be part of an id.
var candidates = []rune{'\t', ',', ';', '|'}

// sniff finds delimiter, header and columns in the first lines of a text file.
func (c *Columns) sniff(lines []string) (table, error) {
	t := table{delim: c.delim, unit: 1e9}
	if t.delim == 0 {
		t.delim = ','
		for _, d := range candidates {
			if everyLineHas(lines, d) {
				t.delim = d
				break
			}
		}
	}
	first := fields(lines[0], t.delim)
	named, err := c.hasHeader(lines, first, t.delim)
	if err != nil {
		return t, err
	}
	t.header = named
	return t, c.place(&t, first)
}

func everyLineHas(lines []string, d rune) bool {
	for _, l := range lines {
		if !strings.ContainsRune(l, d) {
			return false
		}
	}
	return true
}

// fields cuts a line, and takes quotes and blanks off its fields.
func fields(line string, delim rune) []string {
	out := strings.Split(line, string(delim))
	for i := range out {
		out[i] = strings.Trim(strings.TrimSpace(out[i]), `"`)
	}
	return out
}

func isNumber(s string) bool {
	_, err := strconv.ParseFloat(s, 64)
	return err == nil
}

// roleOf is the role of a column called name.
func roleOf(name string) (role, bool) {
	if r := slices.Index(csvColumns[:], name); r >= 0 {
		return role(r), true
	}
	r, ok := aliases[strings.ToLower(name)]
	return r, ok
}

// hasHeader says whether the first line names columns. It is asked of the file,
// and refused where both may be.
func (c *Columns) hasHeader(lines, first []string, delim rune) (bool, error) {
	if c.header != 0 {
		return c.header > 0, nil
	}
	for _, n := range c.names {
		if n != "" {
			return true, nil
		}
	}
	words := 0
	for _, f := range first {
		if r, ok := roleOf(f); ok && r == roleID {
			return true, nil
		}
		if !isNumber(f) {
			words++
		}
	}
	if words == 0 || len(lines) == 1 {
		return false, nil
	}
	// A word in a column whose other lines are all numbers is a name, in one
	// where they are not it may be an id.
	for i, f := range first {
		if isNumber(f) {
			continue
		}
		numbers := true
		for _, l := range lines[1:] {
			cells := fields(l, delim)
			numbers = numbers && i < len(cells) && isNumber(cells[i])
		}
		if numbers {
			if c.said {
				return true, nil
			}
			return false, fmt.Errorf("line 1: is %q an id, or the name of a column? say --columns id=1,header=yes (or header=no)", f)
		}
	}
	return false, nil
}

// place says where each role's column is.
func (c *Columns) place(t *table, first []string) error {
	for r := range t.at {
		t.at[r] = -1
	}
	used := map[int]bool{}
	put := func(r role, i int) error {
		if i >= len(first) {
			return fmt.Errorf("line 1: %s is column %d, and there are %d", csvColumns[r], i+1, len(first))
		}
		if used[i] {
			return fmt.Errorf("line 1: column %d is named twice", i+1)
		}
		if t.at[r] >= 0 {
			return fmt.Errorf("line 1: columns %q and %q may both be the %s: say --columns %s=N", first[t.at[r]], first[i], csvColumns[r], csvColumns[r])
		}
		t.at[r], used[i] = i, true
		return nil
	}
	switch {
	case c.said:
		for r := range roles {
			i := c.at[r] - 1
			if c.names[r] != "" {
				if i = slices.Index(first, c.names[r]); i < 0 {
					return fmt.Errorf("line 1: no column is called %q: there are %s", c.names[r], strings.Join(first, ", "))
				}
			}
			if i < 0 {
				continue
			}
			if err := put(r, i); err != nil {
				return err
			}
		}
	case t.header:
		for i, name := range first {
			if r, ok := roleOf(name); ok {
				if err := put(r, i); err != nil {
					return err
				}
			}
		}
	case len(first) <= 2:
		for i := range first {
			if err := put([...]role{roleID, roleSize}[i], i); err != nil {
				return err
			}
		}
	default:
		return fmt.Errorf("line 1: %d columns without a header line: say which is which, --columns id=N,size=N,time=N", len(first))
	}
	if t.at[roleID] < 0 {
		return fmt.Errorf("line 1: no column is called id: say --columns id=N (there are %s)", strings.Join(first, ", "))
	}
	if i := t.at[roleTime]; i >= 0 && t.header {
		name := strings.ToLower(first[i])
		if u, ok := units[name]; ok {
			t.unit = u
		}
		t.strict = name == "time_ns"
	}
	if t.header {
		for i, name := range first {
			if !used[i] {
				t.unused = append(t.unused, name)
			}
		}
	}
	return nil
}
