package vm

import (
	"encoding/binary"
	"testing"

	"jitnic/host/loader"
	"jitnic/host/maps"

	cebpf "github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
)

// redirecting is a program that sends every packet to key 1 of a devmap with
// flags, and one for the map's entries: it adds its egress interface to the
// value of array 1, spoils the packet, and drops it.
func redirecting(t *testing.T, kind cebpf.MapType, flags int32) (*Interp, *State) {
	t.Helper()
	main := link(t, "main", asm.Instructions{
		mapRef(asm.R1, 0), asm.Mov.Imm(asm.R2, 1), asm.Mov.Imm(asm.R3, flags), asm.FnRedirectMap.Call(), asm.Return(),
	})
	entry := link(t, "entry", asm.Instructions{
		asm.LoadMem(asm.R6, asm.R1, CtxEgress, asm.Word),
		asm.LoadMem(asm.R7, asm.R1, CtxData, asm.Word),
		asm.Mov.Imm(asm.R2, -20),
		asm.FnXdpAdjustHead.Call(),
		asm.StoreImm(asm.R7, 0, 0x55, asm.Byte),
		asm.StoreImm(asm.R10, -4, 0, asm.Word),
		asm.Mov.Reg(asm.R2, asm.R10),
		asm.Add.Imm(asm.R2, -4),
		mapRef(asm.R1, 1),
		asm.FnMapLookupElem.Call(),
		asm.JEq.Imm(asm.R0, 0, "exit"),
		asm.StoreXAdd(asm.R0, asm.R6, asm.DWord),
		asm.Mov.Imm(asm.R0, XDPDrop).WithSymbol("exit"),
		asm.Return(),
	})
	obj := &loader.Object{File: "deliver", Programs: []*loader.Program{main, entry}, Maps: []*maps.Spec{
		{Name: "tx", Type: kind, KeySize: 4, ValueSize: 8, Max: 4},
		{Name: "sum", Type: cebpf.Array, KeySize: 4, ValueSize: 8, Max: 1},
	}}
	it := load(t, obj, Options{})
	for key, device := range []uint32{5, 7, 11} {
		entry := uint32(2) // program 1, as maps write it
		if key == 2 {
			entry = 0
		}
		if e := it.S.Maps[0].Update(u32(uint32(key)), binary.LittleEndian.AppendUint32(u32(device), entry), 0, 0); e != 0 {
			t.Fatal(e)
		}
	}
	return it, it.S
}

// TestDeliver runs programs of entries after the verdict: once for each target
// that has one, with the target's device, and without a trace in the packet.
func TestDeliver(t *testing.T) {
	for _, c := range []struct {
		what    string
		kind    cebpf.MapType
		flags   int32
		ingress uint32
		runs    int
		sum     uint64
	}{
		{"one target", cebpf.DevMap, 0, 1, 1, 7},
		{"broadcast", cebpf.DevMap, 8, 1, 2, 12},
		{"broadcast but to where it came from", cebpf.DevMap, 8 | 16, 5, 1, 7},
		{"hash", cebpf.DevMapHash, 8, 1, 2, 12},
		{"CPU: no egress device", cebpf.CPUMap, 0, 1, 1, 0},
	} {
		it, s := redirecting(t, c.kind, c.flags)
		var out Output
		it.Run(&Input{Data: fill(64), IfIndex: c.ingress, RxQueue: 3}, &out)
		if out.Err != nil || out.Verdict != XDPRedirect {
			t.Fatalf("%s: verdict %d, %v", c.what, out.Verdict, out.Err)
		}
		want := out.Redirect
		runs := 0
		it.Deliver(&out, func(d *Delivery) {
			runs++
			if d.Err != nil || d.Verdict != XDPDrop || d.Program != 1 {
				t.Errorf("%s: %+v", c.what, d)
			}
		})
		if sum := s.Load(s.Maps[1].Peek(make([]byte, 4), 0), 8); runs != c.runs || sum != c.sum {
			t.Errorf("%s: %d runs, sum %d", c.what, runs, sum)
		}
		if string(out.Data) != string(fill(64)) || s.Data != s.Buf+Headroom || s.Rx != 3 || s.Egress != 0 || s.Redirect != want {
			t.Errorf("%s: the packet isn't what the program left", c.what)
		}
	}
}
