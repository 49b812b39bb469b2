package api

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"

	"confman/api/wire"
	"confman/events"
)

// Whatever is wrong with a request is told with the member, parameter or limit
// to blame, and nothing is written.
func TestMalformedRequestsAreRefused(t *testing.T) {
	const (
		ns = "/api/v1/namespaces/pay"
		tx = "/api/v1/transactions"
	)
	entry := entryPath("pay", "a")
	long := strings.Repeat("x", 4097)
	deep := strings.Repeat("[", 65) + strings.Repeat("]", 65)
	abyss := strings.Repeat("[", 9000) + strings.Repeat("]", 9000)
	set := func(value string) string { return `{"set":[{"namespace":"pay","key":"k","value":` + value + `}]}` }
	many := `{"set":[` + strings.TrimSuffix(strings.Repeat(`{"namespace":"pay","key":"k","value":1},`, 129), ",") + `]}`
	tests := []struct {
		name, method, path, body string
		status                   int
		words                    []string
		headers                  []string
	}{
		{"empty body", "PUT", entry, ``, 400, []string{"empty"}, nil},
		{"not JSON", "PUT", entry, `value=1`, 400, nil, nil},
		{"broken JSON", "PUT", entry, `{"value":`, 400, []string{"byte 9"}, nil},
		{"two values", "PUT", entry, `{"value":1}{}`, 400, nil, nil},
		{"an array", "PUT", entry, `[]`, 400, []string{"object"}, nil},
		{"null", "PUT", entry, `null`, 400, []string{"object"}, nil},
		{"no value", "PUT", entry, `{}`, 400, []string{`"pointer":"/value"`}, nil},
		{"other case", "PUT", entry, `{"Value":1}`, 400, []string{`"pointer":"/value"`}, nil},
		{"null value", "PUT", entry, `{"value":null}`, 400, []string{`"pointer":"/value"`}, nil},
		{"duplicate member", "PUT", entry, `{"value":1,"value":2}`, 400, []string{"/value", "duplicate"}, nil},
		{"duplicate member in the value", "PUT", entry, `{"value":{"a":1,"a":2}}`, 400, []string{"duplicate"}, nil},
		{"invalid UTF-8", "PUT", entry, "{\"value\":\"\xff\"}", 400, []string{"UTF-8"}, nil},
		{"half a surrogate", "PUT", entry, `{"value":"\ud800"}`, 400, nil, nil},
		{"NUL in the JSON", "PUT", entry, "{\"value\":\"\x00\"}", 400, nil, nil},
		{"NUL in the value", "PUT", entry, `{"value":"a\u0000b"}`, 400, []string{`"pointer":"/value"`, "NUL"}, nil},
		{"type of another type", "PUT", entry, `{"value":1,"type":5}`, 400, []string{`"pointer":"/type"`, "a number"}, nil},
		{"unknown type", "PUT", entry, `{"value":"1","type":"float"}`, 400, []string{`"pointer":"/type"`, "secret-ref"}, nil},
		{"value not of its type", "PUT", entry, `{"value":"x","type":"number"}`, 400, []string{`"pointer":"/value"`, "number"}, nil},
		{"not base64", "PUT", entry, `{"value":"?","type":"binary"}`, 400, []string{"base64"}, nil},
		{"not a reference", "PUT", entry, `{"value":"http://x","type":"secret-ref"}`, 400, []string{"vault://"}, nil},
		{"comment of another type", "PUT", entry, `{"value":1,"comment":{}}`, 400, []string{`"pointer":"/comment"`}, nil},
		{"long comment", "PUT", entry, `{"value":1,"comment":"` + long + `"}`, 400, []string{`"pointer":"/comment"`, "4096"}, nil},
		{"control character in a comment", "PUT", entry, `{"value":1,"comment":"\u0007"}`, 400, []string{`"pointer":"/comment"`}, nil},
		{"long description", "PUT", entry, `{"value":1,"description":"` + long + `"}`, 400, []string{`"pointer":"/description"`}, nil},
		{"deep value", "PUT", entry, `{"value":` + deep + `}`, 400, []string{"64"}, nil},
		{"abyss", "PUT", entry, `{"value":` + abyss + `}`, 400, []string{"72 levels"}, nil},
		{"abyss in an unknown member", "PUT", entry, `{"value":1,"x":` + abyss + `}`, 400, []string{"72 levels"}, nil},
		{"large value", "PUT", entry, `{"value":"` + strings.Repeat("x", 1001) + `"}`, 413, []string{`"limit":1000`, `"pointer":"/value"`}, nil},
		{"huge body", "PUT", entry, `{"value":"` + strings.Repeat("x", 80<<10) + `"}`, 413, []string{`"limit":67536`}, nil},
		{"form", "PUT", entry, `{"value":1}`, 415, []string{"application/json"}, []string{"Content-Type: application/x-www-form-urlencoded"}},
		{"text", "PUT", entry, `{"value":1}`, 415, nil, []string{"Content-Type: text/plain"}},
		{"other charset", "PUT", entry, `{"value":1}`, 415, nil, []string{"Content-Type: application/json; charset=latin-1"}},
		{"bad media type", "PUT", entry, `{"value":1}`, 415, nil, []string{"Content-Type: ;;"}},
		{"reserved namespace", "PUT", entryPath("%63onfig", "a"), `{"value":1}`, 400, []string{`"pointer":"/namespace"`, "reserved"}, nil},
		{"dots", "PUT", entryPath("a%2F..%2Fb", "a"), `{"value":1}`, 400, []string{`"pointer":"/namespace"`}, nil},
		{"long segment", "PUT", entryPath(strings.Repeat("n", 65), "a"), `{"value":1}`, 400, []string{`"pointer":"/namespace"`, "64"}, nil},
		{"long key", "PUT", entryPath("pay", strings.Repeat("k", 513)), `{"value":1}`, 400, []string{`"pointer":"/key"`, "512"}, nil},
		{"NUL in the key", "PUT", entryPath("pay", "a%00"), `{"value":1}`, 400, []string{`"pointer":"/key"`}, nil},

		{"owner of another type", "PUT", ns, `{"owner":1}`, 400, []string{`"pointer":"/owner"`}, nil},
		{"empty owner", "PUT", ns, `{"owner":""}`, 400, []string{`"pointer":"/owner"`}, nil},
		{"settings", "PUT", ns, `{"settings":{"minApprovers":0}}`, 400, []string{"minApprovers", "1 to 20"}, nil},
		{"negative quota", "PUT", ns + "/settings", `{"quota":{"keys":-1}}`, 400, []string{`"pointer":"/quota/keys"`}, nil},
		{"a window at no time", "PUT", ns + "/settings", `{"windows":[{"from":"25:00","to":"17:00"}]}`, 400, []string{`"pointer":"/windows/0/from"`}, nil},
		{"a freeze without a reason", "PUT", ns + "/settings", `{"freezes":[{"from":"2026-01-01T00:00:00Z","until":"2026-01-02T00:00:00Z"}]}`, 400, []string{`"pointer":"/freezes/0/reason"`}, nil},
		{"a role that is none", "PUT", ns + "/roles", `{"grants":[{"role":"owner","principal":"ann"}]}`, 400, []string{`"pointer":"/grants/0/role"`, "publisher"}, nil},
		{"a role for nobody", "PUT", ns + "/roles", `{"grants":[{"role":"viewer"}]}`, 400, []string{`"pointer":"/grants/0"`}, nil},
		{"a role for two", "PUT", ns + "/roles", `{"grants":[{"role":"viewer","principal":"ann","group":"ops"}]}`, 400, []string{`"pointer":"/grants/0"`}, nil},
		{"a role on no keys", "PUT", ns + "/roles", `{"grants":[{"role":"viewer","principal":"ann","keys":"a*b"}]}`, 400, []string{`"pointer":"/grants/0/keys"`}, nil},
		{"a role for the cluster", "PUT", ns + "/roles", `{"grants":[{"role":"viewer","principal":"system"}]}`, 400, []string{`"pointer":"/grants/0/principal"`}, nil},
		{"not a schema", "PUT", ns + "/schema", `{"schema":{"type":"text"}}`, 400, []string{`"pointer":"/schema`}, nil},
		{"no schema", "PUT", ns + "/schema", `{"force":true}`, 400, []string{`"pointer":"/schema"`}, nil},
		{"a version as a revision", "PUT", ns + "/roles", `{"grants":[]}`, 400, []string{"If-Match", "r6"}, []string{`If-Match: "v1"`}},
		{"a draft of nothing", "PUT", ns + "/drafts/a", `{}`, 400, []string{`"pointer":"/value"`}, nil},
		{"a draft of two minds", "PUT", ns + "/drafts/a", `{"value":1,"delete":true}`, 400, []string{`"pointer":"/value"`}, nil},
		{"a draft of nothing to delete", "PUT", ns + "/drafts/none", `{"delete":true}`, 404, []string{"pay/none"}, nil},
		{"a large draft", "PUT", ns + "/drafts/a", `{"value":"` + strings.Repeat("x", 2000) + `"}`, 413, []string{`"limit":1000`}, nil},
		{"a request for nothing", "POST", requestsPath, `{}`, 400, []string{`"pointer":"/changes"`}, nil},
		{"a request for one and several", "POST", requestsPath, `{"namespace":"pay","key":"a","changes":[{"namespace":"pay","key":"b"}]}`, 400, []string{`"pointer":"/changes"`}, nil},
		{"a request for too many", "POST", requestsPath, `{"changes":[` + strings.TrimSuffix(strings.Repeat(`{"namespace":"pay","key":"a"},`, 1001), ",") + `]}`, 413, []string{"1000"}, nil},
		{"a request for one twice", "POST", requestsPath, `{"changes":[{"namespace":"pay","key":"a","value":1},{"namespace":"pay","key":"a","delete":true}]}`, 400, []string{`"pointer":"/changes/1"`}, nil},
		{"a request in the past", "POST", requestsPath, `{"namespace":"pay","key":"a","publishAt":"2026-01-01T00:00:00Z"}`, 400, []string{`"pointer":"/publishAt"`}, nil},
		{"a request without a draft", "POST", requestsPath, `{"namespace":"pay","key":"a"}`, 404, []string{"pay/a"}, nil},
		{"a condition on a request", "POST", requestsPath, `{"namespace":"pay","key":"a"}`, 400, []string{"If-Match"}, []string{`If-Match: "r1"`}},
		{"no such request", "POST", requestsPath + "/none/approve", `{}`, 404, []string{"none"}, nil},
		{"no such state", "GET", requestsPath + "?state=open,done", ``, 400, []string{"state"}, nil},
		{"requests of no namespace", "GET", requestsPath + "?namespace=a//b", ``, 400, []string{"namespace"}, nil},
		{"nobody's requests", "GET", requestsPath + "?mine=me", ``, 400, []string{"mine"}, nil},

		{"empty transaction", "POST", tx, `{}`, 400, []string{"/set"}, nil},
		{"large transaction", "POST", tx, many, 413, []string{"128"}, nil},
		{"bad name inside", "POST", tx, `{"set":[{"namespace":"a//b","key":"k","value":1}]}`, 400, []string{`"pointer":"/set/0/namespace"`}, nil},
		{"bad value inside", "POST", tx, set(`"a\u0000"`), 400, []string{`"pointer":"/set/0/value"`}, nil},
		{"large value inside", "POST", tx, set(`"` + strings.Repeat("x", 1001) + `"`), 413, []string{`"pointer":"/set/0/value"`, `"limit":1000`}, nil},
		{"twice the same", "POST", tx, `{"set":[{"namespace":"pay","key":"k","value":1}],"delete":[{"namespace":"pay","key":"k"}]}`, 400, []string{"/delete/0"}, nil},
		{"negative version", "POST", tx, `{"if":[{"namespace":"pay","key":"k","version":-1}],"set":[]}`, 400, []string{`"pointer":"/if/0/version"`}, nil},
		{"fraction of a version", "POST", tx, `{"if":[{"namespace":"pay","key":"k","version":1.5}]}`, 400, []string{`"pointer":"/if/0/version"`}, nil},

		{"key without name", "POST", "/api/v1/keys", `{"grants":[{"namespace":"pay","role":"viewer"}]}`, 400, []string{`"pointer":"/name"`}, nil},
		{"unknown role", "POST", "/api/v1/keys", `{"name":"x","grants":[{"namespace":"pay","role":"king"}]}`, 400, []string{`"pointer":"/grants/0/role"`, "publisher"}, nil},
		{"bad namespace in a grant", "POST", "/api/v1/keys", `{"name":"x","grants":[{"namespace":"a//b","role":"viewer"}]}`, 400, []string{`"pointer":"/grants/0/namespace"`}, nil},
		{"bad time", "POST", "/api/v1/keys", `{"name":"x","grants":[],"expiresAt":"tomorrow"}`, 400, []string{`"pointer":"/expiresAt"`}, nil},
		{"expired already", "POST", "/api/v1/keys", `{"name":"x","grants":[{"namespace":"pay","role":"viewer"}],"expiresAt":"2020-01-01T00:00:00Z"}`, 400, []string{`"pointer":"/expiresAt"`}, nil},

		{"member without ID", "POST", "/api/v1/cluster/members", `{"address":"h:1"}`, 400, []string{`"pointer":"/id"`}, nil},
		{"member without port", "POST", "/api/v1/cluster/members", `{"id":"n","address":"h"}`, 400, []string{`"pointer":"/address"`}, nil},
		{"member with port 0", "POST", "/api/v1/cluster/members", `{"id":"n","address":"h:0"}`, 400, []string{`"pointer":"/address"`}, nil},
		{"learner without address", "POST", "/api/v1/cluster/members", `{"id":"n","learner":true}`, 400, []string{`"pointer":"/address"`}, nil},

		{"parameter twice", "GET", entry + "?at=1&at=2", ``, 400, []string{"at", "2 times"}, nil},
		{"broken query", "GET", entry + "?at=%zz", ``, 400, []string{"query"}, nil},
		{"not a flag", "GET", entry + "?resolve=yes", ``, 400, []string{"resolve"}, nil},
		{"past and change", "GET", entry + "?at=1&index=2", ``, 400, []string{"at", "index"}, nil},
		{"not an index", "GET", entry + "?index=-1", ``, 400, []string{"index"}, nil},
		{"long wait", "GET", entry + "?index=1&wait=2m", ``, 400, []string{"wait", "1m0s"}, nil},
		{"not a wait", "GET", entry + "?index=1&wait=soon", ``, 400, []string{"wait"}, nil},
		{"not a consistency", "GET", entry + "?consistency=strong", ``, 400, []string{"consistency", "linearizable"}, nil},
		{"not a position", "GET", entry + "?min_index=x", ``, 400, []string{"min_index"}, nil},
		{"limit 0", "GET", ns + "/config?limit=0", ``, 400, []string{"limit"}, nil},
		{"limit x", "GET", ns + "/config?limit=x", ``, 400, []string{"limit"}, nil},
		{"key without namespace", "GET", "/api/v1/audit?key=a", ``, 400, []string{"namespace"}, nil},
		{"no order", "GET", "/api/v1/audit?order=up", ``, 400, []string{"order", "asc"}, nil},
		{"no time", "GET", "/api/v1/audit?since=yesterday", ``, 400, []string{"since"}, nil},
		{"no moment", "GET", "/api/v1/audit?after=x", ``, 400, []string{"after"}, nil},

		{"no such path", "GET", "/api/v1/nothing", ``, 404, nil, nil},
		{"no such method", "PATCH", entry, `{}`, 405, []string{"DELETE, GET, HEAD, OPTIONS, PUT"}, nil},
		{"double slash", "GET", "/api/v1//configs", ``, 400, nil, nil},
	}
	b := newBench(t, func(c *Config) { c.Limits.Rules = events.Rules{MaxValueBytes: 1000} })
	b.put("pay", "a", "1")
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			before := b.node.State().Index()
			var body any
			if test.body != "" || test.method == "PUT" {
				body = test.body
			}
			got := b.do(test.method, test.path, body, test.headers...)
			p := got.problem(test.status, got.kind(), test.words...)
			if p.Detail == "" || got.header.Get(wire.HeaderIndex) != fmt.Sprint(before) {
				t.Errorf("%s %v", got.body, got.header)
			}
			if b.node.State().Index() != before {
				t.Errorf("it wrote: %s", got.body)
			}
		})
	}
}

