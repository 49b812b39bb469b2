package events

import (
	"cmp"
	"fmt"
	"slices"
	"time"
)

// Settings say how changes in a namespace are made. What is nil is inherited
// from the nearest namespace above that sets it, unless Inherit is false. Quotas
// and freezes of namespaces above hold in any case.
type Settings struct {
	RequireApproval          *bool    `json:"requireApproval,omitzero"`
	MinApprovers             *int     `json:"minApprovers,omitzero"`
	RollbackRequiresApproval *bool    `json:"rollbackRequiresApproval,omitzero"`
	AllowBypass              *bool    `json:"allowBypass,omitzero"`
	Quota                    *Quota   `json:"quota,omitzero"`
	Windows                  []Window `json:"windows,omitzero"` // no changes outside them
	Freezes                  []Freeze `json:"freezes,omitzero"` // no changes inside them
	Inherit                  *bool    `json:"inherit,omitzero"` // false: neither settings nor values come from above
}

// Quota limits what a namespace and all below it hold, drafts included; 0 is no
// limit.
type Quota struct {
	Keys  int64 `json:"keys,omitzero"`
	Bytes int64 `json:"bytes,omitzero"` // of keys and values
}

// Window is a time of the week.
type Window struct {
	Days     []string `json:"days,omitzero"`     // mon … sun, on which it begins; none: every day
	From     string   `json:"from"`              // "09:00"
	To       string   `json:"to"`                // "17:00"; not after From: on the next day
	Timezone string   `json:"timezone,omitzero"` // IANA name; empty: UTC
}

// Freeze is a time with a reason.
type Freeze struct {
	From   time.Time `json:"from"`
	Until  time.Time `json:"until"`
	Reason string    `json:"reason"`
}

// Limits of settings.
const (
	MaxApprovers = 20
	MaxWindows   = 32
	MaxFreezes   = 32
)

// Cuts reports whether neither settings nor values come from namespaces above.
func (s Settings) Cuts() bool { return s.Inherit != nil && !*s.Inherit }

// with is the settings with those members of others that are not nil.
func (s Settings) with(o Settings) Settings {
	s.RequireApproval = cmp.Or(o.RequireApproval, s.RequireApproval)
	s.MinApprovers = cmp.Or(o.MinApprovers, s.MinApprovers)
	s.RollbackRequiresApproval = cmp.Or(o.RollbackRequiresApproval, s.RollbackRequiresApproval)
	s.AllowBypass = cmp.Or(o.AllowBypass, s.AllowBypass)
	s.Quota = cmp.Or(o.Quota, s.Quota)
	s.Inherit = cmp.Or(o.Inherit, s.Inherit)
	if o.Windows != nil {
		s.Windows = o.Windows
	}
	if o.Freezes != nil {
		s.Freezes = o.Freezes
	}
	return s
}

func (s Settings) check() error {
	if n := s.MinApprovers; n != nil && (*n < 1 || *n > MaxApprovers) {
		return Invalid("/minApprovers", "is %d, want 1 to %d", *n, MaxApprovers)
	}
	if q := s.Quota; q != nil && q.Keys < 0 {
		return Invalid("/quota/keys", "is negative; 0 is no limit")
	} else if q != nil && q.Bytes < 0 {
		return Invalid("/quota/bytes", "is negative; 0 is no limit")
	}
	if len(s.Windows) > MaxWindows {
		return Invalid("/windows", "has %d windows, at most %d are allowed", len(s.Windows), MaxWindows)
	}
	for i, w := range s.Windows {
		if err := w.check(); err != nil {
			return at(fmt.Sprintf("/windows/%d", i), err)
		}
	}
	if len(s.Freezes) > MaxFreezes {
		return Invalid("/freezes", "has %d freezes, at most %d are allowed", len(s.Freezes), MaxFreezes)
	}
	for i, f := range s.Freezes {
		where := fmt.Sprintf("/freezes/%d", i)
		if err := cmp.Or(checkTime(where+"/from", f.From), checkTime(where+"/until", f.Until)); err != nil {
			return err
		}
		if !f.Until.After(f.From) {
			return Invalid(where+"/until", "is not after from")
		}
		if f.Reason == "" {
			return Invalid(where+"/reason", "is empty; say why, for whoever is stopped by it")
		}
		if err := CheckText(where+"/reason", f.Reason, MaxTextBytes); err != nil {
			return err
		}
	}
	return nil
}

