package cli

import (
	"context"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"syscall"
	"time"
)

// forwarded are the signals that a command gets which confman gets in its stead,
// except those that confman was told to ignore, as by nohup: the command ignores
// them too.
func forwarded() []os.Signal {
	all := []os.Signal{
		syscall.SIGHUP, syscall.SIGINT, syscall.SIGQUIT, syscall.SIGTERM,
		syscall.SIGUSR1, syscall.SIGUSR2, syscall.SIGWINCH,
	}
	return slices.DeleteFunc(all, signal.Ignored)
}

// supervision is one command with an environment that may change.
type supervision struct {
	*executing
	live    *live
	environ []string
	changed <-chan struct{} // nil: changes do not matter
	child   *child

	signals    chan os.Signal
	ending     bool             // no more restarts
	restarting bool             // the child is asked to end, and another follows
	settled    <-chan time.Time // changes are waited for until then
	overdue    <-chan time.Time // when the child is killed
}

// run runs the command until it ends of itself or is ended, and returns its
// exit code as an error.
func (s *supervision) run(ctx context.Context) error {
	s.signals = make(chan os.Signal, 16)
	signal.Notify(s.signals, forwarded()...)
	defer signal.Stop(s.signals)
	stops := make(chan os.Signal, 2)
	signal.Notify(stops, syscall.SIGINT, syscall.SIGTERM)
	defer signal.Stop(stops)
	if err := s.start(); err != nil {
		return err
	}
	tick := time.NewTicker(staleReports)
	defer tick.Stop()
	for stopped := ctx.Done(); ; {
		select {
		case <-s.child.done:
			if !s.restarting || s.ending {
				return exitOf(s.child)
			}
			if err := s.restart(); err != nil {
				return err
			}
		case received := <-s.signals:
			s.forward(received)
		case <-stopped:
			stopped = nil
			signal.Stop(stops) // what was delivered by now is in the channel
			if len(stops) == 0 {
				s.end() // it was no signal, so nothing was forwarded
			}
		case <-s.changed:
			s.changed = s.live.Changed()
			if s.settled == nil {
				s.settled = time.After(s.settle)
			}
		case <-s.settled:
			s.settled = nil
			s.renew()
		case <-s.overdue:
			s.child.signal(syscall.SIGKILL)
		case <-tick.C:
			if s.changed != nil || s.state != "" {
				s.live.report()
			}
		}
	}
}

func exitOf(c *child) error {
	if code := c.code(); code != 0 {
		return &ExitError{Code: code}
	}
	return nil
}

func (s *supervision) start() (err error) {
	cmd := exec.Command(s.command[0], s.command[1:]...)
	cmd.Env, cmd.Stdin, cmd.Stdout, cmd.Stderr = s.environ, s.env.Stdin, s.env.Stdout, s.env.Stderr
	// At a terminal the command stays in its foreground group, to read from it.
	s.child, err = startChild(cmd, !s.env.Interactive)
	return err
}

// forward gives the command a signal that confman got. At a terminal those of the
// keyboard have reached it already.
func (s *supervision) forward(received os.Signal) {
	number, _ := received.(syscall.Signal)
	keyboard := number == syscall.SIGINT || number == syscall.SIGQUIT || number == syscall.SIGWINCH
	if number == syscall.SIGINT || number == syscall.SIGTERM {
		s.ending = true
	}
	if !s.env.Interactive || !keyboard {
		s.child.signal(number)
	}
}

// end asks the command to end, for good.
func (s *supervision) end() {
	s.ending = true
	s.child.signal(syscall.SIGTERM)
	s.overdue = time.After(s.grace)
}

// renew does what --on-change says, if the environment is another one now.
func (s *supervision) renew() {
	if s.restarting || s.ending {
		return // the command that comes next gets what is newest then
	}
	next, err := s.executing.environ(s.live)
	if err != nil {
		s.warn("%v; the command keeps running as it is", oneLine(err))
		return
	}
	if slices.Equal(next, s.environ) {
		return
	}
	s.environ = next
	position := s.live.Status().Position
	if s.onChange == onChangeSignal {
		s.note("%s changed, event %s: sending %v", s.namespace, position, s.signal)
		s.child.signal(s.signal)
		return
	}
	s.note("%s changed, event %s: restarting the command", s.namespace, position)
	s.restarting = true
	s.child.signal(syscall.SIGTERM)
	s.overdue = time.After(s.grace)
}

// restart starts the command again, with what is newest.
func (s *supervision) restart() error {
	s.restarting, s.overdue = false, nil
	if newest, err := s.executing.environ(s.live); err == nil {
		s.environ = newest
	}
	return s.start()
}
