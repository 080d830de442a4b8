package quirks_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"koweld/quirks"
)

// LP: #1982534 by its packages: that of bionic and the broken one of focal ship the
// digest in /lib, the fixed one ships it in /usr/lib.
const (
	hmac    = "libgcrypt20-hmac"
	oldHmac = "/lib/x86_64-linux-gnu/.libgcrypt.so.20.hmac"
	newHmac = "/usr/lib/x86_64-linux-gnu/.libgcrypt.so.20.hmac"
	oldLib  = "/lib/x86_64-linux-gnu/libgcrypt.so.20"
	newLib  = "/usr/lib/x86_64-linux-gnu/libgcrypt.so.20"

	bionic  = "1.8.1-4ubuntu1.fips.2"
	bionic2 = "1.8.1-4ubuntu1.fips.3"
	broken  = "1.8.5-5ubuntu1.fips.1.4"
	fixed   = "1.8.5-5ubuntu1.fips.1.5"
)

var lpDiversion = quirks.Diversion{From: oldHmac, To: newHmac}

// newLP is a bionic system.
func newLP(t testing.TB) *world {
	w := newWorld(t, shipped(t)...)
	w.os = quirks.OS{ID: "ubuntu", Codename: "bionic", Version: "18.04"}
	w.folders["/usr/lib/x86_64-linux-gnu"], w.folders["/lib/x86_64-linux-gnu"] = true, true
	w.ship(hmac, bionic, map[string]string{oldHmac: "of bionic"})
	w.ship(hmac, bionic2, map[string]string{oldHmac: "of bionic, updated"})
	w.ship(hmac, broken, map[string]string{oldHmac: "of focal"})
	w.ship(hmac, fixed, map[string]string{newHmac: "of focal, fixed"})
	w.ship("libgcrypt20", bionic, map[string]string{oldLib: "library of bionic"})
	w.ship("libgcrypt20", bionic2, map[string]string{oldLib: "library of bionic, updated"})
	w.ship("libgcrypt20", broken, map[string]string{newLib: "library of focal"})
	w.ship("libgcrypt20", fixed, map[string]string{newLib: "library of focal, fixed"})
	w.install(hmac, bionic)
	w.install("libgcrypt20", bionic)
	require.Empty(t, w.quiet(quirks.Manual), "a system of bionic needs nothing")
	return w
}

// quiet reconciles and lists what was asked for.
func (w *world) quiet(s quirks.Stage) []string {
	w.t.Helper()
	f := w.facts()
	var all []string
	for _, d := range w.reconcile(s) {
		if !d.IsQuiet(f) {
			all = append(all, d.Lines()...)
		}
	}
	return all
}

// told says what apt's hook tells of a transaction of the two packages.
func (w *world) told(version string) *world {
	w.incoming = quirks.Changes{Complete: true}
	for _, pkg := range []string{hmac, "libgcrypt20"} {
		w.incoming.List = append(w.incoming.List, quirks.Change{Package: pkg, Arch: "amd64", Version: version})
	}
	return w
}

func (w *world) toldNothing() *world {
	w.incoming, w.candidate = quirks.Changes{}, quirks.Changes{}
	return w
}

// upgrade is a whole transaction of apt's.
func (w *world) upgrade(version string) {
	w.t.Helper()
	w.told(version).reconcile(quirks.PreUnpack)
	w.toldNothing()
	w.install(hmac, version)
	w.install("libgcrypt20", version)
	if version == broken || version == fixed {
		w.os.Codename, w.os.Version = "focal", "20.04"
	}
	w.reconcile(quirks.TransactionEnd)
}

