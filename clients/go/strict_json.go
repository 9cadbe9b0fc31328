package stint

import (
	"bytes"
	"encoding/json"
	"errors"
	"math"
	"strconv"
	"unicode/utf8"
)

var errNotStrict = errors.New("not strict JSON")

// parseStrictObject parses a JSON object in which no two readers can see different values.
//
// A member name that occurs twice, in any spelling, is refused, as are bytes that are not UTF-8, a byte order mark, "__proto__", and
// what is nested deeper than jsonDepthMax. Numbers are float64, infinite where they have no other.
//
// See RFC 7515 section 4, RFC 7519 section 4, RFC 8259 section 4.
func parseStrictObject(data []byte) (map[string]any, bool) {
	// The decoder puts replacement characters for what is no UTF-8, and its tokens alone would let some faults of grammar pass.
	if !utf8.Valid(data) || !json.Valid(data) {
		return nil, false
	}
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.UseNumber()
	value, err := strictValue(decoder, jsonDepthMax)
	if err != nil {
		return nil, false
	}
	object, isObject := value.(map[string]any)
	return object, isObject
}

func strictValue(decoder *json.Decoder, levels int) (any, error) {
	token, err := decoder.Token()
	if err != nil {
		return nil, err
	}
	switch found := token.(type) {
	case json.Delim:
		if levels == 0 {
			return nil, errNotStrict
		}
		if found == '{' {
			return strictMembers(decoder, levels-1)
		}
		return strictElements(decoder, levels-1)
	case json.Number:
		// Whatever is out of range is infinite to other readers too.
		number, _ := strconv.ParseFloat(found.String(), 64)
		return number, nil
	default:
		return token, nil
	}
}

func strictMembers(decoder *json.Decoder, levels int) (any, error) {
	members := map[string]any{}
	for decoder.More() {
		token, err := decoder.Token()
		if err != nil {
			return nil, err
		}
		name, isText := token.(string)
		if _, isTwice := members[name]; !isText || isTwice || name == "__proto__" {
			return nil, errNotStrict
		}
		if members[name], err = strictValue(decoder, levels); err != nil {
			return nil, err
		}
	}
	_, err := decoder.Token()
	return members, err
}

func strictElements(decoder *json.Decoder, levels int) (any, error) {
	elements := []any{}
	for decoder.More() {
		element, err := strictValue(decoder, levels)
		if err != nil {
			return nil, err
		}
		elements = append(elements, element)
	}
	_, err := decoder.Token()
	return elements, err
}

// wholeNumberOf gives a whole number off JSON, in whatever way it is written: 1, 1.0 and 1e0 are one number.
func wholeNumberOf(value any) (float64, bool) {
	number, isNumber := value.(float64)
	return number, isNumber && number == math.Trunc(number) && !math.IsInf(number, 0)
}

// textsOf gives a list of JSON whose elements are all texts.
func textsOf(value any) ([]string, bool) {
	elements, isList := value.([]any)
	if !isList {
		return nil, false
	}
	texts := make([]string, len(elements))
	for index, element := range elements {
		text, isText := element.(string)
		if !isText {
			return nil, false
		}
		texts[index] = text
	}
	return texts, true
}
