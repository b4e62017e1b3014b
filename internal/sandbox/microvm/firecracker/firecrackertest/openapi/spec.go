// Package openapi holds requests to what the description of an API says (Swagger 2.0), as far as the one of
// Firecracker uses that: methods, paths, and bodies of JSON with types, required names, enumerations and bounds.
package openapi

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
)

//go:embed firecracker.json
var firecracker []byte

// Spec is the description of an API. It is safe for concurrent use.
type Spec struct {
	paths       map[string]map[string]operation // by path and method in lower case
	definitions map[string]schema
}

type operation struct {
	Parameters []struct {
		Name, In string
		Required bool
		Schema   *schema
	}
	Responses map[string]struct{ Schema *schema }
}

// Firecracker is the description of Firecracker's API.
func Firecracker() *Spec {
	s, err := Parse(firecracker)
	if err != nil {
		panic(err) // it is a part of this program
	}
	return s
}

// Parse reads a description in JSON.
func Parse(text []byte) (*Spec, error) {
	var doc struct {
		Swagger     string
		Paths       map[string]map[string]operation
		Definitions map[string]schema
	}
	if err := json.Unmarshal(text, &doc); err != nil {
		return nil, fmt.Errorf("read API description: %w", err)
	}
	if doc.Swagger != "2.0" || len(doc.Paths) == 0 {
		return nil, fmt.Errorf("read API description: it is no Swagger 2.0 with paths")
	}
	s := &Spec{paths: doc.Paths, definitions: doc.Definitions}
	for name, d := range doc.Definitions {
		if err := s.resolve(&d, 0); err != nil {
			return nil, fmt.Errorf("read API description: %s: %w", name, err)
		}
	}
	for path, operations := range doc.Paths {
		for method, o := range operations {
			if err := s.resolveAll(o); err != nil {
				return nil, fmt.Errorf("read API description: %s %s: %w", method, path, err)
			}
		}
	}
	return s, nil
}

func (s *Spec) resolveAll(o operation) error {
	for _, p := range o.Parameters {
		if err := s.resolve(p.Schema, 0); err != nil {
			return err
		}
	}
	for _, r := range o.Responses {
		if err := s.resolve(r.Schema, 0); err != nil {
			return err
		}
	}
	return nil
}

// Request says what keeps a request from being one that is described; nil if nothing does. A body that is
// empty counts as none.
func (s *Spec) Request(method, path string, body []byte) error {
	o, values, err := s.find(method, path)
	if err != nil {
		return err
	}
	described := false
	for _, p := range o.Parameters {
		switch {
		case p.In == "path" && values[p.Name] == "":
			return fmt.Errorf("%s %s: %s is missing in the path", method, path, p.Name)
		case p.In != "body":
		case len(body) == 0 && p.Required:
			return fmt.Errorf("%s %s: the body is missing", method, path)
		case len(body) > 0:
			if err := s.check(body, p.Schema, p.Name); err != nil {
				return fmt.Errorf("%s %s: %w", method, path, err)
			}
			described = true
		}
	}
	if len(body) > 0 && !described {
		return fmt.Errorf("%s %s: there is a body, and should be none", method, path)
	}
	return nil
}

// Response says what keeps an answer from being one that is described; nil if nothing does.
func (s *Spec) Response(method, path string, status int, body []byte) error {
	o, _, err := s.find(method, path)
	if err != nil {
		return err
	}
	r, ok := o.Responses[fmt.Sprint(status)]
	if !ok && status < http.StatusBadRequest {
		return fmt.Errorf("%s %s: status %d is not described", method, path, status)
	}
	if !ok {
		r = o.Responses["default"]
	}
	if r.Schema == nil {
		if len(body) > 0 {
			return fmt.Errorf("%s %s: the answer with status %d has a body, and should have none", method, path, status)
		}
		return nil
	}
	if err := s.check(body, r.Schema, "answer"); err != nil {
		return fmt.Errorf("%s %s: status %d: %w", method, path, status, err)
	}
	return nil
}

// find is the operation, with the values that the path has for its parameters.
func (s *Spec) find(method, path string) (operation, map[string]string, error) {
	for pattern, operations := range s.paths {
		values, ok := match(pattern, path)
		if !ok {
			continue
		}
		if o, ok := operations[strings.ToLower(method)]; ok {
			return o, values, nil
		}
	}
	return operation{}, nil, fmt.Errorf("there is no %s %s", method, path)
}

// match reports whether a path is one of the pattern, in which {name} stands for one element that is not empty.
func match(pattern, path string) (map[string]string, bool) {
	want, got := strings.Split(pattern, "/"), strings.Split(path, "/")
	if len(want) != len(got) {
		return nil, false
	}
	values := map[string]string{}
	for n, w := range want {
		name, ok := strings.CutPrefix(w, "{")
		switch {
		case ok && got[n] != "":
			values[strings.TrimSuffix(name, "}")] = got[n]
		case w != got[n]:
			return nil, false
		}
	}
	return values, true
}
