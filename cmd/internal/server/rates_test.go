package server

import (
	"strconv"
	"testing"

	"confman/api/client"
	"confman/api/wire"
)

// The bucket fills so slowly that nothing comes back while the test runs.
func TestWhoAsksTooOftenIsToldToWaitAndNobodyElse(t *testing.T) {
	const burst = 12
	c := start(t, 1, func(o *Options) {
		o.Identity = IdentityOptions{RatePerSecond: 0.01, RateBurst: burst}
	})
	busy, other := c.key("busy", "app", "admin"), c.key("other", "app", "admin")
	api := c.nodes[0].url + "/api/v1"
	c.do("PUT", api+"/namespaces/app/config/k", `{"value":1}`, "X-Api-Key: "+other).is(t, 201)
	request, err := c.sdk(other).SubmitRequest(t.Context(), wire.NewRequest{Changes: []wire.RequestedChange{
		{Namespace: "app", Key: "k", Value: []byte("2")},
	}}, client.Write{})
	if err != nil {
		t.Fatal(err)
	}
	for range burst {
		c.do("GET", api+"/whoami", "", "X-Api-Key: "+busy).is(t, 200)
	}
	for range 2 {
		refused := c.do("GET", api+"/whoami", "", "X-Api-Key: "+busy).is(t, 429, wire.ProblemTooManyRequests, "more often")
		if seconds, err := strconv.Atoi(refused.header.Get("Retry-After")); err != nil || seconds < 1 || seconds > 100 {
			t.Errorf("Retry-After %q, want 1 to 100 s", refused.header.Get("Retry-After"))
		}
	}
	c.do("PUT", api+"/namespaces/app/config/k", `{"value":3}`, "X-Api-Key: "+busy).is(t, 429)
	c.do("POST", api+"/publish-requests/"+request.ID+"/approve", `{}`, "X-Api-Key: "+busy).is(t, 200, `"state":"published"`)
	c.do("DELETE", api+"/namespaces/app/config/k", "", "X-Api-Key: "+busy).is(t, 204)
	c.do("GET", api+"/whoami", "", "X-Api-Key: "+other).is(t, 200)
	c.do("GET", c.nodes[0].url+"/health/ready", "", "X-Api-Key: "+busy).is(t, 200)
}
