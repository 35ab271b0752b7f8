package spec

import (
	"encoding/json"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"jitnic/cache"
	"jitnic/cache/policy"
	"jitnic/host/run/jit"
	"jitnic/host/run/replay"
	"jitnic/nic/device/load"
	"jitnic/nic/profile"
	"jitnic/pcaps"
	"jitnic/pcaps/gen"
)

// A word is a key of the file: what it is, what its values are, and how they are
// read.
type word[T any] struct {
	key, is string
	example string
	schema  func() schema
	read    func(n *node, into *T) error
}

// readInto reads a mapping by its table of words.
func readInto[T any](n *node, what string, words []word[T], into *T) error {
	if n.kind != mapping {
		return n.fail("%s: want a mapping of keys, there is %s", what, n.is())
	}
	for i, k := range n.keys {
		w := slices.IndexFunc(words, func(w word[T]) bool { return w.key == k.text })
		if w < 0 {
			return k.fail("key %q: not known in %s; there are %s", k.text, what, strings.Join(keys(words), ", "))
		}
		if err := words[w].read(n.vals[i], into); err != nil {
			return err
		}
	}
	return nil
}

func keys[T any](words []word[T]) []string {
	var out []string
	for _, w := range words {
		out = append(out, w.key)
	}
	return out
}

// The words of a study's file: first those of the file itself, then its axes, which
// stand at the top, under matrix, or in an item of include.
var studyWords []word[Study]

func init() { // it refers to itself through matrix and include
	studyWords = append([]word[Study]{
		{"name", "what the study is called", "", text, func(n *node, s *Study) error { return str(n, &s.Name) }},
		{"question", "what it asks, in a sentence", "", text, func(n *node, s *Study) error { return str(n, &s.Question) }},
		{"found", "what was found when it was run", "", text, func(n *node, s *Study) error { return str(n, &s.Found) }},
		{"windows", "stretches of time that a capture is divided into, for confidence intervals; default 100", "", whole(2, 10000), func(n *node, s *Study) error { return number(n, &s.Windows, 2, 10000) }},
		{"commands", "commands of jitnic that belong to the study: their output stands in its report", "", func() schema { return listOf(objectOf(commandWords, "name", "run")) }, func(n *node, s *Study) error {
			return each(n, &s.Commands, func(x *node) (Command, error) {
				c := Command{At: x.place()}
				err := readInto(x, "a command", commandWords, &c)
				if err == nil && (c.Name == "" || c.Run == "") {
					err = x.fail("a command: want name and run")
				}
				return c, err
			})
		}},
		{"warmup", "requests at the start that are run and not counted: N, or N%", "", text, func(n *node, s *Study) error { return warmup(n, &s.Warmup) }},
		{"matrix", "the axes, where they don't stand at the top", "", func() schema { return object(axisWords) }, func(n *node, s *Study) error { return readInto(n, "matrix", axisWords, &s.Axes) }},
		{"include", "further products; an axis that isn't named has its default, programs and captures are the study's", "", func() schema { return listOf(object(axisWords)) }, func(n *node, s *Study) error {
			for _, x := range n.items() {
				var a Axes
				if err := readInto(x, "include", axisWords, &a); err != nil {
					return err
				}
				s.Include = append(s.Include, a)
			}
			return nil
		}},
		{"exclude", "points that are left out: those that have all of the coordinates of an item; * stands for anything", "", func() schema { return listOf(matchSchema()) }, func(n *node, s *Study) error {
			for _, x := range n.items() {
				m, err := match(x)
				if err != nil {
					return err
				}
				s.Exclude = append(s.Exclude, m)
			}
			return nil
		}},
	}, lift(axisWords)...)
}

// lift are words of axes as those of a study.
func lift(words []word[Axes]) []word[Study] {
	var out []word[Study]
	for _, w := range words {
		out = append(out, word[Study]{w.key, w.is, w.example, w.schema, func(n *node, s *Study) error { return w.read(n, &s.Axes) }})
	}
	return out
}