func TestLibgcryptHmacUpgrade(t *testing.T) {
	w := newLP(t)
	w.told(broken)
	assert.Equal(t, []string{"divert " + lpDiversion.String()}, w.quiet(quirks.PreUnpack))
	assert.Equal(t, "of bionic", w.files[oldHmac], "the old library goes on reading it")
	assert.Empty(t, w.quiet(quirks.PreUnpack), "twice is once")
	w.toldNothing()

	require.NoError(t, w.unpack(hmac, broken))
	assert.Equal(t, "of bionic", w.files[oldHmac])
	assert.Equal(t, "of focal", w.files[newHmac])
	w.configure(hmac)
	w.install("libgcrypt20", broken)
	w.os.Codename = "focal"

	assert.Equal(t, []string{
		"divert " + lpDiversion.String(), "remove " + oldHmac + ": nothing reads it any more",
	}, w.quiet(quirks.TransactionEnd))
	assert.NotContains(t, w.files, oldHmac)
	assert.Equal(t, "of focal", w.files[newHmac])
	assert.Contains(t, w.diversions, lpDiversion, "until the fixed one comes")
	assert.Empty(t, w.quiet(quirks.TransactionEnd))
	assert.True(t, w.convert(), "usrmerge converts")
}

// 22. A release upgrader begins three times.
func TestLibgcryptHmacUpgradeStartsThreeTimes(t *testing.T) {
	w := newLP(t)
	w.candidate = quirks.Changes{List: []quirks.Change{{Package: hmac, Arch: "amd64", Version: broken}}}
	require.Len(t, w.quiet(quirks.UpgradeStart), 1)
	once := w.state()
	for range 2 {
		assert.Empty(t, w.quiet(quirks.UpgradeStart))
		assert.Equal(t, once, w.state())
	}
}

// 25. The upgrade is given up before dpkg unpacks: the next update of the old
// release lands in /lib.
func TestLibgcryptHmacAbortedBeforeUnpack(t *testing.T) {
	w := newLP(t)
	before := w.state()
	w.told(broken).reconcile(quirks.PreUnpack)
	w.toldNothing()
	assert.Equal(t, []string{"no longer divert " + lpDiversion.String()}, w.quiet(quirks.TransactionEnd))
	assert.Equal(t, before, w.state(), "as it was, and nothing on record")
	w.upgrade(bionic2)
	assert.Equal(t, "of bionic, updated", w.files[oldHmac])
	assert.NotContains(t, w.files, newHmac)
}

// 26. Unpacked and not configured.
func TestLibgcryptHmacUnpackedOnly(t *testing.T) {
	w := newLP(t)
	w.told(broken).reconcile(quirks.PreUnpack)
	w.toldNothing()
	require.NoError(t, w.unpack(hmac, broken))
	for _, s := range []quirks.Stage{quirks.TransactionEnd, quirks.Boot, quirks.Manual} {
		w.reconcile(s)
		assert.Contains(t, w.diversions, lpDiversion)
		assert.Equal(t, "of bionic", w.files[oldHmac], "its library is there")
	}
}

// 27. dpkg is killed while it unpacks: which version is there nobody knows.
func TestLibgcryptHmacKilledInUnpack(t *testing.T) {
	w := newLP(t)
	w.told(broken).reconcile(quirks.PreUnpack)
	w.toldNothing()
	w.packages[hmac].status = "half-installed"
	for _, s := range []quirks.Stage{quirks.TransactionEnd, quirks.Boot, quirks.Manual} {
		for _, d := range w.reconcile(s) {
			if d.Quirk == "lp1982534-libgcrypt-hmac" {
				assert.Equal(t, quirks.Unsure, d.State)
			}
		}
		assert.Contains(t, w.diversions, lpDiversion)
	}
	w.told(broken).reconcile(quirks.PreUnpack)
	w.toldNothing()
	w.upgrade(broken)
	assert.Equal(t, "of focal", w.files[newHmac], "it is installed again, and converges")
	assert.NotContains(t, w.files, oldHmac)
}

// 28. The fixed version comes: dpkg would refuse it with the diversion in place.
func TestLibgcryptHmacFixedVersion(t *testing.T) {
	w := newLP(t)
	w.upgrade(broken)
	w.told(fixed)
	assert.Equal(t, []string{"no longer divert " + lpDiversion.String()}, w.quiet(quirks.PreUnpack))
	w.toldNothing()
	assert.Equal(t, "of focal", w.files[newHmac], "it is read until the fixed one is there")
	w.install(hmac, fixed)
	w.install("libgcrypt20", fixed)
	w.reconcile(quirks.TransactionEnd)
	assert.Equal(t, "of focal, fixed", w.files[newHmac])
	assert.NotContains(t, w.files, oldHmac)
	assert.Empty(t, w.diversions)
	assert.Empty(t, w.records)
}

