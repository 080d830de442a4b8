package store_test

import (
	"context"
	"errors"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"koweld/internal/fsys"
	"koweld/internal/fsys/faultfs"
	"koweld/internal/store"
)

func newStore(t *testing.T) (s *store.Store, dir string) {
	t.Helper()
	dir = t.TempDir()
	root, err := fsys.OpenRoot(dir)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, root.Close()) })
	return &store.Store{FS: root, Dir: "/var/lib/koweld"}, dir
}

func put(t *testing.T, dir, name, text string) {
	t.Helper()
	at := filepath.Join(dir, name)
	require.NoError(t, os.MkdirAll(filepath.Dir(at), 0o755))
	require.NoError(t, os.WriteFile(at, []byte(text), 0o644))
}

func TestLoad(t *testing.T) {
	s, dir := newStore(t)
	names, err := s.List()
	require.NoError(t, err)
	assert.Empty(t, names)
	r, err := s.Load("none")
	require.NoError(t, err)
	assert.Nil(t, r)

	put(t, dir, s.RecordPath("good"), `{"koweld": 1, "package": "good"}`)
	put(t, dir, s.SumsPath("good"), "")
	put(t, dir, s.RecordPath("newer"), `{"koweld": 2}`)
	put(t, dir, s.RecordPath("cut"), `{"koweld": 1,`)
	put(t, dir, s.RecordPath("moved"), `{"koweld": 1, "package": "good"}`)
	require.NoError(t, os.Mkdir(filepath.Join(dir, s.RecordPath("folder")), 0o755))

	names, err = s.List()
	require.NoError(t, err)
	assert.Equal(t, []string{"cut", "folder", "good", "moved", "newer"}, names)

	r, err = s.Load("good")
	require.NoError(t, err)
	assert.Equal(t, "good", r.Package)

	var newer *store.NewerError
	_, err = s.Load("newer")
	require.ErrorAs(t, err, &newer)
	assert.EqualError(t, err, "cannot use /var/lib/koweld/packages/newer.json: a newer koweld wrote it")
	assert.NotEmpty(t, newer.Hint())
	for pkg, why := range map[string]string{
		"cut":    "unexpected end of JSON input",
		"moved":  `it is of package "good"`,
		"folder": "is a directory",
	} {
		var damaged *store.DamagedError
		_, err = s.Load(pkg)
		require.ErrorAs(t, err, &damaged)
		assert.ErrorContains(t, err, "cannot read record "+s.RecordPath(pkg)+": ")
		assert.ErrorContains(t, err, why)
		assert.NotEmpty(t, damaged.Hint())
	}

	all, err := s.LoadAll()
	require.Len(t, all, 1, "one that is damaged does not hide the others")
	assert.ErrorAs(t, err, &newer)
}

func TestLockHasOneHolder(t *testing.T) {
	s, dir := newStore(t)
	first, err := s.Lock(t.Context(), 0, nil)
	require.NoError(t, err)
	_, err = s.Lock(t.Context(), 0, nil)
	var locked *store.LockedError
	require.ErrorAs(t, err, &locked)
	assert.Equal(t, "process "+pid(), locked.Holder)
	assert.EqualError(t, err, "cannot take the lock: process "+pid()+" holds it")
	assert.NotEmpty(t, locked.Hint())

	require.NoError(t, first.Release())
	assert.NoDirExists(t, filepath.Join(dir, s.Dir), "an empty state folder goes")
	assert.DirExists(t, filepath.Join(dir, "var/lib"))

	second, err := s.Lock(t.Context(), 0, nil)
	require.NoError(t, err)
	put(t, dir, s.RecordPath("acme"), "{}")
	require.NoError(t, second.Release())
	assert.FileExists(t, filepath.Join(dir, s.RecordPath("acme")))
	third, err := s.Lock(t.Context(), 0, nil)
	require.NoError(t, err)
	require.NoError(t, third.Release())
}

