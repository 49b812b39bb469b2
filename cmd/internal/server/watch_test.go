package server

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"confman/api/wire"
)

// A node that stops says goodbye to its watches; they go on where they were when
// it is back, and a ticket of before is still good.
func TestWatchesGoOnAfterARestart(t *testing.T) {
	address, data := freeAddress(t), t.TempDir()
	ready, stop := dev(t, "--listen", address, "--data", data)
	url := ready.Nodes[0].URL
	code, text := request(t, http.MethodPost, url+"/api/v1/watch/tickets", ready.AdminKey, `{"namespace":"app"}`)
	var lent wire.Ticket
	if err := json.Unmarshal([]byte(text), &lent); err != nil || code != http.StatusCreated {
		t.Fatalf("%d %s, %v", code, text, err)
	}
	put := func(value string) {
		t.Helper()
		if code, text := request(t, http.MethodPut, url+"/api/v1/namespaces/app/config/k", ready.AdminKey, `{"value":`+value+`}`); code >= 300 {
			t.Fatalf("%d %s", code, text)
		}
	}
	put("1")
	first := openWatch(t, url+lent.URL+"&after=start")
	resumed, event := first.next(), first.next()
	if resumed.Frame != wire.FrameResumed || event.Frame != wire.FrameEvent {
		t.Fatalf("%+v %+v", resumed, event)
	}
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	if f := first.next(); f.Frame != wire.FrameGoaway || f.Reason != wire.ReasonShutdown {
		t.Errorf("%+v", f)
	}
	if err := first.decoder.Decode(new(wire.Frame)); err != io.EOF {
		t.Errorf("after the goodbye: %v", err)
	}
	dev(t, "--listen", address, "--data", data)
	put("2")
	again := openWatch(t, url+lent.URL+"&after="+event.Event.Position)
	if f := again.next(); f.After != event.Event.Position {
		t.Errorf("%+v", f)
	}
	if f := again.next(); f.Prev != event.Event.Index || f.Event == nil || !strings.Contains(string(f.Event.Data), `"value":2`) {
		t.Errorf("%+v", f)
	}
}

// A watch that has not begun, because it waits for a position, does not keep a
// node from stopping.
func TestAWatchThatWaitsDoesNotHoldUpAStop(t *testing.T) {
	ready, stop := dev(t, "--listen", freeAddress(t))
	answered := make(chan int, 1)
	go func() {
		req, err := http.NewRequest(http.MethodGet, ready.Nodes[0].URL+"/api/v1/watch?after=999&wait=60s", nil)
		if err != nil {
			t.Error(err)
		}
		req.Header.Set("X-Api-Key", ready.AdminKey)
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Error(err)
			answered <- 0
			return
		}
		resp.Body.Close()
		answered <- resp.StatusCode
	}()
	for waits := false; !waits; {
		_, metrics := request(t, http.MethodGet, ready.Nodes[0].URL+"/metrics", "", "")
		waits = strings.Contains(metrics, `confman_watches{encoding="sse"} 1`)
	}
	began := time.Now()
	if err := stop(); err != nil {
		t.Error(err)
	}
	if took := time.Since(began); took > 15*time.Second {
		t.Errorf("the stop took %s", took)
	}
	if code := <-answered; code != http.StatusServiceUnavailable && code != http.StatusGatewayTimeout {
		t.Errorf("the request was answered %d, want 503 or 504", code)
	}
}

// frames reads a watch without its progress.
type frames struct {
	t       *testing.T
	decoder *json.Decoder
}

func openWatch(t *testing.T, url string) frames {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Accept", wire.MediaNDJSON)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { response.Body.Close() })
	if response.StatusCode != http.StatusOK {
		t.Fatal(response.Status)
	}
	return frames{t, json.NewDecoder(response.Body)}
}

func (f frames) next() (frame wire.Frame) {
	f.t.Helper()
	for frame.Frame == "" || frame.Frame == wire.FrameProgress {
		frame = wire.Frame{}
		if err := f.decoder.Decode(&frame); err != nil {
			f.t.Fatal(err)
		}
	}
	return frame
}
