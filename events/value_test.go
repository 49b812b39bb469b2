package events_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"confman/events"
)

// valueCase is a value as a client gives it and what becomes of it.
type valueCase struct {
	typ     events.ValueType
	raw     string
	want    string // the value's JSON
	wantTyp events.ValueType
	refused string
}

func checkValues(t *testing.T, cases []valueCase) {
	t.Helper()
	for _, tt := range cases {
		name := string(tt.typ) + " " + tt.raw
		raw := []byte(tt.raw)
		got, err := events.ParseValue(raw, tt.typ, 1<<20)
		checkRefusal(t, name, err, tt.refused)
		if err == nil && (string(got.JSON) != tt.want || got.Type != tt.wantTyp) {
			t.Errorf("%s: got %s %s, want %s %s", name, got.Type, got.JSON, tt.wantTyp, tt.want)
		}
		if string(raw) != tt.raw {
			t.Errorf("%s: the caller's bytes were changed to %s", name, raw)
		}
	}
}

func TestWithoutATypeTheJSONTellsIt(t *testing.T) {
	checkValues(t, []valueCase{
		{"", `"a"`, `"a"`, "string", ""},
		{"", `1`, `1`, "number", ""},
		{"", `true`, `true`, "boolean", ""},
		{"", `false`, `false`, "boolean", ""},
		{"", ` { "b" : [ 1 , 2 ] } `, `{"b":[1,2]}`, "json", ""},
		{"", `[]`, `[]`, "json", ""},
		{"", `null`, "", "", "delete the key instead"},
	})
}

func TestStringValues(t *testing.T) {
	checkValues(t, []valueCase{
		{"string", `"1"`, `"1"`, "string", ""},
		{"string", `1`, "", "", "is a number, not what type string takes"},
		{"string", `true`, "", "", "is a boolean"},
		{"string", `null`, "", "", "is null"},
		{"string", `{}`, "", "", "is an object"},
		{"string", `[]`, "", "", "is an array"},
	})
}

func TestNumberValues(t *testing.T) {
	checkValues(t, []valueCase{
		{"number", `1`, `1`, "number", ""},
		{"number", `" 1 "`, `1`, "number", ""},
		{"number", `"one"`, "", "", "does not parse as number"},
		{"number", `"\"1\""`, "", "", "is a string, not what type number takes"},
		{"number", `"true"`, "", "", "is a boolean"},
		{"number", `true`, "", "", "is a boolean"},
		{"number", `""`, "", "", "does not parse"},
		{"number", `"NaN"`, "", "", "does not parse"},
		{"number", `"0x10"`, "", "", "does not parse"},
		{"number", `"01"`, "", "", "does not parse"},
		{"number", `null`, "", "", "is null"},
		{"number", `[1]`, "", "", "is an array"},
	})
}

func TestBooleanValues(t *testing.T) {
	checkValues(t, []valueCase{
		{"boolean", `false`, `false`, "boolean", ""},
		{"boolean", `"true"`, `true`, "boolean", ""},
		{"boolean", `"yes"`, "", "", "does not parse as boolean"},
		{"boolean", `1`, "", "", "is a number"},
		{"boolean", `null`, "", "", "is null"},
		{"boolean", `{}`, "", "", "is an object"},
	})
}

func TestJSONValues(t *testing.T) {
	deep := func(n int) string { return strings.Repeat("[", n) + strings.Repeat("]", n) }
	checkValues(t, []valueCase{
		{"json", `{"a":1}`, `{"a":1}`, "json", ""},
		{"json", `"{\"a\": 1}"`, `{"a":1}`, "json", ""},
		{"json", `"\"text\""`, `"text"`, "json", ""},
		{"json", `"text"`, "", "", "does not parse as json"},
		{"json", `1`, `1`, "json", ""},
		{"json", `true`, `true`, "json", ""},
		{"json", `null`, `null`, "json", ""},
		{"json", deep(64), deep(64), "json", ""},
		{"json", deep(65), "", "", "deeper than 64"},
		{"json", `"` + deep(65) + `"`, "", "", "deeper than 64"},
		{"json", `{"[[":"{\"[{"}`, `{"[[":"{\"[{"}`, "json", ""},
	})
}

func TestBinaryValues(t *testing.T) {
	checkValues(t, []valueCase{
		{"binary", `"AAEC/w=="`, `"AAEC/w=="`, "binary", ""},
		{"binary", `""`, `""`, "binary", ""},
		{"binary", `"AAEC\r\n/w==\n"`, `"AAEC/w=="`, "binary", ""},
		{"binary", `"AAEC_w=="`, "", "", "base64"},
		{"binary", `"AAEC/w"`, "", "", "base64"},
		{"binary", `"AAEC/x=="`, "", "", "base64"}, // bits beyond the last byte
		{"binary", `"?"`, "", "", "base64"},
		{"binary", `1`, "", "", "is a number"},
	})
}

