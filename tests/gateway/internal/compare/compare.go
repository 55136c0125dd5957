// Package compare finds the differences between two JSON values.
package compare

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"reflect"
	"slices"
	"strconv"

	"google.golang.org/protobuf/reflect/protoreflect"
)

// Parse reads one JSON value. Numbers stay as they are written: a float64 would make neighbours of large
// 64-bit integers equal.
func Parse(text []byte) (any, error) {
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	var value any
	if err := decoder.Decode(&value); err != nil {
		return nil, err
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("there is more after the JSON value")
	}
	return value, nil
}

// Differences says where got is not want, each with its path. The order of keys is of no meaning, that of a
// list is. A number and the string of its digits are not equal: see [Unquoted].
func Differences(got, want any) []string {
	return differences("", got, want)
}

func differences(path string, got, want any) []string {
	switch want := want.(type) {
	case map[string]any:
		if got, ok := got.(map[string]any); ok {
			return objects(path, got, want)
		}
	case []any:
		if got, ok := got.([]any); ok {
			return lists(path, got, want)
		}
	}
	if !reflect.DeepEqual(got, want) {
		return []string{fmt.Sprintf("%s: %s, want %s", path, text(got), text(want))}
	}
	return nil
}

func objects(path string, got, want map[string]any) (found []string) {
	keys := maps.Clone(want)
	maps.Copy(keys, got)
	for _, key := range slices.Sorted(maps.Keys(keys)) {
		below := key
		if path != "" {
			below = path + "." + key
		}
		given, isGiven := got[key]
		wanted, isWanted := want[key]
		switch {
		case !isGiven:
			found = append(found, below+": missing, want "+text(wanted))
		case !isWanted:
			found = append(found, below+": "+text(given)+", want no such key")
		default:
			found = append(found, differences(below, given, wanted)...)
		}
	}
	return found
}

func lists(path string, got, want []any) (found []string) {
	if len(got) != len(want) {
		found = append(found, fmt.Sprintf("%s: %d elements, want %d", path, len(got), len(want)))
	}
	for i := range min(len(got), len(want)) {
		found = append(found, differences(fmt.Sprintf("%s[%d]", path, i), got[i], want[i])...)
	}
	return found
}

// text is a value for people, on one line.
func text(value any) string {
	const most = 200
	text, err := json.Marshal(value)
	if err != nil {
		return fmt.Sprint(value)
	}
	if len(text) > most {
		return string(text[:most]) + "…"
	}
	return string(text)
}

// Unquoted is the value with its 64-bit integers as numbers, which the JSON of protobuf quotes. The message
// says which they are, so that a quoted number in any other place stays a string and is found.
func Unquoted(value any, message protoreflect.MessageDescriptor) any {
	switch message.FullName() {
	case "google.protobuf.Int64Value", "google.protobuf.UInt64Value":
		return number(value)
	}
	object, ok := value.(map[string]any)
	if !ok {
		return value
	}
	result := make(map[string]any, len(object))
	for key, value := range object {
		if field := message.Fields().ByJSONName(key); field != nil {
			value = unquotedField(value, field)
		}
		result[key] = value
	}
	return result
}

func unquotedField(value any, field protoreflect.FieldDescriptor) any {
	switch inside := value.(type) {
	case map[string]any:
		if field.IsMap() {
			result := make(map[string]any, len(inside))
			for key, value := range inside {
				result[key] = unquotedOne(value, field.MapValue())
			}
			return result
		}
	case []any:
		if field.IsList() {
			result := make([]any, len(inside))
			for i, value := range inside {
				result[i] = unquotedOne(value, field)
			}
			return result
		}
	}
	if field.IsList() || field.IsMap() {
		return value
	}
	return unquotedOne(value, field)
}

func unquotedOne(value any, field protoreflect.FieldDescriptor) any {
	switch field.Kind() {
	case protoreflect.MessageKind:
		return Unquoted(value, field.Message())
	case protoreflect.Int64Kind, protoreflect.Sint64Kind, protoreflect.Sfixed64Kind,
		protoreflect.Uint64Kind, protoreflect.Fixed64Kind:
		return number(value)
	default:
		return value
	}
}

// number is the integer within quotes. What is none, or is not written as JSON writes one, stays a string.
func number(value any) any {
	quoted, ok := value.(string)
	if !ok {
		return value
	}
	if integer, err := strconv.ParseInt(quoted, 10, 64); err == nil && strconv.FormatInt(integer, 10) == quoted {
		return json.Number(quoted)
	}
	if integer, err := strconv.ParseUint(quoted, 10, 64); err == nil && strconv.FormatUint(integer, 10) == quoted {
		return json.Number(quoted)
	}
	return value
}