// weekdays are the names of the days, as [time.Weekday] counts them.
func weekdays() []string { return []string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"} }

func (w Window) check() error {
	for i, day := range w.Days {
		if !slices.Contains(weekdays(), day) {
			return Invalid(fmt.Sprintf("/days/%d", i), "%.20q is not one of mon tue wed thu fri sat sun", day)
		}
	}
	if _, err := time.Parse(clock, w.From); err != nil {
		return Invalid("/from", "%.20q is not a time of the day such as 09:00", w.From)
	}
	if _, err := time.Parse(clock, w.To); err != nil {
		return Invalid("/to", "%.20q is not a time of the day such as 17:00", w.To)
	}
	if _, err := time.LoadLocation(w.Timezone); err != nil || w.Timezone == "Local" {
		return Invalid("/timezone", "%.64q is not a time zone such as Europe/Berlin", w.Timezone)
	}
	return nil
}

// clock is how times of the day are written.
const clock = "15:04"

// opens is when the window is next open: the time itself when it is open then.
func (w Window) opens(t time.Time) time.Time {
	zone, err := time.LoadLocation(w.Timezone)
	from, errFrom := time.Parse(clock, w.From)
	to, errTo := time.Parse(clock, w.To)
	if err != nil || errFrom != nil || errTo != nil {
		return t // the rules let no such window in
	}
	local := t.In(zone)
	for day := -1; day <= 8; day++ {
		begins := time.Date(local.Year(), local.Month(), local.Day()+day, from.Hour(), from.Minute(), 0, 0, zone)
		ends := time.Date(local.Year(), local.Month(), local.Day()+day, to.Hour(), to.Minute(), 0, 0, zone)
		if !to.After(from) {
			ends = time.Date(local.Year(), local.Month(), local.Day()+day+1, to.Hour(), to.Minute(), 0, 0, zone)
		}
		// Not begins.Weekday(): where the clock skips midnight, that may be the day before.
		weekday := weekdays()[(int(local.Weekday())+day+7)%7]
		if len(w.Days) > 0 && !slices.Contains(w.Days, weekday) || !t.Before(ends) {
			continue
		}
		if begins.After(t) {
			return begins.UTC()
		}
		return t
	}
	return t
}

// Effective are the settings that hold in a namespace.
type Effective struct {
	RequireApproval          bool
	MinApprovers             int
	RollbackRequiresApproval bool
	AllowBypass              bool
	Windows                  []Window
	Freezes                  []Freeze // of all namespaces above, too

	From map[string]string // which namespace each member is of that is not at its default
}

// EffectiveSettings are the settings that hold in a namespace: of each member the
// nearest, and all freezes.
func EffectiveSettings(v PolicyView, namespace string) Effective {
	e := Effective{MinApprovers: 1, From: map[string]string{}}
	cut := false
	for path := range Upwards(namespace) {
		p := v.Policy(path)
		if p.SettingsMark.Revision == 0 {
			continue
		}
		s := p.Settings
		if len(s.Freezes) > 0 {
			e.Freezes = append(e.Freezes, s.Freezes...)
			e.From["freezes"] = path
		}
		if cut {
			continue
		}
		nearest(e.From, "requireApproval", path, s.RequireApproval, &e.RequireApproval)
		nearest(e.From, "minApprovers", path, s.MinApprovers, &e.MinApprovers)
		nearest(e.From, "rollbackRequiresApproval", path, s.RollbackRequiresApproval, &e.RollbackRequiresApproval)
		nearest(e.From, "allowBypass", path, s.AllowBypass, &e.AllowBypass)
		if len(s.Windows) > 0 && e.From["windows"] == "" {
			e.Windows, e.From["windows"] = s.Windows, path
		}
		cut = s.Cuts()
	}
	return e
}

// nearest takes a member from the first namespace that sets it.
func nearest[T any](from map[string]string, name, path string, set, into *T) {
	if _, taken := from[name]; !taken && set != nil {
		*into, from[name] = *set, path
	}
}

// opens is when changes may next be made, from a time on, and why not before.
func (e Effective) opens(t time.Time) (next time.Time, why string) {
	next = t
	for range MaxFreezes * 17 { // each round leaves a freeze or reaches a window
		before := next
		for _, f := range e.Freezes {
			if !next.Before(f.From) && next.Before(f.Until) {
				next, why = f.Until, fmt.Sprintf("frozen until %s: %s", f.Until.UTC().Format(time.RFC3339), f.Reason)
			}
		}
		if len(e.Windows) > 0 {
			soonest := time.Time{}
			for _, w := range e.Windows {
				if o := w.opens(next); soonest.IsZero() || o.Before(soonest) {
					soonest = o
				}
			}
			if soonest.After(next) {
				next, why = soonest, fmt.Sprintf("outside the change windows, the next opens at %s", soonest.UTC().Format(time.RFC3339))
			}
		}
		if next.Equal(before) {
			break
		}
	}
	return next, why
}

// Opens is when changes may next be made in all of some namespaces, from a time
// on, and why not before; the time itself and "" when they may be made then.
func Opens(v PolicyView, namespaces []string, t time.Time) (next time.Time, why string) {
	next = t
	for range 64 {
		before := next
		for _, n := range namespaces {
			if o, because := EffectiveSettings(v, n).opens(next); o.After(next) {
				next, why = o, "namespace "+n+" is "+because
			}
		}
		if next.Equal(before) {
			break
		}
	}
	return next, why
}

// PutSettings replaces a namespace's settings.
type PutSettings struct {
	Namespace string
	Settings  Settings
	If        Condition
	Actor     string
}

func (c PutSettings) decide(d *decision) error {
	if err := CheckPlace(c.Namespace); err != nil {
		return err
	}
	if err := c.Settings.check(); err != nil {
		return err
	}
	now := d.view.Policy(c.Namespace)
	if err := c.If.checkMark("the settings of "+c.Namespace, now.SettingsMark); err != nil {
		return err
	}
	d.policies()
	d.ensurePlace(c.Namespace, c.Actor)
	if c.Settings.Cuts() != now.Settings.Cuts() {
		after := now
		after.Namespace, after.Settings = c.Namespace, c.Settings
		if err := d.judgePolicy(after, nil); err != nil {
			return err
		}
	}
	if !same(now.Settings, c.Settings) {
		d.record(c.Namespace, "", SettingsChanged{c.Settings, now.Settings})
	}
	return nil
}