var axisWords = []word[Axes]{
	{"programs", "XDP programs: an object FILE, a glob, sample:NAME, or a mapping with more", "[sample:firewall]", func() schema { return listOf(either(text(), objectOf(programWords, "file"))) }, func(n *node, a *Axes) error {
		return each(n, &a.Programs, func(x *node) (Program, error) {
			p := Program{At: x.place()}
			if x.kind == scalar {
				p.File = x.text
				return p, nil
			}
			if err := readInto(x, "a program", programWords, &p); err != nil {
				return p, err
			}
			if p.File == "" {
				return p, x.fail("file: name the program's object, or sample:NAME")
			}
			return p, nil
		})
	}},
	{"captures", "recorded or generated traffic: a FILE, a glob (each match is one), sample:NAME, or a mapping with more", "[sample:lab]", func() schema { return listOf(either(text(), captureSchema())) }, func(n *node, a *Axes) error {
		return each(n, &a.Captures, capture)
	}},
	{"modes", "how traces are made", "[generic]", func() schema { return listOf(oneOf(replay.ModeNames())) }, func(n *node, a *Axes) error {
		return each(n, &a.Modes, func(x *node) (string, error) { return among(x, "mode", replay.ModeNames()) })
	}},
	{"segments", "paths cut into segments that stand in tables of their own: none, auto (as many tables as hit most), or at most so many tables", "[none, auto]", func() schema {
		return listOf(either(oneOf([]string{"none", "auto"}), whole(2, jit.MaxTables)()))
	}, func(n *node, a *Axes) error {
		return each(n, &a.Segments, func(x *node) (int, error) {
			k, err := jit.ParseSegments(x.text)
			if x.kind != scalar || err != nil || x.text == "0" {
				return 0, x.fail("segments %s: want none, auto, or 2 to %d tables", x.is(), jit.MaxTables)
			}
			return k, nil
		})
	}},
	{"queues", "receive queues, one CPU each, over which RSS spreads flows", "[1]", func() schema { return listOf(whole(1, maxQueues)()) }, func(n *node, a *Axes) error {
		return each(n, &a.Queues, func(x *node) (q int, err error) { return q, number(x, &q, 1, maxQueues) })
	}},
	{"split", "a capture in parts: none, flows/N (N queues as N devices, each with its cache), windows/N (N stretches of time)", "[none]", func() schema { return listOf(pattern(`^(none|(flows|windows)/[1-9][0-9]*)$`)) }, func(n *node, a *Axes) error {
		return each(n, &a.Splits, split)
	}},
	{"policies", "eviction policies by name, with a parameter as slru/5, or the groups all, software, hardware, bound, reference", "[lru, s3-fifo, sieve, belady]", func() schema {
		return listOf(either(oneOf(append([]string{"all", "software", "hardware", "bound", "reference"}, append(policy.Names(), policy.OfflineNames()...)...)), pattern(`^[a-z0-9-]+/[0-9]+$`)))
	}, func(n *node, a *Axes) error {
		return eachList(n, &a.Policies, policy.Parse)
	}},
	{"admissions", "which misses are installed at all: names, with a parameter as probabilistic/16, or all", "[always]", func() schema {
		return listOf(either(oneOf(append([]string{"all"}, cache.AdmissionNames()...)), pattern(`^(`+strings.Join(cache.AdmissionNames(), "|")+`)/[0-9]+$`)))
	}, func(n *node, a *Axes) error {
		return eachList(n, &a.Admissions, func(text string) ([]string, error) {
			if text == "all" {
				return cache.AdmissionNames(), nil
			}
			_, err := cache.NewAdmission(text, 1, 1)
			return []string{text}, err
		})
	}},
	{"entries", "sizes in traces: 64; 1..4096 (doubling); 1..64+1; 1..4096*1.2", "[1..64]", sizes, func(n *node, a *Axes) error { return eachList(n, &a.Entries, cache.ParseSizes) }},
	{"slots", "sizes in instruction slots, as entries", "", sizes, func(n *node, a *Axes) error { return eachList(n, &a.Slots, cache.ParseSizes) }},
	{"hot", "a path is installed when it misses for the how manieth time", "[1]", func() schema { return listOf(whole(1, 1<<31)()) }, func(n *node, a *Axes) error {
		return each(n, &a.Hot, func(x *node) (h uint32, err error) { return h, number(x, &h, 1, 1<<31) })
	}},
	{"install_delay", "packets that an install takes", "[0]", func() schema { return listOf(whole(0, 1<<31)()) }, func(n *node, a *Axes) error {
		return each(n, &a.InstallDelay, func(x *node) (d uint64, err error) { return d, number(x, &d, 0, 1<<31) })
	}},
	{"devices", "does it pay: built-in profiles, files in their form, all, or a mapping with what is changed", "[hxdp, bluefield]", func() schema { return listOf(either(text(), objectOf(deviceWords, "nic"))) }, func(n *node, a *Axes) error {
		a.Devices = []Device{}
		for _, x := range n.items() {
			d := Device{At: x.place()}
			switch {
			case x.kind == scalar && x.text == "all":
				for _, name := range profile.Names() {
					a.Devices = append(a.Devices, Device{At: x.place(), NIC: name})
				}
				continue
			case x.kind == scalar:
				d.NIC = x.text
			default:
				if err := readInto(x, "a device", deviceWords, &d); err != nil {
					return err
				}
				if d.NIC == "" {
					return x.fail("nic: name a profile; there are %s", strings.Join(profile.Names(), ", "))
				}
			}
			a.Devices = append(a.Devices, d)
		}
		return nil
	}},
	{"hosts", "hosts beside the devices: built-in profiles, or files as jitnic calibrate writes them", "[paper]", func() schema { return listOf(text()) }, func(n *node, a *Axes) error {
		return each(n, &a.Hosts, func(x *node) (h string, err error) { return h, str(x, &h) })
	}},
	{"rates", "offered loads of the devices: 10Mpps; 1M..50M", "[10Mpps]", func() schema { return listOf(either(text(), whole(1, 1<<40)())) }, func(n *node, a *Axes) error { return eachList(n, &a.Rates, load.Rates) }},
	{"tiers", "how far the devices' traces are optimised: 0 recorded, 1 passes and rules, 2 searched", "[0]", func() schema { return listOf(whole(0, maxTier)()) }, func(n *node, a *Axes) error {
		return each(n, &a.Tiers, func(x *node) (t int, err error) { return t, number(x, &t, 0, maxTier) })
	}},
	{"seeds", "of everything that is drawn: by programs, policies, admissions and generators", "[1]", func() schema { return listOf(whole(0, 1<<53)()) }, func(n *node, a *Axes) error {
		return each(n, &a.Seeds, func(x *node) (s uint64, err error) { return s, number(x, &s, 0, 1<<53) })
	}},
	{"repeats", "how often each seed is run, the next times with the seeds after it", "1", whole(1, 10000), func(n *node, a *Axes) error { return number(n, &a.Repeats, 1, 10000) }},
}

