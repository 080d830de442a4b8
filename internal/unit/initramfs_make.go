package unit

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"koweld/internal/tool"
)

// InitramfsError says that an initramfs still has what it had.
type InitramfsError struct {
	Image   string
	Command string // makes it, by hand; "" if nothing here does
	Err     error
}

func (e *InitramfsError) Error() string {
	return fmt.Sprintf("cannot make %s anew: %v", e.Image, e.Err)
}
func (e *InitramfsError) Unwrap() error { return e.Err }

// Hint says what to do.
func (e *InitramfsError) Hint() string {
	if e.Command == "" {
		return "install initramfs-tools or dracut"
	}
	return "run " + e.Command
}

// initramfsHint is the hint of the first *InitramfsError in an error, or "".
func initramfsHint(err error) string {
	var e *InitramfsError
	if errors.As(err, &e) {
		return e.Hint()
	}
	return ""
}

// initramfsMaker makes the initramfs of each kernel once, however many packages
// ask for it.
func (s *System) initramfsMaker(ctx context.Context) func(kernel string) error {
	made := make(map[string]error)
	return func(kernel string) error {
		err, done := made[kernel]
		if !done {
			err = s.makeInitramfs(ctx, kernel)
			made[kernel] = err
		}
		return err
	}
}

// makeInitramfs makes each initramfs of a kernel anew; one that has none gets
// none. An error is made of *InitramfsErrors.
func (s *System) makeInitramfs(ctx context.Context, kernel string) error {
	images, err := s.initramfsImages(kernel)
	if err != nil {
		return err
	}
	var errs []error
	for _, image := range images {
		errs = append(errs, s.makeImage(ctx, kernel, image))
	}
	return errors.Join(errs...)
}

// makeImage runs the first maker that is there.
func (s *System) makeImage(ctx context.Context, kernel, image string) error {
	commands := imageCommands(kernel, image)
	if !s.Running {
		return &InitramfsError{image, byHand(commands[0]), errors.New("that cannot be done from outside its root")}
	}
	for _, c := range commands {
		err := s.runMaker(ctx, c, kernel, image)
		var absent *tool.MissingError
		if errors.As(err, &absent) && absent.Name == c.Path {
			continue
		}
		if err != nil {
			return &InitramfsError{image, byHand(c), err}
		}
		return nil
	}
	return &InitramfsError{Image: image, Err: errors.New("there is neither update-initramfs nor dracut")}
}

// imageCommands returns what makes an image: update-initramfs, of
// initramfs-tools or of a newer dracut's package, knows one of them only.
func imageCommands(kernel, image string) []tool.Cmd {
	update := tool.Cmd{Path: "update-initramfs", Args: []string{"-u", "-k", kernel}}
	dracut := tool.Cmd{
		Path: "dracut", Args: []string{"--quiet", "--force", image, kernel},
		Env: []string{"NO_POST_UPDATE_HOOKS=1"}, // older ones know none
	}
	if image == initramfsOf(kernel) {
		return []tool.Cmd{update, dracut}
	}
	return []tool.Cmd{dracut}
}

func byHand(c tool.Cmd) string {
	return strings.Join(slices.Insert(slices.Clone(c.Args), 0, c.Path), " ")
}

// runMaker runs a maker, and sees that it did something: update-initramfs
// leaves a /boot that is mounted read-only alone, and succeeds.
func (s *System) runMaker(ctx context.Context, c tool.Cmd, kernel, image string) error {
	old, err := s.FS.Stat(image)
	if err != nil {
		return err
	}
	res, err := s.Tool.Run(ctx, c)
	if err != nil {
		return err
	}
	made, err := s.FS.Stat(image)
	if err != nil {
		return err
	}
	if made.SameFile(old) && made.Size == old.Size && made.Mtime.Equal(old.Mtime) {
		return errors.New(strings.TrimSuffix(c.Path+" left it as it was: "+lastLine(res.Output()), ": "))
	}
	if c.Path == "update-initramfs" {
		return nil // it ran the hooks
	}
	return s.runImageHooks(ctx, kernel, image)
}

// runImageHooks tells the boot loaders of a new image, as update-initramfs
// does: a copy of it on another partition is what is booted.
func (s *System) runImageHooks(ctx context.Context, kernel, image string) error {
	for _, dir := range []string{"/etc/initramfs/post-update.d", "/usr/share/initramfs/post-update.d"} {
		if !s.has(dir) {
			continue
		}
		c := tool.Cmd{Path: "run-parts", Args: []string{"--arg=" + kernel, "--arg=" + image, dir}}
		if _, err := s.Tool.Run(ctx, c); err != nil {
			return err
		}
	}
	return nil
}

func lastLine(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return lines[len(lines)-1]
}
