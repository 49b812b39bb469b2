package client

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"time"

	"confman/api/wire"
)

// String is the bare value of a key, as Bytes gives it: a string without its
// quotes, anything else as its JSON. It is fallback when there is no such key.
func (v *View) String(key, fallback string) string {
	return read(v, key, fallback, func(text string) (string, error) { return text, nil })
}

// Int is a whole number, or a string that spells one. It is fallback when there
// is no such key, or, as OnMisfit is told, when it is something else.
func (v *View) Int(key string, fallback int64) int64 { return read(v, key, fallback, parseInt) }

// Float is a number, or a string that spells one; otherwise as Int.
func (v *View) Float(key string, fallback float64) float64 {
	return read(v, key, fallback, parseFloat)
}

// Bool is a boolean, or the string "true" or "false"; otherwise as Int.
func (v *View) Bool(key string, fallback bool) bool { return read(v, key, fallback, parseBool) }

// Duration is a string such as "1m30s"; otherwise as Int. A number is none: it
// has no unit.
func (v *View) Duration(key string, fallback time.Duration) time.Duration {
	return read(v, key, fallback, parseDuration)
}

// JSON decodes the value of a key into out and reports whether there is such a
// key.
func (v *View) JSON(key string, out any) (bool, error) {
	e, ok := v.Get(key)
	if !ok {
		return false, nil
	}
	if err := json.Unmarshal(e.Value, out); err != nil {
		return true, fmt.Errorf("%s/%s: %w", e.Namespace, key, err)
	}
	return true, nil
}

// read is a value as parse reads its bare text.
func read[T any](v *View, key string, fallback T, parse func(string) (T, error)) T {
	e, ok := v.Get(key)
	if !ok {
		return fallback
	}
	text, err := Bytes(e.Type, e.Value)
	if err == nil {
		var value T
		if value, err = parse(string(text)); err == nil {
			return value
		}
	}
	if v.config.OnMisfit != nil {
		v.config.OnMisfit(key, misfit(&e, err))
	}
	return fallback
}

// misfit says what value is wrong, without the value, which may be secret.
func misfit(e *wire.ConfigEntry, err error) error {
	return fmt.Errorf("a %s at version %d: %w", e.Type, e.Version, err)
}

// parseInt also takes a whole number in another spelling, such as 2e3 or 5.0.
func parseInt(text string) (int64, error) {
	if n, err := strconv.ParseInt(text, 10, 64); err == nil {
		return n, nil
	}
	f, err := parseFloat(text)
	if err != nil || f != math.Trunc(f) || math.Abs(f) > 1<<53 {
		return 0, errors.New("not a whole number of 64 bits")
	}
	return int64(f), nil
}

func parseUint(text string) (uint64, error) {
	if n, err := strconv.ParseUint(text, 10, 64); err == nil {
		return n, nil
	}
	n, err := parseInt(text)
	if err != nil || n < 0 {
		return 0, errors.New("not a whole number from 0 up")
	}
	return uint64(n), nil
}

func parseFloat(text string) (float64, error) {
	f, err := strconv.ParseFloat(text, 64)
	if err != nil || math.IsNaN(f) || math.IsInf(f, 0) {
		return 0, errors.New("not a number")
	}
	return f, nil
}

func parseBool(text string) (bool, error) {
	if text != "true" && text != "false" {
		return false, errors.New("neither true nor false")
	}
	return text == "true", nil
}

func parseDuration(text string) (time.Duration, error) {
	d, err := time.ParseDuration(text)
	if err != nil {
		return 0, errors.New("not a duration such as 1m30s")
	}
	return d, nil
}
