package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/rs/zerolog"
	"github.com/spf13/cobra"

	"confman/cmd/internal/cli"
	"confman/events"
	"confman/replication"
	"confman/streaming"
)

// Doctor is the command that looks for what is wrong.
func Doctor(env cli.Env) *cobra.Command {
	var o Options
	return cli.Doctor(env, o.Flags, func(ctx context.Context, given func(string) bool, wrong error) []cli.Check {
		x := examination{options: &o, wrong: wrong, now: time.Now(), whole: given("id") || given("config")}
		return x.all(ctx)
	})
}

// examination is a look at the settings of a node, its directory and its machine.
type examination struct {
	options *Options
	wrong   error // about the names and forms of the settings
	now     time.Time
	whole   bool // there are settings, not only a directory
}

// check is one check. It returns nothing when there is nothing that it is about.
type check struct {
	name string
	look func(*examination, context.Context) []finding
}

// finding is what a check found.
type finding struct{ result, found, do string }

func fine(format string, args ...any) []finding {
	return []finding{{cli.CheckOK, fmt.Sprintf(format, args...), ""}}
}

func bad(do, format string, args ...any) []finding {
	return []finding{{cli.CheckFail, fmt.Sprintf(format, args...), do}}
}

func doubtful(do, format string, args ...any) []finding {
	return []finding{{cli.CheckWarn, fmt.Sprintf(format, args...), do}}
}

// checks are all checks, in the order in which they are told.
func checks() []check {
	return []check{
		{"settings", (*examination).settings},
		{"token", (*examination).token},
		{"certificates", (*examination).certificates},
		{"directory", (*examination).directory},
		{"identity", (*examination).identity},
		{"files", (*examination).files},
		{"space", (*examination).space},
		{"file system", (*examination).fileSystem},
		{"descriptors", (*examination).descriptors},
		{"clock", (*examination).clock},
		{"port", (*examination).port},
		{"peers", (*examination).peers},
	}
}

func (x *examination) all(ctx context.Context) (found []cli.Check) {
	for _, c := range checks() {
		for _, f := range c.look(x, ctx) {
			found = append(found, cli.Check{Name: c.name, Result: f.result, Found: f.found, Do: f.do})
		}
	}
	return found
}

// settings judges what serve would refuse before it touches anything.
func (x *examination) settings(context.Context) []finding {
	const do = "mend it; confman config show --origin tells where each setting comes from"
	if x.wrong != nil {
		return bad(do, "%v", x.wrong)
	}
	if !x.whole {
		return nil
	}
	if err := x.options.validate(); err != nil {
		return bad(do, "%v", err)
	}
	config, err := x.config()
	if err == nil {
		err = config.Check()
	}
	if err != nil {
		return bad(do, "%v", err)
	}
	return fine("%s at %s, %s", config.ID, config.Address, joins(config))
}

func joins(c replication.Config) string {
	switch {
	case len(c.Peers) > 0:
		return fmt.Sprintf("one of %d founding members", len(c.Peers))
	case c.Join != "":
		return "joins at " + c.Join
	}
	return "waits to be added, or has been"
}

// config is the node's, as serve has it, with nobody to talk to.
func (x *examination) config() (replication.Config, error) {
	env := Env{Stdout: io.Discard, Log: zerolog.Nop(), Fatal: func(error) {}, Now: time.Now}
	certs, err := loadCertificates(x.options.TLS, env)
	if err != nil {
		return replication.Config{}, err
	}
	hub := streaming.NewHub(streaming.HubConfig{})
	defer hub.Close()
	c, err := nodeConfig(*x.options, env, certs, hub)
	c.Announce = silent{}
	return c, err
}

// silent is told of records that there are none of.
type silent struct{}

func (silent) Publish([]events.Record) {}
func (silent) Reset()                  {}

// token judges the file of the secret that members share.
func (x *examination) token(context.Context) []finding {
	path := x.options.Members.TokenFile
	if path == "" {
		return nil // the settings say so
	}
	token, err := x.options.token()
	if err != nil {
		return bad("head -c 32 /dev/urandom | base64 > "+path+", the same file on all members", "%v", err)
	}
	if others, err := openToOthers(path); err != nil || others {
		return doubtful("chmod 600 "+path, "%s can be read by other users", path)
	}
	return fine("%s holds %d bytes, and only its owner can read it", path, len(token))
}

// port judges whether this node can listen, or does.
func (x *examination) port(ctx context.Context) []finding {
	if !x.whole || x.wrong != nil {
		return nil
	}
	free, err := tryListen(x.options.Node.Listen)
	if err == nil && free {
		return fine("%s is free", x.options.Node.Listen)
	}
	if err != nil {
		return bad("give --listen an address of this machine", "%v", err)
	}
	config, err := x.config()
	if err != nil {
		return nil // the settings say so
	}
	who, err := replication.Greet(ctx, config, x.options.Node.Listen)
	switch {
	case err != nil:
		return bad("end what listens there (ss -ltnp), or give --listen another port", "%s is taken, and by no node of this cluster: %v", x.options.Node.Listen, err)
	case who.Node != config.ID:
		return bad("give --listen another port", "%s is taken by %s", x.options.Node.Listen, who.Node)
	}
	return fine("%s listens on %s: %s", who.Node, x.options.Node.Listen, standing(who))
}

func standing(g replication.Greeting) string {
	if g.Waiting != "" {
		return g.Waiting
	}
	return g.Role
}

// peers judges whether the founding members, and the one to join at, can be
// reached and are who the settings say.
func (x *examination) peers(ctx context.Context) (found []finding) {
	if !x.whole || x.wrong != nil {
		return nil
	}
	config, err := x.config()
	if err != nil {
		return nil // the settings say so
	}
	others := config.Peers
	if config.Join != "" {
		others = []replication.Member{{Address: hostOf(config.Join)}}
	}
	answers := make([][]finding, len(others))
	done := make(chan struct{}, len(others))
	for i, p := range others {
		go func() {
			if p.ID != config.ID {
				answers[i] = x.peer(ctx, config, p)
			}
			done <- struct{}{}
		}()
	}
	for range others {
		<-done // each has a deadline
	}
	for _, a := range answers {
		found = append(found, a...)
	}
	return found
}

// peer asks one other member. An ID that is not known is not compared.
func (x *examination) peer(ctx context.Context, config replication.Config, p replication.Member) []finding {
	who, err := replication.Greet(ctx, config, p.Address)
	what := p.Address
	if p.ID != "" {
		what = p.ID + " at " + what
	}
	switch {
	case errors.Is(err, context.Canceled):
		return nil
	case err != nil:
		return bad("start it, open the way to it, or mend its address; both need one token and one authority", "%s: %v", what, err)
	case p.ID != "" && who.Node != p.ID:
		return bad("mend --peers, or the name service", "at %s there is %s, not %s", p.Address, who.Node, p.ID)
	}
	return fine("%s answers: %s", what, standing(who))
}
