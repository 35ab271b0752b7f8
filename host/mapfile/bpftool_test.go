package mapfile

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"jitnic/host/hosttest/must"
)

// What bpftool 7.1 prints of an array of two CPUs, with -j (the list is one
// line) and with -p, byte for byte.
const dumpJ = `[{"key":["0x00","0x00","0x00","0x00"],"values":[{"cpu":0,"value":["0x07","0x00","0x00","0x00","0x00","0x00","0x00","0x00"]},{"cpu":1,"value":["0x00","0x01","0x00","0x00","0x00","0x00","0x00","0x00"]}],"formatted":{"key":0,"values":[{"cpu":0,"value":7},{"cpu":1,"value":256}]}}]`

const dumpP = `[{
        "key": ["0x01","0x00","0x00","0x00"
        ],
        "values": [{
                "cpu": 0,
                "value": ["0x09","0x00","0x00","0x00","0x00","0x00","0x00","0x00"
                ]
            },{
                "cpu": 1,
                "value": ["0x00","0x00","0x00","0x00","0x00","0x00","0x00","0x00"
                ]
            }
        ]
    }
]
`

// TestBpftool takes dumps as they are, with the map's name before the file's.
func TestBpftool(t *testing.T) {
	dir := t.TempDir()
	j, p := filepath.Join(dir, "j.json"), filepath.Join(dir, "p.json")
	for name, text := range map[string]string{j: dumpJ, p: dumpP} {
		must.OK(t, os.WriteFile(name, []byte(text), 0o600))
	}
	m, s := machine(t)
	f, err := Load("counters="+j, "counters="+p)
	must.OK(t, err)
	plan, err := f.Bind(m)
	must.OK(t, err)
	must.OK(t, plan.Fill())
	var got []string
	s.Maps[s.Find("counters")].Range(func(k, v []byte) bool {
		got = append(got, fmt.Sprintf("%x=%x", k, v))
		return len(got) < 2
	})
	if want := "00000000=07000000000000000001000000000000 01000000=09000000000000000000000000000000"; strings.Join(got, " ") != want {
		t.Errorf("%v\nwant %s", got, want)
	}
	if _, err := Load(j, "counters="+j, j); err == nil || err.Error() != j+": named twice" {
		t.Errorf("a file named twice: %v", err)
	}
	_, err = Load("counters="+j, "pcpu="+j, "counters=./"+filepath.Base(j))
	if err == nil {
		t.Error("a missing file was read")
	}
}

// TestDataKeeps: fields and items that are left out inside .data and .rodata
// keep what the object has.
func TestDataKeeps(t *testing.T) {
	m, s := machine(t)
	before := current(s.Maps[s.Find(".data")], make([]byte, 4))
	p := fill(t, m, `{"maps": {".data": [{"value": {}}]}}`)
	if got := current(s.Maps[s.Find(".data")], make([]byte, 4)); string(got) != string(before) || p == nil {
		t.Errorf("%x became %x", before, got)
	}
}