// The records of quirks are kept as those of packages are: while there is one the
// lock's file stays, and when the last is gone all is.
func TestLockOfQuirks(t *testing.T) {
	s, dir := newStore(t)
	first, err := s.Lock(t.Context(), 0, nil)
	require.NoError(t, err)
	record := path.Join(s.Quirks(), "tool.json")
	put(t, dir, record, "{}")
	require.NoError(t, first.Release())
	assert.FileExists(t, filepath.Join(dir, record))
	assert.FileExists(t, filepath.Join(dir, s.Dir, "lock"))

	second, err := s.Lock(t.Context(), 0, nil)
	require.NoError(t, err)
	require.NoError(t, os.Remove(filepath.Join(dir, record)))
	require.NoError(t, second.Release())
	assert.NoDirExists(t, filepath.Join(dir, s.Dir))
}

func TestLockWaits(t *testing.T) {
	s, _ := newStore(t)
	tests := []struct {
		name    string
		wait    time.Duration
		release time.Duration // 0: never
		end     time.Duration // of the context; 0: never
		waited  time.Duration
		named   int
		err     error
	}{
		{"not", 0, 0, 0, 0, 0, &store.LockedError{}},
		{"in vain", 2 * time.Second, 0, 0, 2 * time.Second, 0, &store.LockedError{}},
		{"and names the holder", 8 * time.Second, 0, 0, 8 * time.Second, 1, &store.LockedError{}},
		{"and gets it", 8 * time.Second, 3050 * time.Millisecond, 0, 3100 * time.Millisecond, 0, nil},
		{"for ever", -1, 59*time.Minute + 50*time.Millisecond, 0, 59*time.Minute + 100*time.Millisecond, 1, nil},
		{"until it is told to stop", -1, 0, time.Minute, time.Minute, 1, context.DeadlineExceeded},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				held, err := s.Lock(t.Context(), 0, nil)
				require.NoError(t, err)
				var once sync.Once
				release := func() { once.Do(func() { assert.NoError(t, held.Release()) }) }
				defer release()
				if tt.release > 0 {
					time.AfterFunc(tt.release, release)
				}
				ctx := t.Context()
				if tt.end > 0 {
					var cancel context.CancelFunc
					ctx, cancel = context.WithTimeout(ctx, tt.end)
					defer cancel()
				}
				start, named := time.Now(), 0
				l, err := s.Lock(ctx, tt.wait, func(holder string) {
					assert.Equal(t, "process "+pid(), holder)
					assert.Equal(t, 5*time.Second, time.Since(start))
					named++
				})
				assert.Equal(t, tt.waited, time.Since(start))
				assert.Equal(t, tt.named, named)
				var locked *store.LockedError
				switch {
				case tt.err == nil:
					require.NoError(t, err)
					require.NoError(t, l.Release())
				case errors.As(tt.err, &locked):
					assert.ErrorAs(t, err, &locked)
				default:
					assert.ErrorIs(t, err, tt.err)
				}
			})
		})
	}
}

// Many take and give back the lock while its file and folder come and go:
// there are never two holders.
func TestLockRaces(t *testing.T) {
	s, _ := newStore(t)
	var holders, held atomic.Int32
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for held.Load() < 200 {
				l, err := s.Lock(t.Context(), 0, nil)
				var locked *store.LockedError
				if errors.As(err, &locked) {
					continue
				}
				if !assert.NoError(t, err) {
					return
				}
				assert.EqualValues(t, 1, holders.Add(1))
				held.Add(1)
				holders.Add(-1)
				assert.NoError(t, l.Release())
			}
		})
	}
	all.Wait()
}

