package calibrate
import ("testing";"time";"fmt"
 "jitnic/host/ebpf";"jitnic/host/kernel"
 cilium "github.com/cilium/ebpf")
func TestX(t *testing.T){
 for _, typ := range []cilium.ProgramType{cilium.XDP, cilium.SchedCLS} {
 insns := []ebpf.Insn{{Op: 0xb7, Dst: 0, Imm: 1},{Op: ebpf.OpExit}}
 p, err := kernel.LoadRaw(kernel.Raw{Name:"x",Insns:insns,Type:typ}, &kernel.Maps{}, kernel.Options{})
 if err!=nil{t.Fatal(err)}
 for _, n := range []uint32{1,1000,100000,100000,1000000} {
  t0:=time.Now(); d, err := p.Bench(make([]byte,64), n)
  fmt.Println(typ, n, d, err, time.Since(t0))
 }
 }
}
