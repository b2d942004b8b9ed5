package cache

import (
	"strconv"
	"testing"
	"testing/synctest"
	"time"
)

func TestATierOpensOnlyWhenNothingIsOwed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newGuard(nil, nil, DefaultGuard(), nil).parts[0]
		p.shut.Store(true)
		p.owed.add("o", Changing, time.Minute) // while the probe was made
		if p.open() || !p.shut.Load() {
			t.Error("it opened though a value is still to be taken back")
		}
		p.owed.paid("o", Changing)
		if !p.open() || p.shut.Load() {
			t.Error("it did not open")
		}
	})
}

func TestAFullLedgerOwesAllErasuresAndWaitsForTheRest(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var l ledger
		for i := range maxOwed {
			l.add(Owner(strconv.Itoa(i)), Changing, time.Minute)
		}
		time.Sleep(time.Second)
		l.add("late", Changing, time.Minute) // no room
		l.add("erased", Everything, time.Minute)
		l.add("0", Everything, time.Minute)
		l.add("erased", Changing, time.Minute) // less than is owed already
		if len(l.owed) != maxOwed+1 || l.owed["erased"] != Everything || l.owed["0"] != Everything || l.owed["late"] != 0 {
			t.Errorf("%d owners: late %v, erased %v, 0 %v", len(l.owed), l.owed["late"], l.owed["erased"], l.owed["0"])
		}
		for owner, scope := range l.owed {
			if l.paid(owner, Changing); scope == Everything && l.owed[owner] != scope {
				t.Errorf("%s was paid for with less than it is owed", owner)
			}
			l.paid(owner, scope)
		}
		time.Sleep(time.Minute - time.Nanosecond)
		if l.settled() {
			t.Error("settled before what was dropped has gone by itself")
		}
		if time.Sleep(time.Nanosecond); !l.settled() {
			t.Error("not settled")
		}
	})
}
