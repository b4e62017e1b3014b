package config

import (
	"encoding/json"
	"reflect"
)

// kind is what JSON tells apart, in words that fit after "expected".
type kind string

const (
	kindObject kind = "an object"
	kindList   kind = "a list"
	kindString kind = "a string"
	kindNumber kind = "a number"
	kindBool   kind = "true or false"
	kindNull   kind = "null"
)

var rawType = reflect.TypeFor[json.RawMessage]()

// kindOfType is what a value of the type is in JSON. A [json.RawMessage] is an object.
func kindOfType(t reflect.Type) kind {
	switch {
	case t == nil:
		return ""
	case t == rawType:
		return kindObject
	}
	switch t.Kind() {
	case reflect.Struct, reflect.Map:
		return kindObject
	case reflect.Slice:
		return kindList
	case reflect.String:
		return kindString
	case reflect.Bool:
		return kindBool
	}
	return kindNumber
}

// kindOfToken is what a value that begins with the token is.
func kindOfToken(token json.Token) kind {
	switch token := token.(type) {
	case json.Delim:
		if token == '{' {
			return kindObject
		}
		return kindList
	case string:
		return kindString
	case bool:
		return kindBool
	case nil:
		return kindNull
	}
	return kindNumber
}
