package nex_test

import (
	"testing"

	nex "github.com/nex-engine/nex"
)

func TestMayAnswer(t *testing.T) {
	for reply, want := range map[string]bool{
		"_INBOX.a.b": true, "answers": true, "_R_.x": true, "_GR_.x": true, "my.inbox.x": true, "$JS.ACK.s.c.1.1.1.1.0": true, "$NEXT.x": true, "NEX.PING": true,
		"": false, "$NEX.LAMEDUCK.N": false, "$NEX.": false, "$SYS.REQ.SERVER.PING": false, "$JS.API.STREAM.DELETE.S": false, "$JS.FC.x": false,
		"$KV.bucket.key": false, "$O.bucket.C.x": false, "$SRV.PING": false,
	} {
		if got := nex.MayAnswer(reply); got != want {
			t.Errorf("MayAnswer(%q) = %t, want %t", reply, got, want)
		}
	}
}
