//go:build cgo && linux && (amd64 || arm64)

package javascript

import (
	"fmt"

	"github.com/evanw/esbuild/pkg/api"

	"github.com/nex-engine/nex/internal/function"
)

// scriptOfModule makes of an ES module a script whose value is the module's default export. It has an
// inline source map.
func scriptOfModule(name, text string) (string, error) {
	result := api.Build(api.BuildOptions{
		Stdin:          &api.StdinOptions{Contents: text, Sourcefile: name, Loader: api.LoaderJS},
		Bundle:         true,
		Format:         api.FormatIIFE,
		GlobalName:     "__nex",
		Footer:         map[string]string{"js": "__nex.default"},
		Define:         map[string]string{"this": "globalThis"},
		Platform:       api.PlatformNeutral,
		Target:         api.ESNext,
		Charset:        api.CharsetUTF8,
		Sourcemap:      api.SourceMapInline,
		SourcesContent: api.SourcesContentExclude,
		TsconfigRaw:    "{}",
		LogLevel:       api.LogLevelSilent,
		Plugins:        []api.Plugin{noImports},
	})
	if len(result.Errors) > 0 {
		return "", moduleError(name, result.Errors[0])
	}
	if len(result.OutputFiles) != 1 {
		return "", function.Errorf(function.StatusBadRequest, "%s cannot be loaded as an ES module", name)
	}
	return string(result.OutputFiles[0].Contents), nil
}

// noImports refuses every import, because there is but one file.
var noImports = api.Plugin{
	Name: "no-imports",
	Setup: func(build api.PluginBuild) {
		build.OnResolve(api.OnResolveOptions{Filter: ".*"}, func(args api.OnResolveArgs) (api.OnResolveResult, error) {
			text := fmt.Sprintf("it imports %q, and a function is one file: make one of its files with nex devrun", args.Path)
			return api.OnResolveResult{Errors: []api.Message{{Text: text}}}, nil
		})
	},
}

func moduleError(name string, m api.Message) error {
	place := name
	if m.Location != nil {
		place = fmt.Sprintf("%s:%d:%d", name, m.Location.Line, m.Location.Column+1)
	}
	if m.PluginName != "" {
		return function.Errorf(function.StatusBadRequest, "%s cannot be loaded: %s", place, oneLine(m.Text))
	}
	return function.Errorf(function.StatusBadRequest, "%s does not compile: %s", place, oneLine(m.Text))
}