const (
	maxQueues = replay.MaxQueues
	maxTier   = 2
	maxSplit  = 100_000
)

var commandWords = []word[Command]{
	{"name", "what its files are called", "", func() schema { return pattern(commandName.String()) }, func(n *node, c *Command) error {
		if !commandName.MatchString(n.text) {
			return n.fail("name %s: want letters, digits and -", n.is())
		}
		c.Name = n.text
		return nil
	}},
	{"run", "verb and flags; {out} is where it may write, beginning with its name", "", text, func(n *node, c *Command) error { return str(n, &c.Run) }},
	{"is", "what it tells", "", text, func(n *node, c *Command) error { return str(n, &c.Is) }},
	{"needs", "a file or folder without which it can't be run, and is left out", "", text, func(n *node, c *Command) error { return str(n, &c.Needs) }},
}

var commandName = regexp.MustCompile(`^[a-z0-9-]+$`)

var programWords = []word[Program]{
	{"file", "object FILE, a glob, or sample:NAME", "", text, func(n *node, p *Program) error { return str(n, &p.File) }},
	{"entry", "program of the object; * is each; default its only XDP one", "", text, func(n *node, p *Program) error { return str(n, &p.Entry) }},
	{"maps", "map contents: FILE, or MAP=FILE; default a sample's own", "", func() schema { return listOf(text()) }, func(n *node, p *Program) error {
		return each(n, &p.Maps, func(x *node) (m string, err error) { return m, str(x, &m) })
	}},
	{"fib", "routing table FILE behind bpf_fib_lookup", "", text, func(n *node, p *Program) error { return str(n, &p.FIB) }},
	{"filter", "only packets that match, in tcpdump's words", "", text, func(n *node, p *Program) error { return str(n, &p.Filter) }},
	{"optional", "where nothing is there of it, it is left out; else that is an error", "", boolean, func(n *node, p *Program) error { return truth(n, &p.Optional) }},
	{"btf", "kernel types FILE for CO-RE; default the running kernel's", "", text, func(n *node, p *Program) error { return str(n, &p.BTF) }},
}

