package client

import (
	"encoding"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"time"
)

// Decode fills in a struct from the view, as of one moment, by its tags:
//
//	type Settings struct {
//		URL     string        `confman:"db.url,required"`
//		Pool    int           `confman:"db.pool,default=20"`
//		Timeout time.Duration `confman:"db.timeout,default=5s"`
//		Limits  Limits        `confman:"limits"` // any other type: from JSON
//	}
//
// The key is followed by required, or by default= and the bare text of a value,
// which extends to the end of the tag. Fields without a tag are left alone, but
// structs among them are gone into. A key that does not exist leaves its field
// as it is.
//
// The error lists every field that could not be filled in; the struct is then
// left as it was.
func (v *View) Decode(out any) error {
	target := reflect.ValueOf(out)
	if target.Kind() != reflect.Pointer || target.IsNil() || target.Elem().Kind() != reflect.Struct {
		return fmt.Errorf("%w: decode the view of %s into %T, want a pointer to a struct", ErrInvalid, v.config.Namespace, out)
	}
	filled := reflect.New(target.Elem().Type()).Elem()
	filled.Set(target.Elem())
	d := decoding{entries: v.state.Load().entries}
	d.fill(filled)
	if err := errors.Join(d.errs...); err != nil {
		return fmt.Errorf("decode the view of %s: %w", v.config.Namespace, err)
	}
	target.Elem().Set(filled)
	return nil
}

type decoding struct {
	entries entries
	errs    []error
}

func (d *decoding) fill(s reflect.Value) {
	for i := range s.NumField() {
		field, kind := s.Field(i), s.Type().Field(i)
		tag, tagged := kind.Tag.Lookup("confman")
		switch {
		case !tagged && field.Kind() == reflect.Struct && (kind.IsExported() || kind.Anonymous):
			d.fill(field)
		case !tagged:
		case !kind.IsExported():
			d.errs = append(d.errs, fmt.Errorf("field %s of %s: not exported", kind.Name, s.Type()))
		default:
			if err := d.field(field, tag); err != nil {
				d.errs = append(d.errs, fmt.Errorf("field %s: %w", kind.Name, err))
			}
		}
	}
}

func (d *decoding) field(field reflect.Value, tag string) error {
	key, option, _ := strings.Cut(tag, ",")
	fallback, hasDefault := strings.CutPrefix(option, "default=")
	if key == "" || option != "" && option != "required" && !hasDefault {
		return fmt.Errorf("the tag %q: want KEY, KEY,required or KEY,default=TEXT", tag)
	}
	e := d.entries.get(key)
	switch {
	case e != nil:
		text, err := Bytes(e.Type, e.Value)
		if err == nil {
			err = set(field, string(text), e.Value)
		}
		if err != nil {
			return fmt.Errorf("%s is %w", key, misfit(e, err))
		}
	case option == "required":
		return fmt.Errorf("%s does not exist", key)
	case hasDefault:
		if err := set(field, fallback, json.RawMessage(fallback)); err != nil {
			return fmt.Errorf("the default of %s: %w", key, err)
		}
	}
	return nil
}

// set gives a field its value: from its bare text where the field is of a plain
// type, otherwise from its JSON.
func set(field reflect.Value, text string, value json.RawMessage) error {
	if field.Kind() == reflect.Pointer {
		pointee := reflect.New(field.Type().Elem())
		if err := set(pointee.Elem(), text, value); err != nil {
			return err
		}
		field.Set(pointee)
		return nil
	}
	switch target := field.Addr().Interface().(type) {
	case *time.Duration:
		d, err := parseDuration(text)
		*target = d
		return err
	case *json.RawMessage:
		*target = value
		return nil
	case *[]byte:
		*target = []byte(text)
		return nil
	case encoding.TextUnmarshaler:
		return target.UnmarshalText([]byte(text))
	}
	return setPlain(field, text, value)
}

func setPlain(field reflect.Value, text string, value json.RawMessage) error {
	switch {
	case field.Kind() == reflect.String:
		field.SetString(text)
		return nil
	case field.Kind() == reflect.Bool:
		return assign(text, parseBool, func(bool) bool { return false }, field.SetBool)
	case field.CanInt():
		return assign(text, parseInt, field.OverflowInt, field.SetInt)
	case field.CanUint():
		return assign(text, parseUint, field.OverflowUint, field.SetUint)
	case field.CanFloat():
		return assign(text, parseFloat, field.OverflowFloat, field.SetFloat)
	}
	return json.Unmarshal(value, field.Addr().Interface())
}

func assign[T any](text string, parse func(string) (T, error), overflows func(T) bool, set func(T)) error {
	value, err := parse(text)
	if err != nil {
		return err
	}
	if overflows(value) {
		return errors.New("too large for the field")
	}
	set(value)
	return nil
}
