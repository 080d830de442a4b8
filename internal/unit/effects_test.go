package unit_test

import (
	"context"
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"koweld/internal/store"
	"koweld/internal/tool"
	"koweld/internal/unit"
)

// initramfsTools stands for Debian's initramfs-tools, beside depmod.
type initramfsTools struct {
	tool.Runner
	listing string // of lsinitramfs
	fails   string // the program that fails
	ran     []string
}

func (i *initramfsTools) Run(ctx context.Context, c tool.Cmd) (tool.Result, error) {
	if c.Path == "depmod" {
		return i.Runner.Run(ctx, c)
	}
	i.ran = append(i.ran, c.Path+" "+strings.Join(c.Args, " "))
	if c.Path == i.fails {
		return tool.Result{}, &tool.FailedError{Cmd: c, Code: 1, Output: "no space"}
	}
	return tool.Result{Stdout: []byte(i.listing)}, nil
}

func TestInitramfsIsMadeAnewWhenItHoldsAModule(t *testing.T) {
	const update = "update-initramfs -u -k " + kernel
	tests := []struct {
		name    string
		when    string
		listing string
		fails   string
		image   bool
		outside bool
		want    bool   // update-initramfs ran
		pending bool   // it is still to be done
		warning string // of the change
	}{
		{name: "auto, held", when: "auto", listing: "usr/lib/modules/x/updates/one.ko\n", image: true, want: true},
		{name: "auto, held compressed", when: "auto", listing: "usr/lib/modules/x/updates/one.ko.xz\n", image: true, want: true},
		{name: "auto, not held", when: "auto", listing: "usr/lib/modules/x/one.conf\nusr/lib/two.ko\n", image: true},
		{name: "auto, not to be listed", when: "auto", fails: "lsinitramfs", image: true, want: true},
		{name: "auto, no initramfs", when: "auto", listing: "one.ko\n"},
		{name: "always", when: "always", image: true, want: true},
		{name: "always, no initramfs", when: "always"},
		{name: "never", when: "never", listing: "one.ko\n", image: true},
		{name: "it fails", when: "always", fails: "update-initramfs", image: true, want: true, pending: true, warning: "exit code 1: no space; koweld repair will try again"},
		{name: "another root", when: "always", outside: true, image: true, pending: true, warning: "from outside its root"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := newScene(t, t.TempDir(), true)
			defer s.close()
			if tt.image {
				s.write("/boot/initrd.img-"+kernel, "an initramfs")
			}
			path := s.declare("acme", "1", []item{{path: "updates/one.ko", module: true, compress: "none"}})
			text, err := os.ReadFile(s.host(path))
			require.NoError(t, err)
			s.write(path, strings.Replace(string(text), "initramfs: never", "initramfs: "+tt.when, 1))

			sys := s.sound()
			sys.Running = !tt.outside
			tools := &initramfsTools{Runner: sys.Tool, listing: tt.listing, fails: tt.fails}
			sys.Tool = tools
			changes, err := sys.Install(t.Context(), []string{path}, unit.Options{})
			require.NoError(t, err)
			require.Len(t, changes, 1)
			assert.Equal(t, tt.want, strings.Contains(strings.Join(tools.ran, "\n"), update), "%v", tools.ran)
			if tt.warning == "" {
				assert.Empty(t, changes[0].Warnings)
			} else if assert.Len(t, changes[0].Warnings, 1) {
				assert.Contains(t, changes[0].Warnings[0], tt.warning)
			}
			all, err := sys.Status(nil)
			require.NoError(t, err)
			if !tt.pending {
				assert.Equal(t, store.Active, all[0].State)
				s.verified()
				return
			}
			assert.Equal(t, store.Pending, all[0].State)
			assert.Equal(t, []store.Effect{store.EffectInitramfs}, all[0].Pending)

			// It is retried, by repair and by the next install.
			sys.Running, tools.fails, tools.ran = true, "", nil
			_, err = sys.Repair(t.Context(), nil, unit.Options{})
			require.NoError(t, err)
			assert.Equal(t, []string{update}, tools.ran)
			s.verified()
		})
	}
}