var captureWords = []word[Capture]{
	{"file", "FILE, a glob, or sample:NAME", "", text, func(n *node, c *Capture) error { return each1(n, &c.Files) }},
	{"files", "several that are read as one capture", "", func() schema { return listOf(text()) }, func(n *node, c *Capture) error {
		return each(n, &c.Files, func(x *node) (f string, err error) { return f, str(x, &f) })
	}},
	{"gen", "generated: a preset's name, or a mapping of preset and what is changed of it", "", func() schema { return either(oneOf(presets()), generator()) }, generated},
	{"optional", "where nothing is there of it, it is left out; else that is an error", "", boolean, func(n *node, c *Capture) error { return truth(n, &c.Optional) }},
	{"name", "what rows call it; default its file's name", "", text, func(n *node, c *Capture) error { return str(n, &c.Name) }},
	{"filter", "only packets that match, in tcpdump's words", "", text, func(n *node, c *Capture) error { return str(n, &c.Filter) }},
	{"limit", "packets; default all", "", whole(1, 1<<53), func(n *node, c *Capture) error { return number(n, &c.Limit, 1, 1<<53) }},
	{"loop", "how often it is read", "", whole(1, 1<<31), func(n *node, c *Capture) error { return number(n, &c.Loop, 1, 1<<31) }},
	{"linktype", "packets without an Ethernet header: ethernet puts one in front, skip leaves them out", "", func() schema { return oneOf(linktypes) }, func(n *node, c *Capture) (err error) {
		c.LinkType, err = among(n, "linktype", linktypes)
		return err
	}},
	{"pad_cut", "fill packets that the capture cut with zeros", "", boolean, func(n *node, c *Capture) error { return truth(n, &c.PadCut) }},
	{"strip_vlan", "take the outer VLAN tag off, as a NIC does", "", boolean, func(n *node, c *Capture) error { return truth(n, &c.Strip) }},
}

var linktypes = []string{pcaps.LinkEthernet, pcaps.LinkSkip}

var deviceWords = []word[Device]{
	{"nic", "built-in profile, or a FILE in their form", "", func() schema { return text() }, func(n *node, d *Device) error { return str(n, &d.NIC) }},
	{"set", "parameters that are changed: KEY: VALUE; host.KEY is the host's", "", func() schema { return schema{"type": "object", "additionalProperties": scalarSchema()} }, func(n *node, d *Device) error {
		if n.kind != mapping {
			return n.fail("set: want KEY: VALUE, there is %s", n.is())
		}
		for i, k := range n.keys {
			if n.vals[i].kind != scalar {
				return n.vals[i].fail("%s: want a value, there is %s", k.text, n.vals[i].is())
			}
			d.Set = append(d.Set, k.text+"="+n.vals[i].text)
		}
		return nil
	}},
}

