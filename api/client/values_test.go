package client_test

import (
	"encoding/json"
	"net/url"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"confman/api/client"
	"confman/api/wire"
)

// holding opens a view of pay that holds these values, of any type.
func holding(t *testing.T, values map[string]string, onMisfit func(string, error)) *client.View {
	says := snapshot(5)
	for key, value := range values {
		kind := wire.TypeJSON
		switch value[0] {
		case '"':
			kind = wire.TypeString
		case 't', 'f':
			kind = wire.TypeBoolean
		case '{', '[', 'n':
		default:
			kind = wire.TypeNumber
		}
		if strings.HasPrefix(key, "binary") {
			kind = wire.TypeBinary
		}
		says += frame(wire.Frame{Frame: wire.FrameEntry, Entry: &wire.ConfigEntry{Namespace: "pay", Key: key, Value: json.RawMessage(value), Type: kind, Version: 1}})
	}
	return viewing(t, &visits{steps: []visit{quiet(says + snapshotEnd(5, len(values)))}}, client.ViewConfig{OnMisfit: onMisfit})
}

func TestTypedReadsFallBackAloud(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		misfits := map[string]string{}
		v := holding(t, map[string]string{
			"text": `"hello"`, "digits": `"42"`, "number": "42", "large": "4.2e1", "half": "1.5", "huge": "1e300", "yes": "true", "no": `"false"`,
			"span": `"1m30s"`, "object": `{"a":1}`, "null": "null", "binary": `"aGk="`, "binary.bad": `"?"`, "secret": `"hunter2"`,
		}, func(key string, err error) { misfits[key] = err.Error() })
		for _, test := range []struct {
			read   func() any
			want   any
			misfit string // key
		}{
			{func() any { return v.String("text", "-") }, "hello", ""},
			{func() any { return v.String("number", "-") }, "42", ""},
			{func() any { return v.String("object", "-") }, `{"a":1}`, ""},
			{func() any { return v.String("binary", "-") }, "hi", ""},
			{func() any { return v.String("missing", "-") }, "-", ""},
			{func() any { return v.String("binary.bad", "-") }, "-", "binary.bad"},
			{func() any { return v.Int("number", 7) }, int64(42), ""},
			{func() any { return v.Int("digits", 7) }, int64(42), ""},
			{func() any { return v.Int("large", 7) }, int64(42), ""},
			{func() any { return v.Int("missing", 7) }, int64(7), ""},
			{func() any { return v.Int("half", 7) }, int64(7), "half"},
			{func() any { return v.Int("huge", 7) }, int64(7), "huge"},
			{func() any { return v.Int("secret", 7) }, int64(7), "secret"},
			{func() any { return v.Int("null", 7) }, int64(7), "null"},
			{func() any { return v.Float("half", 7) }, 1.5, ""},
			{func() any { return v.Float("object", 7) }, 7.0, "object"},
			{func() any { return v.Bool("yes", false) }, true, ""},
			{func() any { return v.Bool("no", true) }, false, ""},
			{func() any { return v.Bool("number", true) }, true, "number"},
			{func() any { return v.Duration("span", time.Hour) }, 90 * time.Second, ""},
			{func() any { return v.Duration("number", time.Hour) }, time.Hour, "number"},
			{func() any { return v.Duration("missing", time.Hour) }, time.Hour, ""},
		} {
			got := test.read()
			if got != test.want || (len(misfits) > 0) != (test.misfit != "") || test.misfit != "" && misfits[test.misfit] == "" {
				t.Errorf("got %v, want %v; misfits %v, want of %q", got, test.want, misfits, test.misfit)
			}
			for key, text := range misfits {
				if strings.Contains(text, "hunter2") {
					t.Errorf("the value of %s shows: %s", key, text)
				}
			}
			clear(misfits)
		}
		var object struct{ A int }
		if ok, err := v.JSON("object", &object); !ok || err != nil || object.A != 1 {
			t.Errorf("%v, %v, %+v", ok, err, object)
		}
		if ok, err := v.JSON("text", &object); !ok || err == nil {
			t.Errorf("a string into a struct: %v, %v", ok, err)
		}
		if ok, err := v.JSON("missing", &object); ok || err != nil {
			t.Errorf("missing: %v, %v", ok, err)
		}
	})
}

