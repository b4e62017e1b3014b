package natsforms_test

// This file is about WebSockets, which programs and pages in JavaScript use.

func proveWebSocket(r *row) {
	r.bothNodes()
	r.nex.with("NATS_USER=app", "NATS_PASSWORD=change-me-too").onlyUses()
	r.webUsers("ws://localhost:8080", "")
	r.nex.with("NATS_PASSWORD=wrong").refused("refuses")
	r.nex.with("NATS_USER=", "NATS_PASSWORD=").refused("wants credentials")
}

func proveWebSocketTLS(r *row) {
	r.bothNodes()
	r.nex.with("NATS_USER=app", "NATS_PASSWORD=change-me-too").onlyUses()
	r.webUsers("wss://localhost:8443", "ca.pem")
	r.nex.with("NATS_PASSWORD=wrong").refused("refuses")
	r.nex.with("NATS_CA=").refused("authority")
}

// webUsers proves that programs and pages in JavaScript can do what others can over a WebSocket, if they have a
// password, come from where pages may, and, with TLS, trust the server.
func (r *row) webUsers(url, authority string) {
	r.t.Helper()
	app := &webUser{User: "app", Pass: "change-me-too"}
	work := task{Servers: url, Good: app, Bad: map[string]webUser{"wrong": {User: "app", Pass: "wrong"}, "nobody": {}}}
	r.check("node", r.inNode(work, authority), "Authorization Violation")
	page, stranger := r.inBrowser(work, authority)
	r.check("page", page, "Authorization Violation")
	if stranger.Error == "" {
		r.t.Error("a page from elsewhere has connected")
	}
	if authority == "" {
		return
	}
	if result := r.inNode(work, ""); result.Error == "" {
		r.t.Error("node has connected to a server that it does not trust")
	}
	if result, _ := r.inBrowser(work, ""); result.Error == "" {
		r.t.Error("a page has connected to a server that the browser does not trust")
	}
}
