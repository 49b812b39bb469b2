// Package apitest serves the real API, watches included, from memory: for tests
// of programs that use Confman.
//
//	server := apitest.NewServer(t)
//	server.Set("pay", "limit", 100)
//	c, err := client.New(client.Config{Endpoints: []string{server.URL}, Key: server.Key})
//
// It is what a node serves, over a node of one that keeps its history in memory:
// the same rules, statuses, frames and positions. What goes wrong in production can be
// had on demand: [Server.Cut] breaks all connections, [Server.Restart] the
// process, [Server.Refuse] answers with a status as a proxy would, [Server.Trim]
// forgets history. What it has not is other nodes: it always leads.
package apitest