// Part is gone into by Decode.
type Part struct {
	Ratio float32 `confman:"half"`
}

// link is a type that reads itself.
type link struct{ *url.URL }

// UnmarshalText parses a URL.
func (l *link) UnmarshalText(text []byte) (err error) {
	l.URL, err = url.Parse(string(text))
	return err
}

func TestDecodeFillsInAStruct(t *testing.T) {
	type settings struct {
		Part
		Text    string          `confman:"text,required"`
		Count   int8            `confman:"number"`
		Size    uint16          `confman:"missing.size,default=20"`
		Odd     string          `confman:"missing.odd,default=a,b=c"`
		Kept    string          `confman:"missing.kept"`
		On      bool            `confman:"yes"`
		Span    time.Duration   `confman:"span"`
		Wait    time.Duration   `confman:"missing.wait,default=5s"`
		Object  map[string]int  `confman:"object"`
		Raw     json.RawMessage `confman:"object"`
		Bytes   []byte          `confman:"binary"`
		Link    link            `confman:"link"`
		Maybe   *int            `confman:"number"`
		Nothing *int            `confman:"missing.pointer"`
		Nested  struct {
			Deep []string `confman:"list"`
		}
		Untagged int
		hidden   int
	}
	synctest.Test(t, func(t *testing.T) {
		v := holding(t, map[string]string{
			"text": `"hello"`, "number": "42", "half": "1.5", "yes": "true", "span": `"1m30s"`, "object": `{"a":1}`, "binary": `"aGk="`,
			"link": `"http://host/path"`, "list": `["x","y"]`,
		}, nil)
		got := settings{Kept: "before", Untagged: 3, hidden: 4}
		if err := v.Decode(&got); err != nil {
			t.Fatal(err)
		}
		want := settings{
			Part: Part{1.5}, Text: "hello", Count: 42, Size: 20, Odd: "a,b=c", Kept: "before", On: true, Span: 90 * time.Second, Wait: 5 * time.Second,
			Object: map[string]int{"a": 1}, Raw: json.RawMessage(`{"a":1}`), Bytes: []byte("hi"), Link: link{&url.URL{Scheme: "http", Host: "host", Path: "/path"}},
			Maybe: new(42), Untagged: 3, hidden: 4,
		}
		want.Nested.Deep = []string{"x", "y"}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("got  %+v\nwant %+v", got, want)
		}
	})
}

func TestDecodeNamesEveryFieldAndLeavesTheStruct(t *testing.T) {
	type settings struct {
		Good   string        `confman:"text"`
		A      string        `confman:"missing,required"`
		B      int           `confman:"text"`
		C      int8          `confman:"number"`
		D      uint          `confman:"negative"`
		E      bool          `confman:"number"`
		F      time.Duration `confman:"number"`
		G      []int         `confman:"object"`
		H      int           `confman:"missing,default=x"`
		I      string        `confman:"text,optional"`
		J      string        `confman:",required"`
		hidden string        `confman:"text"` //nolint:govet,unused // the mistake that is looked for
	}
	synctest.Test(t, func(t *testing.T) {
		v := holding(t, map[string]string{"text": `"hunter2"`, "number": "300", "negative": "-1", "object": `{"a":1}`}, nil)
		got := settings{Good: "before"}
		err := v.Decode(&got)
		if err == nil || !reflect.DeepEqual(got, settings{Good: "before"}) {
			t.Fatalf("%v, %+v", err, got)
		}
		for _, field := range strings.Split("A B C D E F G H I J hidden", " ") {
			if !strings.Contains(err.Error(), "field "+field) {
				t.Errorf("does not name %s:\n%v", field, err)
			}
		}
		if strings.Contains(err.Error(), "Good") || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("says too much:\n%v", err)
		}
		for _, out := range []any{nil, settings{}, new(int), (*settings)(nil)} {
			if err := v.Decode(out); err == nil {
				t.Errorf("%T: no error", out)
			}
		}
	})
}
