//go:build cgo && linux && (amd64 || arm64)

package javascript

import (
	"embed"
	"strings"
)

//go:embed web*.js
var webFiles embed.FS

// webNames lists the files of the standard web globals in the order in which they build on one another.
var webNames = []string{
	"webbase.js", "weberror.js", "webtext.js", "webparams.js", "weburl.js", "webevents.js", "webabort.js", "webcrypto.js",
	"webheaders.js", "webbody.js", "webrequest.js", "webresponse.js", "webfetch.js", "webclone.js",
}

// webScript is a classic script that installs the standard web globals: its value is a function of
// native, the object with what the engine provides. Each file is an expression, a function of native
// and of web, the object by which the files share what functions must not see.
func webScript() string {
	var b strings.Builder
	b.WriteString("(native) => {\nconst web = { __proto__: null };\n")
	for _, name := range webNames {
		text, err := webFiles.ReadFile(name)
		if err != nil {
			panic(err) // the files are part of the program: a test has shown that they are all there
		}
		b.WriteString("(\n")
		b.Write(text)
		b.WriteString(")(native, web);\n")
	}
	b.WriteString("}\n")
	return b.String()
}
