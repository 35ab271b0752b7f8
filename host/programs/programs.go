package programs

import (
	"embed"
	"fmt"
	"strings"
)

//go:embed *.c *.h *.o *.maps.json
var files embed.FS

// Sample is one sample program. Its slices are fresh copies.
type Sample struct {
	Name        string
	Description string // one line
	Source      []byte // C
	Object      []byte // ELF, little endian, with BTF
	Maps        []byte // initial contents of its maps, as --maps takes them
	Entry       string // the program of the object to start with
}

// A row names a sample. Each stands in NAME.c, NAME.o and NAME.maps.json; the
// entry is called NAME too.
type row struct{ name, description string }

// The samples in the order of `jitnic samples`.
var table = []row{
	{"ipv6filter", "passes or drops IPv6 by next header, port and TCP flags; no maps"},
	{"firewall", "stateless rules by source prefix and service, with per-CPU counters"},
	{"conntrack", "firewall that remembers connections: replies come in only after an opening went out"},
	{"loadbalancer", "layer-4 load balancer: Maglev rings, flow table, IP-in-IP and GUE encapsulation"},
	{"router", "IPv4 and IPv6 router: longest prefix, neighbours, TTL, redirect through a device map"},
	{"ratelimiter", "token bucket per source /24 or /64"},
	{"nat", "IPv4 source NAT with port allocation, IPv6 prefix translation, incremental checksums"},
	{"telemetry", "counts protocols, options, sizes and TCP flags; tail call, samples to a ring buffer"},
}

// modelled are those that do step by step what a program of the field does.
var modelled = []row{
	{"katran", "after Facebook's Katran: VIPs, connection table, rings, QUIC IDs, ICMP, IP in IP both ways"},
}

// All returns the samples that studies and figures run over.
func All() []Sample { return carried(table) }

// Modelled returns those that follow a program of the field, and stand in no
// study of ours.
func Modelled() []Sample { return carried(modelled) }

func carried(rows []row) []Sample {
	all := make([]Sample, len(rows))
	for i, t := range rows {
		all[i] = Sample{
			Name:        t.name,
			Description: t.description,
			Source:      file(t.name + ".c"),
			Object:      file(t.name + ".o"),
			Maps:        file(t.name + ".maps.json"),
			Entry:       t.name,
		}
	}
	return all
}

// Get returns the sample of that name; the error lists the names there are.
func Get(name string) (Sample, error) {
	var names []string
	for _, rows := range [][]row{table, modelled} {
		for i, t := range rows {
			if t.name == name {
				return carried(rows[i : i+1])[0], nil
			}
			names = append(names, t.name)
		}
	}
	return Sample{}, fmt.Errorf("sample %q: no such program; there are %s", name, strings.Join(names, ", "))
}

// file reads an embedded file; that each is there is a fact of the build,
// held by a test.
func file(name string) []byte {
	b, err := files.ReadFile(name)
	if err != nil {
		panic(err)
	}
	return b
}

// Source is a source file of the samples, by its name; nil where there is none.
func Source(name string) []byte {
	b, err := files.ReadFile(name)
	if err != nil {
		return nil
	}
	return b
}
