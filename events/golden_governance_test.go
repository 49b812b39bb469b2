package events_test

import (
	"time"

	"github.com/go-json-experiment/json"

	"confman/events"
)

// goldenGovernance is what the golden bodies of governed change mean.
var goldenGovernance = map[string]events.Event{
	"config.created.2": {
		ID: goldenID(20), Actor: "ann", Namespace: "teams/pay", Key: "db/url",
		Data: events.ConfigCreated{Value: text("a"), Version: 1, Tags: []string{"db", "eu west"}},
	},
	"config.updated.2": {
		ID: goldenID(21), Actor: "ann", Namespace: "teams/pay", Key: "db/url", Request: goldenID(40).String(),
		Data: events.ConfigUpdated{Value: text("b"), Version: 2, Previous: was("a", 1), Tags: []string{"db"}},
	},
	"config.deleted.2": {
		ID: goldenID(22), Actor: "ann", Namespace: "teams/pay", Key: "db/url",
		Data: events.ConfigDeleted{Version: 3, Previous: was("b", 2), Source: &events.EntrySource{Index: 17}},
	},
	"config.rolled-back.1": {
		ID: goldenID(23), Actor: "ann", Namespace: "teams/pay", Key: "db/url",
		Data: events.ConfigRolledBack{
			Value: text("a"), Version: 4, Description: "d", Comment: "back", Previous: new(was("b", 3)), Tags: []string{"db"},
			Source: events.EntrySource{Version: 1, Index: 30},
		},
	},
	"namespace.roles-changed.1": {
		ID: goldenID(24), Actor: "ann", Namespace: "/",
		Data: events.RolesChanged{
			Roles: events.Roles{Inherit: new(false), Grants: []events.RoleGrant{
				{Role: events.Publisher, Principal: "bob"}, {Role: events.Editor, Group: "payments", Keys: "db/*"},
			}},
			Previous: events.Roles{Grants: []events.RoleGrant{{Role: events.Admin, Group: "sre"}}},
		},
	},
	"namespace.schema-changed.1": {
		ID: goldenID(25), Actor: "ann", Namespace: "teams/pay",
		Data: events.SchemaChanged{
			SchemaDoc: events.SchemaDoc{Inherit: new(true), Schema: schema(`{"properties":{"port":{"type":"integer"}}}`)},
			Comment:   "ports are whole", Forced: true,
			Previous: events.SchemaDoc{Schema: schema(`true`)},
		},
	},
	"namespace.settings-changed.1": {
		ID: goldenID(26), Actor: "ann", Namespace: "teams/pay",
		Data: events.SettingsChanged{
			Settings: events.Settings{
				RequireApproval: new(true), MinApprovers: new(2), RollbackRequiresApproval: new(false), AllowBypass: new(true),
				Quota:   &events.Quota{Keys: 100, Bytes: 1 << 20},
				Windows: []events.Window{{Days: []string{"mon", "fri"}, From: "22:00", To: "06:00", Timezone: "Europe/Berlin"}},
				Freezes: []events.Freeze{{
					From: time.Date(2026, 12, 20, 0, 0, 0, 0, time.UTC), Until: time.Date(2027, 1, 2, 3, 4, 5, 600, time.UTC), Reason: "holidays",
				}},
				Inherit: new(false),
			},
			Previous: events.Settings{MinApprovers: new(1)},
		},
	},
	"draft.saved.1": {
		ID: goldenID(27), Actor: "ann", Namespace: "teams/pay", Key: "db/url",
		Data: events.DraftSaved{Value: text("b"), Description: "d", Tags: []string{"db"}, Delete: false, Comment: "why"},
	},
	"draft.discarded.1": {
		ID: goldenID(28), Actor: "ann", Namespace: "teams/pay", Key: "db/url", Data: events.DraftDiscarded{Comment: "no"},
	},
	"publish-request.submitted.1": {
		ID: goldenID(29), Actor: "ann", Namespace: "teams", Request: goldenID(40).String(),
		Data: events.RequestSubmitted{
			Changes: []events.Change{
				{Namespace: "teams/pay", Key: "db/url", Draft: 41, Editor: "eve"},
				{Namespace: "teams/web", Key: "old", Draft: 0, Editor: "ann", Delete: true, Source: &events.EntrySource{Version: 3, Index: 12}},
			},
			Comment: "please", PublishAt: time.Date(2027, 1, 2, 3, 4, 5, 600, time.UTC),
			Source: &events.ChangeSource{Kind: "promotion", Index: 12, Namespace: "staging/pay", Request: goldenID(41).String()},
		},
	},
	"publish-request.approved.1": {
		ID: goldenID(30), Actor: "bob", Namespace: "teams", Request: goldenID(40).String(),
		Data: events.RequestApproved{Comment: "fine", KeyID: "k1", Groups: []string{"sre", "payments"}, Basis: "00ff"},
	},
	"publish-request.rejected.1": {
		ID: goldenID(31), Actor: "bob", Namespace: "teams", Request: goldenID(40).String(), Data: events.RequestRejected{Comment: "no"},
	},
	"publish-request.withdrawn.1": {
		ID: goldenID(32), Actor: "ann", Namespace: "teams", Request: goldenID(40).String(), Data: events.RequestWithdrawn{Comment: "later"},
	},
	"publish-request.scheduled.1": {
		ID: goldenID(33), Actor: "bob", Namespace: "teams", Request: goldenID(40).String(),
		Data: events.RequestScheduled{DueAt: time.Date(2027, 1, 2, 3, 4, 5, 600, time.UTC), Why: "frozen"},
	},
	"publish-request.published.1": {
		ID: goldenID(34), Actor: events.System, Namespace: "teams", Request: goldenID(40).String(), Data: events.RequestPublished{Changed: 2, ApprovedBy: []string{"bob", "dan"}},
	},
	"publish-request.bypassed.1": {
		ID: goldenID(35), Actor: "root", Namespace: "teams", Request: goldenID(40).String(), Data: events.RequestBypassed{Comment: "on fire"},
	},
	"webhook.created.1": {
		ID: goldenID(36), Actor: "ann", Namespace: "teams",
		Data: events.WebhookCreated{ID: "w1", WebhookProperties: goldenWebhook, Secret: goldenSecret},
	},
	"webhook.updated.1": {
		ID: goldenID(37), Actor: "ann", Namespace: "teams",
		Data: events.WebhookUpdated{ID: "w1", WebhookProperties: goldenWebhook, Reason: "it failed for days", Secrets: []events.WebhookSecret{
			{Secret: goldenSecret}, {Secret: goldenSecret, Until: time.Date(2027, 1, 2, 3, 4, 5, 600, time.UTC)},
		}},
	},
	"webhook.deleted.1":  {ID: goldenID(38), Actor: "ann", Namespace: "teams", Data: events.WebhookDeleted{ID: "w1"}},
	"webhook.advanced.1": {ID: goldenID(39), Actor: events.System, Namespace: "teams", Data: events.WebhookAdvanced{ID: "w1", Cursor: 42}},
	"webhook.dead-lettered.1": {
		ID: goldenID(42), Actor: events.System, Namespace: "teams",
		Data: events.WebhookDeadLetter{ID: "w1", DeadLetter: events.DeadLetter{
			Index: 40, Event: goldenID(6).String(), Type: "config.updated", Attempts: 12, Error: "connection refused",
			At: time.Date(2027, 1, 2, 3, 4, 5, 600, time.UTC),
		}},
	},
	"key.created.2": {
		ID: goldenID(43), Actor: "root",
		Data: events.KeyCreated{
			ID: "k2", Name: "laptop", Principal: "bob", Digest: events.DigestKey("secret"), Roles: true,
			Grants: []events.Grant{{Namespace: "teams", Role: events.Viewer}},
		},
	},
}

const goldenSecret = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYX"

var goldenWebhook = events.WebhookProperties{
	URL: "https://hooks.example.org/confman", Namespace: "teams", Events: []string{"config", "publish-request.published"},
	Values: true, Description: "to the chat", Disabled: true,
}

// schema is a schema as it is read from the history.
func schema(document string) *events.Schema {
	s := new(events.Schema)
	if err := json.Unmarshal([]byte(document), s); err != nil {
		panic(err)
	}
	return s
}