// The fixed version does not come after all.
func TestLibgcryptHmacFixedVersionAborted(t *testing.T) {
	w := newLP(t)
	w.upgrade(broken)
	w.told(fixed).reconcile(quirks.PreUnpack)
	w.toldNothing()
	assert.Empty(t, w.diversions)
	assert.Equal(t, []string{"divert " + lpDiversion.String()}, w.quiet(quirks.TransactionEnd))
	assert.Equal(t, "of focal", w.files[newHmac])
	assert.Equal(t, []quirks.Diversion{lpDiversion}, w.diversions)
	w.upgrade(fixed)
	assert.Equal(t, "of focal, fixed", w.files[newHmac])
	assert.Empty(t, w.records)
}

// 28b. A later hook of apt's fails: nothing is told of the end. The next that
// comes releases it.
func TestLibgcryptHmacNoEndIsTold(t *testing.T) {
	for _, next := range []quirks.Stage{quirks.Boot, quirks.PreUnpack, quirks.Manual} {
		t.Run(string(next), func(t *testing.T) {
			w := newLP(t)
			before := w.state()
			w.told(broken).reconcile(quirks.PreUnpack)
			w.toldNothing()
			if next == quirks.PreUnpack { // of other packages
				w.incoming.Complete = true
			}
			assert.Equal(t, []string{"no longer divert " + lpDiversion.String()}, w.quiet(next))
			assert.Equal(t, before, w.state())
		})
	}
}

// 29. The fixed version by dpkg alone, which calls no hook: it is told by hand.
func TestLibgcryptHmacByDpkgAlone(t *testing.T) {
	w := newLP(t)
	w.upgrade(broken)
	require.ErrorContains(t, w.unpack(hmac, fixed), "diverted version")
	w.incoming = quirks.Changes{List: []quirks.Change{{Package: hmac, Version: fixed}}}
	w.reconcile(quirks.Manual)
	w.toldNothing()
	require.NoError(t, w.unpack(hmac, fixed))
	w.configure(hmac)
	w.reconcile(quirks.Trigger)
	assert.Equal(t, "of focal, fixed", w.files[newHmac])
	assert.Empty(t, w.diversions)
}

// 30. Back to the old version: what the broken one had at the target is an orphan.
func TestLibgcryptHmacDowngrade(t *testing.T) {
	w := newLP(t)
	w.upgrade(broken)
	w.told(bionic).reconcile(quirks.PreUnpack)
	w.toldNothing()
	assert.Equal(t, "of focal", w.files[newHmac], "of use until the end")
	w.install(hmac, bionic)
	w.install("libgcrypt20", bionic)
	assert.Contains(t, w.quiet(quirks.TransactionEnd), "remove "+newHmac+": it was that of "+hmac+" "+broken+", which is gone")
	assert.Equal(t, "of bionic", w.files[oldHmac])
	assert.NotContains(t, w.files, newHmac)
	assert.Empty(t, w.records)
}

// An orphan that somebody has changed is kept.
func TestLibgcryptHmacDowngradeKeepsWhatWasChanged(t *testing.T) {
	w := newLP(t)
	w.upgrade(broken)
	w.told(bionic).reconcile(quirks.PreUnpack)
	w.toldNothing()
	w.install(hmac, bionic)
	w.files[newHmac] = "by hand"
	w.reconcile(quirks.TransactionEnd)
	assert.Equal(t, "by hand", w.files[newHmac])
	assert.Contains(t, w.said, newHmac+" has been changed, and stays")
	assert.Empty(t, w.records)
}

