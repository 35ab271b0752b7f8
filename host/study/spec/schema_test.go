package spec

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"jitnic/host/hosttest/must"

	"github.com/goccy/go-yaml"
	"github.com/santhosh-tekuri/jsonschema/v6"
)

// validator is the schema as an editor takes it.
func validator(t testing.TB) *jsonschema.Schema {
	t.Helper()
	b, err := json.Marshal(Schema())
	must.OK(t, err)
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(b))
	must.OK(t, err)
	c := jsonschema.NewCompiler()
	must.OK(t, c.AddResource("study.json", doc))
	s, err := c.Compile("study.json") // against its own meta-schema first
	must.OK(t, err)
	return s
}

// asJSON is a file as a validator sees it.
func asJSON(t testing.TB, text string) any {
	t.Helper()
	j, err := yaml.YAMLToJSON([]byte(text))
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(j))
	if err != nil {
		t.Fatalf("%v\n%s", err, j)
	}
	return v
}

// TestSchemaValidates has a validator of its own take the files that are read, and
// refuse those that aren't.
func TestSchemaValidates(t *testing.T) {
	s := validator(t)
	const head = "programs: sample:firewall\ncaptures: sample:lab\n"
	good := map[string]string{"template": Template([]string{"a.o", "b c.o"}, []string{"x.pcap"}), "small": head}
	for _, name := range Shipped() {
		text := must.Get(ShippedText(name))(t)
		good[name] = string(text)
	}
	for i, text := range []string{
		"matrix:\n  programs: {file: a.o, entry: \"*\", maps: [m=x.json], fib: r.txt, filter: tcp, btf: v, optional: true}\n  captures: [{files: [a, b], name: c, limit: 5, loop: 2, linktype: skip, pad_cut: true, strip_vlan: false}]\n",
		"programs: sample:nat\ncaptures: [{gen: {preset: zipf, packets: 100, attack: {kind: thrash, paths: 9}}, name: g}, {gen: burst}]\n",
		head + "policies: [lru, slru/5, all]\nadmissions: [always, probabilistic/16, all]\nentries: [1..64, 8, 1..4096*1.2, 4k]\nslots: 256\n",
		head + "devices: [all, hxdp, {nic: hxdp, set: {clock: 300 MHz, host.cores: 4}}]\nrates: [5Mpps, 1M..50M]\ntiers: [0, 1, 2]\nhosts: paper\n",
		head + "split: [none, flows/4, windows/100]\nqueues: [1, 8]\nmodes: generic\nsegments: [none, auto, 3]\nseeds: [1, 2]\nrepeats: 3\nwarmup: 10%\nwindows: 50\nhot: [1, 2]\ninstall_delay: 3\n",
		head + "include: {policies: lru}\nexclude: [{policy: [lru, \"s*\"], entries: 4}, {device: hxdp, rate_pps: 5000000}]\n",
	} {
		good["by hand "+string(rune('0'+i))] = text
	}
	for name, text := range good {
		if _, err := Parse("s.yaml", ".", []byte(text)); err != nil {
			t.Errorf("%s: not read: %v", name, err)
		}
		if err := s.Validate(asJSON(t, text)); err != nil {
			t.Errorf("%s: read, and refused by the schema: %v", name, err)
		}
	}
	for _, text := range []string{
		"captures: x", "[a, b]", head + "polices: [lru]", head + "policies: [lruu]", head + "modes: [special]", head + "segments: 1", head + "segments: [some]", head + "segments: {a: 1}", head + "entries: [0]", head + "entries: []",
		head + "queues: 500", head + "split: flow/3", head + "exclude: {polcy: lru}", head + "include: [{plicies: lru}]", head + "seeds: -1",
		"programs: {entry: x}\ncaptures: sample:lab", "programs: sample:nat\ncaptures: {limit: 5}", "programs: sample:nat\ncaptures: [{gen: zip}]",
		"programs: sample:nat\ncaptures: [{gen: {preset: zipf, flow: 3}}]", "programs: sample:nat\ncaptures: [{gen: {flows: many}}]",
		head + "tiers: 3", head + "windows: 1", head + "repeats: 0", head + "devices: {set: {clock: 1}}", head + "captures_: 1",
		"programs: sample:nat\ncaptures: {file: a, files: [b]}", head + "commands: {name: x}", head + "admissions: sometimes",
	} {
		if _, err := Parse("s.yaml", ".", []byte(text)); err == nil {
			t.Errorf("%q: read", text)
		}
		if err := s.Validate(asJSON(t, text)); err == nil {
			t.Errorf("%q: the schema has nothing against it", text)
		}
	}
}

// FuzzSchema: what the reader takes, the schema takes too; of the rest the error
// begins with the file and is one line.
func FuzzSchema(f *testing.F) {
	s := validator(f)
	all, _ := filepath.Glob("studies/*.yaml")
	for _, p := range all {
		text := must.Get(os.ReadFile(p))(f)
		f.Add(string(text))
	}
	f.Add("programs: [sample:nat]\ncaptures: {gen: {preset: zipf, packets: 10}}\nentries: [1..4, 7]\nexclude: {policy: \"s*\"}\n")
	f.Fuzz(func(t *testing.T, text string) {
		if _, err := Parse("s.yaml", ".", []byte(text)); err != nil {
			if msg := err.Error(); !strings.HasPrefix(msg, "s.yaml") || strings.ContainsAny(msg, "\n\r") {
				t.Errorf("%q", msg)
			}
			return
		}
		j, err := yaml.YAMLToJSON([]byte(text))
		if err != nil {
			t.Skip("not YAML that becomes JSON")
		}
		v, err := jsonschema.UnmarshalJSON(bytes.NewReader(j))
		if err != nil {
			t.Skip("nor this")
		}
		if err := s.Validate(v); err != nil {
			t.Errorf("read, and refused by the schema: %v\n%s", err, text)
		}
	})
}
