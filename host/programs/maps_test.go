package programs

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"

	"jitnic/host/loader"
	"jitnic/host/mapfile"
	"jitnic/host/vm"
)

// The load balancer's map file: four backends behind two rings, and the VIPs.
func loadBalancerMaps() []byte {
	var b strings.Builder
	entry := func(last bool, format string, args ...any) {
		fmt.Fprintf(&b, "      "+format, args...)
		if !last {
			b.WriteByte(',')
		}
		b.WriteByte('\n')
	}
	b.WriteString("{\n  \"maps\": {\n    \"vips\": [\n")
	vips := []struct {
		addr      string
		port      int
		proto     int
		id, flags int
	}{
		{"::ffff:192.0.2.10", 80, 6, 1, 0},
		{"::ffff:192.0.2.10", 443, 6, 1, 0},
		{"::ffff:192.0.2.53", 53, 17, 2, 3},
		{"::ffff:127.0.0.1", 7000, 6, 1, 0},
		{"fd00::10", 80, 6, 1, 0},
		{"fd00::53", 53, 17, 2, 3},
	}
	for i, v := range vips {
		entry(i == len(vips)-1, `{"key": {"addr": %q, "port": {"be16": %d}, "proto": %d}, "value": {"id": %d, "flags": %d}}`, v.addr, v.port, v.proto, v.id, v.flags)
	}
	b.WriteString("    ],\n    \"backends\": [\n")
	backends := []string{"::ffff:198.18.0.11", "::ffff:198.18.0.12", "::ffff:198.18.0.13", "2001:2::14"}
	for i, a := range backends {
		entry(i == len(backends)-1, `{"key": %d, "value": {"addr": %q, "mac": "02:00:00:00:02:%02x"}}`, i+1, a, i+1)
	}
	b.WriteString("    ],\n    \"rings\": [\n")
	const size = 251 // RING_SIZE
	web, dns := Maglev([]uint32{1, 2, 3, 4}, size), Maglev([]uint32{2, 4}, size)
	for i := range size {
		entry(false, `{"key": %d, "value": %d}`, size+i, web[i])
	}
	for i := range size {
		entry(i == size-1, `{"key": %d, "value": %d}`, 2*size+i, dns[i])
	}
	b.WriteString("    ]\n  }\n}\n")
	return []byte(b.String())
}

// go test -run MapFiles -update writes the rings anew.
func TestMapFiles(t *testing.T) {
	want := loadBalancerMaps()
	if *update {
		if err := os.WriteFile("loadbalancer.maps.json", want, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	s, err := Get("loadbalancer")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(s.Maps, want) {
		t.Error("loadbalancer.maps.json isn't what Maglev gives: run go test -run MapFiles -update")
	}
	for _, s := range All() {
		if !json.Valid(s.Maps) {
			t.Errorf("%s.maps.json isn't JSON", s.Name)
		}
	}
}

// Each map file fits the maps of its object.
func TestMapFilesBind(t *testing.T) {
	for _, s := range All() {
		obj, err := loader.LoadBytes(s.Name+".o", s.Object, loader.Options{})
		if err != nil {
			t.Fatal(err)
		}
		st, err := vm.NewState(obj, vm.Options{})
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, p := range obj.Programs {
			names = append(names, p.Name)
		}
		f, err := mapfile.Read(s.Name+".maps.json", bytes.NewReader(s.Maps))
		if err != nil {
			t.Fatal(err)
		}
		plan, err := f.Bind(mapfile.Of(st.Set, names))
		if err != nil {
			t.Errorf("%v", err)
			continue
		}
		if err := plan.Fill(); err != nil {
			t.Errorf("%v", err)
		}
	}
}
