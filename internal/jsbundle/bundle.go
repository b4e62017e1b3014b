// Package jsbundle turns a file of JavaScript or TypeScript into the one script that is deployed: it
// joins a module with what it imports, and takes the types out.
//
// A script's last expression is the function. A plain script is that already and stays as it is, byte
// for byte. Of a module the default export is the function, of a CommonJS module module.exports.
//
// What a .js file is shows in it: import, export and require make a module of it, and so does a
// statement of its own that sets module.exports or exports. That a library within it would do so, in
// a function or if they are there, does not, unless nothing comes after it: a script may contain such
// a library, and call eval. A .cjs file always is a CommonJS module.
//
// Packages are taken as for browsers, the web platform being what functions have, and as for
// production. Nothing is imported from other machines.
//
// What comes out depends on the files alone: nothing is written, fetched or run.
package jsbundle

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/evanw/esbuild/pkg/api"
)

// Script is what is deployed for a file.
type Script struct {
	Code []byte
	// Plain says that Code is the file's own content.
	Plain bool
	// Warnings are sentences about code that does what it hardly shall.
	Warnings []string
}

// endings are those of files that can be deployed, and whether such a file may be a plain script.
var endings = map[string]bool{".js": true, ".mjs": false, ".cjs": false, ".ts": false, ".mts": false}

// Handles reports whether a file is for this package, by the ending of its name.
func Handles(name string) bool {
	_, ok := endings[ending(name)]
	return ok
}

func ending(name string) string { return strings.ToLower(filepath.Ext(name)) }

// Build reads a file and what it imports. The error is one sentence, which begins with file, line and
// column where that is known, the file relative as path is.
func Build(path string) (*Script, error) {
	absolute, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	content, err := os.ReadFile(absolute)
	if err != nil {
		return nil, err
	}
	dir := filepath.Dir(path)
	alone, err := run(dir, looking(options(absolute)))
	if err != nil {
		return nil, err
	}
	joined, err := run(dir, bundling(absolute))
	if err != nil {
		return nil, err
	}
	exporting := exportingOf(alone.code)
	isCommonJS := joined.format == "cjs" && (ending(path) == ".cjs" || exporting.commonJS())
	isModule := isCommonJS || len(alone.exports) > 0 || joined.imports > 0
	switch {
	case endings[ending(path)] && !isModule:
		return &Script{Code: content, Plain: true, Warnings: joined.warnings}, nil
	case isCommonJS:
		if err := exporting.check(path); err != nil {
			return nil, err
		}
	case !slices.Contains(alone.exports, "default"):
		return nil, fmt.Errorf("%s has no default export, which is the function to call: write export default (subject, payload) => …", path)
	}
	return &Script{Code: joined.code, Warnings: joined.warnings}, nil
}

// global is the variable that the script leaves the module in.
const global = "__nexFunction"

// options are for looking at a file without what it imports.
func options(absolute string) api.BuildOptions {
	dir := filepath.Dir(absolute)
	return api.BuildOptions{
		EntryPoints:   []string{absolute},
		AbsWorkingDir: dir,
		Outfile:       filepath.Join(dir, "bundle.js"), // never written; sources are named relative to it
		Platform:      api.PlatformBrowser,
		Target:        api.ES2023,
		LogLevel:      api.LogLevelSilent,
		Metafile:      true,
	}
}

// bundling are the options that join the file with what it imports.
func bundling(absolute string) api.BuildOptions {
	o := options(absolute)
	o.Bundle = true
	o.Format = api.FormatIIFE
	o.GlobalName = global
	// The value of the script. A CommonJS module that was an ES module once says so.
	o.Footer = map[string]string{"js": fmt.Sprintf("%[1]s?.__esModule ? %[1]s.default : %[1]s;", global)}
	// Functions find what they are given in this, also an arrow function, which has that of the module.
	// Packages ask for NODE_ENV.
	o.Define = map[string]string{"this": "globalThis", "process.env.NODE_ENV": `"production"`}
	o.MainFields = []string{"browser", "module", "main"}
	o.Conditions = []string{"nex", "worker", "browser"} // besides import or require, and default
	o.Plugins = []api.Plugin{noURLs}
	o.Loader = map[string]api.Loader{
		".txt": api.LoaderText, ".md": api.LoaderText, ".html": api.LoaderText, ".sql": api.LoaderText,
		".css": api.LoaderNone, ".module.css": api.LoaderNone,
	}
	o.Sourcemap = api.SourceMapInline
	o.SourcesContent = api.SourcesContentInclude
	o.KeepNames = true
	o.LegalComments = api.LegalCommentsEndOfFile
	return o
}

// built is what is known of a file after a run.
type built struct {
	code     []byte
	format   string   // of the file: esm, cjs, or empty if it is neither; cjs is certain when bundling
	exports  []string // of the file; empty when bundling
	imports  int      // how many the file has; 0 when not bundling
	warnings []string
}

// metafile is the part of the bundler's description of a run that is needed here.
type metafile struct {
	Inputs map[string]struct {
		Format  string
		Imports []struct{ Path string }
	}
	Outputs map[string]struct {
		EntryPoint string
		Exports    []string
	}
}

// run runs the bundler; dir is that of the file, as messages name it.
func run(dir string, o api.BuildOptions) (*built, error) {
	result := api.Build(o)
	if len(result.Errors) > 0 {
		return nil, failure(dir, result.Errors[0])
	}
	if len(result.OutputFiles) != 1 {
		return nil, fmt.Errorf("%s became %d files, want one script: report this", o.EntryPoints[0], len(result.OutputFiles))
	}
	var meta metafile
	if err := json.Unmarshal([]byte(result.Metafile), &meta); err != nil {
		return nil, fmt.Errorf("read the description of the bundle: %w", err)
	}
	b := &built{code: result.OutputFiles[0].Contents}
	for _, out := range meta.Outputs {
		entry := meta.Inputs[out.EntryPoint]
		b.format, b.exports = entry.Format, out.Exports
		for _, i := range entry.Imports {
			if i.Path != "<runtime>" { // the bundler's own
				b.imports++
			}
		}
	}
	for _, w := range result.Warnings {
		b.warnings = append(b.warnings, warning(dir, w))
	}
	return b, nil
}
