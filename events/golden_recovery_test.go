package events_test

import (
	"time"

	"confman/events"
)

// goldenRecovery is what the golden bodies of recoveries and restores mean.
var goldenRecovery = map[string]events.Event{
	"cluster.recovered.1": {
		ID: goldenID(70), Actor: "confman",
		Data: events.ClusterRecovered{
			Cluster: goldenID(71).String(), Previous: goldenID(9).String(), Node: "n3",
			Members: []events.FoundingPeer{
				{ID: "n1", Address: "10.0.0.1:8080"}, {ID: "n2", Address: "10.0.0.2:8080"}, {ID: "n3", Address: "10.0.0.3:8080"},
			},
			RaftTerm: 7, RaftIndex: 1042, Comment: "the hall with n1 and n2 burnt down",
		},
	},
	"cluster.restored.1": {
		ID: goldenID(72), Actor: "confman",
		Data: events.ClusterRestored{
			Cluster: goldenID(73).String(), Previous: goldenID(9).String(), Node: "r1", Position: "1041-9f3c2a1b",
			TakenAt: time.Date(2026, 1, 2, 3, 4, 5, 600, time.UTC), Comment: "somebody deleted everything",
		},
	},
}
