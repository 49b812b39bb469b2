package bench

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"

	"confman/api/wire"
)

// namespace is where a load works.
const namespace = "confman-bench"

// data is what a load works on.
type data struct {
	keys       int
	valueBytes int
}

// minValueBytes makes room for what tells one value from the last: writing the
// same value again would be no write.
const minValueBytes = 16

// workload is one kind of load.
type workload struct {
	name        string
	writes      float64 // share of the operations, 0 to 1
	consistency string  // of the reads
	floor       bool
}

// httpClient puts a workload on a cluster: it writes to the leader and reads
// from one node.
type httpClient struct {
	random *rand.Rand
	work   workload
	data   data
	reads  *conn
	writes *conn
	read   string // the request up to the key
	tail   string // and after it
	write  string
	middle string // between key and value of a write
	filler string
	buffer []byte
}

func newHTTPClient(c *cluster, w workload, d data, number int) (*httpClient, error) {
	reads, err := newConn(c.nodes[number%len(c.nodes)], patience)
	if err != nil {
		return nil, err
	}
	writes, err := newConn(c.leader, patience)
	if err != nil {
		return nil, err
	}
	if reads.url.Host == writes.url.Host {
		reads = writes
	}
	head := func(to *conn) string { return " HTTP/1.1\r\nHost: " + to.url.Host + "\r\nX-Api-Key: " + c.key + "\r\n" }
	query := ""
	if w.consistency == wire.ConsistencyLinearizable {
		query = "?" + wire.ParamConsistency + "=" + w.consistency
	}
	filler := strings.Repeat("x", d.valueBytes-minValueBytes)
	return &httpClient{
		random: rand.New(rand.NewPCG(uint64(number), rand.Uint64())),
		work:   w, data: d, reads: reads, writes: writes,
		read: "GET /api/v1/namespaces/" + namespace + "/config/key-", tail: query + head(reads) + "\r\n",
		write: "PUT /api/v1/namespaces/" + namespace + "/config/key-",
		middle: head(writes) + "Content-Type: application/json\r\nContent-Length: " +
			strconv.Itoa(len(`{"value":""}`)+d.valueBytes) + "\r\n\r\n" + `{"value":"`,
		filler: filler + `"}`,
	}, nil
}

func (c *httpClient) next(ctx context.Context) error {
	key := c.random.IntN(c.data.keys)
	if c.work.writes > 0 && (c.work.writes == 1 || c.random.Float64() < c.work.writes) {
		return c.put(ctx, key)
	}
	c.buffer = append(c.buffer[:0], c.read...)
	c.buffer = strconv.AppendInt(c.buffer, int64(key), 10)
	c.buffer = append(c.buffer, c.tail...)
	return expect(ctx, c.reads, c.buffer)
}

func (c *httpClient) put(ctx context.Context, key int) error {
	c.buffer = append(c.buffer[:0], c.write...)
	c.buffer = strconv.AppendInt(c.buffer, int64(key), 10)
	c.buffer = append(c.buffer, c.middle...)
	c.buffer = fmt.Appendf(c.buffer, "%0*x", minValueBytes, c.random.Uint64())
	c.buffer = append(c.buffer, c.filler...)
	return expect(ctx, c.writes, c.buffer)
}

func expect(ctx context.Context, c *conn, request []byte) error {
	status, err := c.exchange(ctx, request)
	if err == nil && status/100 != 2 {
		err = fmt.Errorf("%s answered %d", c.url.Host, status)
	}
	return err
}

func (c *httpClient) close() error { return errors.Join(c.reads.close(), c.writes.close()) }
