package config

import (
	"bytes"
	"encoding/json"
	"reflect"
)

// Field is a field of the configuration file, for people who write one.
type Field struct {
	Group   string // heading under which it is shown
	Path    string // such as autostart.workloads[].type; [] stands for each position in the list
	Type    string // what JSON calls it
	Default string // JSON, or words
	Meaning string // with the unit
}

// Fields lists every field that holds a value, in the order of the reference.
func Fields() []Field {
	shapes := shapesOf(reflect.ValueOf(Default()), "", map[string]shape{})
	var fields []Field
	for _, g := range groups() {
		for _, r := range g.rows {
			f := Field{Group: g.title, Path: r.path, Type: shapes[r.path].typ, Default: r.unset, Meaning: r.meaning}
			if f.Default == "" {
				f.Default = shapes[r.path].value
			}
			fields = append(fields, f)
		}
	}
	return fields
}

// shape is what the Go types know of a field.
type shape struct{ typ, value string }

// shapesOf adds the shape of every field below v to shapes, by path.
func shapesOf(v reflect.Value, path string, shapes map[string]shape) map[string]shape {
	t := v.Type()
	switch {
	case t.Kind() == reflect.Pointer && t.Elem().Kind() == reflect.Struct:
		return shapesOf(reflect.Zero(t.Elem()), path, shapes)
	case t.Kind() == reflect.Slice && t.Elem().Kind() == reflect.Struct:
		return shapesOf(reflect.Zero(t.Elem()), path+"[]", shapes)
	case t.Kind() != reflect.Struct:
		shapes[path] = shape{typeName(t), valueText(v)}
		return shapes
	}
	for _, f := range reflect.VisibleFields(t) {
		shapesOf(v.FieldByIndex(f.Index), join(path, jsonName(f)), shapes)
	}
	return shapes
}

// typeName names a Go type as JSON would.
func typeName(t reflect.Type) string {
	switch {
	case t == rawType:
		return "object"
	case t.Kind() == reflect.Pointer:
		return typeName(t.Elem())
	case t.Kind() == reflect.Slice:
		return "list of " + typeName(t.Elem()) + "s"
	case t.Kind() == reflect.Map:
		return "object of " + typeName(t.Elem()) + "s"
	}
	switch t.Kind() {
	case reflect.String:
		return "string"
	case reflect.Bool:
		return "boolean"
	}
	return "number"
}

// valueText is a default as JSON; none is a dash.
func valueText(v reflect.Value) string {
	if v.IsZero() && (v.Kind() == reflect.String || v.Kind() == reflect.Slice || v.Kind() == reflect.Map || v.Kind() == reflect.Pointer) {
		return "–"
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v.Interface()); err != nil { // strings, numbers and lists of strings
		panic("config: encode a default: " + err.Error())
	}
	return string(bytes.TrimSpace(b.Bytes()))
}
