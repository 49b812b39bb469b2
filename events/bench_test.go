package events_test

import (
	"fmt"
	"testing"

	"confman/events"
)

func BenchmarkDecidePut(b *testing.B) {
	w, stamp := testWorld(), testStamp()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := (events.Rules{}).Decide(w, put("pay", "url", `"postgres://db.example.org:5432/pay"`), stamp); err != nil {
			b.Fatal(err)
		}
	}
}

func batchOf64(b *testing.B) []events.Proposal {
	w, stamp := testWorld(), testStamp()
	var batch []events.Proposal
	for i := range 64 {
		p, err := events.Rules{}.Decide(w, put("pay", fmt.Sprint("key/", i), `"postgres://db.example.org:5432/pay"`), stamp)
		if err != nil {
			b.Fatal(err)
		}
		batch = append(batch, p)
	}
	return batch
}

func BenchmarkEncodeEntryOf64(b *testing.B) {
	batch := batchOf64(b)
	b.ReportAllocs()
	for b.Loop() {
		events.EncodeEntry(batch)
	}
}

func BenchmarkDecodeEntryOf64(b *testing.B) {
	data := events.EncodeEntry(batchOf64(b))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := events.DecodeEntry(data); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkDecodeEvent(b *testing.B) {
	body := batchOf64(b)[0].Bodies[0]
	b.ReportAllocs()
	for b.Loop() {
		if _, err := events.DecodeEvent(body); err != nil {
			b.Fatal(err)
		}
	}
}
