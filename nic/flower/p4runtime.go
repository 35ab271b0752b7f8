package flower

import (
	"fmt"
	"strings"
)

// P4Runtime writes the rules as entries of one table with ternary fields, in the
// text form of P4Runtime's WriteRequest. Field and action numbers stand in its
// first lines.
func (r *Rules) P4Runtime() string {
	var sb strings.Builder
	hex := func(b []byte) string {
		var s strings.Builder
		for _, x := range b {
			fmt.Fprintf(&s, "\\x%02x", x)
		}
		return s.String()
	}
	sb.WriteString("# match fields: 1 eth.type 2 vlan.tpid 3 ip.fragment")
	for k := range keys {
		fmt.Fprintf(&sb, " %d %s", int(k)+4, keyInfo[k].name)
	}
	sb.WriteString("\n# actions: 1 trap 2 drop 3 pass 4 back 5 out; params: 1 port, 2 ttl counts down, 3 vlan pushed (type and tci), 4 vlan popped, 5 vlan number, 8 + n: field 4 + n set; checksums are made right\n")
	field := func(id int, v, mask []byte) {
		fmt.Fprintf(&sb, "    match { field_id: %d ternary { value: \"%s\" mask: \"%s\" } }\n", id, hex(v), hex(mask))
	}
	for i := range r.List {
		x := &r.List[i]
		m := &x.Match
		sb.WriteString("updates { type: INSERT entity { table_entry { table_id: 1\n")
		all := []byte{0xff, 0xff}
		if m.Type != 0 {
			field(1, be.AppendUint16(nil, m.Type), all)
		}
		if m.Type != 0 || m.Tag != 0 {
			field(2, be.AppendUint16(nil, m.Tag), all)
		}
		if m.Frag != AnyFragment {
			field(3, []byte{byte(m.Frag)}, all[:1])
		}
		for k := range keys {
			if t := &m.Keys[k]; t.Asked() {
				field(int(k)+4, t.Value[:keyInfo[k].bytes], t.Mask[:keyInfo[k].bytes])
			}
		}
		fmt.Fprintf(&sb, "    action { action { action_id: %d", int(x.Action)+1)
		param := func(id int, v []byte) { fmt.Fprintf(&sb, " params { param_id: %d value: \"%s\" }", id, hex(v)) }
		if x.Action == Out {
			param(1, be.AppendUint32(nil, uint32(r.Ports[x.Port].Index)))
		}
		if x.Do.Down {
			param(2, []byte{1})
		}
		if x.Do.Push != 0 {
			param(3, be.AppendUint32(nil, x.Do.Push))
		}
		if x.Do.Pop {
			param(4, []byte{1})
		}
		if x.Do.VID >= 0 {
			param(5, be.AppendUint16(nil, uint16(x.Do.VID)))
		}
		for _, s := range x.Do.Set {
			param(8+int(s.Key), s.Value[:keyInfo[s.Key].bytes])
		}
		fmt.Fprintf(&sb, " } } priority: %d\n} } }\n", len(r.List)-x.Priority+1)
	}
	return sb.String()
}
