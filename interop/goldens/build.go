package goldens

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"time"
)

// variables are what a script gave a name: batches ([]byte), ids ([16]byte) and numbers (int64).
type variables map[string]any

// fill sets the fields of a kmsg struct from JSON decoded with numbers kept.
func (vars variables) fill(target reflect.Value, source any) error {
	if text, ok := source.(string); ok && strings.HasPrefix(text, "$") && target.Kind() != reflect.Slice && target.Kind() != reflect.Pointer {
		return vars.fillNamed(target, text[1:])
	}
	switch target.Kind() {
	case reflect.Pointer:
		return vars.fillPointer(target, source)
	case reflect.Struct:
		return vars.fillStruct(target, source)
	case reflect.Slice:
		return vars.fillSlice(target, source)
	case reflect.Array:
		return fillID(target, source)
	case reflect.Bool:
		b, ok := source.(bool)
		target.SetBool(b)
		return mismatch(ok, target, source)
	case reflect.String:
		s, ok := source.(string)
		target.SetString(s)
		return mismatch(ok, target, source)
	default:
		n, err := number(source)
		if err == nil {
			target.SetInt(n)
		}
		return err
	}
}

func mismatch(ok bool, target reflect.Value, source any) error {
	if ok {
		return nil
	}
	return fmt.Errorf("%v where a %v belongs", source, target.Type())
}

// number takes a JSON number, or "now" with an optional distance in milliseconds.
func number(source any) (int64, error) {
	switch n := source.(type) {
	case json.Number:
		return strconv.ParseInt(n.String(), 10, 64)
	case string:
		if distance, ok := strings.CutPrefix(n, "now"); ok {
			ms, err := strconv.ParseInt("0"+strings.TrimLeft(distance, "+-"), 10, 64)
			if strings.HasPrefix(distance, "-") {
				ms = -ms
			}
			return time.Now().UnixMilli() + ms, err
		}
	}
	return 0, fmt.Errorf("%v where a number belongs", source)
}

func (vars variables) fillNamed(target reflect.Value, name string) error {
	value, ok := vars[name]
	if !ok {
		return fmt.Errorf("nothing is named $%s", name)
	}
	if !reflect.TypeOf(value).ConvertibleTo(target.Type()) {
		return fmt.Errorf("$%s is no %v", name, target.Type())
	}
	target.Set(reflect.ValueOf(value).Convert(target.Type()))
	return nil
}

func (vars variables) fillPointer(target reflect.Value, source any) error {
	if source == nil {
		target.SetZero()
		return nil
	}
	target.Set(reflect.New(target.Type().Elem()))
	defaults(target.Elem())
	return vars.fill(target.Elem(), source)
}

func (vars variables) fillStruct(target reflect.Value, source any) error {
	fields, ok := source.(map[string]any)
	if !ok {
		return mismatch(false, target, source)
	}
	for name, value := range fields {
		field := target.FieldByName(name)
		if !field.IsValid() {
			return fmt.Errorf("%v has no field %s", target.Type(), name)
		}
		if err := vars.fill(field, value); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

func (vars variables) fillSlice(target reflect.Value, source any) error {
	if source == nil {
		target.SetZero()
		return nil
	}
	if target.Type().Elem().Kind() == reflect.Uint8 {
		return vars.fillBytes(target, source)
	}
	list, ok := source.([]any)
	if !ok {
		return mismatch(false, target, source)
	}
	target.Set(reflect.MakeSlice(target.Type(), len(list), len(list)))
	for i, item := range list {
		defaults(target.Index(i))
		if err := vars.fill(target.Index(i), item); err != nil {
			return fmt.Errorf("[%d]: %w", i, err)
		}
	}
	return nil
}

// fillBytes takes text, or named batches one after another as "$a+$b".
func (vars variables) fillBytes(target reflect.Value, source any) error {
	text, ok := source.(string)
	if !ok {
		return mismatch(false, target, source)
	}
	if !strings.HasPrefix(text, "$") {
		target.SetBytes([]byte(text))
		return nil
	}
	all := []byte{}
	for _, name := range strings.Split(text, "+") {
		b, ok := vars[strings.TrimPrefix(name, "$")].([]byte)
		if !ok {
			return fmt.Errorf("%s is no batch", name)
		}
		all = append(all, b...)
	}
	target.SetBytes(all)
	return nil
}

// fillID takes a UUID as Kafka writes them: URL-safe base64.
func fillID(target reflect.Value, source any) error {
	text, _ := source.(string)
	id, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil || len(id) != target.Len() {
		return fmt.Errorf("%v is no id", source)
	}
	reflect.Copy(target, reflect.ValueOf(id))
	return nil
}

func defaults(v reflect.Value) {
	if d, ok := v.Addr().Interface().(interface{ Default() }); ok {
		d.Default()
	}
}