// Columns are the coordinates of a point: the columns of rows, and the words of
// exclude.
var Columns = []string{"program", "entry", "capture", "mode", "segments", "queues", "split", "policy", "admission", "entries", "slots", "hot", "install_delay", "seed", "device", "host", "rate_pps", "tier"}

func match(n *node) (Match, error) {
	m := Match{At: n.place()}
	if n.kind != mapping {
		return m, n.fail("exclude: want coordinates, there is %s", n.is())
	}
	for i, k := range n.keys {
		if !slices.Contains(Columns, k.text) {
			return m, k.fail("key %q: not a coordinate; there are %s", k.text, strings.Join(Columns, ", "))
		}
		w := Want{Column: k.text}
		for _, x := range n.vals[i].items() {
			if x.kind != scalar {
				return m, x.fail("%s: want a value, there is %s", k.text, x.is())
			}
			w.Any = append(w.Any, x.text)
		}
		m.Want = append(m.Want, w)
	}
	return m, nil
}

// origins are the keys that say where a capture's packets are from.
var origins = []string{"file", "files", "gen"}

func capture(x *node) (Capture, error) {
	c := Capture{At: x.place()}
	if x.kind == scalar {
		c.Files = []string{x.text}
		return c, nil
	}
	if err := readInto(x, "a capture", captureWords, &c); err != nil {
		return c, err
	}
	n := 0
	for _, key := range origins {
		if x.get(key) != nil {
			n++
		}
	}
	if n != 1 || len(c.Files) == 0 && c.Gen == nil {
		return c, x.fail("a capture: want file, files or gen, and one of them")
	}
	return c, nil
}

func presets() []string {
	var out []string
	for _, p := range gen.Presets {
		out = append(out, p.Name)
	}
	return out
}

// generated reads the traffic of a generator: its preset, and JSON's keys of a
// gen.Spec.
func generated(n *node, c *Capture) error {
	c.Gen = &gen.Spec{}
	name := ""
	m := n
	if n.kind == scalar {
		name = n.text
	} else if n.kind != mapping {
		return n.fail("gen: want a preset or a mapping, there is %s", n.is())
	} else if p := n.get("preset"); p != nil {
		name = p.text
		m = p
	}
	if name != "" {
		word, err := among(m, "preset", presets())
		if err != nil {
			return err
		}
		if *c.Gen, err = gen.Preset(word); err != nil {
			return m.fail("%w", err)
		}
	}
	var err error
	if n.kind == mapping {
		err = fields(n, reflect.ValueOf(c.Gen).Elem(), "preset")
	}
	c.Seeded = n.get("seed") != nil
	if err == nil {
		if _, e := gen.New(*c.Gen); e != nil {
			err = n.fail("%w", e)
		}
	}
	return err
}

// fields reads the JSON keys of a struct, beside one that was read already.
func fields(n *node, v reflect.Value, but string) error {
	names := jsonNames(v.Type())
	for i, k := range n.keys {
		if k.text == but {
			continue
		}
		f := slices.Index(names, k.text)
		if f < 0 {
			return k.fail("key %q: not known in gen; there are %s", k.text, strings.Join(names, ", "))
		}
		x := n.vals[i]
		if x.kind == mapping {
			field := v.Field(f)
			if field.Kind() != reflect.Pointer {
				return x.fail("%s: want a value, there is a mapping", k.text)
			}
			if field.IsNil() {
				field.Set(reflect.New(field.Type().Elem()))
			}
			if err := fields(x, field.Elem(), ""); err != nil {
				return err
			}
			continue
		}
		text := strings.ReplaceAll(x.text, "_", "") // in numbers: 1_000
		if v.Field(f).Kind() == reflect.String {
			b, err := json.Marshal(x.text)
			if err != nil {
				return x.fail("%w", err)
			}
			text = string(b)
		}
		d := json.NewDecoder(strings.NewReader(text))
		if x.kind != scalar || d.Decode(v.Field(f).Addr().Interface()) != nil {
			return x.fail("%s %s: want %s", k.text, x.is(), kindWord(v.Field(f).Kind()))
		}
	}
	return nil
}

