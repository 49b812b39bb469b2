package api

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// discard is an answer that nobody reads.
type discard struct{ header http.Header }

func (d *discard) Header() http.Header         { return d.header }
func (d *discard) Write(p []byte) (int, error) { return len(p), nil }
func (d *discard) WriteHeader(int)             {}

func benchmark(b *testing.B, bench *bench, request func(i int) *http.Request) {
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		bench.server.ServeHTTP(&discard{make(http.Header, 16)}, request(i))
	}
}

func BenchmarkGetEntry(b *testing.B) {
	bench := newBench(b)
	bench.put("teams/payments", "stripe/api-version", `"`+strings.Repeat("v", 256)+`"`)
	r := httptest.NewRequest(http.MethodGet, entryPath("teams/payments", "stripe/api-version"), nil)
	r.Header.Set("X-Api-Key", bench.root)
	r.Header.Set("Accept", "*/*")
	benchmark(b, bench, func(int) *http.Request { return r })
}

func BenchmarkPutEntry(b *testing.B) {
	bench := newBench(b)
	benchmark(b, bench, func(i int) *http.Request {
		r := httptest.NewRequest(http.MethodPut, entryPath("teams/payments", "stripe/api-version"), strings.NewReader(fmt.Sprintf(`{"value":"%0256d"}`, i)))
		r.Header.Set("X-Api-Key", bench.root)
		r.Header.Set("Content-Type", "application/json")
		return r
	})
}

func BenchmarkListEntries(b *testing.B) {
	bench := newBench(b)
	for i := range 1000 {
		bench.put("pay", fmt.Sprintf("k%d", i), `"value"`)
	}
	r := httptest.NewRequest(http.MethodGet, "/api/v1/namespaces/pay/config", nil)
	r.Header.Set("X-Api-Key", bench.root)
	benchmark(b, bench, func(int) *http.Request { return r })
}

// BenchmarkOverTheWire compares with bare net/http that writes as many bytes.
func BenchmarkOverTheWire(b *testing.B) {
	bench := newBench(b)
	path := entryPath("teams/payments", "stripe/api-version")
	body := []byte(bench.put("teams/payments", "stripe/api-version", `"`+strings.Repeat("v", 256)+`"`).body)
	bare := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header()["Content-Type"] = []string{"application/json"}
		w.Write(body)
	}))
	defer bare.Close()
	for name, url := range map[string]string{"bare": bare.URL, "entry": bench.url} {
		b.Run(name, func(b *testing.B) {
			client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}}
			defer client.CloseIdleConnections()
			b.RunParallel(func(p *testing.PB) {
				request, _ := http.NewRequest(http.MethodGet, url+path, nil)
				request.Header.Set("X-Api-Key", bench.root)
				buffer := make([]byte, 4096)
				for p.Next() {
					response, err := client.Do(request)
					if err != nil {
						b.Error(err)
						return
					}
					for err == nil {
						_, err = response.Body.Read(buffer)
					}
					response.Body.Close()
				}
			})
		})
	}
}
