package house

import (
	"go/ast"
	"maps"
	"path"
	"slices"
	"strings"
	"testing"
)

// decoders are what reads bytes from outside, by the package and the fuzz target
// that throws garbage at it. A decoder that is new belongs here with its target.
var decoders = map[string]string{
	"api FuzzBodies":                        "JSON bodies of all routes: duplicate names, depth, sizes",
	"api FuzzCursorsAreTheirOwnOrGarbage":   "cursors of pages",
	"api FuzzHeaders":                       "If-Match, If-None-Match, Idempotency-Key, Range, traceparent and all other headers that are parsed",
	"api FuzzPathsAddressOneThing":          "paths: namespaces and keys, escaped or not",
	"api FuzzQueries":                       "query parameters, moments, and where a watch or a replay begins",
	"api FuzzTicketsOpenOnlyWhatTheySealed": "tickets",
	"api FuzzWatchOps":                      "operations of WebSocket clients",

	"api/client FuzzAnswers":  "answers and problems, of nodes and of proxies",
	"api/client FuzzFrames":   "frames of watches and replays",
	"api/client FuzzNextPage": "links to next pages",

	"api/denials FuzzParseMark":      "marks in cursors",
	"api/identity FuzzSealedCookies": "cookies of sessions and logins",
	"api/identity FuzzTokens":        "tokens of an issuer",

	"events FuzzDecodeEntry":   "entries of Raft, with proposals in them",
	"events FuzzDecodeEvent":   "events",
	"events FuzzParsePosition": "positions",
	"events FuzzParseValue":    "values",
	"events FuzzSchema":        "schemas, and what they judge",
	"events/proof FuzzReader":  "record lines of exports, proofs and archives",

	"replication FuzzArchive":       "files of an archive",
	"replication FuzzMemberAnswers": "answers of members",
	"replication FuzzMemberCalls":   "calls of members",
	"replication FuzzVerifyBackup":  "backups",

	"replication/disk FuzzDecoder": "streams of rows: snapshots, backups",
	"replication/disk FuzzEntry":   "entries of such streams",
	"replication/disk FuzzSealed":  "files under a checksum: markers",

	"replication/peer FuzzUpgrade":       "requests for a stream of Raft",
	"replication/peer FuzzUpgradeAnswer": "answers to them",
	"replication/wal FuzzEntry":          "entries of the Raft log on disk",

	"cmd/internal/cli FuzzCheckpoints":    "checkpoints that were kept",
	"cmd/internal/cli FuzzDelivered":      "signed requests of webhooks, and their secrets",
	"cmd/internal/cli FuzzKeyFiles":       "files of checkpoint keys",
	"cmd/internal/formats FuzzEnv":        "imports: env",
	"cmd/internal/formats FuzzJSON":       "imports: JSON",
	"cmd/internal/formats FuzzProperties": "imports: properties",
	"cmd/internal/formats FuzzTOML":       "imports: TOML",
	"cmd/internal/formats FuzzYAML":       "imports: YAML",
	"cmd/internal/sealing FuzzKeys":       "public and secret keys of age",
	"cmd/internal/sealing FuzzOpen":       "files encrypted with age",
	"cmd/internal/settings FuzzFile":      "settings files",

	"cmd/torture/streams FuzzEventStream": "server-sent events, as tests read them",
}

func TestEveryDecoderOfOutsideBytesIsFuzzed(t *testing.T) {
	left := maps.Clone(decoders)
	for _, file := range sources(t) {
		for _, d := range file.tree.Decls {
			f, ok := d.(*ast.FuncDecl)
			if !ok || f.Recv != nil || !strings.HasPrefix(f.Name.Name, "Fuzz") || !strings.HasSuffix(file.name, "_test.go") {
				continue
			}
			target := path.Dir(file.name) + " " + f.Name.Name
			if left[target] == "" {
				t.Errorf("%s is not in the list: say what it reads", target)
			}
			delete(left, target)
		}
	}
	for _, target := range slices.Sorted(maps.Keys(left)) {
		t.Errorf("%s is missing, which reads %s", target, left[target])
	}
}
