package openapi

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
)

// A schema says what a value of JSON is like.
type schema struct {
	Ref                  string `json:"$ref"`
	Type                 string
	Required             []string
	Properties           map[string]schema
	AdditionalProperties bool
	Items                *schema
	Enum                 []string
	Minimum, Maximum     *int64
}

const definitions = "#/definitions/"

// maxDepth bounds how deep schemas are in each other, so that none is in itself.
const maxDepth = 16

// resolve makes sure that all is known that a schema refers to, and that check can hold values to it.
func (s *Spec) resolve(to *schema, depth int) error {
	if to == nil {
		return nil
	}
	if depth > maxDepth {
		return errors.New("it is in itself")
	}
	if to.Ref != "" {
		d, ok := s.definitions[strings.TrimPrefix(to.Ref, definitions)]
		if !ok || !strings.HasPrefix(to.Ref, definitions) {
			return fmt.Errorf("there is no %s", to.Ref)
		}
		return s.resolve(&d, depth+1)
	}
	if !slices.Contains([]string{"object", "array", "string", "integer", "boolean"}, to.Type) {
		return fmt.Errorf("type %q is not known here", to.Type)
	}
	for name, p := range to.Properties {
		if err := s.resolve(&p, depth+1); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	if to.Type == "array" && to.Items == nil {
		return errors.New("what is in the array is not said")
	}
	return s.resolve(to.Items, depth+1)
}

// check holds a text to a schema.
func (s *Spec) check(text []byte, to *schema, at string) error {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return fmt.Errorf("%s is no JSON: %w", at, err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return fmt.Errorf("%s is more than one JSON value", at)
	}
	return s.checkValue(v, *to, at)
}

func (s *Spec) checkValue(v any, to schema, at string) error {
	for to.Ref != "" {
		to = s.definitions[strings.TrimPrefix(to.Ref, definitions)]
	}
	switch v := v.(type) {
	case map[string]any:
		if to.Type == "object" {
			return s.checkObject(v, to, at)
		}
	case []any:
		if to.Type == "array" {
			for n, e := range v {
				if err := s.checkValue(e, *to.Items, fmt.Sprintf("%s[%d]", at, n)); err != nil {
					return err
				}
			}
			return nil
		}
	case string:
		if to.Type == "string" {
			if to.Enum != nil && !slices.Contains(to.Enum, v) {
				return fmt.Errorf("%s is %q, and should be one of %q", at, v, to.Enum)
			}
			return nil
		}
	case json.Number:
		if to.Type == "integer" {
			return checkInteger(v, to, at)
		}
	case bool:
		if to.Type == "boolean" {
			return nil
		}
	}
	return fmt.Errorf("%s is %v, and should be of type %s", at, v, to.Type)
}

func (s *Spec) checkObject(v map[string]any, to schema, at string) error {
	for _, name := range to.Required {
		if _, ok := v[name]; !ok {
			return fmt.Errorf("%s.%s is missing", at, name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(v)) {
		p, ok := to.Properties[name]
		if !ok && to.AdditionalProperties {
			continue
		}
		if !ok {
			return fmt.Errorf("%s.%s is not known", at, name)
		}
		if err := s.checkValue(v[name], p, at+"."+name); err != nil {
			return err
		}
	}
	return nil
}

func checkInteger(v json.Number, to schema, at string) error {
	n, err := v.Int64()
	if err != nil {
		return fmt.Errorf("%s is %s, and should be an integer", at, v)
	}
	if to.Minimum != nil && n < *to.Minimum || to.Maximum != nil && n > *to.Maximum {
		return fmt.Errorf("%s is %d, which is out of bounds", at, n)
	}
	return nil
}