func TestReferences(t *testing.T) {
	checkValues(t, []valueCase{
		{"secret-ref", `"vault://db#password"`, `"vault://db#password"`, "secret-ref", ""},
		{"secret-ref", `"keyvault://v/s"`, `"keyvault://v/s"`, "secret-ref", ""},
		{"secret-ref", `"env://DB"`, `"env://DB"`, "secret-ref", ""},
		{"secret-ref", `"file:///run/secrets/db"`, `"file:///run/secrets/db"`, "secret-ref", ""},
		{"secret-ref", `"hunter2"`, "", "", "vault://"},
		{"secret-ref", `"https://x"`, "", "", "vault://"},
		{"secret-ref", `"VAULT://x"`, "", "", "vault://"},
		{"secret-ref", `"vault://"`, "", "", "vault://"},
		{"secret-ref", `" env://x"`, "", "", "vault://"},
		{"secret-ref", `{}`, "", "", "is an object"},
	})
}

func TestUnknownTypes(t *testing.T) {
	checkValues(t, []valueCase{
		{"text", `"a"`, "", "", "not one of string number"},
		{"text", `1`, "", "", "not one of string number"},
		{"String", `"a"`, "", "", "not one of string number"},
	})
}

func TestNumbersKeepTheirSpellingEverywhere(t *testing.T) {
	checkValues(t, []valueCase{
		{"", `-0`, `-0`, "number", ""},
		{"", `1.10`, `1.10`, "number", ""},
		{"", `1E400`, `1E400`, "number", ""},
		{"", `123456789012345678901234567890.0`, `123456789012345678901234567890.0`, "number", ""},
		{"number", `"9007199254740993"`, `9007199254740993`, "number", ""},
		{"", `[1.0,-0,9007199254740993,1e-400]`, `[1.0,-0,9007199254740993,1e-400]`, "json", ""},
		{"", `+1`, "", "", "not valid JSON"},
		{"", `.5`, "", "", "not valid JSON"},
	})
}

func TestStringsHaveOneSpellingEverywhere(t *testing.T) {
	checkValues(t, []valueCase{
		{"", `"\u0041\/\u00e9"`, `"A/é"`, "string", ""},
		{"", `{"\u0041":"\/"}`, `{"A":"/"}`, "json", ""},
		{"", `{"b":1,"a":2}`, `{"b":1,"a":2}`, "json", ""},
		{"", `"a\nb\u001b"`, `"a\nb\u001b"`, "string", ""},
	})
}

func TestWhatJSONReadersDisagreeAboutIsRefused(t *testing.T) {
	checkValues(t, []valueCase{
		{"", `{"a":1,"a":2}`, "", "", "duplicate"},
		{"json", `[{"x":{"a":1,"\u0061":2}}]`, "", "", "duplicate"},
		{"json", `"{\"a\":1,\"a\":2}"`, "", "", "does not parse as json"},
		{"", "\"\xff\"", "", "", "UTF-8"},
		{"", "{\"a\":\"\xc3\"}", "", "", "UTF-8"},
		{"", `"\ud800"`, "", "", "not valid JSON"},
		{"", `"a\u0000b"`, "", "", "NUL"},
		{"binary", `"AA\u0000="`, "", "", "NUL"},
		{"", `"a`, "", "", "not valid JSON"},
		{"", `1 2`, "", "", "not valid JSON"},
		{"", `{"a":1,}`, "", "", "not valid JSON"},
		{"", `// no`, "", "", "not valid JSON"},
		{"", ``, "", "", "is missing"},
		{"", ` `, "", "", "not valid JSON"},
	})
}

func TestTheSizeLimitIsOnTheBareValue(t *testing.T) {
	for _, tt := range []struct {
		typ      events.ValueType
		raw      string
		tooLarge bool
	}{
		{"", `"12345678"`, false},
		{"", `"123456789"`, true},
		{"", `"\u0041\u0041\u0041\u0041\u0041\u0041\u0041\u0041"`, false},
		{"", `"éééé"`, false},
		{"", `"ééééé"`, true},
		{"", `12345678`, false},
		{"", `123456789`, true},
		{"", ` [ 1, 2, 3 ] `, false},
		{"", `[1,2,3,4]`, true},
		{"binary", `"AAECAwQFBgc="`, false},
		{"binary", `"AAECAwQFBgcI"`, true},
	} {
		_, err := events.ParseValue([]byte(tt.raw), tt.typ, 8)
		if errors.Is(err, events.ErrTooLarge) != tt.tooLarge || !tt.tooLarge && err != nil {
			t.Errorf("%s %s: %v, want too large: %v", tt.typ, tt.raw, err, tt.tooLarge)
		}
	}
}

func TestWhatAProgramReads(t *testing.T) {
	for _, tt := range []struct {
		typ         events.ValueType
		raw         string
		text, bytes string
	}{
		{"string", `"a\n\"b\""`, "a\n\"b\"", "a\n\"b\""},
		{"number", `1.0`, "1.0", "1.0"},
		{"boolean", `true`, "true", "true"},
		{"json", `{"a": "b"}`, `{"a":"b"}`, `{"a":"b"}`},
		{"json", `"\"a\""`, `"a"`, `"a"`},
		{"binary", `"AAH/"`, "AAH/", "\x00\x01\xff"},
		{"secret-ref", `"env://X"`, "env://X", "env://X"},
	} {
		v, err := events.ParseValue([]byte(tt.raw), tt.typ, 100)
		if err != nil {
			t.Fatalf("%s: %v", tt.raw, err)
		}
		if v.Text() != tt.text || !bytes.Equal(v.Bytes(), []byte(tt.bytes)) {
			t.Errorf("%s %s: text %q, bytes %q; want %q, %q", tt.typ, tt.raw, v.Text(), v.Bytes(), tt.text, tt.bytes)
		}
	}
}