func TestInitramfsIsMadeAnewWithoutWhatIsRemoved(t *testing.T) {
	const update = "update-initramfs -u -k " + kernel
	tests := []struct {
		name, when, listing, fails string
		ran                        bool
		warning                    string
	}{
		{name: "auto, held", when: "auto", listing: "updates/one.ko\n", ran: true},
		{name: "auto, not held", when: "auto", listing: "updates/two.ko\n"},
		{name: "never", when: "never", listing: "updates/one.ko\n"},
		{name: "it fails", when: "always", fails: "update-initramfs", ran: true, warning: "run " + update},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := newScene(t, t.TempDir(), true)
			defer s.close()
			path := s.declare("acme", "1", []item{{path: "updates/one.ko", module: true, compress: "none"}})
			text, err := os.ReadFile(s.host(path))
			require.NoError(t, err)
			s.write(path, strings.Replace(string(text), "initramfs: never", "initramfs: "+tt.when, 1))
			require.NoError(t, s.install(s.sound(), path))
			s.write("/boot/initrd.img-"+kernel, "an initramfs")

			sys := s.sound()
			sys.Running = true
			tools := &initramfsTools{Runner: sys.Tool, listing: tt.listing, fails: tt.fails}
			sys.Tool = tools
			changes, err := sys.Remove(t.Context(), []string{"acme"}, unit.Options{})
			require.NoError(t, err)
			require.Len(t, changes, 1)
			assert.Equal(t, unit.Removed, changes[0].Action)
			assert.Equal(t, tt.ran, strings.Contains(strings.Join(tools.ran, "\n"), update), "%v", tools.ran)
			if tt.warning == "" {
				assert.Empty(t, changes[0].Warnings)
			} else if assert.Len(t, changes[0].Warnings, 1) {
				assert.Contains(t, changes[0].Warnings[0], tt.warning)
			}
		})
	}
}

func TestInitramfsIsLeftAloneWhenNothingChanges(t *testing.T) {
	s := newScene(t, t.TempDir(), true)
	defer s.close()
	s.write("/boot/initrd.img-"+kernel, "an initramfs")
	path := s.declare("acme", "1", []item{{path: "updates/one.ko", module: true, compress: "none"}})
	require.NoError(t, s.install(s.sound(), path))
	sys := s.sound()
	tools := &initramfsTools{Runner: sys.Tool, fails: "lsinitramfs"}
	sys.Tool = tools
	require.NoError(t, s.install(sys, path))
	assert.Empty(t, tools.ran)
}

func TestASignalWhileTheInitramfsIsListedEndsTheRun(t *testing.T) {
	s := newScene(t, t.TempDir(), true)
	defer s.close()
	s.write("/boot/initrd.img-"+kernel, "an initramfs")
	path := s.declare("acme", "1", []item{{path: "updates/one.ko", module: true, compress: "none"}})
	text, err := os.ReadFile(s.host(path))
	require.NoError(t, err)
	s.write(path, strings.Replace(string(text), "initramfs: never", "initramfs: auto", 1))
	old := s.tree()
	cause := errors.New("a signal")
	ctx, cancel := context.WithCancelCause(t.Context())
	sys := s.sound()
	sys.Tool = cancelling{sys.Tool, func() { cancel(cause) }}
	_, err = sys.Install(ctx, []string{path}, unit.Options{})
	assert.ErrorIs(t, err, cause)
	assert.Equal(t, old, s.tree())
}

// cancelling ends the context as the first program runs, which fails by it.
type cancelling struct {
	tool.Runner
	cancel func()
}

func (c cancelling) Run(ctx context.Context, cmd tool.Cmd) (tool.Result, error) {
	c.cancel()
	return tool.Result{}, &tool.FailedError{Cmd: cmd, Code: -1, Err: context.Cause(ctx)}
}