func kindWord(k reflect.Kind) string {
	switch k {
	case reflect.Bool:
		return "true or false"
	case reflect.Float64:
		return "a number"
	case reflect.Pointer:
		return "a mapping"
	}
	return "a whole number"
}

func jsonNames(t reflect.Type) []string {
	var out []string
	for i := range t.NumField() {
		name, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ",")
		out = append(out, name)
	}
	return out
}

func split(x *node) (Split, error) {
	if x.text == "none" {
		return Split{}, nil
	}
	how, num, _ := strings.Cut(x.text, "/")
	n, err := strconv.Atoi(num)
	if how != "flows" && how != "windows" || err != nil || n < 1 || n > maxSplit || how == "flows" && n > maxQueues {
		return Split{}, x.fail("split %q: want none, flows/N with N up to %d, or windows/N", x.text, maxQueues)
	}
	return Split{how, n}, nil
}

func warmup(n *node, into *string) error {
	if err := str(n, into); err != nil {
		return err
	}
	_, err := WarmupOf(n.text, 1<<40)
	if err != nil {
		return n.fail("warmup %q: %w", n.text, err)
	}
	return nil
}

// WarmupOf is how many requests of so many are not counted.
func WarmupOf(text string, requests int) (int, error) {
	if text == "" {
		return 0, nil
	}
	number, percent := strings.CutSuffix(text, "%")
	x, err := strconv.ParseFloat(number, 64)
	if err != nil || !(x >= 0) || percent && x >= 100 || !percent && x != float64(int(x)) {
		return 0, fmt.Errorf("want a number of requests, or a share as 10%%")
	}
	if percent {
		x = float64(requests) * x / 100
	}
	return int(x), nil
}

// The values of words.

func str(n *node, into *string) error {
	if n.kind != scalar || n.text == "" {
		return n.fail("want a word, there is %s", n.is())
	}
	*into = n.text
	return nil
}

func each1(n *node, into *[]string) error {
	var s string
	err := str(n, &s)
	*into = append(*into, s)
	return err
}

func truth(n *node, into *bool) error {
	if n.text != "true" && n.text != "false" {
		return n.fail("want true or false, there is %s", n.is())
	}
	*into = n.text == "true"
	return nil
}

func number[T int | uint32 | uint64](n *node, into *T, least, most uint64) error {
	x, err := strconv.ParseUint(strings.ReplaceAll(n.text, "_", ""), 10, 64)
	if n.kind != scalar || err != nil || x < least || x > most {
		return n.fail("want a whole number from %d to %d, there is %s", least, most, n.is())
	}
	*into = T(x)
	return nil
}

func among(n *node, what string, words []string) (string, error) {
	if n.kind != scalar {
		return "", n.fail("%s: want a word, there is %s", what, n.is())
	}
	if !slices.Contains(words, n.text) {
		return "", n.fail("%s %q: not known; there are %s", what, n.text, strings.Join(words, ", "))
	}
	return n.text, nil
}

// each reads the values of a list, of which none may stand there twice.
func each[T any](n *node, into *[]T, read func(x *node) (T, error)) error {
	*into = []T{}
	if n.kind == null {
		return n.fail("an empty list: leave the key out, or name something")
	}
	for _, x := range n.items() {
		v, err := read(x)
		if err != nil {
			return err
		}
		*into = append(*into, v)
	}
	return nil
}

// eachList reads values each of which may stand for several; repeats are dropped.
func eachList[T comparable](n *node, into *[]T, read func(text string) ([]T, error)) error {
	*into = []T{}
	for _, x := range n.items() {
		if x.kind != scalar {
			return x.fail("want a word or a number, there is %s", x.is())
		}
		vs, err := read(x.text)
		if err != nil {
			return x.fail("%w", err)
		}
		for _, v := range vs {
			if !slices.Contains(*into, v) {
				*into = append(*into, v)
			}
		}
	}
	if len(*into) == 0 {
		return n.fail("an empty list: leave the key out, or name something")
	}
	return nil
}