// 31. The package is removed, by apt and by dpkg alone: nothing is left.
func TestLibgcryptHmacRemoved(t *testing.T) {
	for _, told := range []bool{true, false} {
		for _, cleaned := range []bool{true, false} {
			w := newLP(t)
			if cleaned {
				w.upgrade(broken)
			} else {
				// The old library stays, and with it the file that it reads.
				w.told(broken).reconcile(quirks.PreUnpack)
				w.toldNothing()
				w.install(hmac, broken)
				w.reconcile(quirks.TransactionEnd)
				require.Contains(t, w.files, oldHmac)
			}
			if told {
				w.incoming = quirks.Changes{Complete: true, List: []quirks.Change{{Package: hmac, Arch: "amd64"}}}
				w.reconcile(quirks.PreUnpack)
				w.toldNothing()
			}
			w.remove(hmac)
			w.reconcile(quirks.TransactionEnd)
			assert.Empty(t, w.diversions, "told %v, cleaned %v", told, cleaned)
			assert.NotContains(t, w.files, oldHmac, "told %v, cleaned %v", told, cleaned)
			assert.NotContains(t, w.files, newHmac, "told %v, cleaned %v", told, cleaned)
			assert.Empty(t, w.records, "told %v, cleaned %v", told, cleaned)
		}
	}
}

// 32. usrmerge with the stale file there: it stops, and all waits.
func TestLibgcryptHmacConversion(t *testing.T) {
	w := newLP(t)
	w.told(broken).reconcile(quirks.PreUnpack)
	w.toldNothing()
	w.install(hmac, broken)
	w.install("libgcrypt20", broken)
	require.False(t, w.convert(), "both files are there")
	before := w.state()
	for _, s := range quirks.Stages {
		for _, d := range w.reconcile(s) {
			assert.Equal(t, quirks.Deferred, d.State)
			assert.Contains(t, d.Why, "usrmerge is half-configured")
		}
		assert.Equal(t, before, w.state())
	}
	w.usr = "split" // mended by hand
	w.reconcile(quirks.Manual)
	assert.True(t, w.convert())
	assert.Equal(t, "of focal", w.files[newHmac])
}

// 33. After the conversion the diversion maps a name to itself: it goes, and the
// file stays.
func TestLibgcryptHmacAfterConversion(t *testing.T) {
	w := newLP(t)
	w.upgrade(broken)
	require.True(t, w.convert())
	for range 2 {
		w.reconcile(quirks.Boot)
		assert.Empty(t, w.diversions)
		assert.Equal(t, "of focal", w.files[newHmac])
	}
	w.install(hmac, fixed)
	w.reconcile(quirks.TransactionEnd)
	assert.Equal(t, "of focal, fixed", w.files[newHmac])
	assert.Empty(t, w.records)
	assert.Empty(t, w.removed[1:], "only the stale file was ever removed")
}

// When koweld goes, so does all of it: the digest lies where dpkg lists it, as without
// the quirk, and goes with its package.
func TestLibgcryptHmacKoweldGoes(t *testing.T) {
	goes := func(w *world) []string {
		w.set = &quirks.Set{}
		return w.quiet(quirks.TakeBack)
	}
	w := newLP(t)
	w.upgrade(broken)
	require.Equal(t, "of focal", w.files[newHmac])
	assert.Equal(t, []string{
		"no longer divert " + lpDiversion.String(),
		"warning: it is no longer held: libgcrypt20-hmac of Ubuntu 20.04 FIPS puts the HMAC file into /lib",
	}, goes(w))
	assert.Equal(t, "of focal", w.files[oldHmac])
	assert.NotContains(t, w.files, newHmac)
	assert.Empty(t, w.diversions)
	assert.Empty(t, w.records)
	assert.Empty(t, goes(w))
	w.remove(hmac)
	assert.NotContains(t, w.files, oldHmac)

	// In the same run as the upgrade: what the old package has left goes aside.
	w = newLP(t)
	w.told(broken).reconcile(quirks.PreUnpack)
	w.install(hmac, broken)
	require.Equal(t, "of bionic", w.files[oldHmac])
	goes(w)
	assert.Equal(t, "of focal", w.files[oldHmac])
	assert.NotContains(t, w.files, newHmac)
	assert.Empty(t, w.records)

	// Before the upgrade there is nothing to bring back.
	w = newLP(t)
	w.told(broken).reconcile(quirks.PreUnpack)
	goes(w)
	assert.Equal(t, "of bionic", w.files[oldHmac])
	assert.Empty(t, w.diversions)
	assert.Empty(t, w.records)

	// On a merged system the file is at both names.
	w = newLP(t)
	w.upgrade(broken)
	require.True(t, w.convert())
	goes(w)
	assert.Equal(t, "of focal", w.files[newHmac])
	assert.Empty(t, w.diversions)
}

