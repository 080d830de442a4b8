package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// fileWritten is the result of a command that writes a file of the caller.
type fileWritten struct {
	File   string `json:"file"`
	Size   int    `json:"size"` // bytes
	DryRun bool   `json:"dryRun,omitempty"`
}

// writeFile puts data at path: whole, or not at all. The temporary file lies
// beside it under a name without .ko, which depmod would index.
func (a *app) writeFile(path string, data []byte) error {
	if err := a.putFile(path, data); err != nil {
		return err
	}
	a.result(fileWritten{path, len(data), a.dryRun}, func(io.Writer) {
		if a.dryRun {
			a.infof("would write %s, %d bytes", path, len(data))
		}
	})
	return nil
}

// putFile is writeFile without a result.
func (a *app) putFile(path string, data []byte) error {
	if a.dryRun {
		return nil
	}
	if err := replaceFile(path, data); err != nil {
		return fmt.Errorf("cannot write %s: %w", path, err)
	}
	return nil
}

func replaceFile(path string, data []byte) (err error) {
	if fi, err := os.Lstat(path); err == nil && !fi.Mode().IsRegular() {
		return errors.New("it is not a regular file")
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".koweld-*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			f.Close()
			os.Remove(f.Name())
		}
	}()
	if _, err := f.Write(data); err != nil {
		return err
	}
	if err := f.Chmod(0o644); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}
