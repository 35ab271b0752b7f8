package programs

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"

	"jitnic/host/hosttest/must"
	"jitnic/host/loader"
	"jitnic/host/mapfile"
	"jitnic/host/vm"
)

// entries collects the entries of maps, a line each.
type entries struct {
	names []string
	lines map[string][]string
}

func (e *entries) add(of, format string, args ...any) {
	if e.lines == nil {
		e.lines = map[string][]string{}
	}
	if e.lines[of] == nil {
		e.names = append(e.names, of)
	}
	e.lines[of] = append(e.lines[of], fmt.Sprintf("      "+format, args...))
}

func (e *entries) ring(of string, id, size int, backends ...uint32) {
	for i, b := range Maglev(backends, size) {
		e.add(of, `{"key": %d, "value": %d}`, id*size+i, b)
	}
}

func (e *entries) file() []byte {
	var maps []string
	for _, n := range e.names {
		maps = append(maps, fmt.Sprintf("    %q: [\n%s\n    ]", n, strings.Join(e.lines[n], ",\n")))
	}
	return []byte("{\n  \"maps\": {\n" + strings.Join(maps, ",\n") + "\n  }\n}\n")
}

// vipAt is a virtual address; port 0 stands for all, where a program knows that.
type vipAt struct {
	addr        string
	port, proto int
	id, flags   int
}

// ringSize is RING_SIZE of both balancers.
const ringSize = 251

// The load balancer's map file: four backends behind two rings, and the VIPs.
func loadBalancerMaps() []byte {
	var e entries
	for _, v := range []vipAt{
		{"::ffff:192.0.2.10", 80, 6, 1, 0},
		{"::ffff:192.0.2.10", 443, 6, 1, 0},
		{"::ffff:192.0.2.53", 53, 17, 2, 3},
		{"::ffff:127.0.0.1", 7000, 6, 1, 0},
		{"fd00::10", 80, 6, 1, 0},
		{"fd00::53", 53, 17, 2, 3},
	} {
		e.add("vips", `{"key": {"addr": %q, "port": {"be16": %d}, "proto": %d}, "value": {"id": %d, "flags": %d}}`, v.addr, v.port, v.proto, v.id, v.flags)
	}
	for i, a := range []string{"::ffff:198.18.0.11", "::ffff:198.18.0.12", "::ffff:198.18.0.13", "2001:2::14"} {
		e.add("backends", `{"key": %d, "value": {"addr": %q, "mac": "02:00:00:00:02:%02x"}}`, i+1, a, i+1)
	}
	e.ring("rings", 1, ringSize, 1, 2, 3, 4)
	e.ring("rings", 2, ringSize, 2, 4)
	return e.file()
}

// katran's: three servers that IPv4 reaches and two that IPv6 does, behind rings
// of the first (1), of both (2) and of the latter (3).
func katranMaps() []byte {
	const noTable, quic = 2, 4
	var e entries
	for _, v := range []vipAt{
		{"::ffff:192.0.2.10", 80, 6, 1, 0},
		{"::ffff:192.0.2.10", 443, 6, 1, 0},
		{"::ffff:192.0.2.10", 443, 17, 1, quic},
		{"::ffff:192.0.2.10", 53, 17, 2, 0},
		{"::ffff:192.0.2.20", 0, 6, 2, 0},
		{"::ffff:192.0.2.53", 53, 17, 2, noTable},
		{"::ffff:127.0.0.1", 7000, 6, 1, 0},
		{"fd00::10", 80, 6, 3, 0},
		{"fd00::20", 0, 6, 3, 0},
		{"fd00::53", 53, 17, 3, noTable},
	} {
		e.add("vip_map", `{"key": {"addr": %q, "port": {"be16": %d}, "proto": %d}, "value": {"flags": %d, "id": %d}}`, v.addr, v.port, v.proto, v.flags, v.id)
	}
	for i, a := range []string{"::ffff:198.18.0.11", "::ffff:198.18.0.12", "::ffff:198.18.0.13", "2001:2::14", "2001:2::15"} {
		e.add("reals", `{"key": %d, "value": {"addr": %q}}`, i+1, a)
		e.add("server_ids", `{"key": %d, "value": %d}`, i+1, i+1)
	}
	e.add("ctl_array", `{"key": 0, "value": {"mac": "02:00:00:00:02:01"}}`)
	e.add("decap_dst", `{"key": "::ffff:198.18.0.254", "value": 1}`)
	e.ring("ch_rings", 1, ringSize, 1, 2, 3)
	e.ring("ch_rings", 2, ringSize, 1, 2, 3, 4, 5)
	e.ring("ch_rings", 3, ringSize, 4, 5)
	return e.file()
}

// go test -run MapFiles -update writes the rings anew.
func TestMapFiles(t *testing.T) {
	for name, want := range map[string][]byte{"loadbalancer": loadBalancerMaps(), "katran": katranMaps()} {
		if *update {
			must.OK(t, os.WriteFile(name+".maps.json", want, 0o644))
			continue
		}
		s := must.Get(Get(name))(t)
		if !bytes.Equal(s.Maps, want) {
			t.Errorf("%s.maps.json isn't what Maglev gives: run go test -run MapFiles -update", name)
		}
	}
	for _, s := range every() {
		if !json.Valid(s.Maps) {
			t.Errorf("%s.maps.json isn't JSON", s.Name)
		}
	}
}

// Each map file fits the maps of its object.
func TestMapFilesBind(t *testing.T) {
	for _, s := range every() {
		obj, err := loader.LoadBytes(s.Name+".o", s.Object, loader.Options{})
		must.OK(t, err)
		st, err := vm.NewState(obj, vm.Options{})
		must.OK(t, err)
		var names []string
		for _, p := range obj.Programs {
			names = append(names, p.Name)
		}
		f, err := mapfile.Read(s.Name+".maps.json", bytes.NewReader(s.Maps))
		must.OK(t, err)
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
