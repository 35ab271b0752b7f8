package bench
import ("testing";"os";"context";"jitnic/superopt")
func TestZZ(t *testing.T){
 p,_,err:=(&Program{Name:"x",Object:os.Getenv("OBJ"),Func:os.Getenv("FN")}).Load(os.Getenv("DIR"))
 if err!=nil {t.Fatal(err)}
 r,_:=superopt.Optimize(context.Background(),p,&superopt.Options{Layers:"p",Log:t.Logf})
 t.Logf("\n%s\n%s",p,r.Prog)
}
