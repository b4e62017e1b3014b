package natsforms_test

// This file is about forms with TLS: after the greeting, before it, and with certificates of clients.

import (
	"bufio"
	"io"
	"strings"
	"time"

	"github.com/nex-engine/nex/internal/nextest"
)

func proveTLS(r *row) {
	r.bothNodes("NATS_CA=ca.pem")
	greeting, rest := r.inTheClear("CONNECT {\"verbose\":false}\r\nPING\r\n")
	if !strings.Contains(greeting, `"tls_required":true`) || strings.Contains(rest, "PONG") {
		r.t.Errorf("in the clear the server greets with %s, and answers %q", greeting, rest)
	}
	r.nex.with("NATS_CA=").refused("authority")
	r.nex.with("NATS_CA=" + r.otherAuthority() + "/ca.pem").refused("authority")
}

func proveTLSFirst(r *row) {
	// Nex and services know a variable for it, too.
	variables := []string{"NATS_CONTEXT=", "NATS_URL=tls://localhost:4222", "NATS_CA=ca.pem", "NATS_TLS_FIRST=true"}
	r.sees(r.nex, r.node)
	service := r.nex.with(variables...)
	service.deploysService(r.node, "app.service")
	r.nex.answers("app.service", "the service has got hello")
	r.nex.deploysFunction(r.node, "app.function")
	r.nex.answers("app.function", "hello from app.function")
	own := r.operator.with("NATS_CA=ca.pem", "NATS_TLS_FIRST=true")
	r.sees(own, r.up)
	own.deploysFunction(r.up, "app.own")
	r.nex.answers("app.own", "hello from app.own")

	// Who waits for a greeting waits in vain, and who speaks in the clear is not answered.
	late := service.with("NATS_TLS_FIRST=", "NATS_TIMEOUT=1s")
	late.refused("--tlsfirst")
	if greeting, rest := r.inTheClear("CONNECT {\"verbose\":false}\r\nPING\r\n"); strings.Contains(greeting+rest, "INFO") {
		r.t.Errorf("in the clear the server says %s%s", greeting, rest)
	}
	service.with("NATS_CA=").refused("authority")
}

func proveMutualTLS(r *row) {
	r.sees(r.nex, r.node)
	r.nex.calls(r.node, "app")
	r.operator.run("mutual-env.sh")
	if output := r.operator.run("mutual-own.sh"); !strings.Contains(output, r.up.Ready.NodeID) {
		r.t.Errorf("the operator sees %s", output)
	}
	own := r.operator.with("NATS_NKEY=" + r.up.Ready.ControlNKey)
	own.deploysFunction(r.up, "app.own")
	r.nex.answers("app.own", "hello from app.own")

	app := r.nex.with("NATS_CERT=app.pem", "NATS_KEY=app-key.pem")
	app.answers("app.function", "hello from app.function")
	app.onlyUses()
	r.nex.with("NATS_CERT=", "NATS_KEY=").refused("certificate")
	other := r.otherAuthority()
	r.nex.with("NATS_CERT="+other+"/nex.pem", "NATS_KEY="+other+"/nex-key.pem").refused("certificate")
	// One that the authority has signed, for somebody who is no user.
	r.nex.ok("sh", "-ec", `openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -CA ca.pem -CAkey ca-key.pem \
		-subj /CN=stranger -addext basicConstraints=CA:FALSE -keyout stranger-key.pem -out stranger.pem`)
	r.nex.with("NATS_CERT=stranger.pem", "NATS_KEY=stranger-key.pem").refused("refuses")
}

// otherAuthority makes certificates of the same names that another authority has signed, and returns their folder.
func (r *row) otherAuthority() string {
	r.t.Helper()
	r.nex.ok("sh", "-ec", "mkdir other; cd other\n"+block(r.t, "certificates.sh"))
	return "other"
}

// inTheClear is what the server says at first to a client without TLS, and what after that has sent something.
func (r *row) inTheClear(send string) (greeting, rest string) {
	r.t.Helper()
	conn, err := r.Dial("tcp", "127.0.0.1:4222")
	must(r.t, err)
	defer conn.Close()
	must(r.t, conn.SetDeadline(time.Now().Add(nextest.Patience)))
	_, err = io.WriteString(conn, send)
	must(r.t, err)
	in := bufio.NewReader(conn)
	greeting, _ = in.ReadString('\n') // without a greeting it is the end
	all, _ := io.ReadAll(in)
	return greeting, string(all)
}
