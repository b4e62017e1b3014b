package config_test
import ("testing";"strings";"time";"github.com/nex-engine/nex/internal/config")
func TestZZ(t *testing.T){
 for name, s := range map[string]string{
  "unknown": "{"+strings.TrimSuffix(strings.Repeat(`"machine_pool_sizf":1,`, 40000),",")+"}",
  "wl": `{"autostart":{"workloads":[`+strings.TrimSuffix(strings.Repeat(`{},`, 300000),",")+"]}}",
  "wlbad": `{"autostart":{"workloads":[`+strings.TrimSuffix(strings.Repeat(`1,`, 400000),",")+"]}}",
  "types": `{"workload_types":[`+strings.TrimSuffix(strings.Repeat(`"v8",`, 200000),",")+"]}",
  "deep": `{"public_nats_server":{"a":`+strings.Repeat("[",4000)+strings.Repeat("]",4000)+"}}",
 } {
  t0:=time.Now(); _, err := config.Parse([]byte(s)); n:=0; if err!=nil {n=len(err.Error())}
  t.Log(name, time.Since(t0), n)
 }
}
