// Package unknown keeps the keys of JSON documents that this koweld does not
// know: a later one wrote them, and they are written back.
package unknown

import (
	"encoding/json"
	"maps"
	"reflect"
	"strings"
)

// Keys are such keys. A struct has them in a field Unknown that is tagged "-".
type Keys map[string]json.RawMessage

// Keep notes the keys of a JSON object that v, a pointer to the struct it was
// decoded into, has no field for, and those of the structs within.
func Keep(data []byte, v any) error { return keep(data, reflect.ValueOf(v)) }

func keep(data json.RawMessage, v reflect.Value) error {
	switch {
	case v.Kind() == reflect.Pointer && !v.IsNil():
		return keep(data, v.Elem())
	case v.Kind() == reflect.Slice && v.Type().Elem().Kind() == reflect.Struct:
		var items []json.RawMessage
		if err := json.Unmarshal(data, &items); err != nil {
			return err
		}
		for i := range min(len(items), v.Len()) {
			if err := keep(items[i], v.Index(i)); err != nil {
				return err
			}
		}
	case v.Kind() == reflect.Struct:
		var all Keys
		if err := json.Unmarshal(data, &all); err != nil {
			return err
		}
		for i := range v.NumField() {
			// The field of the unknown keys is tagged "-"; a key may be too.
			name, _, _ := strings.Cut(v.Type().Field(i).Tag.Get("json"), ",")
			field, known := all[name]
			if name == "-" || !known {
				continue
			}
			delete(all, name)
			if err := keep(field, v.Field(i)); err != nil {
				return err
			}
		}
		if len(all) > 0 {
			v.FieldByName("Unknown").Set(reflect.ValueOf(all))
		}
	}
	return nil
}

// Merge encodes known, a struct, with the unknown keys after its own.
func Merge(known any, unknown Keys) ([]byte, error) {
	data, err := json.Marshal(known)
	if err != nil || len(unknown) == 0 {
		return data, err
	}
	rest, err := json.Marshal(maps.Clone(unknown)) // sorted by key
	if err != nil {
		return nil, err
	}
	if string(data) == "{}" {
		return rest, nil
	}
	return append(append(data[:len(data)-1], ','), rest[1:]...), nil
}