// kind is the type of problem that the status stands for.
func (r reply) kind() string {
	return map[int]string{
		400: wire.ProblemMalformed, 404: wire.ProblemNotFound, 405: wire.ProblemMethodNotAllowed,
		413: wire.ProblemTooLarge, 415: wire.ProblemUnsupportedMedia,
	}[r.status]
}

// What a client library would not send: on the wire as it is.
func TestStrangeRequestsAreAnswered(t *testing.T) {
	b := newBench(t)
	for _, test := range []struct {
		head   string
		status int
	}{
		{"CONNECT //x HTTP/1.1", 400},
		{"CONNECT host:1 HTTP/1.1", 400},
		{"OPTIONS * HTTP/1.1", 200},
		{"GET //health HTTP/1.1", 400},
		{"GET /../health HTTP/1.1", 400},
		{"GET /api/v1/namespaces/%zz HTTP/1.1", 400},
		{"GET http://elsewhere/health HTTP/1.1", 200},
		{"PUT /health HTTP/1.1", 405},
	} {
		connection, err := net.Dial("tcp", strings.TrimPrefix(b.url, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(connection, "%s\r\nHost: x\r\nConnection: close\r\n\r\n", test.head)
		response, err := http.ReadResponse(bufio.NewReader(connection), nil)
		if err != nil {
			t.Errorf("%s: %v", test.head, err)
		} else {
			if response.StatusCode != test.status {
				t.Errorf("%s: %s, want %d", test.head, response.Status, test.status)
			}
			response.Body.Close()
		}
		connection.Close()
	}
}

// A body without a length is held to the limit as well.
func TestABodyOfUnknownLengthIsLimited(t *testing.T) {
	b := newBench(t, func(c *Config) { c.Limits.Rules = events.Rules{MaxValueBytes: 1000} })
	connection, err := net.Dial("tcp", strings.TrimPrefix(b.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer connection.Close()
	fmt.Fprintf(connection, "PUT %s HTTP/1.1\r\nHost: x\r\nX-Api-Key: %s\r\nTransfer-Encoding: chunked\r\n\r\n", entryPath("pay", "a"), b.root)
	for range 3 {
		fmt.Fprintf(connection, "8000\r\n%s\r\n", strings.Repeat(" ", 0x8000))
	}
	fmt.Fprint(connection, "0\r\n\r\n")
	response, err := http.ReadResponse(bufio.NewReader(connection), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusRequestEntityTooLarge {
		t.Errorf("%s, want 413", response.Status)
	}
}