// On a merged system there is nothing to do, and nothing is.
func TestLibgcryptHmacMerged(t *testing.T) {
	w := newLP(t)
	require.True(t, w.convert())
	w.upgrade(broken)
	assert.Empty(t, w.diversions)
	assert.Equal(t, "of focal", w.files[newHmac])
	w.upgrade(fixed)
	assert.Equal(t, "of focal, fixed", w.files[newHmac])
}

// The broken version on a system that had none before, told and not told: the
// library is in /usr/lib, and there its file must be.
func TestLibgcryptHmacFreshInstall(t *testing.T) {
	for _, told := range []bool{true, false} {
		w := newLP(t)
		w.remove(hmac)
		w.install("libgcrypt20", broken)
		w.os.Codename = "focal"
		if told {
			w.told(broken)
			assert.Len(t, w.quiet(quirks.PreUnpack), 1)
			w.toldNothing()
		}
		w.install(hmac, broken)
		w.reconcile(quirks.TransactionEnd)
		assert.Equal(t, "of focal", w.files[newHmac])
		assert.NotContains(t, w.files, oldHmac)
		assert.Equal(t, []quirks.Diversion{lpDiversion}, w.diversions)
		assert.Empty(t, w.quiet(quirks.Boot))
	}
}

// The diversion that Ubuntu's own quirk has made is ours, and goes with the rest.
func TestLibgcryptHmacOfTheUpgrader(t *testing.T) {
	w := newLP(t)
	w.diversions = []quirks.Diversion{lpDiversion}
	w.upgrade(broken)
	assert.Contains(t, w.diversions, lpDiversion)
	assert.NotContains(t, w.files, oldHmac)
	w.upgrade(fixed)
	assert.Empty(t, w.diversions)
	assert.Equal(t, "of focal, fixed", w.files[newHmac])

	w = newLP(t)
	w.diversions = []quirks.Diversion{lpDiversion}
	assert.Equal(t, []string{"no longer divert " + lpDiversion.String()}, w.quiet(quirks.Boot), "of an upgrade that was given up")
}

// What somebody else diverts there is not touched, and the quirk says why.
func TestLibgcryptHmacOfAnother(t *testing.T) {
	w := newLP(t)
	theirs := quirks.Diversion{From: oldHmac, To: oldHmac + ".theirs", Package: "theirs"}
	w.diversions = []quirks.Diversion{theirs}
	w.told(broken)
	lines := w.quiet(quirks.PreUnpack)
	require.Len(t, lines, 1)
	assert.Contains(t, lines[0], "cannot divert "+lpDiversion.String()+": required is that")
	assert.Contains(t, lines[0], "it is diverted to "+oldHmac+".theirs by theirs")
	assert.Equal(t, []quirks.Diversion{theirs}, w.diversions)
	assert.Empty(t, w.records)
}

// The other architectures of FIPS have their own folders; any other has no quirk.
func TestLibgcryptHmacArchitectures(t *testing.T) {
	for arch, tuple := range map[string]string{"s390x": "s390x-linux-gnu", "ppc64el": "powerpc64le-linux-gnu", "arm64": "aarch64-linux-gnu"} {
		set, err := quirks.Load(shipped(t), quirks.Host{Arch: quirks.Arch{Name: arch, Multiarch: tuple}})
		require.NoError(t, err)
		q := set.Find("lp1982534-libgcrypt-hmac")
		require.NotNil(t, q)
		f := known()
		f.Arch = quirks.Known(arch)
		f.Packages[hmac] = quirks.Known([]quirks.Instance{{Arch: arch, Status: "installed", Version: broken}})
		d := quirks.Decide(q, f, nil, quirks.Manual)
		if arch == "arm64" {
			assert.Equal(t, quirks.OutOfScope, d.State)
			continue
		}
		act, is := q.Keep.Do[0].Do.(quirks.Divert)
		require.True(t, is)
		assert.Equal(t, "/lib/"+tuple+"/.libgcrypt.so.20.hmac", act.From)
		assert.Equal(t, "/usr/lib/"+tuple+"/.libgcrypt.so.20.hmac", act.To)
		assert.Equal(t, quirks.True, d.When.Is)
	}
}