// Between opening the lock file and locking it, its holder may remove it and
// somebody else make another: then what was locked guards nothing.
func TestLockOnARemovedFileIsNone(t *testing.T) {
	s, _ := newStore(t)
	first, err := s.Lock(t.Context(), 0, nil)
	require.NoError(t, err)
	var other *store.Lock
	x := faultfs.New(s.FS, faultfs.Fault{})
	x.After = func(c faultfs.Call) {
		if c.Op == faultfs.OpenAppend && other == nil {
			require.NoError(t, first.Release())
			other, err = s.Lock(t.Context(), 0, nil)
			require.NoError(t, err)
		}
	}
	_, err = (&store.Store{FS: x, Dir: s.Dir}).Lock(t.Context(), 0, nil)
	var locked *store.LockedError
	require.ErrorAs(t, err, &locked)
	require.NoError(t, other.Release())
}

// A lock that cannot be taken is not held either.
func TestLockGivesUpWhole(t *testing.T) {
	s, dir := newStore(t)
	put(t, dir, s.RecordPath("acme"), "{}")
	count := faultfs.New(s.FS, faultfs.Fault{})
	l, err := (&store.Store{FS: count, Dir: s.Dir}).Lock(t.Context(), 0, nil)
	require.NoError(t, err)
	require.NoError(t, l.Release())
	for n := range count.Calls() {
		broken := &store.Store{FS: faultfs.New(s.FS, faultfs.Error(n+1, unix.EIO)), Dir: s.Dir}
		if l, err := broken.Lock(t.Context(), 0, nil); err == nil {
			_ = l.Release()
		} else {
			assert.ErrorIs(t, err, unix.EIO)
		}
		l, err := s.Lock(t.Context(), 0, nil)
		require.NoError(t, err, "after %v", count.Calls()[n])
		require.NoError(t, l.Release())
	}
}

// A lock that cannot be signed guards all the same: on a full disk where files are
// copied on write nothing could be removed else.
func TestLockIsTakenWithoutRoom(t *testing.T) {
	s, dir := newStore(t)
	put(t, dir, s.RecordPath("acme"), "{}")
	count := faultfs.New(s.FS, faultfs.Fault{})
	l, err := (&store.Store{FS: count, Dir: s.Dir}).Lock(t.Context(), 0, nil)
	require.NoError(t, err)
	calls := count.Calls()
	require.NoError(t, l.Release())
	n := slices.IndexFunc(calls, func(c faultfs.Call) bool { return c.Op == faultfs.Truncate })
	require.GreaterOrEqual(t, n, 0)
	full := &store.Store{FS: faultfs.New(s.FS, faultfs.Error(n+1, unix.EDQUOT)), Dir: s.Dir}
	l, err = full.Lock(t.Context(), 0, nil)
	require.NoError(t, err)
	_, err = s.Lock(t.Context(), 0, nil)
	var locked *store.LockedError
	require.ErrorAs(t, err, &locked)
	require.NoError(t, l.Release())
}

func TestLockWhereNoFolderCanBe(t *testing.T) {
	s, dir := newStore(t)
	require.NoError(t, os.Symlink("nowhere", filepath.Join(dir, "var")))
	_, err := s.Lock(t.Context(), 0, nil)
	assert.ErrorContains(t, err, "cannot take the lock: ")
}

// Killed at each call, what holds the lock gives it back and leaves nothing
// that keeps the next from taking it.
func TestLockKilledAtEachCall(t *testing.T) {
	s, dir := newStore(t)
	for n := 1; ; n++ {
		x := faultfs.New(s.FS, faultfs.Kill(n))
		l, err := (&store.Store{FS: x, Dir: s.Dir}).Lock(t.Context(), 0, nil)
		if err == nil {
			_ = l.Release()
		}
		l, err = s.Lock(t.Context(), 0, nil)
		require.NoError(t, err)
		require.NoError(t, l.Release())
		require.NoDirExists(t, filepath.Join(dir, s.Dir))
		if len(x.Calls()) < n {
			return
		}
	}
}

func pid() string { return strconv.Itoa(os.Getpid()) }
